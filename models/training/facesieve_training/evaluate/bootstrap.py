"""95 % intervals by a bootstrap over identities, not pairs, because the errors of a person's pairs correlate.

A replicate draws as many identities as there are, with replacement. The weight of a mated pair is the count
of its identity, that of a non-mated pair the product of its two counts. The threshold is recomputed from each
replicate's non-mated pairs, so that the interval includes its uncertainty. All scores share the replicates,
so that their differences are paired.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from facesieve_training.evaluate.edc import Floats, Ints, threshold_of_top

LEVEL = 0.95


@dataclass(frozen=True)
class Replicates:
    """Counts of each identity in each replicate: [replicate, identity]."""

    counts: NDArray[np.float32]

    @classmethod
    def draw(cls, identities: int, replicates: int, rng: np.random.Generator) -> "Replicates":
        """Draw the replicates."""
        even = np.full(identities, 1.0 / identities)
        return cls(rng.multinomial(identities, even, size=replicates).astype(np.float32))

    def __len__(self) -> int:
        """Number of replicates."""
        return len(self.counts)

    def mated(self, identity: Ints) -> Iterator[Floats]:
        """Weights of mated pairs of these identities, replicate by replicate."""
        for counts in self.counts:
            yield counts[identity].astype(np.float64)

    def nonmated(self, left: Ints, right: Ints) -> Iterator[Floats]:
        """Weights of non-mated pairs between these identities, replicate by replicate."""
        for counts in self.counts:
            yield (counts[left] * counts[right]).astype(np.float64)


def thresholds(
    replicates: Replicates, left: Ints, right: Ints, similarity: Floats, fmrs: list[float]
) -> Floats:
    """Threshold of each replicate [replicate, FMR] without discard; left and right are identities."""
    order = np.argsort(-similarity, kind="stable")
    falling, left, right = similarity[order], left[order], right[order]
    found = np.empty((len(replicates), len(fmrs)))
    drawn = replicates.nonmated(left, right)
    bar = tqdm(drawn, total=len(replicates), desc="bootstrap", unit="replicate", leave=False, disable=None)
    for i, weights in enumerate(bar):
        total = float(weights.sum())
        found[i] = [threshold_of_top(falling, weights, total, fmr) for fmr in fmrs]
    return found


def interval(values: Floats) -> tuple[Floats, Floats]:
    """Lower and upper end of the 95 % percentile interval over the first axis; NaN where all values are
    NaN.
    """
    tail = (1.0 - LEVEL) / 2.0
    finite = ~np.isnan(values).all(axis=0)
    ends = np.full((2, *values.shape[1:]), np.nan)
    if finite.any():
        ends[:, finite] = np.nanquantile(values[:, finite], [tail, 1.0 - tail], axis=0)
    return ends[0], ends[1]
