"""Dependence of a face's quality score on the detector whose landmarks align it."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from facesieve_training.detector.codec import FloatArray
from facesieve_training.detector.compare.views import OnView, View
from facesieve_training.detector.evaluate import EvaluateConfig, match
from facesieve_training.prepare.align import align

Score = Callable[[NDArray[np.uint8]], float]
"""Quality score of an aligned face."""
TRUTH = "truth"
"""Name of the scores of faces that are aligned by the true landmarks."""
_LEAST = 24.0
"""Smallest face that is scored: square root of the area, pixels of the full image."""


def scores(
    detectors: Mapping[str, OnView], views: Iterable[View], score: Score, config: EvaluateConfig
) -> dict[str, NDArray[np.float64]]:
    """Quality score of every true face, aligned by each detector's landmarks; NaN where missed."""
    found: dict[str, list[float]] = {name: [] for name in (*detectors, TRUTH)}
    for view in views:
        sure = view.faces[view.faces[:, 14] >= config.sure]
        large = np.sqrt(sure[:, 2] * sure[:, 3]) >= _LEAST * view.scale
        found[TRUTH] += [_score(view, face, score) for face in sure[large]]
        for name, detect in detectors.items():
            faces = detect(view)
            taken = match(faces, view.faces, config)[0][large]
            found[name] += [_score(view, faces[k], score) if k >= 0 else float("nan") for k in taken]
    return {name: np.array(values) for name, values in found.items()}


def difference(one: NDArray[np.float64], other: NDArray[np.float64]) -> dict[str, float | None]:
    """Median absolute and median signed difference of two rows of scores, over the faces that both have.

    None without such a face.
    """
    apart = (one - other)[np.isfinite(one) & np.isfinite(other)]
    if not len(apart):
        return {"faces": 0, "apart": None, "higher": None}
    return {
        "faces": len(apart),
        "apart": float(np.median(np.abs(apart))),
        "higher": float(np.median(apart)),
    }


def _score(view: View, face: FloatArray, score: Score) -> float:
    points = face[4:14].reshape(5, 2) / view.scale
    try:
        return score(align(view.full, points, 0).image)
    except ValueError:  # landmarks that are not a face's
        return float("nan")
