"""State of a detector's training on any back end: the network, its averaged copy and the optimiser."""

from typing import Any

import keras

from facesieve_training import devices
from facesieve_training.detector.batches import Parts
from facesieve_training.detector.initial import load
from facesieve_training.detector.network import build
from facesieve_training.detector.schedule import cosine


class Learner:
    """A network to train, with the weights of `train.initial`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        config = parts.train
        devices.prepare(parts.seed)
        keras.mixed_precision.set_global_policy(config.precision)
        try:
            self.model = build(parts.network)
        finally:
            keras.mixed_precision.set_global_policy("float32")
        if config.initial is not None:
            load(self.model, config.initial)
        self.averaged = build(parts.network)
        self.averaged.set_weights(self.model.get_weights())
        self.optimizer = keras.optimizers.AdamW(
            cosine(config.rate, config.steps, config.warm_up),
            weight_decay=config.weight_decay,
            clipnorm=config.clip,
        )
        self.optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        self.optimizer.build(self.model.trainable_variables)

    def kept(self, step: Any) -> Any:
        """Decay of the averaged copy at a step (float32, from 1): smaller in the first steps."""
        return keras.ops.minimum(self._parts.train.average, (1 + step) / (10 + step))
