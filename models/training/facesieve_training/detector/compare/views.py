"""What detectors are shown: held-out pictures at many sizes and frames of recordings, each with its truth.

The truth is the teacher's on clean pictures at full size, seen at several scales and mirrored, and turned
where that makes it surer of a head on one side.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from facesieve_training.detector.camera import degrade
from facesieve_training.detector.codec import FloatArray
from facesieve_training.detector.evaluate import EvaluateConfig, frames, scaled, shrink
from facesieve_training.detector.label import Labelled
from facesieve_training.detector.upright import upright
from facesieve_training.detector.yunet import YuNet

_LOWEST = 0.3
"""Score from which the teacher's faces are known; what overlaps one below `sure` counts neither way."""


@dataclass(frozen=True)
class View:
    """A picture as a detector sees it, BGR, and the faces in it; `full` is what a face would be cut from."""

    picture: np.ndarray
    faces: FloatArray
    full: np.ndarray
    scale: float
    """Pixels of the picture to one of `full`."""


def as_found(_view: View, face: FloatArray) -> FloatArray:
    """The face itself."""
    return face


@dataclass(frozen=True)
class OnView:
    """A detector on views: the faces [N,15] that it finds, in pixels of the view's picture, and what it makes
    of one of them [15] in the end.
    """

    find: Callable[[View], FloatArray]
    mark: Callable[[View, FloatArray], FloatArray] = as_found


def scenes(items: Sequence[Labelled], config: EvaluateConfig, degraded: bool, seed: int) -> Iterator[View]:
    """Every picture at every size that it can be scaled down to; degraded as cameras do, or clean."""
    title = "degraded" if degraded else "clean"
    for number, item in enumerate(tqdm(items, desc=title, unit="picture", disable=None)):
        for k, size in enumerate(config.sizes):
            made = scaled(item, size, config)
            if made is None:
                continue
            picture, faces = made
            if degraded:
                picture = degrade(picture, np.random.default_rng([seed, number, k]))
            yield View(picture, faces, picture, 1.0)


def camera(items: Sequence[Labelled], config: EvaluateConfig, times: float) -> Iterator[View]:
    """Every picture at every size as a camera shows it whose frames are so many times as wide as the input.

    Only pictures that are large enough: what is enlarged has no more to show.
    """
    for item in tqdm(items, desc=f"camera with {times:g} times", unit="picture", disable=None):
        for size in config.sizes:
            made = scaled(item, size * times, config, largest=1.0)
            if made is not None:
                full, faces = made
                small, scale = shrink(full, round(max(full.shape[:2]) / times))
                faces[:, :14] *= scale
                yield View(small, faces, full, scale)


def pictures(items: Sequence[Labelled]) -> Iterator[View]:
    """Every picture at its own size."""
    for item in tqdm(items, desc="own size", unit="picture", disable=None):
        picture = item.picture()
        yield View(picture, item.faces, picture, 1.0)


def recording(
    path: Path, teacher: YuNet, config: EvaluateConfig, scales: Sequence[float], turned: bool
) -> Iterator[View]:
    """Frames scaled down as the daemon does; turned looks again at heads on one side."""
    for frame in tqdm(frames(path, config.every), desc=path.stem, unit="frame", disable=None):
        small, scale = shrink(frame, config.longest)
        faces = teacher.detect(frame, _LOWEST, scales, mirrored=True)
        if turned:
            faces = upright(teacher, frame, faces)
        faces[:, :14] *= scale
        yield View(small, faces, frame, scale)
