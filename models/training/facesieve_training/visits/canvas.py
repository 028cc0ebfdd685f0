"""One frame of a generated recording: layers over each other, and how much of each face stays visible."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from facesieve_training.faces import Image
from facesieve_training.visits.scenario import HEIGHT, WIDTH

Floats = NDArray[np.float32]


@dataclass
class _Face:
    """The visible part of a face: a mask of the frame from left and top, 1 where it is seen."""

    left: int
    top: int
    mask: Floats
    whole: float
    """Sum of the mask if nothing covered the face."""


class Canvas:
    """A frame under construction."""

    def __init__(self, background: Image) -> None:
        self.pixels = background.copy()
        self._faces: list[_Face] = []

    def blend(
        self, patch: Floats, alpha: Floats, left: int, top: int, face: Floats | None = None
    ) -> int | None:
        """Draw a patch, height x width x 3, with its opacity, 0..1. With a mask of its face, 0..1, the
        result is an index for `visible`.
        """
        height, width = alpha.shape
        x0, y0, x1, y1 = max(0, left), max(0, top), min(WIDTH, left + width), min(HEIGHT, top + height)
        inside = np.s_[max(0, y0 - top) : max(0, y1 - top), max(0, x0 - left) : max(0, x1 - left)]
        if x0 < x1 and y0 < y1:
            region = self.pixels[y0:y1, x0:x1]
            mixed = region + alpha[inside][..., None] * (patch[inside] - region)
            region[:] = np.clip(np.rint(mixed), 0, 255)
            for other in self._faces:
                _cover(other, alpha, left, top)
        if face is None:
            return None
        seen = np.zeros_like(face)
        seen[inside] = face[inside]
        self._faces.append(_Face(left, top, seen, float(face.sum())))
        return len(self._faces) - 1

    def visible(self, face: int) -> float:
        """Share of a face that is inside the frame and not covered, 0..1."""
        return float(self._faces[face].mask.sum() / self._faces[face].whole)

    def image(self, gain: float, noise: NDArray[np.int16]) -> Image:
        """The frame under a light, with noise."""
        lit = self.pixels if gain == 1 else cv2.convertScaleAbs(self.pixels, alpha=gain)
        return np.asarray(cv2.add(lit, noise, dtype=cv2.CV_8U), np.uint8)


def _cover(face: _Face, alpha: Floats, left: int, top: int) -> None:
    height, width = face.mask.shape
    x0, y0 = max(face.left, left), max(face.top, top)
    x1, y1 = min(face.left + width, left + alpha.shape[1]), min(face.top + height, top + alpha.shape[0])
    if x0 < x1 and y0 < y1:
        over = alpha[y0 - top : y1 - top, x0 - left : x1 - left]
        face.mask[y0 - face.top : y1 - face.top, x0 - face.left : x1 - face.left] *= 1 - over


def motion_blur(image: Floats, dx: float, dy: float) -> Floats:
    """Blur along a motion of (dx, dy) pixels."""
    length = max(abs(dx), abs(dy))
    if length < 1.5:
        return image
    radius = int(np.ceil(length / 2))
    kernel = np.zeros((2 * radius + 1, 2 * radius + 1), np.float32)
    steps = np.linspace(-0.5, 0.5, 4 * radius + 1)
    np.add.at(kernel, (np.rint(radius + steps * dy).astype(int), np.rint(radius + steps * dx).astype(int)), 1)
    return np.asarray(
        cv2.filter2D(image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE), np.float32
    )
