"""Refinement of a face, as in the daemon: a network on a small square of the full image."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from facesieve_training.cli import DataError
from facesieve_training.detector import codec
from facesieve_training.detector.codec import FloatArray
from facesieve_training.detector.evaluate import Detect
from facesieve_training.detector.warp import transform
from facesieve_training.export.manifest import Refinement


@dataclass(frozen=True)
class Refiner:
    """Refines faces by the rule of a network's manifest."""

    detect: Detect
    """The network of task landmarks."""
    score: float
    """Lowest score at which a detection in the square is a face."""
    rule: Refinement

    def __call__(self, full: np.ndarray, face: FloatArray) -> FloatArray:
        """A face [15], pixels of the full image, with the network's landmarks.

        The score is the mean of both scores where that is higher. A face that the network does not find is
        returned unchanged.
        """
        square = square_around(face, self.rule)
        image = _cut(full, *square, self.rule)
        if image is None:
            return face
        left, top, side = square
        to_image = np.array([[side / self.rule.side, 0, left], [0, side / self.rule.side, top]])
        found = transform(self.detect(image, self.score), to_image)
        overlap = codec.iou(face[None], found)[0]
        if overlap.max(initial=0) < self.rule.min_iou:
            return face
        same = found[int(overlap.argmax())]
        refined = face.copy()
        refined[4:14] = same[4:14]
        refined[14] = max(face[14], (face[14] + same[14]) / 2)
        return refined


def read_rule(manifest: Path) -> tuple[float, Refinement]:
    """The lowest score in the square, and the rule, of a network of task landmarks."""
    try:
        tree = json.loads(manifest.read_text(encoding="utf-8"))
        score, rule = float(tree["detector"]["score"]), Refinement(**tree["refinement"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{manifest}: cannot be read as the manifest of a network of refinement; export the network with "
            f"this version of the tool: {error!r}"
        ) from error
    if faults := rule.faults():
        raise DataError("\n".join(f"{manifest}: refinement.{fault}" for fault in faults))
    return score, rule


def square_around(face: FloatArray, rule: Refinement) -> tuple[int, int, int]:
    """Left, top and side of the square around a face, pixels of the full image."""
    side = side_for(float(np.sqrt(face[2] * face[3])), rule)
    left, top = (_rounded(float(v)) for v in face[:2] + face[2:4] / 2 - side / 2)
    return left, top, side


def side_for(size: float, rule: Refinement) -> int:
    """Side of the square around a face of this size, pixels of the full image."""
    return max(_rounded(rule.crop_scale * size), rule.min_crop)


def _rounded(value: float) -> int:
    """The nearest integer; halves away from zero, as in the daemon."""
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def _cut(full: np.ndarray, left: int, top: int, side: int, rule: Refinement) -> np.ndarray | None:
    """A square of the image, scaled to the network's input and black outside the image; None when all of it
    is outside.
    """
    height, width = full.shape[:2]
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + side, width), min(top + side, height)
    if x1 <= x0 or y1 <= y0:
        return None
    square = np.zeros((side, side, 3), np.uint8)
    square[y0 - top : y1 - top, x0 - left : x1 - left] = full[y0:y1, x0:x1]
    return scaled(square, rule.side)


def scaled(square: np.ndarray, side: int) -> np.ndarray:
    """A square scaled to a side as in the daemon: halved repeatedly, then bilinear."""
    present = len(square)
    while present // 2 >= side:
        present //= 2
        square = np.asarray(cv2.resize(square, (present, present)), np.uint8)
    return np.asarray(cv2.resize(square, (side, side)), np.uint8)
