"""Affine maps [2,3] of faces and images; coordinates start at the corner of a pixel, as in labels."""

import cv2
import numpy as np

from facesieve_training.detector.codec import FloatArray


def transform(faces: FloatArray, matrix: np.ndarray) -> FloatArray:
    """Faces after an affine map [2,3] of the image; boxes stay upright and keep their area's scale."""
    moved = faces.copy()
    linear, shift = matrix[:, :2], matrix[:, 2]
    size = faces[:, 2:4] * np.linalg.norm(linear, axis=0)
    moved[:, :2] = (faces[:, :2] + faces[:, 2:4] / 2) @ linear.T + shift - size / 2
    moved[:, 2:4] = size
    points = faces[:, 4:14].reshape(-1, 5, 2) @ linear.T + shift
    moved[:, 4:14] = points.reshape(-1, 10)
    return moved


def turned(scale: float, angle: float, squeeze: float) -> np.ndarray:
    """The linear part [2,2] of a map: wider by a factor and lower by the same, rotated (radians), then
    scaled.
    """
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(scale * rotation @ np.diag([squeeze, 1 / squeeze]))


def between_centres(matrix: np.ndarray) -> np.ndarray:
    """The same map for OpenCV's warp, whose coordinates start at the centre of a pixel."""
    moved = matrix.copy()
    moved[:, 2] += matrix[:, :2].sum(axis=1) / 2 - 0.5
    return moved


def resized(image: np.ndarray, scale: float) -> np.ndarray:
    """An image at another scale."""
    if scale == 1:
        return image
    method = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=method))
