"""Scores from a recognition network without training: SER-FIQ, and the length of its embedding."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from facesieve_training.evaluate.gallery import Batch, file_digest
from facesieve_training.evaluate.scorers.base import Scorer, Scores
from facesieve_training.faces import Image
from facesieve_training.label import formulas
from facesieve_training.teacher.source import TeacherSource, open_teacher

BATCH = 32


def teacher_digest(source: TeacherSource) -> str:
    """Text that changes whenever the teacher's outputs would."""
    config = source.as_onnx()
    return f"{file_digest(config.onnx)} {config.cut} {config.low} {config.color} {config.mean} {config.std}"


@dataclass(frozen=True)
class SerFiq(Scorer):
    """Robustness of the embedding against dropout (Terhoerst et al. 2020); the label S_r of a clean face."""

    teacher: TeacherSource
    masks: int = 50
    rate: float = 0.5
    seed: int = 1

    @property
    def about(self) -> str:
        """One sentence for the report."""
        return (
            f"SER-FIQ (Terhoerst et al. 2020) on {self.teacher.as_onnx().onnx.name}: likeness of "
            f"{self.masks} embeddings, each with a share of {self.rate:g} of the values before the last "
            "layer dropped."
        )

    def digest(self) -> str:
        """Text that changes whenever the scores would."""
        return f"serfiq {teacher_digest(self.teacher)} {self.masks} {self.rate} {self.seed}"

    def open(self) -> Callable[[Batch], Scores]:
        """Load the teacher."""
        teacher = open_teacher(self.teacher, threads=1)
        masks = formulas.masks(self.masks, teacher.cut_width, self.rate, self.seed)

        def some(faces: Image) -> Scores:
            cut = teacher(faces).cut
            embedded = teacher.embed_cut((cut[:, None, :] * masks).reshape(-1, masks.shape[1]))
            unit = formulas.unit_rows(embedded).reshape(len(cut), len(masks), -1)
            return formulas.robustness(unit).astype(np.float64)

        return lambda batch: in_batches(some, batch)


@dataclass(frozen=True)
class EmbeddingLength(Scorer):
    """Length of the teacher's embedding before it is normalised (the idea of MagFace, untrained)."""

    teacher: TeacherSource

    @property
    def about(self) -> str:
        """One sentence for the report."""
        return f"Length of the embedding of {self.teacher.as_onnx().onnx.name} before it is normalised."

    def digest(self) -> str:
        """Text that changes whenever the scores would."""
        return f"length {teacher_digest(self.teacher)}"

    def open(self) -> Callable[[Batch], Scores]:
        """Load the teacher."""
        teacher = open_teacher(self.teacher, threads=1)
        return lambda batch: in_batches(
            lambda faces: np.linalg.norm(teacher(faces).embedding, axis=1).astype(np.float64), batch
        )


def in_batches(function: Callable[[Image], Scores], batch: Batch) -> Scores:
    """Apply a function of aligned faces to a few at a time."""
    faces = batch.aligned
    return np.concatenate([function(faces[i : i + BATCH]) for i in range(0, len(faces), BATCH)])
