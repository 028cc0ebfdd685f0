"""A detector's training: schedule, parts, and batches by number."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from facesieve_training.detector.assign import AssignConfig, around, targets
from facesieve_training.detector.augment import AugmentConfig, Drawn
from facesieve_training.detector.codec import FloatArray
from facesieve_training.detector.losses import LossConfig
from facesieve_training.detector.network import NetworkConfig
from facesieve_training.detector.yunet import YuNet
from facesieve_training.devices import Precision

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

    save_every: steps between checkpoints, and rows of metrics.csv; on a GPU whole passes over a round.
    initial: the weights of an earlier run (.weights.h5) or an exported detector (.tflite).
    """

    steps: int = 6000
    batch: int = 16
    rate: float = 2e-3
    warm_up: int = 200
    weight_decay: float = 1e-4
    average: float = 0.998
    clip: float = 10.0
    precision: Precision = "float32"
    threads: int = 2
    save_every: int = 250
    initial: Path | None = None
    rounds: RoundsConfig = field(default_factory=RoundsConfig)

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        wrong = [f"{n}: must be positive" for n in ("batch", "threads", "save_every") if getattr(self, n) < 1]
        wrong += ["steps: is below 0"] if self.steps < 0 else []
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

    def batch(self, step: int) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """Images and target maps of a step."""
        samples = [self.sample(number) for number in self._numbers(step)]
        images, maps = zip(*samples, strict=True)
        return np.stack(images), tuple(np.stack(level) for level in zip(*maps, strict=True))

    def images(self, step: int) -> np.ndarray:
        """The images of a step."""
        return np.stack([self._drawn(number).image for number in self._numbers(step)])

    def _numbers(self, step: int) -> range:
        size = self._parts.train.batch
        return range(step * size, (step + 1) * size)


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
    return [batches.images(step) for step in range(_SETTLING)]
