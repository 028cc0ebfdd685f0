"""Landmarks of faces that fill their image, by a detector that needs a border around a face."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facesieve_training.faces import Image
from facesieve_training.prepare.detector import open_detector

_THRESHOLD = 0.3


class Landmarks:
    """Finds the five landmarks of the face in the middle of an image."""

    def __init__(self, detector: Path) -> None:
        """Open the detector."""
        self._detect = open_detector(detector)

    def __call__(self, image: Image) -> NDArray[np.float32] | None:
        """Return 5 x 2 pixels (right eye, left eye, nose, right and left mouth corner), or None."""
        edge = image.shape[0] // 2
        roomy = cv2.copyMakeBorder(image, edge, edge, edge, edge, cv2.BORDER_REPLICATE)
        found = self._detect(np.asarray(roomy, np.uint8), _THRESHOLD)
        if not len(found):
            return None
        middle = found[:, :2] + found[:, 2:4] / 2 - roomy.shape[0] / 2
        nearest = found[np.argmin((middle**2).sum(axis=1))]
        return np.asarray(nearest[4:14].reshape(5, 2) - edge, np.float32)


def eye_distance(points: NDArray[np.float32] | None) -> float:
    """Distance of the eyes, pixels; NaN without landmarks."""
    return float("nan") if points is None else float(np.linalg.norm(points[0] - points[1]))
