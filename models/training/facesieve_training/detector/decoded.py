"""Cache of decoded training images within a memory budget."""

import cv2
import numpy as np

from facesieve_training.detector.label import Labelled

REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
"""Reductions that OpenCV's decoder supports."""


class Decoded:
    """Labelled images as BGR, 8 bits; safe for threads."""

    def __init__(self, megabytes: int) -> None:
        """Keep at most this much; other images are decoded on each access."""
        self._left = megabytes << 20
        self._kept: dict[tuple[str, int], np.ndarray] = {}

    def __call__(self, item: Labelled, reduce: int = 1) -> np.ndarray:
        """The image at 1/`reduce` of its size; read-only."""
        key = (item.name, reduce)
        image = self._kept.get(key)
        if image is None:
            image = np.asarray(cv2.imdecode(np.frombuffer(item.data, np.uint8), REDUCED[reduce]))
            if image.nbytes <= self._left:
                self._kept[key] = image
                self._left -= image.nbytes
        return image
