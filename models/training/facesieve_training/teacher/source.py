"""The teacher of a stage: an ONNX file, or the run that trained or imported one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from facesieve_training.cli import DataError
from facesieve_training.config import ConfigError, load
from facesieve_training.quiet import without_notes
from facesieve_training.teacher import imported
from facesieve_training.teacher.features import Teacher
from facesieve_training.teacher.imported import OnnxTeacher


@dataclass(frozen=True)
class TeacherSource:
    """Configuration key `teacher`: {run: DIR}, or {onnx: FILE, cut: NAME, low: NAME, ...}."""

    run: Path | None = None
    """Directory of a finished run of the stage teacher."""
    onnx: Path | None = None
    cut: str | None = None
    """onnx: name of the value before the last layer, where dropout masks are applied."""
    low: str | None = None
    """onnx: name of the value that is the low-level feature."""
    color: Literal["RGB", "BGR"] = "RGB"
    mean: float = 0.0
    std: float = 1.0

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        if (self.run is None) == (self.onnx is None):
            return ["run: give either run, the directory of a trained teacher, or onnx, a network's file"]
        if self.onnx is None:
            return []
        found = [f"{n}: is required with onnx" for n in ("cut", "low") if getattr(self, n) is None]
        return found or self.as_onnx().faults()

    def as_onnx(self) -> OnnxTeacher:
        """The teacher as an ONNX file; a trained one has teacher.onnx in its run's directory."""
        if self.run is not None:
            return _imported_by(self.run) or _trained_by(self.run)
        if self.onnx is None or self.cut is None or self.low is None:
            raise ValueError("no teacher is given")
        return OnnxTeacher(self.onnx, self.cut, self.low, self.color, self.mean, self.std)


def _imported_by(directory: Path) -> OnnxTeacher | None:
    """The network that a run imported; None if it trained one."""
    path = directory / "config.yaml"
    if not path.is_file():
        raise DataError(
            f"{directory}: holds no run; give the directory of a finished run of the stage teacher"
        )
    with without_notes():
        from facesieve_training.teacher import stage

    try:
        return load(path, stage.Config).teacher
    except ConfigError as error:
        raise DataError(f"{directory}: is not a usable run of the stage teacher: {error}") from error


def _trained_by(directory: Path) -> OnnxTeacher:
    from facesieve_training.teacher import network

    file = directory / "teacher.onnx"
    if not file.is_file():
        raise DataError(f"{file}: is missing; give the directory of a finished run of the stage teacher")
    return OnnxTeacher(file, network.CUT, network.LOW, "BGR")


def open_teacher(source: TeacherSource, threads: int = 0) -> Teacher:
    """Load the teacher; threads: of an imported one, 0 means one per core."""
    if source.run is None or _imported_by(source.run):
        return imported.Teacher(source.as_onnx(), threads)
    from facesieve_training.teacher import trained

    return trained.Teacher(source.run)
