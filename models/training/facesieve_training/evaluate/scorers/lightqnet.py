"""LightQNet (Chen et al. 2021) from its published file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from facesieve_training.cli import DataError
from facesieve_training.evaluate.gallery import Batch
from facesieve_training.evaluate.scorers.base import Scorer, Scores
from facesieve_training.faces import Picture

SIDE = 96


@dataclass(frozen=True)
class LightQNet(Scorer):
    """The network's one output, 0 to 1; 0.45 M parameters."""

    file: Path

    @property
    def about(self) -> str:
        """One sentence for the report."""
        return f"LightQNet (Chen et al. 2021), {self.file.name}: the aligned face at {SIDE}x{SIDE}."

    def open(self) -> Callable[[Batch], Scores]:
        """Load the network."""
        try:
            network = cv2.dnn.readNetFromTensorflow(str(self.file))
        except cv2.error as error:
            raise DataError(
                f"{self.file}: OpenCV cannot open it as a TensorFlow graph: {error.err}"
            ) from error

        def score(face: Picture) -> float:
            small = cv2.resize(np.ascontiguousarray(face), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
            network.setInput(
                cv2.dnn.blobFromImage(small, 1 / 128, (SIDE, SIDE), (128, 128, 128), swapRB=False)
            )
            return float(network.forward().ravel()[0])

        return lambda batch: np.array([score(face) for face in batch.aligned])
