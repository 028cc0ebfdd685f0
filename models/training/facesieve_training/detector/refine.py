"""Refinement of a face, as in the daemon: a network on a small square of the full image."""

import cv2
import numpy as np

from facesieve_training.detector import codec
from facesieve_training.detector.codec import FloatArray
from facesieve_training.detector.evaluate import Detect
from facesieve_training.detector.warp import transform

SIDE = 96
"""Width and height of the network's input, pixels."""
LENGTH = 1.6
"""Side of the square in sizes of the face (square root of its box's area)."""
SCORE = 0.4
"""Lowest score at which a detection in the square is a face."""
REFINED_FROM = 0.4
"""Lowest score of a detection that the daemon refines."""
_OVERLAP = 0.4
"""Least IoU with the detected box at which the refiner's detection is the same face."""
_LEAST = 8


def refine(detect: Detect, full: np.ndarray, face: FloatArray) -> FloatArray:
    """A face [15], pixels of the full image, with the refiner's landmarks.

    The score is the mean of both scores where that is higher. A face that the refiner does not find is
    returned unchanged.
    """
    length = length_for(float(np.sqrt(face[2] * face[3])))
    left, top = (int(v) for v in np.floor(face[:2] + face[2:4] / 2 - length / 2 + 0.5))
    square = _cut(full, left, top, length)
    if square is None:
        return face
    to_image = np.array([[length / SIDE, 0, left], [0, length / SIDE, top]])
    found = transform(detect(square, SCORE), to_image)
    overlap = codec.iou(face[None], found)[0]
    if overlap.max(initial=0) < _OVERLAP:
        return face
    same = found[int(overlap.argmax())]
    marked = face.copy()
    marked[4:14] = same[4:14]
    marked[14] = max(face[14], (face[14] + same[14]) / 2)
    return marked


def length_for(size: float) -> int:
    """Side of the square around a face of this size, pixels of the full image."""
    return max(int(LENGTH * size + 0.5), _LEAST)


def _cut(full: np.ndarray, left: int, top: int, length: int) -> np.ndarray | None:
    """A square of the image, scaled to SIDE and black outside the image; None when all of it is outside."""
    height, width = full.shape[:2]
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + length, width), min(top + length, height)
    if x1 <= x0 or y1 <= y0:
        return None
    square = np.zeros((length, length, 3), np.uint8)
    square[y0 - top : y1 - top, x0 - left : x1 - left] = full[y0:y1, x0:x1]
    return scaled(square)


def scaled(square: np.ndarray) -> np.ndarray:
    """A square of any side scaled to SIDE as in the daemon: halved repeatedly, then bilinear."""
    length = len(square)
    while length // 2 >= SIDE:
        length //= 2
        square = np.asarray(cv2.resize(square, (length, length)), np.uint8)
    return np.asarray(cv2.resize(square, (SIDE, SIDE)), np.uint8)
