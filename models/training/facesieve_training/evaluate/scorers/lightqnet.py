"""LightQNet (Chen et al. 2021) as a score."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facesieve_training.evaluate.gallery import Batch
from facesieve_training.evaluate.scorers.base import Scorer, Scores
from facesieve_training.teacher.lightqnet import open_lightqnet


@dataclass(frozen=True)
class LightQNet(Scorer):
    """The network's one output, 0 to 1; 0.45 M parameters."""

    file: Path

    @property
    def about(self) -> str:
        """One sentence for the report."""
        return f"LightQNet (Chen et al. 2021), {self.file.name}: the aligned face at 96x96."

    def open(self) -> Callable[[Batch], Scores]:
        """Load the network."""
        score = open_lightqnet(self.file)
        return lambda batch: np.array([score(face) for face in batch.aligned])
