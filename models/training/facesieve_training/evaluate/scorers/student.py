"""The student network: int8 with its manifest, decoded as in the daemon; or a finished run, in float32."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from facesieve_training.cli import DataError
from facesieve_training.evaluate.gallery import Batch, file_digest
from facesieve_training.evaluate.scorers.base import Scorer, Scores
from facesieve_training.evaluate.scorers.teacher import in_batches
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


@dataclass(frozen=True)
class TrainedStudent(Scorer):
    """The student of a finished run of the stage student: its only label, or the one of this name."""

    run: Path
    what: str | None = None

    @property
    def about(self) -> str:
        """One sentence for the report."""
        return f"The student of {self.run.name} in float32: its label {self.what or 'of the run'}, 0 to 1."

    def digest(self) -> str:
        """Text that changes whenever the scores would."""
        return f"trained {file_digest(self.run / 'student.weights.h5')} {self.what}"

    def open(self) -> Callable[[Batch], Scores]:
        """Load the network."""
        import keras

        from facesieve_training.config import load
        from facesieve_training.export.quality import load_student, to_input
        from facesieve_training.student import network, stage

        config = load(self.run / "config.yaml", stage.Config)
        names = config.student.labels
        if (self.what or names[0]) not in names or (self.what is None and len(names) > 1):
            raise DataError(
                f"{self.name}: name one of the labels of {self.run} by column: {', '.join(names)}"
            )
        model = load_student(self.run, config, *label_sizes(config.labels / "labels.parquet"))
        at = names.index(self.what or names[0])

        def score(faces: Image) -> Scores:
            logits = keras.tree.flatten(model(to_input(faces), training=False))
            values = network.expectation(logits[at])
            return np.asarray(keras.ops.convert_to_numpy(values), np.float64)

        return lambda batch: in_batches(score, batch)


def label_sizes(table: Path) -> tuple[int, int]:
    """Length of the embeddings and number of people of a label table."""
    if not table.is_file():
        raise DataError(f"{table}: is missing; the student's label table gives its sizes")
    with pq.ParquetFile(table) as file:
        first = next(file.iter_batches(1, columns=["embedding"]))
        people = pc.count_distinct(file.read(columns=["identity"])["identity"]).as_py()
    return len(first["embedding"][0]), people
