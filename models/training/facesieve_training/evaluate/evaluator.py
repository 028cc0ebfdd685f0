"""Evaluates scores on one set of comparisons: curves, figures and intervals on the same pairs."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from facesieve_training.evaluate import bootstrap, edc
from facesieve_training.evaluate.edc import Discard, Floats, Ints
from facesieve_training.evaluate.pairs import Pairs
from facesieve_training.evaluate.recomputed import Mated, NonMated

# Step of the curve with recomputed thresholds; each step takes a pass over the non-mated pairs.
_RECOMPUTED_STEP = 0.01
# Number of highest similarities that may become thresholds of this curve, at least, and as a multiple of the
# largest FMR's pairs: a discard removes some of them, and a replicate repeats others.
_TOP, _TOP_OF_FMR = 20_000, 5


@dataclass(frozen=True)
class Comparisons:
    """Pairs with their similarities, and the identity (0, 1, 2, ...) of every image, or template."""

    identity: Ints
    mated: Pairs
    nonmated: Pairs
    mated_similarity: Floats
    nonmated_similarity: Floats


def unit_features(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale embeddings to length 1; one that cannot be (not finite, or all zero) is an error."""
    norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
    bad = np.flatnonzero(~(np.isfinite(norms[:, 0]) & (norms[:, 0] > 0)))
    if len(bad):
        raise ValueError(f"{len(bad)} embeddings are zero or not finite, the first in row {bad[0]}")
    return np.asarray(embeddings / norms, np.float32)


def similarities(embeddings: NDArray[np.float32], pairs: Pairs, chunk: int = 65_536) -> Floats:
    """Cosine of each pair's two embeddings."""
    unit = unit_features(embeddings)
    parts = [
        np.einsum("ij,ij->i", unit[pairs.left[i : i + chunk]], unit[pairs.right[i : i + chunk]])
        for i in range(0, len(pairs), chunk)
    ]
    return np.concatenate([*parts, np.zeros(0, np.float32)]).astype(np.float64)


@dataclass(frozen=True)
class Rules:
    """Figures that are reported of each curve."""

    fmrs: list[float] = field(default_factory=lambda: [1e-3, 1e-2, 1e-4])
    """False match rates; the first ranks the scores."""
    points: list[float] = field(default_factory=lambda: [0.0, 0.01, 0.05, 0.1, 0.2, 0.3])
    limit: float = 0.3
    """Largest fraction of discarded pairs, of the curves and of their area."""
    replicates: int = 1000
    recomputed_replicates: int = 200

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        faults = [f"fmrs: {fmr:g} is not between 0 and 1" for fmr in self.fmrs if not 0 < fmr < 1]
        faults += [] if self.fmrs else ["fmrs: needs at least one"]
        faults += [f"points: {point:g} is not in 0..1" for point in self.points if not 0 <= point < 1]
        return faults if 0 < self.limit < 1 else [*faults, f"limit: {self.limit:g} is not between 0 and 1"]


@dataclass(frozen=True)
class Curve:
    """One score at one FMR under one convention."""

    convention: str
    fmr: float
    threshold: float
    """Threshold without discard."""
    discard: Floats
    """Fractions at which the curve is known, for drawing; each value holds until the next."""
    fnmr: Floats
    points: Floats
    """FNMR at the reported fractions; low and high are the ends of its 95 % interval."""
    points_low: Floats
    points_high: Floats
    area: float
    """Up to the limit, relative to a random order: 1.0 is useless, lower is better."""
    area_low: float
    area_high: float
    area_draws: Floats
    """Area of each bootstrap replicate; equal rows of two scores are the same replicate."""

    def thinned(self, limit: float, steps: int = 300) -> tuple[Floats, Floats]:
        """Fractions and FNMR in about this many steps, the last one at the limit."""
        step = max(1, len(self.discard) // steps)
        return np.append(self.discard[::step], limit), np.append(self.fnmr[::step], self.fnmr[-1])


class Evaluator:
    """Thresholds, errors and bootstrap replicates, which do not depend on a score."""

    def __init__(self, comparisons: Comparisons, rules: Rules, rng: np.random.Generator):
        self.comparisons, self.rules = comparisons, rules
        c = comparisons
        identities = int(c.identity.max()) + 1 if len(c.identity) else 0
        self._sides = c.identity[c.nonmated.left], c.identity[c.nonmated.right]
        self._who = c.identity[c.mated.left]
        self._draws = bootstrap.Replicates.draw(identities, rules.replicates, rng)
        self.thresholds = [edc.threshold_at(c.nonmated_similarity, fmr) for fmr in rules.fmrs]
        self._thresholds = bootstrap.thresholds(self._draws, *self._sides, c.nonmated_similarity, rules.fmrs)

    def curves(self, quality: Floats) -> list[Curve]:
        """Curves of a score (one quality an image or template, higher is better, NaN where it has none)."""
        pairs = self.comparisons.mated
        of_pairs = edc.pair_quality(quality, pairs.left, pairs.right)
        discard = Discard.by(of_pairs)
        fixed = [self._fixed(discard, i) for i in range(len(self.rules.fmrs))]
        return fixed + self._recomputed(Mated(discard, of_pairs, self.comparisons.mated_similarity), quality)

    def best(self) -> list[Curve]:
        """Best possible curves, at each FMR with a fixed threshold: the least similar mated pairs go first.

        A bound, which no score of single images need reach: it discards pairs, after their comparison. Every
        discarded pair is an error until none is left: with F the FNMR without discard, the FNMR after a
        discard of r is max(0, F - r) / (1 - r).
        """
        discard = Discard.by(self.comparisons.mated_similarity)
        return [self._fixed(discard, i) for i in range(len(self.rules.fmrs))]

    def _fixed(self, discard: Discard, at: int) -> Curve:
        rules, similarity = self.rules, self.comparisons.mated_similarity
        points = np.array(rules.points)
        errors = similarity <= self.thresholds[at]
        grid = np.arange(int(np.ceil(rules.limit * len(errors)))) / max(len(errors), 1)
        drawn = np.empty((len(self._draws), len(points) + 1))
        for i, weights in enumerate(self._draws.mated(self._who)):
            wrong = similarity <= self._thresholds[i, at]
            drawn[i, :-1] = discard.fnmr(wrong, points, weights)
            drawn[i, -1] = discard.area(wrong, rules.limit, weights)
        values = discard.fnmr(errors, points)
        return self._curve(
            edc.FIXED,
            at,
            (grid, discard.fnmr(errors, grid)),
            values,
            discard.area(errors, rules.limit),
            drawn,
        )

    def _recomputed(self, mated: Mated, quality: Floats) -> list[Curve]:
        rules, pairs = self.rules, self.comparisons.nonmated
        points = np.array(rules.points)
        grid = np.arange(0.0, rules.limit - 1e-9, _RECOMPUTED_STEP)
        both = np.concatenate((points, grid))
        count = min(rules.recomputed_replicates, len(self._draws))
        drawn = np.empty((len(rules.fmrs), count, len(points) + 1))
        nonmated = NonMated.by(
            edc.pair_quality(quality, pairs.left, pairs.right),
            self.comparisons.nonmated_similarity,
            max(_TOP, int(_TOP_OF_FMR * max(rules.fmrs) * len(pairs))),
        )
        for i in range(count):
            counts = self._draws.counts[i]
            replicate = nonmated.weighted(*self._sides, counts)
            weights = counts[self._who].astype(np.float64)
            for at, fmr in enumerate(rules.fmrs):
                rates = mated.fnmr(replicate, fmr, both, weights)
                drawn[at, i] = self._summary(rates, grid)
        curves = []
        everything = nonmated.weighted(*self._sides)
        for at, fmr in enumerate(rules.fmrs):
            rates = mated.fnmr(everything, fmr, both)
            *values, area = self._summary(rates, grid)
            line = grid, rates[len(points) :]
            curves.append(self._curve(edc.RECOMPUTED, at, line, np.array(values), float(area), drawn[at]))
        return curves

    def _summary(self, rates: Floats, grid: Floats) -> Floats:
        """Values at the reported points, then the area, of a curve known at both the points and the grid."""
        count = len(self.rules.points)
        return np.append(rates[:count], edc.relative_area(grid, rates[count:], self.rules.limit))

    def _curve(
        self,
        convention: str,
        at: int,
        line: tuple[Floats, Floats],
        points: Floats,
        area: float,
        drawn: Floats,
    ) -> Curve:
        low, high = bootstrap.interval(drawn)
        return Curve(
            convention=convention,
            fmr=self.rules.fmrs[at],
            threshold=self.thresholds[at],
            discard=line[0],
            fnmr=line[1],
            points=points,
            points_low=low[:-1],
            points_high=high[:-1],
            area=area,
            area_low=float(low[-1]),
            area_high=float(high[-1]),
            area_draws=drawn[:, -1],
        )
