"""The student network: int8 with its manifest, decoded as in the daemon."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facesieve_training.cli import DataError
from facesieve_training.evaluate.gallery import Batch, file_digest
from facesieve_training.evaluate.scorers.base import Scorer, Scores
from facesieve_training.faces import Image


@dataclass(frozen=True)
class Student(Scorer):
    """The calibrated score, 0..100; or `raw`, the value before calibration; or one of its labels by name."""

    file: Path
    what: str | None = None

    @property
    def about(self) -> str:
        """One sentence for the report."""
        meaning = "the calibrated score, 0 to 100" if self.what is None else f"its {self.what} value alone"
        return f"{self.file.name} (int8, on TFLite and XNNPACK, as the daemon runs it): {meaning}."

    def digest(self) -> str:
        """Text that changes whenever the scores would; the manifest decodes them, so it counts."""
        manifest = self.file.with_suffix(".json")
        if not manifest.is_file():
            raise DataError(f"{manifest}: no such file; the network's manifest must be beside it")
        return f"student {file_digest(self.file)} {file_digest(manifest)} {self.what}"

    def open(self) -> Callable[[Batch], Scores]:
        """Load the network."""
        from facesieve_training.export.scorer import Scorer as Network

        network = Network(self.file)
        names = [label.name for label in network.quality.labels]
        if self.what not in (None, "raw", *names):
            raise DataError(
                f"{self.name}: {self.file} has no label {self.what}; it has raw, {', '.join(names)}"
            )

        def score(face: Image) -> float:
            scored = network.score(face)
            if self.what is None:
                return scored.value
            return scored.raw if self.what == "raw" else scored.labels[self.what]

        return lambda batch: np.array([score(face) for face in batch.aligned])
