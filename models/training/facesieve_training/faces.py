"""Faces by identity, one directory each, aligned to the usual 112x112 template, with or without margin.

A file of 112x112 pixels is the aligned face itself. A larger square file holds the face in its middle with a
margin all around (128x128: 8 pixels), so that alignment jitter has real pixels.
"""

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facesieve_training.cli import DataError

log = logging.getLogger(__name__)

SIZE = 112
"""Width and height of an aligned face, pixels."""
EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})

# Markers of JPEG: start of image and of a scan, end of image. The coded data cannot contain them.
_JPEG_START, _JPEG_SCAN, _JPEG_END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"

Image = NDArray[np.uint8]
"""Height x width x 3, BGR."""


@dataclass(frozen=True)
class Face:
    """One file of a set: identity is its directory's name, key is IDENTITY/FILE and unique in the set."""

    path: Path
    identity: str

    @property
    def key(self) -> str:
        """Name of the face within its set, the same on every machine."""
        return f"{self.identity}/{self.path.name}"


class FaceSet:
    """A directory with one directory of images for each identity, in the order of their names.

    Only the identities are held in memory; the files of each are listed on access.
    """

    def __init__(self, root: Path, limit: int | None = None, without: frozenset[str] = frozenset()) -> None:
        """List the identities below root, the first `limit` of them when given; `without`: keys of faces to
        leave out.
        """
        if not root.is_dir():
            raise DataError(
                f"{root}: is not a directory; give one with a directory of face images for each identity"
            )
        self.root, self._without = root, without
        self.identities = sorted(entry.name for entry in root.iterdir() if entry.is_dir())[:limit]
        if not self.identities:
            raise DataError(
                f"{root}: holds no directory; give one with a directory of face images for each identity"
            )

    def faces(self, identity: str) -> list[Face]:
        """List the faces of one identity in the order of their names."""
        files = sorted(p for p in (self.root / identity).iterdir() if p.suffix.lower() in EXTENSIONS)
        found = [Face(path, identity) for path in files]
        return [face for face in found if face.key not in self._without] if self._without else found

    def __iter__(self) -> Iterator[Face]:
        """All faces, identity by identity."""
        for identity in self.identities:
            yield from self.faces(identity)

    def hash(self) -> str:
        """Digest of names and sizes of all files: which data a run used. Logs identities without a face."""
        digest, empty = hashlib.sha256(), []
        for identity in self.identities:
            found = self.faces(identity)
            for face in found:
                digest.update(f"{face.key} {face.path.stat().st_size}\n".encode())
            if not found and identity not in self._without:
                empty.append(identity)
        if empty:
            log.warning("%s: %d directories hold no image: %s", self.root, len(empty), ", ".join(empty[:5]))
        return digest.hexdigest()[:16]


def decode(data: bytes) -> Image:
    """Decode one image, BGR; raises ValueError with the reason when it cannot be decoded completely."""
    if data.startswith(_JPEG_START) and data.rfind(_JPEG_END) < data.rfind(_JPEG_SCAN):
        raise ValueError("is a truncated JPEG")  # OpenCV would fill the rest with grey
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error as error:
        raise ValueError(f"cannot be decoded: {error.err}") from error
    if image is None:
        raise ValueError("is not a readable image")
    return np.asarray(image, np.uint8)


def read(path: Path) -> Image:
    """Read one image, BGR."""
    try:
        return decode(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise DataError(f"{path}: {error}; remove or replace it") from error


def read_face(path: Path) -> Image:
    """Read an aligned face with its margin; anything but a square of at least 112 pixels is an error."""
    image = read(path)
    height, width = image.shape[:2]
    if height != width or width < SIZE:
        raise DataError(
            f"{path}: is {width}x{height}; aligned faces are square and at least {SIZE} pixels wide"
        )
    return image


def centre(image: Image) -> Image:
    """Cut the aligned 112x112 face out of an image with margin (a view, not a copy)."""
    top, left = (image.shape[0] - SIZE) // 2, (image.shape[1] - SIZE) // 2
    return image[top : top + SIZE, left : left + SIZE]
