"""Cuts a face out of an image as in the daemon: a similarity transform of five landmarks."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from facesieve_training.faces import SIZE, Image

TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
"""Right eye, left eye, nose, right and left mouth corner (the person's own right) in a face of 112x112."""

Points = NDArray[np.float32]
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Aligned:
    """A face with margin, side x side x 3, BGR, and measures of the alignment."""

    image: Image
    inter_eye: float
    """Distance of the eyes in the source image, pixels."""
    residual: float
    """Root mean square distance of the aligned landmarks from the template's, aligned pixels."""
    outside: float
    """Share of the face without margin that lies outside the source image, and is black."""


def align(image: Image, points: Points, margin: int) -> Aligned:
    """Cut out the face with these landmarks (5 x 2 pixels of the image).

    As in the daemon: bilinear, black outside the image; a face of n times the template's size is first
    reduced to 1/n, each pixel the mean of n x n. Raises ValueError when the landmarks span no area.
    """
    forward = similarity(points, TEMPLATE + margin)
    scale = float(np.hypot(forward[0, 0], forward[1, 0]))
    moved = points @ forward[:, :2].T + forward[:, 2]
    residual = float(np.sqrt(((moved - TEMPLATE - margin) ** 2).sum(axis=1).mean()))
    side = SIZE + 2 * margin
    return Aligned(
        image=_warp(image, forward, max(1, int(1 / scale)), side),
        inter_eye=float(np.linalg.norm(points[0] - points[1])),
        residual=residual,
        outside=_outside(forward, margin, image.shape[1], image.shape[0]),
    )


def similarity(points: NDArray[np.floating], onto: NDArray[np.floating]) -> Matrix:
    """Least-squares 2 x 3 similarity without mirroring from points onto others (Umeyama 1991)."""
    source, target = points.astype(np.float64), onto.astype(np.float64)
    from_mean, to_mean = source.mean(axis=0), target.mean(axis=0)
    a, b = source - from_mean, target - to_mean
    spread = (a**2).sum()
    if not np.isfinite(spread) or spread < 1e-6:
        raise ValueError(f"landmarks {points.tolist()} span no area")
    along = (a * b).sum() / spread
    across = (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / spread
    if np.hypot(along, across) < 1e-6:
        raise ValueError(f"landmarks {points.tolist()} are not those of a face")
    turn = np.array([[along, -across], [across, along]])
    return np.column_stack([turn, to_mean - turn @ from_mean])


def _warp(image: Image, forward: Matrix, reduce: int, side: int) -> Image:
    if reduce > 1:
        height, width = image.shape[0] // reduce * reduce, image.shape[1] // reduce * reduce
        if not height or not width:
            raise ValueError("the face is larger than its image")
        size = width // reduce, height // reduce
        image = np.asarray(cv2.resize(image[:height, :width], size, interpolation=cv2.INTER_AREA), np.uint8)
        # The centre of pixel u of the reduced image is at n u + (n - 1) / 2 of the image.
        forward = forward.copy()
        forward[:, 2] += forward[:, :2].sum(axis=1) * (reduce - 1) / 2
        forward[:, :2] *= reduce
    warped = cv2.warpAffine(image, forward, (side, side), flags=cv2.INTER_LINEAR, borderValue=(0, 0, 0))
    return np.asarray(warped, np.uint8)


def _outside(forward: Matrix, margin: int, width: int, height: int) -> float:
    steps = np.arange(margin, margin + SIZE, 4)
    x, y = np.meshgrid(steps, steps)
    back = cv2.invertAffineTransform(forward)
    at = back[:, :2] @ np.stack([x.ravel(), y.ravel()]) + back[:, 2:]
    inside = (at[0] >= 0) & (at[0] <= width - 1) & (at[1] >= 0) & (at[1] <= height - 1)
    return float(1 - inside.mean())
