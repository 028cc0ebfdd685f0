"""Sharpness as the variance of the Laplacian (Pech-Pacheco et al. 2000)."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from facesieve_training.evaluate.gallery import Batch
from facesieve_training.evaluate.scorers.base import Scorer, Scores
from facesieve_training.faces import Image


@dataclass(frozen=True)
class Laplacian(Scorer):
    """Variance of the Laplacian of the aligned face in grey."""

    @property
    def about(self) -> str:
        """One sentence for the report."""
        return "Variance of the Laplacian of the aligned 112x112 face in grey (Pech-Pacheco et al. 2000)."

    def open(self) -> Callable[[Batch], Scores]:
        """Return the scoring function."""
        return lambda batch: np.array([_variance(face) for face in batch.aligned])


def _variance(face: Image) -> float:
    grey = cv2.cvtColor(np.ascontiguousarray(face), cv2.COLOR_BGR2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_64F).var())
