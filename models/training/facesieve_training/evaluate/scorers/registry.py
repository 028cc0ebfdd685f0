"""Scores by their names in a configuration."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from facesieve_training.cli import DataError
from facesieve_training.config import load
from facesieve_training.evaluate.scorers.base import Scorer
from facesieve_training.evaluate.scorers.column import Column
from facesieve_training.evaluate.scorers.faceqnet import FaceQnet
from facesieve_training.evaluate.scorers.laplacian import Laplacian
from facesieve_training.evaluate.scorers.lightqnet import LightQNet
from facesieve_training.evaluate.scorers.pose_symmetry import PoseSymmetry
from facesieve_training.evaluate.scorers.quality_onnx import QualityNetwork, QualityOnnx
from facesieve_training.evaluate.scorers.random_order import RandomOrder
from facesieve_training.evaluate.scorers.size import Size
from facesieve_training.evaluate.scorers.student import Student, TrainedStudent
from facesieve_training.evaluate.scorers.teacher import EmbeddingLength, SerFiq
from facesieve_training.teacher.source import TeacherSource

Kind = Literal[
    "random", "laplacian", "size", "pose_symmetry", "serfiq", "embedding_length", "faceqnet", "lightqnet",
    "student", "column", "onnx",
]  # fmt: skip
_NEEDS_FILE = ("lightqnet", "column", "onnx")
_NEEDS_TEACHER = ("serfiq", "embedding_length", "faceqnet")


@dataclass(frozen=True)
class ScoreConfig:
    """One score to evaluate; each key names the kinds that use it."""

    kind: Kind
    name: str | None = None
    """Name in tables and curves; null for the kind's name."""
    file: Path | None = None
    """lightqnet: its .pb; student: its .tflite; column: a table; onnx: any quality network; size: a detector,
    for directories.
    """
    description: Path | None = None
    """onnx: YAML file with the network's input and output (`QualityNetwork`), as in configs/networks."""
    run: Path | None = None
    """student: the directory of a finished run of the stage student, instead of a file: scores in float32."""
    column: str | None = None
    """column: name of the column. student: `raw`, or the name of a label to evaluate."""
    masks: int = 50
    """serfiq: number of dropout masks."""
    rate: float = 0.5
    """serfiq: share of values that a mask drops."""
    faces: Path | None = None
    """faceqnet: training faces by identity."""
    identities: int | None = None
    """faceqnet: number of identities, the first ones; null for all."""
    epochs: int = 20
    """faceqnet: passes over the training faces."""

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        faults = []
        if self.kind in _NEEDS_FILE and self.file is None:
            faults.append(f"file: {self.kind} needs one")
        if self.kind == "student" and (self.file is None) == (self.run is None):
            faults.append("file: student needs either file, a .tflite, or run, a run of the stage student")
        if self.kind == "column" and self.column is None:
            faults.append("column: which column of the table holds the score?")
        if self.kind == "faceqnet" and self.faces is None:
            faults.append("faces: faceqnet needs training faces by identity")
        if not 0 < self.rate < 1:
            faults.append(f"rate: must be between 0 and 1, not {self.rate}")
        if self.masks < 2:
            faults.append(f"masks: must be at least 2, not {self.masks}")
        return faults

    def needs_teacher(self) -> bool:
        """Whether the kind is computed by the teacher."""
        return self.kind in _NEEDS_TEACHER


def default_scores() -> list[ScoreConfig]:
    """Return the scores that need neither a file nor a teacher."""
    return [ScoreConfig("random"), ScoreConfig("laplacian"), ScoreConfig("pose_symmetry")]


def build(config: ScoreConfig, teacher: TeacherSource | None, seed: int) -> Scorer:
    """Make the scorer that a configuration describes."""
    name = config.name or (config.file.stem if config.kind == "onnx" and config.file else _NAMES[config.kind])
    if config.kind in _NEEDS_TEACHER and teacher is not None:
        return _of_teacher(config, name, teacher, seed)
    if config.kind == "random":
        return RandomOrder(name, seed)
    if config.kind == "laplacian":
        return Laplacian(name)
    if config.kind == "pose_symmetry":
        return PoseSymmetry(name)
    if config.kind == "size":
        return Size(name, config.file)
    if config.kind == "student" and config.run is not None:
        return TrainedStudent(name, config.run, config.column)
    return _of_file(config, name)


def _of_teacher(config: ScoreConfig, name: str, teacher: TeacherSource, seed: int) -> Scorer:
    if config.kind == "serfiq":
        return SerFiq(name, teacher, config.masks, config.rate, seed)
    if config.kind == "embedding_length":
        return EmbeddingLength(name, teacher)
    if config.faces is None:
        raise DataError(f"scores: {name} needs the key faces, training faces by identity")
    return FaceQnet(name, teacher, config.faces, config.identities, config.epochs, seed=seed)


def _of_file(config: ScoreConfig, name: str) -> Scorer:
    if config.file is None:
        raise DataError(f"scores: {name} needs the key file")
    if config.kind == "lightqnet":
        return LightQNet(name, config.file)
    if config.kind == "student":
        return Student(name, config.file, config.column)
    if config.kind == "onnx":
        return QualityOnnx(name, config.file, load(config.description, QualityNetwork))
    return Column(name, config.file, config.column or "")


_NAMES: dict[str, str] = {
    "random": "random",
    "laplacian": "Laplacian variance",
    "size": "inter-eye distance",
    "pose_symmetry": "pose symmetry",
    "serfiq": "SER-FIQ",
    "embedding_length": "embedding length",
    "faceqnet": "FaceQnet recipe",
    "lightqnet": "LightQNet",
    "student": "student",
    "column": "column",
    "onnx": "ONNX network",
}
