"""A detector's training: schedule, parts, and batches by number, made by background threads."""

import itertools
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from facesieve_training.detector.assign import AssignConfig, around, targets
from facesieve_training.detector.augment import AugmentConfig, Drawn
from facesieve_training.detector.codec import FloatArray
from facesieve_training.detector.losses import LossConfig
from facesieve_training.detector.network import NetworkConfig
from facesieve_training.detector.yunet import YuNet

_SETTLING = 8
"""Batches on which the moments of an exported network's batch norms are measured."""

Sample = tuple[np.ndarray, list[np.ndarray]]


@dataclass(frozen=True)
class RoundsConfig:
    """Training on a GPU (`rounds`): images of a round, repetitions of each, and drawing processes
    (0: one per core).
    """

    images: int = 8192
    repetitions: int = 4
    processes: int = 0


@dataclass(frozen=True)
class TrainConfig:
    """Schedule; one step is one batch; with 0 steps the initial network is exported.

    initial: the weights of an earlier run (.weights.h5) or an exported detector (.tflite).
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
    rounds: RoundsConfig = field(default_factory=RoundsConfig)

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        wrong = [f"{n}: must be positive" for n in ("batch", "threads") if getattr(self, n) < 1]
        wrong += ["steps: is below 0"] if self.steps < 0 else []
        if self.precision not in ("float32", "mixed_bfloat16", "mixed_float16"):
            wrong.append(f"precision: {self.precision!r} is none of float32, mixed_bfloat16, mixed_float16")
        if self.checkpoint_every % self.log_every:
            wrong.append("checkpoint_every: must be a multiple of log_every")
        if self.rounds.repetitions < 1 or self.rounds.images < 1 or self.rounds.images % max(self.batch, 1):
            wrong.append(
                f"rounds: repetitions must be positive, and images a multiple of batch, {self.batch}"
            )
        return wrong


@dataclass(frozen=True)
class Parts:
    """The parts of a training."""

    seed: int = 1
    teacher: Path = Path("yunet_s.onnx")
    network: NetworkConfig = field(default_factory=NetworkConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    assign: AssignConfig = field(default_factory=AssignConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    train: TrainConfig = field(default_factory=TrainConfig)


class Source(Protocol):
    """Draws training images; shared by threads."""

    def make(self, rng: np.random.Generator, camera: bool = True) -> Drawn:
        """Draw one image, a function of the generator; without `camera` it is not degraded."""


class Batches:
    """Batches by number: sample k depends on the seed and k only."""

    def __init__(self, source: Source, parts: Parts) -> None:
        self._source = source
        self._parts = parts
        # The session is safe to share among threads.
        self._teacher = YuNet(parts.teacher) if parts.loss.distil > 0 else None

    def _drawn(self, number: int, camera: bool = True) -> Drawn:
        return self._source.make(np.random.default_rng([self._parts.seed, number]), camera)

    def sample(self, number: int, camera: bool = True) -> Sample:
        """Image and target maps of one sample, with the teacher's maps appended for distillation."""
        drawn = self._drawn(number, camera)
        maps = targets(drawn.faces, drawn.ignored, drawn.image.shape[:2], self._parts.assign)
        if self._teacher is not None:
            taught = teacher_maps(self._teacher, drawn)
            maps = [np.concatenate(pair, axis=-1) for pair in zip(maps, taught, strict=True)]
        return drawn.image, maps

    def stream(self, first: int) -> Generator[tuple[np.ndarray, list[np.ndarray]]]:
        """Batches from a step on, without end."""
        with closing(self._ahead(self.sample, first)) as made:
            for samples in made:
                maps = [np.stack([sample[1][level] for sample in samples]) for level in range(3)]
                yield np.stack([sample[0] for sample in samples]), maps

    def images(self) -> Generator[np.ndarray]:
        """The images of the batches, from the first on, without targets."""
        with closing(self._ahead(lambda number: self._drawn(number).image, 0)) as made:
            for images in made:
                yield np.stack(images)

    def _ahead(self, make: Callable[[int], Any], first: int) -> Generator[list[Any]]:
        """Results of `make` for the samples' numbers, in batches, made ahead by background threads; at most
        four batches wait.
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


def teacher_maps(teacher: YuNet, drawn: Drawn) -> list[FloatArray]:
    """The teacher's maps of the image before degradation; the overlap is 0 in cells without a labelled face.

    The network is trained to give for the degraded image what the teacher gives for the clean one, without
    the teacher's false positives in this view. YuNet's classification is high almost everywhere; only the
    overlap separates faces from background.
    """
    maps = teacher.maps(drawn.clean)
    covered_maps = around(np.concatenate([drawn.faces, drawn.ignored]), drawn.clean.shape[:2])
    for level, covered in zip(maps, covered_maps, strict=True):
        level[..., 1] *= covered
    return maps


def first_images(batches: Batches) -> list[np.ndarray]:
    """The images of the first batches, for the moments of batch norms."""
    with closing(batches.images()) as images:
        return list(itertools.islice(images, _SETTLING))
