"""The second look at a face, as the daemon takes it: a network on a small square of the full image."""

import cv2
import numpy as np

from facesieve_training.detector import codec
from facesieve_training.detector.codec import FloatArray
from facesieve_training.detector.evaluate import Detect
from facesieve_training.detector.warp import transform

SIDE = 96
"""Width and height of what the network is shown."""
LENGTH = 1.6
"""Of the square, in sizes of the face: square roots of its box's area."""
SCORE = 0.4
"""From which on what is found there is a face."""
KNOWN = 0.4
"""Score of the first look from which on the daemon knows of a face."""
_OVERLAP = 0.4
"""With the first look's box, from which what is found is the same face."""
_LEAST = 8


def refine(detect: Detect, full: np.ndarray, face: FloatArray) -> FloatArray:
    """A face [15] with the landmarks of a second look at it, and the mean of both scores where that is
    higher; as it is when the second look does not find it. It is in pixels of the full image.
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
    """Of the square around a face, pixels of the full image, where the face has this size."""
    return max(int(LENGTH * size + 0.5), _LEAST)


def _cut(full: np.ndarray, left: int, top: int, length: int) -> np.ndarray | None:
    """A square of the image, black beyond it, at the network's side; None when all of it is beyond."""
    height, width = full.shape[:2]
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + length, width), min(top + length, height)
    if x1 <= x0 or y1 <= y0:
        return None
    square = np.zeros((length, length, 3), np.uint8)
    square[y0 - top : y1 - top, x0 - left : x1 - left] = full[y0:y1, x0:x1]
    return scaled(square)


def scaled(square: np.ndarray) -> np.ndarray:
    """A square of any length at the network's side, in the daemon's way: by halves, then bilinearly."""
    length = len(square)
    while length // 2 >= SIDE:
        length //= 2
        square = np.asarray(cv2.resize(square, (length, length)), np.uint8)
    return np.asarray(cv2.resize(square, (SIDE, SIDE)), np.uint8)
