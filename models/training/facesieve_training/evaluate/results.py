"""Results: every score with its curves, and their data."""

from dataclasses import dataclass

import numpy as np

from facesieve_training.evaluate import bootstrap
from facesieve_training.evaluate.edc import Floats
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
    """Relative area of a score less that of the reference, with its paired 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Results:
    """All scores on one gallery."""

    gallery: Gallery
    templates: Templates | None
    """Templates, if the set compares templates instead of faces."""
    comparisons: Comparisons
    thresholds: list[float]
    rules: Rules
    rows: list[Result]

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
        ours, theirs = row.curve(convention, fmr), self.reference.curve(convention, fmr)
        low, high = bootstrap.interval((ours.area_draws - theirs.area_draws)[:, None])
        return Difference(ours.area - theirs.area, float(low[0]), float(high[0]))
