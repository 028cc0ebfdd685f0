"""LightQNet (Chen et al. 2021) from its published file: a published quality network, as score or teacher."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from facesieve_training.cli import DataError
from facesieve_training.faces import Image

_SIDE = 96


def open_lightqnet(file: Path) -> Callable[[Image], float]:
    """Load the network; the function returned scores one aligned face, BGR, from 0 to 1."""
    try:
        network = cv2.dnn.readNetFromTensorflow(str(file))
    except cv2.error as error:
        raise DataError(f"{file}: OpenCV cannot open it as a TensorFlow graph: {error.err}") from error

    def score(face: Image) -> float:
        small = cv2.resize(np.ascontiguousarray(face), (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
        network.setInput(cv2.dnn.blobFromImage(small, 1 / 128, (_SIDE, _SIDE), (128, 128, 128), swapRB=False))
        return float(network.forward().ravel()[0])

    return score
