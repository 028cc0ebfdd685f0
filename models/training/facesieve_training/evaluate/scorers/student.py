"""Our own student: an int8 network with its manifest, scored as the daemon scores."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from facesieve_training.cli import DataError
from facesieve_training.evaluate.gallery import Batch, file_digest
from facesieve_training.evaluate.scorers.base import Scorer, Scores


@dataclass(frozen=True)
class Student(Scorer):
    """The calibrated score, 0..100, or one of its labels."""

    file: Path
    label: str | None = None

    @property
    def about(self) -> str:
        """One sentence for the report."""
        what = f"its label {self.label} alone" if self.label else "the weighted sum of its labels"
        return f"{self.file.name} (int8, on TFLite): {what}."

    def digest(self) -> str:
        """Text that changes whenever the scores would; the manifest decodes them, so it counts."""
        manifest = self.file.with_suffix(".json")
        if not manifest.is_file():
            raise DataError(f"{manifest}: no such file; the network's manifest must be beside it")
        return f"student {file_digest(self.file)} {file_digest(manifest)} {self.label}"

    def open(self) -> Callable[[Batch], Scores]:
        """Load the network."""
        raise NotImplementedError
