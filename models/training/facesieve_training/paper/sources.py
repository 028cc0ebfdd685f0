"""Which form a directory of faces has: aligned faces, or a published set that `prepare` has to read first."""

from pathlib import Path
from typing import Any

import cv2

from facesieve_training.cli import DataError
from facesieve_training.faces import EXTENSIONS, SIZE
from facesieve_training.prepare.shards import INDEX

DETECTOR = Path(__file__).parents[3] / "detector.tflite"


def published(path: Path) -> dict[str, Any] | None:
    """Configuration of `prepare` for this directory; None for aligned faces by person and for shards."""
    if not path.is_dir():
        raise DataError(f"{path}: is not a directory; give one of faces by person, or a published set")
    if (path / INDEX).exists():
        return None
    kind = _kind(path)
    if kind == "directory" and _aligned(path):
        return None
    return {"source": {"kind": kind, "path": str(path)}, "detector": str(DETECTOR)}


def _kind(path: Path) -> str:
    if any(path.glob("fold_[0-9]_data.txt")):
        return "adience"
    if (path / "meta").is_dir() or (path / "protocols").is_dir():
        return "ijbc"
    return "recordio" if any(path.glob("*.rec")) else "directory"


def _aligned(path: Path) -> bool:
    """Whether the first image is a square of at least SIZE pixels, with a small margin at most."""
    for person in sorted(entry for entry in path.iterdir() if entry.is_dir()):
        for file in sorted(person.iterdir()):
            if file.suffix.lower() in EXTENSIONS:
                image = cv2.imread(str(file))
                return (
                    image is not None and image.shape[0] == image.shape[1] and SIZE <= image.shape[0] <= 160
                )
    raise DataError(f"{path}: holds no directory with an image; give one of faces by person")
