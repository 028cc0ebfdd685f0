"""The training loop with TensorFlow: averaged weights, checkpoints."""

import logging
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from facesieve_training.detector.batches import Batches, Parts, Source, first_images
from facesieve_training.detector.learner import Learner
from facesieve_training.detector.losses import detector_loss
from facesieve_training.networks import exported
from facesieve_training.networks.pixels import scaled
from facesieve_training.run import Run

log = logging.getLogger(__name__)


class Trainer(Learner):
    """Trains a network with TensorFlow, step by step."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._train = tf.function(self._update, reduce_retracing=True)

    def begin(self, initial: Path, batches: Batches) -> None:
        """Measure the moments of the batch norms of a network that comes from a file without them."""
        if initial.suffix == ".tflite":
            exported.settle(self.model, first_images(batches))
            self.averaged.set_weights(self.model.get_weights())

    def _update(self, images: tf.Tensor, maps: list[tf.Tensor]) -> dict[str, tf.Tensor]:
        with tf.GradientTape() as tape:
            outputs = self.model(scaled(images), training=True)
            parts = detector_loss(outputs, maps, self._parts.loss)
        gradients = tape.gradient(parts["loss"], self.model.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.model.trainable_variables, strict=True))
        keep = self.kept(tf.cast(self.step.assign_add(1), tf.float32))
        for mean, value in zip(self.averaged.variables, self.model.variables, strict=True):
            mean.assign(mean.value * keep + tf.cast(value.value, tf.float32) * (1 - keep))
        return parts

    def update(self, images: np.ndarray, maps: list[np.ndarray]) -> dict[str, float]:
        """Train one step; returns the parts of the loss."""
        parts = self._train(tf.constant(images), [tf.constant(m) for m in maps])
        return {name: float(value) for name, value in parts.items()}

    def checkpoint(self) -> tf.train.Checkpoint:
        """The state of a resumable training."""
        return tf.train.Checkpoint(
            step=self.step,
            model=self.model.variables,
            averaged=self.averaged.variables,
            optimizer=self.optimizer.variables,
        )


def train(drawn: Source, parts: Parts, run: Run) -> keras.Model:
    """Train, resuming from the run's checkpoint; returns the averaged network (float32)."""
    trainer = Trainer(parts)
    manager = tf.train.CheckpointManager(trainer.checkpoint(), str(run.checkpoint), max_to_keep=2)
    manager.restore_or_initialize()
    first = int(trainer.step.numpy())
    run.rewind(first)
    config, sums = parts.train, dict[str, float]()
    source = Batches(drawn, parts)
    if first == 0 and config.initial is not None:
        trainer.begin(config.initial, source)
    batches = source.stream(first)
    with tqdm(total=config.steps, initial=first, desc="train", unit="step", disable=None) as bar:
        for step in range(first + 1, config.steps + 1):
            for name, value in trainer.update(*next(batches)).items():
                sums[name] = sums.get(name, 0.0) + value
            bar.update()
            if step % config.log_every == 0 or step == config.steps:
                count = (step - 1) % config.log_every + 1
                means = {name: value / count for name, value in sums.items()}
                run.log(step, **means)
                bar.set_postfix({name: f"{value:.3f}" for name, value in means.items()})
                sums.clear()
            if step % config.checkpoint_every == 0 or step == config.steps:
                manager.save(step)
    batches.close()
    return trainer.averaged
