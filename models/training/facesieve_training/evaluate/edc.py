"""Error versus discard characteristic (EDC; ISO/IEC 29794-1): FNMR after dropping the worst pairs.

The quality of a pair is the lower of its two images' qualities. At a discard of r the floor(r * N) mated
pairs of lowest quality are dropped, and the false non-match rate is computed on the rest.

Two conventions are in use; a figure must name its convention:

fixed
    The threshold is the one that gives the FMR without discard (ISO/IEC 29794-1, PAPER.md).
recomputed
    After every discard the threshold is recomputed to give the FMR on the remaining non-mated pairs: the
    cut-off that drops r of the mated pairs is applied to the non-mated pairs too.

Definitions:

- A pair matches when its similarity is above the threshold; the threshold is the lowest similarity at which
  at most floor(FMR * M) of the M non-mated pairs match.
- Step interpolation: between k / N and (k + 1) / N discarded, the curve stays at its value for k pairs.
- Ties: the order of pairs of equal quality is undefined, so the curve is the expected value over all orders
  (dropping j pairs of a group of g drops j / g of its errors). It depends on no seed and on no order.
- A quality of NaN (the scorer could not score the image) is lower than every other; all NaN are tied.
- Pairs may have weights (integers: their counts in a bootstrap replicate); weight w is w pairs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

FIXED = "fixed"
RECOMPUTED = "recomputed"
CONVENTIONS = (FIXED, RECOMPUTED)
# Tolerance of floor(r * N) for rounding errors below an integer.
_SLACK = 1e-9


def pair_quality(quality: Floats, left: Ints, right: Ints) -> Floats:
    """Lower quality of each pair's two images; NaN becomes minus infinity."""
    scores = np.where(np.isnan(quality), -np.inf, np.asarray(quality, np.float64))
    return np.minimum(scores[left], scores[right])


def threshold_at(similarity: Floats, fmr: float) -> float:
    """Lowest similarity above which at most floor(fmr * M) of the M non-mated pairs lie."""
    allowed = min(int(np.floor(fmr * len(similarity) + _SLACK)), len(similarity) - 1)
    at = len(similarity) - 1 - allowed
    return float(np.partition(similarity, at)[at])


def threshold_of_top(top: Floats, weights: Floats, total: float, fmr: float) -> float:
    """`threshold_at` for weighted pairs; top: the highest similarities, falling; total: weight of all
    pairs.
    """
    allowed = np.floor(fmr * total + _SLACK)
    at = int(np.searchsorted(np.cumsum(weights), allowed + _SLACK, side="right"))
    return float(top[min(at, len(top) - 1)])


@dataclass(frozen=True)
class Discard:
    """Order in which one score drops the mated pairs; created by `Discard.by`."""

    order: Ints
    """Indices of the pairs, worst first."""
    ends: Ints
    """For each group of equal quality, the index into `order` just past it."""
    quality: Floats
    """Quality of each group, rising."""

    @classmethod
    def by(cls, quality: Floats) -> "Discard":
        """Order pairs of these qualities (`pair_quality`: no NaN), grouping equal ones."""
        order = np.argsort(quality, kind="stable")
        ordered = quality[order]
        last = np.append(ordered[1:] != ordered[:-1], True) if len(ordered) else np.zeros(0, bool)
        ends = np.flatnonzero(last) + 1
        return cls(order=order, ends=ends, quality=ordered[ends - 1])

    def _cumulated(self, values: Floats) -> Floats:
        """Sum of values over the pairs of the first 0, 1, 2, ... groups."""
        sums: Floats = np.concatenate(([0.0], np.cumsum(values[self.order])))
        of_groups: Floats = sums[np.append(0, self.ends)]
        return of_groups

    def _rates(self, errors: Floats, pairs: Floats, dropped: Floats) -> Floats:
        """FNMR after dropping that many pairs, expected over the order within ties."""
        lost = np.interp(dropped, pairs, errors)
        left = pairs[-1] - dropped
        rates: Floats = np.divide(errors[-1] - lost, left, out=np.full(len(dropped), np.nan), where=left > 0)
        return rates

    def fnmr(self, errors: Bools, fractions: Floats, weights: Floats | None = None) -> Floats:
        """FNMR after dropping each fraction (0 to 1) of the pairs; `errors` marks the pairs that do not
        match.
        """
        cumulative, pairs = self._masses(errors, weights)
        return self._rates(cumulative, pairs, np.floor(np.asarray(fractions) * pairs[-1] + _SLACK))

    def area(self, errors: Bools, limit: float, weights: Floats | None = None) -> float:
        """Area under the step curve from 0 to `limit`, relative to that under a random order (1.0: useless).

        A random order leaves the FNMR where it was, so its area is limit * FNMR(0). NaN without any error.
        """
        cumulative, pairs = self._masses(errors, weights)
        total = pairs[-1]
        if cumulative[-1] <= 0 or total <= 0:
            return float("nan")
        stop = limit * total
        steps = np.arange(np.ceil(stop - _SLACK))
        widths = np.minimum(steps + 1, stop) - steps
        return float(self._rates(cumulative, pairs, steps) @ widths / (stop * cumulative[-1] / total))

    def _masses(self, errors: Bools, weights: Floats | None) -> tuple[Floats, Floats]:
        weight = np.ones(len(errors)) if weights is None else weights
        return self._cumulated(np.where(errors, weight, 0.0)), self._cumulated(weight)

    def cut(self, fraction: float, weights: Floats | None = None) -> tuple[float, float]:
        """Quality below which everything is dropped, and the share of the pairs at it that is dropped too."""
        pairs = self._cumulated(np.ones(len(self.order)) if weights is None else weights)
        dropped = np.floor(fraction * pairs[-1] + _SLACK)
        if dropped <= 0:
            return -np.inf, 0.0
        group = int(np.searchsorted(pairs, dropped, side="left")) - 1
        size = pairs[group + 1] - pairs[group]
        return float(self.quality[group]), float((dropped - pairs[group]) / size)


def kept(quality: Floats, cut: float, share: float) -> Floats:
    """Remaining weight of pairs of these qualities after the cut-off of `Discard.cut`."""
    weight = (quality >= cut).astype(np.float64)
    weight[quality == cut] = 1.0 - share
    return weight


def relative_area(fractions: Floats, fnmr: Floats, limit: float) -> float:
    """Area under a curve known at rising fractions from 0, each held until the next, relative to random."""
    inside = fractions < limit - _SLACK
    if not len(fnmr) or not fnmr[0] > 0:
        return float("nan")
    widths = np.diff(np.append(fractions[inside], limit))
    return float(fnmr[inside] @ widths / (limit * fnmr[0]))
