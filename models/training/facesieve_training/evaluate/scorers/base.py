"""What every quality score offers."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facesieve_training.evaluate.cached import Cache
from facesieve_training.evaluate.gallery import Batch, Gallery, settings_digest

Scores = NDArray[np.float64]
"""One value a face, higher is better, NaN where a face could not be scored."""


@dataclass(frozen=True)
class Scorer(ABC):
    """A quality score with its settings: a frozen dataclass, small enough to be sent to a worker."""

    name: str
    """What tables and curves call it."""

    @property
    @abstractmethod
    def about(self) -> str:
        """One sentence for the report: what is measured, with what settings, after whom."""

    def digest(self) -> str:
        """Text that changes whenever the scores would; files count by their content."""
        return settings_digest(self)

    def prepared(self, cache: Cache) -> "Scorer":
        """Do once, before any face is scored, what all workers share, and return the scorer that has it."""
        return self

    @abstractmethod
    def open(self) -> Callable[[Batch], Scores]:
        """Load what is needed and return the scoring function; called once in every worker."""

    def scores(self, gallery: Gallery, cache: Cache) -> Scores:
        """Score every face of the gallery, in its order."""
        return np.asarray(cache.every(gallery, self.prepared(cache)), np.float64)
