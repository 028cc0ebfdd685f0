"""The training loop: batches by number from background threads, averaged weights, checkpoints."""

import itertools
import logging
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from facesieve_training import devices
from facesieve_training.detector import narrow
from facesieve_training.detector.assign import AssignConfig, around, targets
from facesieve_training.detector.augment import AugmentConfig, Drawn, Mosaic
from facesieve_training.detector.codec import FloatArray
from facesieve_training.detector.imitate import imitate
from facesieve_training.detector.initial import load
from facesieve_training.detector.label import Labelled
from facesieve_training.detector.losses import LossConfig, detector_loss
from facesieve_training.detector.network import NetworkConfig, build
from facesieve_training.detector.schedule import cosine
from facesieve_training.detector.tree import Early
from facesieve_training.detector.yunet import YuNet
from facesieve_training.networks import exported
from facesieve_training.run import Run

log = logging.getLogger(__name__)
_SETTLING = 8
"""Batches from which an exported network gets the moments of its batch norms."""

Sample = tuple[np.ndarray, list[np.ndarray]]


@dataclass(frozen=True)
class TrainConfig:
    """Schedule; one step is one batch; without any the network is exported as it starts.

    Initial is what to start from: the weights of an earlier run (.weights.h5), an exported detector
    (.tflite), or YuNet (.onnx). Of a wider detector the most telling channels are kept; its early layers, as
    YuNet's, are then imitated in as many steps first.
    """

    steps: int = 6000
    batch: int = 16
    rate: float = 2e-3
    warm_up: int = 200
    weight_decay: float = 1e-4
    average: float = 0.998
    clip: float = 10.0
    precision: str = "float32"
    threads: int = 2
    checkpoint_every: int = 250
    log_every: int = 50
    initial: Path | None = None
    imitate: int = 2000

    def faults(self) -> list[str]:
        """What is wrong with the values."""
        wrong = [f"{n}: must be positive" for n in ("batch", "threads") if getattr(self, n) < 1]
        wrong += ["steps: is below 0"] if self.steps < 0 else []
        wrong += ["imitate: is below 1"] if self.imitate < 1 else []
        if self.precision not in ("float32", "mixed_bfloat16", "mixed_float16"):
            wrong.append(f"precision: {self.precision!r} is none of float32, mixed_bfloat16, mixed_float16")
        if self.checkpoint_every % self.log_every:
            wrong.append("checkpoint_every: must be a multiple of log_every")
        return wrong


@dataclass(frozen=True)
class Parts:
    """Everything a training is made of."""

    seed: int = 1
    teacher: Path = Path("yunet_s.onnx")
    network: NetworkConfig = field(default_factory=NetworkConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    assign: AssignConfig = field(default_factory=AssignConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    train: TrainConfig = field(default_factory=TrainConfig)


class Batches:
    """Batches by number: sample k depends on the seed and k only, whatever was made before it."""

    def __init__(self, items: Sequence[Labelled], parts: Parts) -> None:
        self._mosaic = Mosaic(items, parts.augment)
        self._parts = parts
        # The session is safe to share among threads.
        self._teacher = YuNet(parts.teacher) if parts.loss.distil > 0 else None

    def _drawn(self, number: int) -> Drawn:
        return self._mosaic.make(np.random.default_rng([self._parts.seed, number]))

    def sample(self, number: int) -> Sample:
        """Picture and target maps of one sample, the teacher's maps behind them when distilling."""
        drawn = self._drawn(number)
        maps = targets(drawn.faces, drawn.ignored, drawn.picture.shape[:2], self._parts.assign)
        if self._teacher is not None:
            taught = taught_by(self._teacher, drawn)
            maps = [np.concatenate(pair, axis=-1) for pair in zip(maps, taught, strict=True)]
        return drawn.picture, maps

    def stream(self, first: int) -> Generator[tuple[np.ndarray, list[np.ndarray]]]:
        """Batches from a step on, for ever."""
        with closing(self._ahead(self.sample, first)) as made:
            for samples in made:
                maps = [np.stack([sample[1][level] for sample in samples]) for level in range(3)]
                yield np.stack([sample[0] for sample in samples]), maps

    def pictures(self) -> Generator[np.ndarray]:
        """The pictures of the batches from the first on, alone."""
        with closing(self._ahead(lambda number: self._drawn(number).picture, 0)) as made:
            for pictures in made:
                yield np.stack(pictures)

    def _ahead(self, make: Callable[[int], Any], first: int) -> Generator[list[Any]]:
        """What is made of the samples' numbers, a batch at a time, ahead in background threads; bounded to
        four batches.
        """
        size = self._parts.train.batch
        with ThreadPoolExecutor(self._parts.train.threads) as pool:
            waiting: deque[Future[Any]] = deque()
            try:
                for number in itertools.count(first * size):
                    waiting.append(pool.submit(make, number))
                    if len(waiting) == 4 * size:
                        yield [waiting.popleft().result() for _ in range(size)]
            finally:
                for future in waiting:
                    future.cancel()


def taught_by(teacher: YuNet, drawn: Drawn) -> list[FloatArray]:
    """The teacher's maps of the picture before the camera; where the labels know of no face its overlap is 0.

    So the network learns to see in the degraded picture what the teacher sees in the clean one, and not what
    the teacher takes for a face in one view and for none in others, of which the labels are made. YuNet's
    classification is high almost everywhere; what is a face the overlap alone says.
    """
    maps = teacher.maps(drawn.clean)
    known = around(np.concatenate([drawn.faces, drawn.ignored]), drawn.clean.shape[:2])
    for level, near in zip(maps, known, strict=True):
        level[..., 1] *= near
    return maps


class Trainer:
    """Network, its averaged copy and the optimiser."""

    def __init__(self, parts: Parts) -> None:
        devices.prepare(parts.seed)
        keras.mixed_precision.set_global_policy(parts.train.precision)
        try:
            self.model = build(parts.network)
        finally:
            keras.mixed_precision.set_global_policy("float32")
        initial = parts.train.initial
        if initial is not None and not narrow.wider(initial, parts.network):
            load(self.model, initial)
        self.averaged = build(parts.network)
        self.averaged.set_weights(self.model.get_weights())
        self._parts = parts
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._optimizer = keras.optimizers.AdamW(
            self._schedule(), weight_decay=parts.train.weight_decay, clipnorm=parts.train.clip
        )
        self._optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        self._optimizer.build(self.model.trainable_variables)
        self._train = tf.function(self._update, reduce_retracing=True)

    def begin(self, initial: Path, batches: Batches) -> None:
        """Prepare a network to learn that comes of a file without batch norms or with other early layers."""
        if initial.suffix not in (".onnx", ".tflite"):
            return
        seen = first_pictures(batches)
        early: Callable[[np.ndarray], FloatArray] | None = None
        if initial.suffix == ".onnx":
            early = Early(initial)
        elif narrow.wider(initial, self._parts.network):
            early = narrow.start(self.model, initial, seen)
        if early is not None:
            with closing(batches.pictures()) as pictures:
                left = imitate(self.model, early, pictures, self._parts.train.imitate)
            log.info("of the maps of %s's early layers %.3f is not explained", initial.name, left)
        exported.settle(self.model, seen)
        self.averaged.set_weights(self.model.get_weights())

    def _schedule(self) -> keras.optimizers.schedules.LearningRateSchedule:
        config = self._parts.train
        return cosine(config.rate, config.steps, config.warm_up)

    def _update(self, pictures: tf.Tensor, maps: list[tf.Tensor]) -> dict[str, tf.Tensor]:
        with tf.GradientTape() as tape:
            outputs = self.model(tf.cast(pictures, tf.float32) / 128 - 1, training=True)
            parts = detector_loss(outputs, maps, self._parts.loss)
        gradients = tape.gradient(parts["loss"], self.model.trainable_variables)
        self._optimizer.apply_gradients(zip(gradients, self.model.trainable_variables, strict=True))
        step = tf.cast(self.step.assign_add(1), tf.float32)
        keep = tf.minimum(self._parts.train.average, (1 + step) / (10 + step))
        for mean, value in zip(self.averaged.variables, self.model.variables, strict=True):
            mean.assign(mean.value * keep + tf.cast(value.value, tf.float32) * (1 - keep))
        return parts

    def update(self, pictures: np.ndarray, maps: list[np.ndarray]) -> dict[str, float]:
        """One step; the parts of the loss."""
        parts = self._train(tf.constant(pictures), [tf.constant(m) for m in maps])
        return {name: float(value) for name, value in parts.items()}

    def checkpoint(self) -> tf.train.Checkpoint:
        """All that a resumed training needs."""
        return tf.train.Checkpoint(
            step=self.step,
            model=self.model.variables,
            averaged=self.averaged.variables,
            optimizer=self._optimizer.variables,
        )


def first_pictures(batches: Batches) -> list[np.ndarray]:
    """The pictures of the first batches, to measure moments on."""
    with closing(batches.pictures()) as pictures:
        return list(itertools.islice(pictures, _SETTLING))


def train(items: Sequence[Labelled], parts: Parts, run: Run) -> keras.Model:
    """Train on the pictures, going on from the run's checkpoint; returns the averaged network (float32)."""
    trainer = Trainer(parts)
    manager = tf.train.CheckpointManager(trainer.checkpoint(), str(run.checkpoint), max_to_keep=2)
    manager.restore_or_initialize()
    first = int(trainer.step.numpy())
    run.rewind(first)
    config, sums = parts.train, dict[str, float]()
    source = Batches(items, parts)
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
