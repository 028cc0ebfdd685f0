"""Which teacher a stage uses: an ONNX file, or the run that trained or imported one."""

from dataclasses import dataclass
from pathlib import Path

from facesieve_training.cli import DataError
from facesieve_training.config import load
from facesieve_training.teacher import imported
from facesieve_training.teacher.features import Teacher
from facesieve_training.teacher.imported import OnnxTeacher


@dataclass(frozen=True)
class TeacherSource:
    """Configuration key `teacher`: {run: FOLDER}, or {onnx: FILE, cut: NAME, low: NAME, ...}."""

    run: Path | None = None
    """Folder of a finished run of the stage teacher."""
    onnx: Path | None = None
    cut: str | None = None
    """onnx: name of the value before the last layer; dropout masks go there."""
    low: str | None = None
    """onnx: name of the value that serves as low-level feature."""
    colour: str = "RGB"
    mean: float = 0.0
    std: float = 1.0

    def faults(self) -> list[str]:
        """Say what is wrong with the values."""
        if (self.run is None) == (self.onnx is None):
            return ["run: give either run, the folder of a trained teacher, or onnx, a network's file"]
        if self.onnx is None:
            return []
        found = [f"{n}: is required with onnx" for n in ("cut", "low") if getattr(self, n) is None]
        return found or self.as_onnx().faults()

    def as_onnx(self) -> OnnxTeacher:
        """Return the imported network's part; only where onnx is given."""
        if self.onnx is None or self.cut is None or self.low is None:
            raise ValueError("not an imported teacher")
        return OnnxTeacher(self.onnx, self.cut, self.low, self.colour, self.mean, self.std)


def open_teacher(source: TeacherSource, threads: int = 0) -> Teacher:
    """Load the teacher; threads limits an imported one's, 0 means one for each core."""
    if source.run is None:
        return imported.Teacher(source.as_onnx(), threads)
    held = source.run / "config.yaml"
    if not held.is_file():
        raise DataError(f"{source.run}: holds no run; give the folder of a finished run of the stage teacher")
    from facesieve_training.teacher import stage, trained

    config = load(held, stage.Config)
    return imported.Teacher(config.teacher, threads) if config.teacher else trained.Teacher(source.run)
