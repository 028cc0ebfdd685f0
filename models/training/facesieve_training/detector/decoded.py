"""Images to train on, decoded once: as many as a budget of memory allows."""

import cv2
import numpy as np

from facesieve_training.detector.label import Labelled

REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
"""By how much an image can be reduced as it is decoded."""


class Decoded:
    """Labelled images as BGR, 8 bits; threads may share it."""

    def __init__(self, megabytes: int) -> None:
        """Keep so much at most; what is beyond it is decoded each time."""
        self._left = megabytes << 20
        self._kept: dict[tuple[str, int], np.ndarray] = {}

    def __call__(self, item: Labelled, reduce: int = 1) -> np.ndarray:
        """The image at one part in `reduce` of its size; not to be written to."""
        key = (item.name, reduce)
        image = self._kept.get(key)
        if image is None:
            image = np.asarray(cv2.imdecode(np.frombuffer(item.data, np.uint8), REDUCED[reduce]))
            if image.nbytes <= self._left:
                self._kept[key] = image
                self._left -= image.nbytes
        return image
