"""Interface of a quality score."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facesieve_training.evaluate.cached import Cache
from facesieve_training.evaluate.gallery import Batch, Gallery, settings_digest

Scores = NDArray[np.float64]
"""One value per face, higher is better, NaN where a face could not be scored."""


@dataclass(frozen=True)
class Scorer(ABC):
    """A quality score with its settings: a frozen dataclass, small enough to be sent to a worker."""

    name: str
    """Name in tables and curves."""

    @property
    @abstractmethod
    def about(self) -> str:
        """One sentence for the report: measure, settings, reference."""

    def digest(self) -> str:
        """Text that changes whenever the scores would; files count by their content."""
        return settings_digest(self)

    def prepared(self, cache: Cache) -> "Scorer":
        """Do the work that all workers share, once before scoring; returns the scorer to use."""
        return self

    @abstractmethod
    def open(self) -> Callable[[Batch], Scores]:
        """Load the networks and return the scoring function; called once in every worker."""

    def scores(self, gallery: Gallery, cache: Cache) -> Scores:
        """Score every face of the gallery, in its order."""
        return np.asarray(cache.every(gallery, self.prepared(cache)), np.float64)
