"""Training of a detector: the network with its loss, its averaged weights, and streamed batches."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from facesieve_training import devices
from facesieve_training.detector.batches import Batches, Parts, Source, first_images
from facesieve_training.detector.initial import load, measure_moments
from facesieve_training.detector.losses import LossConfig, detector_loss
from facesieve_training.detector.network import build
from facesieve_training.fit import Averaged, Loop, Optimiser, Rate
from facesieve_training.networks import exported
from facesieve_training.run import Run

_PARTS = ("cls", "obj", "box", "kps", "calm", "distil")


class Trained(keras.Model):  # type: ignore[misc]
    """A network with the detector's loss: images of 8 bits to the maps."""

    @classmethod
    def of(cls, network: keras.Model, loss: LossConfig) -> "Trained":
        """Wrap a network."""
        images = keras.Input((None, None, 3), dtype="uint8", name="picture")
        model = cls(images, network(keras.layers.Rescaling(1 / 128, -1, dtype="float32")(images)))
        model.weights_of_loss = loss
        names = [name for name in _PARTS if name != "distil" or loss.distil > 0]
        model.parts = {name: keras.metrics.Mean(name) for name in names}
        return model

    def compute_loss(
        self, x: Any = None, y: Sequence[Any] = (), y_pred: Mapping[str, Any] | None = None,
        sample_weight: Any = None, training: bool = True,
    ) -> Any:  # fmt: skip
        """The loss of the target maps y, one a stride, and its parts as metrics."""
        parts = detector_loss(y_pred or {}, y, self.weights_of_loss)
        for name, metric in self.parts.items():
            metric.update_state(parts[name])
        return parts["loss"]


def begin(parts: Parts, batches: Batches) -> keras.Model:
    """The network, with the weights of `train.initial`."""
    config = parts.train
    devices.prepare(parts.seed)
    keras.mixed_precision.set_global_policy(devices.policy(config.precision))
    try:
        network = build(parts.network)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    if config.initial is not None:
        load(network, config.initial)
        if config.initial.suffix == ".tflite":  # it has no batch norms
            exported.settle(network, first_images(batches))
    return network


def optimizer(parts: Parts, network: keras.Model) -> Averaged:
    """The optimiser, with the averages of the network's weights."""
    config = parts.train
    schedule = Rate(Optimiser(config.rate, "cosine", warmup=config.warm_up), config.steps, config.steps)
    made = Averaged(schedule, weight_decay=config.weight_decay, clipnorm=config.clip, average=config.average)
    made.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    made.build(network.trainable_variables)
    return made


def averaged(parts: Parts, network: keras.Model, trained: Averaged, batches: Batches) -> keras.Model:
    """The network in float32 with the averaged weights, and the moments that they have on training images."""
    result = build(parts.network)
    result.set_weights(network.get_weights())
    if parts.train.steps:
        for variable, average in zip(result.trainable_variables, trained.averages, strict=True):
            variable.assign(average)
        measure_moments(result, first_images(batches))
    return result


def train(drawn: Source, parts: Parts, run: Run) -> keras.Model:
    """Train on streamed batches, resuming the run; returns the averaged network."""
    config, batches = parts.train, Batches(drawn, parts)
    network = begin(parts, batches)
    trained = optimizer(parts, network)
    model = Trained.of(network, parts.loss)
    model.compile(trained)
    Loop(model, batches.batch, run, config.save_every, makers=config.threads).train(1, config.steps)
    return averaged(parts, network, trained, batches)
