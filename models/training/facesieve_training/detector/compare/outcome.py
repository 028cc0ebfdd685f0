"""Detections of several detectors on the same views, face by face."""

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from facesieve_training.detector import codec
from facesieve_training.detector.codec import FloatArray
from facesieve_training.detector.compare.views import OnView, View
from facesieve_training.detector.evaluate import LOWEST, EvaluateConfig, landmark_error, match

THUMB = 64
SHOWN = 96
"""Number of a detector's false positives that are kept as images."""
_AROUND = 2.0


@dataclass
class Outcome:
    """True faces [N,15] and, by detector, the matching detections [N,15] (NaN: missed) and the scores [M] of
    false positives.

    Thumbs are 64x64 images of twice a face's size around it: of the true faces, and of each detector's false
    faces with the highest scores, at most SHOWN, highest first.
    """

    truth: FloatArray
    found: dict[str, FloatArray]
    false: dict[str, FloatArray]
    thumbs: np.ndarray
    false_thumbs: dict[str, np.ndarray]
    images: int

    @property
    def sizes(self) -> FloatArray:
        """Square roots of the areas of the true faces."""
        return np.asarray(np.sqrt(self.truth[:, 2] * self.truth[:, 3]))

    def threshold(self, name: str, rate: float) -> float:
        """The lowest score at which a detector has at most this rate of false positives per image."""
        falling = np.sort(self.false[name])[::-1]
        allowed = int(rate * self.images)
        return LOWEST if len(falling) <= allowed else float(np.nextafter(falling[allowed], np.float32(2)))

    def false_rate(self, name: str, score: float) -> float:
        """False positives per image at a score."""
        return float((self.false[name] >= score).sum()) / max(self.images, 1)

    def detected(self, name: str, score: float) -> np.ndarray:
        """Which true faces a detector finds at a score."""
        return np.asarray(np.nan_to_num(self.found[name][:, 14], nan=-1.0) >= score)

    def errors(self, name: str) -> FloatArray:
        """Mean distance of the landmarks from the true ones, in inter-eye distances; NaN where missed."""
        pairs = zip(self.found[name], self.truth, strict=True)
        return np.array([landmark_error(face, truth) for face, truth in pairs], np.float32)


def run_detectors(detectors: Mapping[str, OnView], views: Iterable[View], config: EvaluateConfig) -> Outcome:
    """Run every detector on every view."""
    truth: list[FloatArray] = []
    thumbs: list[np.ndarray] = []
    found: dict[str, list[FloatArray]] = {name: [] for name in detectors}
    false: dict[str, list[FloatArray]] = {name: [] for name in detectors}
    surest = {name: _Surest() for name in detectors}
    images = 0
    for view in views:
        images += 1
        sure = view.faces[view.faces[:, 14] >= config.sure]
        truth += list(sure)
        thumbs += [thumb(view.image, face) for face in sure]
        for name, detect in detectors.items():
            faces = detect(view)
            taken, wrong = match(faces, view.faces, config)
            missed = np.full(codec.COLUMNS, np.nan, np.float32)
            found[name] += [faces[k] if k >= 0 else missed for k in taken]
            false[name].append(wrong[:, 14])
            surest[name].add(view.image, wrong)
    return Outcome(
        _rows(truth),
        {name: _rows(rows) for name, rows in found.items()},
        {name: np.concatenate([np.zeros(0, np.float32), *parts]) for name, parts in false.items()},
        _images(thumbs),
        {name: _images(some.thumbs()) for name, some in surest.items()},
        images,
    )


class _Surest:
    """Thumbs of the faces with the highest scores."""

    def __init__(self) -> None:
        self._kept: list[tuple[float, int, np.ndarray]] = []
        self._count = 0

    def add(self, image: np.ndarray, faces: FloatArray) -> None:
        """Keep the faces with the highest scores so far; of equal scores the first."""
        for face in faces:
            self._count += 1
            if len(self._kept) < SHOWN:
                heapq.heappush(self._kept, (float(face[14]), -self._count, thumb(image, face)))
            elif face[14] > self._kept[0][0]:
                heapq.heapreplace(self._kept, (float(face[14]), -self._count, thumb(image, face)))

    def thumbs(self) -> list[np.ndarray]:
        """Thumbs, highest score first."""
        return [image for _, _, image in sorted(self._kept, key=lambda kept: kept[:2], reverse=True)]


def frame(face: FloatArray) -> np.ndarray:
    """The map [2,3] from an image to the thumb of a face."""
    scale = THUMB / (_AROUND * max(float(face[2]), float(face[3]), 1.0))
    centre = face[:2] + face[2:4] / 2
    return np.array([[scale, 0, THUMB / 2 - scale * centre[0]], [0, scale, THUMB / 2 - scale * centre[1]]])


def thumb(image: np.ndarray, face: FloatArray) -> np.ndarray:
    """A face with its surroundings, 64x64."""
    return np.asarray(cv2.warpAffine(image, frame(face), (THUMB, THUMB), flags=cv2.INTER_AREA))


def _rows(rows: list[FloatArray]) -> FloatArray:
    return np.array(rows, np.float32).reshape(-1, codec.COLUMNS)


def _images(rows: list[np.ndarray]) -> np.ndarray:
    return np.array(rows, np.uint8).reshape(-1, THUMB, THUMB, 3)
