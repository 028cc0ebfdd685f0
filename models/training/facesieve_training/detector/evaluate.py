"""What the evaluation of detectors (`compare`) measures, and its parts: scaled images, frames, backgrounds,
and the matching of detections with true faces.

The truth is the teacher's detections on enlarged images. Faces that the teacher is unsure of are ignored.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from facesieve_training.detector import codec
from facesieve_training.detector.codec import FloatArray
from facesieve_training.detector.label import Labelled

Detect = Callable[[np.ndarray, float], FloatArray]
LOWEST = 0.1
"""Score from which detections are kept for the choice of a threshold."""


@dataclass(frozen=True)
class EvaluateConfig:
    """What is measured; sizes are square roots of a face's area in network pixels.

    The recommended score is the lowest with at most false_positives per image, and none in the empty
    recordings and in the crops of backgrounds (`backgrounds` squares of background_side pixels).
    """

    sizes: tuple[float, ...] = (8, 10, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
    sure: float = 0.7
    overlap: float = 0.4
    nms: float = 0.4
    images: int = 400
    false_positives: float = 0.02
    empty: tuple[Path, ...] = ()
    recordings: tuple[Path, ...] = ()
    backgrounds: int = 2000
    background_side: int = 320
    longest: int = 640
    every: int = 3


def match(found: FloatArray, truth: FloatArray, config: EvaluateConfig) -> tuple[np.ndarray, FloatArray]:
    """For each sure face of the truth the matching row of `found` (best first), or -1; and the false
    positives.

    A detection that overlaps an uncertain face of the truth is neither.
    """
    sure = truth[truth[:, 14] >= config.sure]
    overlap = codec.iou(found, sure)
    taken = np.full(len(sure), -1)
    false = codec.iou(found, truth).max(axis=1, initial=0) <= 0.2
    for k in np.flatnonzero(overlap.max(axis=1, initial=0) >= config.overlap):
        candidates = np.where(taken < 0, overlap[k], 0)
        best = int(candidates.argmax())
        if candidates[best] >= config.overlap:
            taken[best], false[k] = k, False
    return taken, found[false]


def landmark_error(face: FloatArray, truth: FloatArray) -> float:
    """Mean distance of the five landmarks as a share of the true inter-eye distance."""
    a, b = face[4:14].reshape(5, 2), truth[4:14].reshape(5, 2)
    return float(np.linalg.norm(a - b, axis=1).mean() / max(float(np.linalg.norm(b[0] - b[1])), 1e-6))


def scaled(
    item: Labelled, size: float, config: EvaluateConfig, largest: float = 1.5
) -> tuple[np.ndarray, FloatArray] | None:
    """An image and its faces, scaled to this median size; None when the scale would exceed `largest`."""
    sure = item.faces[item.faces[:, 14] >= config.sure]
    if not len(sure):
        return None
    scale = size / float(np.median(np.sqrt(sure[:, 2] * sure[:, 3])))
    if scale > largest:
        return None
    image = cv2.resize(item.image(), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    faces = item.faces.copy()
    faces[:, :14] *= scale
    return image, faces


def frames(path: Path, every: int) -> Iterator[np.ndarray]:
    """Every n-th frame of a recording, BGR."""
    video = cv2.VideoCapture(str(path))
    if not video.isOpened():
        raise ValueError(f"{path}: cannot be opened as a recording")
    try:
        number = 0
        while video.grab():
            if number % every == 0:
                done, frame = video.retrieve()
                if done:
                    yield frame
            number += 1
    finally:
        video.release()


def shrink(frame: np.ndarray, longest: int) -> tuple[np.ndarray, float]:
    """The frame, reduced to at most this longer side, and the scale."""
    scale = min(1.0, longest / max(frame.shape[:2]))
    if scale == 1:
        return frame, scale
    return cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), scale


def backgrounds(items: Sequence[Labelled], config: EvaluateConfig, seed: int) -> Iterator[np.ndarray]:
    """Crops that contain no detection of the teacher at any score: squares of background_side pixels, made
    from areas of half to twice that size.
    """
    rng, side = np.random.default_rng(seed), config.background_side
    made = 0
    for _ in range(1000 * config.backgrounds):
        if made == config.backgrounds:
            return
        item = items[int(rng.integers(len(items)))]
        length = int(side * np.exp(rng.uniform(np.log(0.5), np.log(2.0))))
        if length > min(item.width, item.height):
            continue
        x, y = int(rng.integers(item.width - length + 1)), int(rng.integers(item.height - length + 1))
        low, high = item.faces[:, :2], item.faces[:, :2] + item.faces[:, 2:4]
        if ((low < [x + length, y + length]) & (high > [x, y])).all(axis=1).any():
            continue
        made += 1
        crop = item.image()[y : y + length, x : x + length]
        yield np.asarray(cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA))
