"""Evaluation of a detector: recall by size, false positives, landmark error; on images and on recordings.

The truth is the teacher's detections on enlarged images. The detector, and the teacher for comparison, get
images scaled to each size of a face. Faces that the teacher is unsure of are ignored.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

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


@dataclass
class Tally:
    """Matched and missed faces and false positives, one row each; made by `add_matches`."""

    sizes: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    false: list[float] = field(default_factory=list)
    images: int = 0

    def recall(self, low: float, high: float, threshold: float) -> tuple[float, int]:
        """Share of the faces with a size in [low, high) that were found at a score, and their number."""
        sizes = np.array(self.sizes)
        chosen = np.array(self.scores)[(sizes >= low) & (sizes < high)]
        return (float(np.mean(chosen >= threshold)) if len(chosen) else float("nan")), len(chosen)

    def error(self, low: float, high: float, threshold: float) -> float:
        """Median over the faces found of the landmarks' mean distance, in inter-eye distances."""
        sizes, scores = np.array(self.sizes), np.array(self.scores)
        chosen = np.array(self.errors)[(sizes >= low) & (sizes < high) & (scores >= threshold)]
        return float(np.median(chosen)) if len(chosen) else float("nan")

    def false_per_image(self, threshold: float) -> float:
        """Detections per image at a score where the teacher has none."""
        return float(np.sum(np.array(self.false) >= threshold)) / max(self.images, 1)


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


def add_matches(tally: Tally, found: FloatArray, truth: FloatArray, config: EvaluateConfig) -> None:
    """Match the faces found with the sure faces of the truth, and add to the tally."""
    sure = truth[truth[:, 14] >= config.sure]
    taken, false = match(found, truth, config)
    tally.false += false[:, 14].tolist()
    for face, k in zip(sure, taken, strict=True):
        tally.sizes.append(float(np.sqrt(face[2] * face[3])))
        tally.scores.append(float(found[k, 14]) if k >= 0 else 0.0)
        tally.errors.append(landmark_error(found[k], face) if k >= 0 else float("nan"))
    tally.images += 1


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


def over_sizes(detect: Detect, items: Sequence[Labelled], config: EvaluateConfig) -> Tally:
    """Every held-out image at every size that it can be scaled down to."""
    tally = Tally()
    for item in tqdm(list(items)[: config.images], desc="evaluate", unit="image", disable=None):
        for size in config.sizes:
            made = scaled(item, size, config)
            if made is not None:
                add_matches(tally, detect(made[0], LOWEST), made[1], config)
    return tally


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


def over_recording(detect: Detect, teacher: Detect, path: Path, config: EvaluateConfig) -> Tally:
    """A recording, reduced as in the daemon; the truth is the teacher's detections on the full frames."""
    tally = Tally()
    for frame in frames(path, config.every):
        small, scale = shrink(frame, config.longest)
        truth = teacher(frame, 0.3)
        truth[:, :14] *= scale
        add_matches(tally, detect(small, LOWEST), truth, config)
    return tally


def stills(path: Path, config: EvaluateConfig) -> Iterator[np.ndarray]:
    """Frames of a recording, reduced as in the daemon."""
    return (shrink(frame, config.longest)[0] for frame in frames(path, config.every))


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


def on_empty(detect: Detect, images: Iterable[np.ndarray]) -> Tally:
    """Images without people: every detection is a false positive."""
    tally = Tally()
    for image in images:
        tally.false += detect(image, LOWEST)[:, 14].tolist()
        tally.images += 1
    return tally


def choose_score(images: Tally, allowed: float, empty: Sequence[Tally]) -> float:
    """The lowest score, in steps of 0.01, with at most this many false positives per image, and none in the
    empty sets.
    """
    for threshold in np.arange(20, 95) / 100:
        nobody = all(tally.false_per_image(float(threshold)) == 0 for tally in empty)
        if nobody and images.false_per_image(float(threshold)) <= allowed:
            return round(float(threshold), 2)
    return 0.95


def band(tally: Tally, low: float, high: float, threshold: float) -> dict[str, Any]:
    """Figures of the faces with a size in [low, high); None for no faces, because JSON has no NaN."""
    recall, count = tally.recall(low, high, threshold)
    error = tally.error(low, high, threshold)
    return {
        "faces": count,
        "recall": None if np.isnan(recall) else round(recall, 4),
        "landmark_error": None if np.isnan(error) else round(error, 4),
    }


def table(tally: Tally, threshold: float, sizes: Sequence[float]) -> list[dict[str, Any]]:
    """Recall and landmark error for each band of sizes."""
    edges = [
        0.85 * sizes[0],
        *[float(np.sqrt(a * b)) for a, b in itertools.pairwise(sizes)],
        1.2 * sizes[-1],
    ]
    rows = []
    for size, low, high in zip(sizes, edges, edges[1:], strict=False):
        rows.append({"size": size, **band(tally, low, high, threshold)})
    return rows
