"""Measures of a portrait after ICAO 9303 and ISO/IEC 29794-5, to select a person's best image."""

import cv2
import numpy as np
from numpy.typing import NDArray

from facesieve_training.evaluate.scorers.pose_symmetry import asymmetry
from facesieve_training.faces import SIZE, Image

MEASURES = ("sharpness", "exposure", "clipping", "contrast", "evenness", "symmetry")


def measure(face: Image) -> NDArray[np.float64]:
    """Measure an aligned BGR face: one value for each of MEASURES, higher is closer to a good portrait."""
    grey = cv2.cvtColor(np.ascontiguousarray(face), cv2.COLOR_BGR2GRAY)
    middle = grey[SIZE // 6 :, SIZE // 6 : -SIZE // 6].astype(np.float64)
    half = middle.shape[1] // 2
    return np.array(
        [
            np.log1p(cv2.Laplacian(grey, cv2.CV_64F).var()),
            -abs(middle.mean() - 128) / 128,
            -float(((middle < 8) | (middle > 247)).mean()),
            middle.std() / 128,
            -abs(middle[:, :half].mean() - middle[:, half:].mean()) / 128,
            -asymmetry(face),
        ]
    )


def compliance(measures: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean rank, 0 to 1, of each face (row) over the measures, independent of their units."""
    ranks = np.argsort(np.argsort(measures, axis=0, kind="stable"), axis=0, kind="stable")
    mean: NDArray[np.float64] = ranks.mean(axis=1) / max(len(measures) - 1, 1)
    return mean
