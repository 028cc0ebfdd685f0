"""Random scores: the baseline."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from facesieve_training.evaluate.gallery import Batch
from facesieve_training.evaluate.scorers.base import Scorer, Scores


@dataclass(frozen=True)
class RandomOrder(Scorer):
    """A random number for each face, drawn from its key: the same in every run and every worker."""

    seed: int = 1

    @property
    def about(self) -> str:
        """One sentence for the report."""
        return "A random number for each face; its deviation from 1.0 shows the noise of the measurement."

    def open(self) -> Callable[[Batch], Scores]:
        """Return the scoring function."""
        return lambda batch: np.array([self._draw(key) for key in batch.keys])

    def _draw(self, key: str) -> float:
        return float(np.random.default_rng([self.seed, *key.encode()]).random())
