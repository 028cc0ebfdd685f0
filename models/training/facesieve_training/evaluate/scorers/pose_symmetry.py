"""Symmetry of the face (Gao, Li, Liu and Zhang 2007): side light and turned heads make its halves differ."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from facesieve_training.evaluate.gallery import Batch
from facesieve_training.evaluate.scorers.base import Scorer, Scores
from facesieve_training.faces import SIZE

CELL = 14
"""Side of a cell, pixels: 8 rows of 4 cells a half."""
_PATTERNS = 256


@dataclass(frozen=True)
class PoseSymmetry(Scorer):
    """Minus the mean chi-square distance of local binary pattern histograms of mirrored cells."""

    @property
    def about(self) -> str:
        """One sentence for the report."""
        return (
            "Likeness of the face's left half and its mirrored right half: chi-square distance of local "
            f"binary patterns in cells of {CELL}x{CELL}, negated (after Gao et al. 2007)."
        )

    def open(self) -> Callable[[Batch], Scores]:
        """Return the scoring function."""
        return lambda batch: np.array([-asymmetry(face) for face in batch.aligned])


def asymmetry(face: NDArray[np.uint8]) -> float:
    """Mean distance, 0 (mirror image) to 2, between the cells of an aligned BGR face and those mirrored."""
    grey = cv2.cvtColor(np.ascontiguousarray(face), cv2.COLOR_BGR2GRAY)
    half = SIZE // 2
    left = histograms(patterns(grey)[:, :half])
    right = histograms(patterns(grey[:, ::-1])[:, :half])
    total = left + right
    return float(
        (np.divide((left - right) ** 2, total, out=np.zeros_like(total), where=total > 0)).sum(1).mean()
    )


def patterns(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Local binary pattern (8 neighbours, radius 1) of every pixel, borders repeated."""
    height, width = grey.shape
    padded = np.pad(grey, 1, mode="edge")
    pattern = np.zeros((height, width), np.uint8)
    around = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]
    for bit, (y, x) in enumerate(around):
        pattern |= (padded[y : y + height, x : x + width] >= grey).astype(np.uint8) << bit
    return pattern


def histograms(pattern: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Histogram of the patterns in each cell, cells x 256, each summing to 1."""
    rows, columns = pattern.shape[0] // CELL, pattern.shape[1] // CELL
    cells = pattern.reshape(rows, CELL, columns, CELL).transpose(0, 2, 1, 3).reshape(rows * columns, -1)
    offset = np.arange(len(cells))[:, None] * _PATTERNS
    counts = np.bincount((cells + offset).ravel(), minlength=len(cells) * _PATTERNS)
    return counts.reshape(len(cells), _PATTERNS) / CELL**2
