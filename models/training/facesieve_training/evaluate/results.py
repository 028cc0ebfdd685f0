"""Results: every score with its curves, and their data."""

from dataclasses import dataclass

import numpy as np

from facesieve_training.evaluate import bootstrap
from facesieve_training.evaluate.edc import FIXED, Floats
from facesieve_training.evaluate.evaluator import Comparisons, Curve, Rules
from facesieve_training.evaluate.gallery import Gallery
from facesieve_training.evaluate.templates import Templates


@dataclass(frozen=True)
class Result:
    """One score."""

    name: str
    about: str
    quality: Floats
    """Of every face of the gallery."""
    curves: list[Curve]

    @property
    def main(self) -> Curve:
        """The curve that scores are ranked by: the first, fixed threshold and the first FMR."""
        return self.curves[0]

    def curve(self, convention: str, fmr: float) -> Curve:
        """The curve under a convention at an FMR."""
        return next(c for c in self.curves if c.convention == convention and c.fmr == fmr)

    @property
    def unscored(self) -> int:
        """Faces that have no score."""
        return int(np.isnan(self.quality).sum())

    @property
    def levels(self) -> int:
        """Number of different values of the score; a small one means ties."""
        return len(np.unique(self.quality[~np.isnan(self.quality)]))


@dataclass(frozen=True)
class Difference:
    """Relative area of a score less that of another, with its paired 95 % interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, value: float, draws: Floats) -> "Difference":
        """Take the difference, and that of each bootstrap replicate."""
        low, high = bootstrap.interval(draws[:, None])
        return cls(value, float(low[0]), float(high[0]))

    @property
    def clear(self) -> bool:
        """Whether the interval excludes 0; otherwise the two scores are not distinguishable."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Results:
    """A column: all scores on one gallery, compared by one matcher."""

    set: str
    """Name of the gallery."""
    matcher: str
    """Name of the matcher."""
    gallery: Gallery
    templates: Templates | None
    """Templates, if the set compares templates instead of faces."""
    comparisons: Comparisons
    thresholds: list[float]
    rules: Rules
    best: list[Curve]
    """Best possible curve at each FMR, fixed threshold (`Evaluator.best`)."""
    rows: list[Result]

    @property
    def name(self) -> str:
        """Name of the column."""
        return f"{self.set}, {self.matcher}"

    @property
    def reference(self) -> Result:
        """The score that the others are compared with: the first."""
        return self.rows[0]

    def compared(self, row: Result) -> Floats:
        """Quality of each compared item: face or template."""
        return self.templates.quality(row.quality) if self.templates else row.quality

    def face(self, row: Result, compared: int) -> int:
        """The face to show for a side of a pair; for a template, its face of highest quality."""
        return self.templates.best(row.quality, compared) if self.templates else compared

    def ranked(self, convention: str, fmr: float) -> list[Result]:
        """Scores in the order of their relative area, best first; those without one last."""
        return sorted(self.rows, key=lambda row: np.nan_to_num(row.curve(convention, fmr).area, nan=np.inf))

    def difference(self, row: Result, convention: str, fmr: float) -> Difference:
        """Compare a score with the reference over the same bootstrap replicates."""
        return self._between(row, self.reference, convention, fmr)

    def undecided(self, fmr: float) -> list[Result]:
        """Scores that the best one is not distinguishable from, at an FMR with a fixed threshold."""
        first, *others = self.ranked(FIXED, fmr)
        return [row for row in others if not self._between(row, first, FIXED, fmr).clear]

    def _between(self, row: Result, other: Result, convention: str, fmr: float) -> Difference:
        ours, theirs = row.curve(convention, fmr), other.curve(convention, fmr)
        return Difference.of(ours.area - theirs.area, ours.area_draws - theirs.area_draws)
