"""Inputs of the detectors: held-out images at many sizes and frames of recordings, each with its true faces.

The truth is the teacher's detections on clean images at full size, merged over several scales and mirroring;
tilted heads are labelled on the rotated image.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from facesieve_training.degrade import record
from facesieve_training.detector import codec, evaluate
from facesieve_training.detector.camera import SCENE
from facesieve_training.detector.codec import FloatArray
from facesieve_training.detector.evaluate import EvaluateConfig, frames, scaled, shrink
from facesieve_training.detector.label import Labelled
from facesieve_training.detector.upright import upright
from facesieve_training.detector.yunet import YuNet

_NONE = np.zeros((0, codec.COLUMNS), np.float32)
_LOWEST = 0.3
"""Lowest score of the teacher's faces; detections that overlap one below `sure` are ignored."""


@dataclass(frozen=True)
class View:
    """A detector's input image, BGR, with its true faces; `full` is the image that faces are cut from."""

    image: np.ndarray
    faces: FloatArray
    full: np.ndarray
    scale: float
    """Pixels of the image to one of `full`."""


OnView = Callable[[View], FloatArray]
"""The faces that a detector finds in a view, in pixels of its image, best first."""


def scenes(items: Sequence[Labelled], config: EvaluateConfig, degraded: bool, seed: int) -> Iterator[View]:
    """Every image at every size that it can be reduced to, degraded or clean."""
    title = "degraded" if degraded else "clean"
    for number, item in enumerate(tqdm(items, desc=title, unit="image", disable=None)):
        for k, size in enumerate(config.sizes):
            made = scaled(item, size, config)
            if made is None:
                continue
            image, faces = made
            if degraded:
                image = record(image, SCENE, np.random.default_rng([seed, number, k]))
            yield View(image, faces, image, 1.0)


def camera(items: Sequence[Labelled], config: EvaluateConfig, times: float) -> Iterator[View]:
    """Every image at every size, as from a camera whose frames are `times` times as wide as the input.

    Images that would be enlarged are left out, because enlarging adds no detail.
    """
    for item in tqdm(items, desc=f"camera with {times:g} times", unit="image", disable=None):
        for size in config.sizes:
            made = scaled(item, size * times, config, largest=1.0)
            if made is not None:
                full, faces = made
                small, scale = shrink(full, round(max(full.shape[:2]) / times))
                faces[:, :14] *= scale
                yield View(small, faces, full, scale)


def images(items: Sequence[Labelled]) -> Iterator[View]:
    """Every image at its own size."""
    for item in tqdm(items, desc="own size", unit="image", disable=None):
        image = item.image()
        yield View(image, item.faces, image, 1.0)


def backgrounds(items: Sequence[Labelled], config: EvaluateConfig, seed: int) -> Iterator[View]:
    """Crops without any face."""
    for image in evaluate.backgrounds(items, config, seed):
        yield View(image, _NONE, image, 1.0)


def empty(path: Path, config: EvaluateConfig) -> Iterator[View]:
    """Frames of a recording without people, reduced as in the daemon."""
    for frame in frames(path, config.every):
        small, scale = shrink(frame, config.longest)
        yield View(small, _NONE, frame, scale)


def recording(
    path: Path, teacher: YuNet, config: EvaluateConfig, scales: Sequence[float], turned: bool
) -> Iterator[View]:
    """Frames, reduced as in the daemon; `turned` labels tilted heads on the rotated image."""
    for frame in tqdm(frames(path, config.every), desc=path.stem, unit="frame", disable=None):
        small, scale = shrink(frame, config.longest)
        faces = teacher.detect(frame, _LOWEST, scales, mirrored=True)
        if turned:
            faces = upright(teacher, frame, faces)
        faces[:, :14] *= scale
        yield View(small, faces, frame, scale)
