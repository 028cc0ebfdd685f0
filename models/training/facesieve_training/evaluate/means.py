"""Mean relative area of each score over several columns: sets, each compared by several matchers.

The interval is that of the mean over the bootstrap replicates of all columns. Columns of one set share their
replicates of people, because the errors of two matchers on the same people correlate; sets are independent.
"""

from dataclasses import dataclass

import numpy as np

from facesieve_training.evaluate import bootstrap
from facesieve_training.evaluate.edc import Floats
from facesieve_training.evaluate.results import Difference, Results


@dataclass(frozen=True)
class Mean:
    """A score over all columns."""

    name: str
    columns: list[float]
    """Its relative area in each column."""
    value: float
    low: float
    high: float
    draws: Floats
    """Mean of each replicate."""

    def less(self, other: "Mean") -> Difference:
        """This mean less another, over the same replicates."""
        return Difference.of(self.value - other.value, self.draws - other.draws)


@dataclass(frozen=True)
class Means:
    """All scores over the columns that give each of them an area."""

    convention: str
    fmr: float
    columns: list[Results]
    left_out: list[Results]
    """Columns where no mated pair fails at this FMR: nothing can be improved there."""
    rows: list[Mean]
    """Best first."""
    reference: str
    """Name of the score that the differences are relative to."""

    @classmethod
    def of(cls, columns: list[Results], convention: str, fmr: float) -> "Means | None":
        """Take the mean over the columns; None where none can be used."""
        used = [c for c in columns if all(np.isfinite(r.curve(convention, fmr).area) for r in c.rows)]
        if not used:
            return None
        rows = [_mean(used, i, convention, fmr) for i in range(len(used[0].rows))]
        left_out = [column for column in columns if not any(column is other for other in used)]
        ranked = sorted(rows, key=lambda mean: mean.value)
        return cls(convention, fmr, used, left_out, ranked, used[0].reference.name)

    def difference(self, row: Mean) -> Difference:
        """Compare a score with the reference."""
        return row.less(next(other for other in self.rows if other.name == self.reference))

    def undecided(self) -> list[Mean]:
        """Scores that the best one is not distinguishable from."""
        return [row for row in self.rows[1:] if not row.less(self.rows[0]).clear]


def _mean(columns: list[Results], score: int, convention: str, fmr: float) -> Mean:
    curves = [column.rows[score].curve(convention, fmr) for column in columns]
    draws = np.mean([curve.area_draws for curve in curves], axis=0)
    low, high = bootstrap.interval(draws[:, None])
    areas = [curve.area for curve in curves]
    return Mean(
        columns[0].rows[score].name, areas, float(np.mean(areas)), float(low[0]), float(high[0]), draws
    )
