"""The images to score, and the aligned face of each: as it is, or found and aligned by the detector."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from facesieve_training.cli import DataError
from facesieve_training.faces import EXTENSIONS, SIZE, Image, centre, read
from facesieve_training.prepare.align import align
from facesieve_training.prepare.cut import detected, reduced
from facesieve_training.prepare.detector import Detect

How = Literal["auto", "none", "detect"]
ALIGNED = (SIZE, 128)
"""Sides of square images that are aligned faces: without margin, and with the margin of `prepare`."""
LONGEST = 640
"""Largest side of the detector's input, pixels."""


@dataclass(frozen=True)
class Item:
    """An image to score: its path as the caller wrote it, and its name in the table."""

    path: Path
    key: str


@dataclass(frozen=True)
class Found:
    """The face of an image: SIZE x SIZE BGR, or None with the fault."""

    face: Image | None
    faces: int | None = None
    """Number of faces that the detector found; None where it was not used."""
    face_score: float = float("nan")
    inter_eye: float = float("nan")
    """Distance of the eyes in the image, pixels."""
    fault: str = ""


def listed(source: Path) -> list[Item]:
    """The images of a directory and its subdirectories, of a list (one path a line), or one image."""
    if source.is_dir():
        files = sorted(p for p in source.rglob("*") if p.suffix.lower() in EXTENSIONS and p.is_file())
        items = [Item(path, path.relative_to(source).as_posix()) for path in files]
    elif not source.is_file():
        raise DataError(
            f"{source}: no such directory or file; give a directory of images, or a list of paths"
        )
    elif source.suffix.lower() in EXTENSIONS:
        items = [Item(source, source.name)]
    else:
        items = [Item(Path(line), line) for line in _lines(source)]
    if not items:
        kinds = ", ".join(sorted(EXTENSIONS))
        raise DataError(f"{source}: has no image ({kinds}); give a directory of images, or a list of paths")
    return items


def _lines(source: Path) -> Iterator[str]:
    try:
        text = source.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{source}: is not a list of paths in UTF-8: {error}") from error
    return (line.strip() for line in text.splitlines() if line.strip())


class Finder:
    """Gives the face of an image."""

    def __init__(self, how: How, detect: Detect | None, threshold: float) -> None:
        """Take a detector, which `how` = none does not need, and the lowest score of a face."""
        self._how, self._detect, self._threshold = how, detect, threshold

    def __call__(self, path: Path) -> Found:
        """Read an image and find its face; of several faces the largest."""
        if not path.is_file():
            return Found(None, fault="missing")
        try:
            image = read(path)
        except DataError:
            return Found(None, fault="unreadable")
        height, width = image.shape[:2]
        square = height == width and (width >= SIZE if self._how == "none" else width in ALIGNED)
        if square and self._how != "detect":
            return Found(centre(image))
        if self._detect is None:
            return Found(
                None, fault=f"wrong size: {width}x{height}; an aligned face is square, {SIZE} or more"
            )
        return self._largest(image, self._detect)

    def _largest(self, image: Image, detect: Detect) -> Found:
        view, scale, _ = reduced(image, None, LONGEST)
        faces = detected(detect, view, self._threshold)
        if not len(faces):
            return Found(None, faces=0, fault="no face")
        face = faces[np.argmax(faces[:, 2] * faces[:, 3])]
        count, score = len(faces), float(face[14])
        try:
            aligned = align(image, np.asarray(face[4:14].reshape(5, 2) / scale, np.float32), 0)
        except ValueError as error:
            return Found(None, count, score, fault=f"no face: {error}")
        return Found(aligned.image, count, score, aligned.inter_eye)
