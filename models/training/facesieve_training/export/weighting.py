"""Weights of the labels in the raw value, given or chosen on the held-out people."""

import itertools

import numpy as np
from numpy.typing import NDArray

from facesieve_training.cli import DataError
from facesieve_training.export.held_out import Comparisons
from facesieve_training.label.table import COMPONENTS

Floats = NDArray[np.float64]
Weights = dict[str, float]
"""Weight of each label, in the order of the network's outputs."""
_PAPER = dict(zip(COMPONENTS, (0.2, 0.4, 0.4), strict=True))


def candidates(names: tuple[str, ...]) -> dict[str, Weights]:
    """Candidate weightings: eq. 5 if its labels exist, and every subset of labels with equal weights."""
    none = dict.fromkeys(names, 0.0)
    found = {"paper (eq. 5)": none | _PAPER} if set(COMPONENTS) <= set(names) else {}
    for count in range(1, len(names) + 1):
        for some in itertools.combinations(names, count):
            found[" + ".join(some)] = none | dict.fromkeys(some, 1.0)
    return found


def raw(labels: Floats, weights: Weights) -> Floats:
    """Weighted mean of N x labels values."""
    parts = np.array(list(weights.values()))
    return np.asarray(labels @ (parts / parts.sum()))


def areas(
    labels: Floats, names: tuple[str, ...], sets: dict[str, Comparisons]
) -> dict[str, dict[str, float]]:
    """Relative area (lower is better) of each candidate on each set of pairs, and their mean.

    NaN on a set without a failing pair; the mean is over the other sets.
    """
    found = {}
    for name, weights in candidates(names).items():
        areas_by_set = {kind: pairs.area(raw(labels, weights)) for kind, pairs in sets.items()}
        known = [area for area in areas_by_set.values() if not np.isnan(area)]
        found[name] = areas_by_set | {"mean": float(np.mean(known)) if known else float("nan")}
    return found


def choose(
    tried: dict[str, dict[str, float]], names: tuple[str, ...], given: Weights | None
) -> tuple[str, Weights]:
    """Take the given weights, or the candidate with the lowest mean area; DataError if none has one."""
    if given is not None:
        return "given", {name: given.get(name, 0.0) for name in names}
    if all(np.isnan(areas["mean"]) for areas in tried.values()):
        raise DataError(
            "weights: cannot be chosen, because no mated pair of the held-out people fails at this FMR; give "
            f"them, for example weights={{{', '.join(f'{name}: 1' for name in names)}}}, set fmr lower, or "
            "hold out more people (held_out of the stage student)"
        )
    best = min(tried, key=lambda name: tried[name]["mean"])
    return best, candidates(names)[best]
