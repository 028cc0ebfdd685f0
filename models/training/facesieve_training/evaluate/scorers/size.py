"""Size of the face: the distance of the eyes in the image that it was cut from."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facesieve_training.cli import DataError
from facesieve_training.evaluate.gallery import Batch
from facesieve_training.evaluate.scorers.base import Scorer, Scores
from facesieve_training.evaluate.scorers.landmarks import Landmarks, eye_distance


@dataclass(frozen=True)
class Size(Scorer):
    """Inter-eye distance from the index of the shards; for a directory of aligned faces, by a detector."""

    detector: Path | None = None

    @property
    def about(self) -> str:
        """One sentence for the report."""
        if self.detector is None:
            return "Distance of the eyes in the source image, pixels, as `prepare` measured it."
        return (
            "Distance of the eyes in the aligned image by the detector, pixels: aligning has already "
            "brought all faces to one size, so little of the original size is left in it."
        )

    def open(self) -> Callable[[Batch], Scores]:
        """Return the scoring function."""
        if self.detector is None:
            return self._known
        landmarks = Landmarks(self.detector)
        return lambda batch: np.array([eye_distance(landmarks(image)) for image in batch.images])

    def _known(self, batch: Batch) -> Scores:
        if np.isnan(batch.inter_eye).all():
            raise DataError(
                f"{self.name}: these faces come without their size ({batch.keys[0]}, ...); "
                "evaluate shards that `prepare` wrote, or give a detector (file)"
            )
        return batch.inter_eye.astype(np.float64)
