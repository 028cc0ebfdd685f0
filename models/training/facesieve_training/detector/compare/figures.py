"""The figures of a comparison: recall and landmark error by size, at equal false-positive rates or scores."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from facesieve_training.detector.compare.outcome import Outcome

BANDS = ((12.0, 16.0), (16.0, 24.0), (24.0, 48.0), (48.0, 96.0), (96.0, 1000.0))
"""Sizes of faces, square roots of their areas in pixels of the network's input."""


def by_size(outcome: Outcome, names: Sequence[str], scores: Mapping[str, float]) -> list[dict[str, Any]]:
    """One row per band: number of faces and, by detector at its score, recall and median landmark error.

    The landmark error is over the faces that all detectors find: missing hard faces is no advantage.
    """
    detected = {name: outcome.detected(name, scores[name]) for name in names}
    everybody = np.logical_and.reduce(list(detected.values()))
    errors = {name: outcome.errors(name) for name in names}
    rows = []
    for low, high in BANDS:
        inside = (outcome.sizes >= low) & (outcome.sizes < high)
        row: dict[str, Any] = {"from": low, "to": high, "faces": int(inside.sum())}
        row["recall"] = {n: _mean(detected[n][inside]) for n in names}
        row["landmark_error"] = {n: _median(errors[n][inside & everybody]) for n in names}
        rows.append(row)
    return rows


def at_rate(outcome: Outcome, names: Sequence[str], rate: float) -> dict[str, Any]:
    """Figures with every detector's threshold set to this rate of false positives per image."""
    thresholds = {name: outcome.threshold(name, rate) for name in names}
    rows = by_size(outcome, names, thresholds)
    return {"false_per_image": rate, "scores": _rounded(thresholds), "sizes": rows}


def at_scores(outcome: Outcome, scores: Mapping[str, float]) -> dict[str, Any]:
    """Figures at the detectors' own thresholds."""
    false = {name: outcome.false_rate(name, score) for name, score in scores.items()}
    rows = by_size(outcome, list(scores), scores)
    return {"scores": dict(scores), "false_per_image": _rounded(false), "sizes": rows}


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}


def _mean(values: np.ndarray) -> float | None:
    return round(float(values.mean()), 4) if len(values) else None


def _median(values: np.ndarray) -> float | None:
    return round(float(np.median(values)), 4) if len(values) else None
