"""Interface of a reader: entries in a fixed order, the bytes of each, and a protocol's pairs."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesieve_training.cli import DataError

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Entry:
    """One face of a source; small, because there may be ten million."""

    key: str
    """IDENTITY/NAME, unique in the source."""
    identity: str
    source: str
    """Readable location: a file or a record."""
    locator: Any
    """Location for the reader that made the entry."""
    size: int
    """Bytes of the encoded image."""
    box: Box | None = None
    """x, y, width, height of the face, pixels of the image, if the source has it."""
    points: tuple[float, ...] | None = None
    """Five landmarks x, y, x, y, ... in pixels of the image, if the source has them."""
    template: str = ""
    """IJB-C: the face's template."""
    media: str = ""
    """IJB-C: the face's photograph or video."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One comparison of a protocol, by keys of entries (IJB-C: by templates)."""

    left: str
    right: str
    mated: bool


class Source(ABC):
    """A data set in its published format; small enough to be sent to a worker."""

    only_pairs = False
    """Whether only the protocol's pairs may be compared, so that all of their images are needed: a person has
    several identities, or templates are compared."""

    def __init__(self, root: Path) -> None:
        """Take the set at this path."""
        self.root = root

    @abstractmethod
    def entries(self) -> Iterator[Entry]:
        """All entries in a fixed order, by identity if the source is ordered so."""

    def encoded(self, entry: Entry) -> bytes:
        """Bytes of an entry's image: JPEG, PNG or whatever OpenCV decodes."""
        return Path(entry.locator).read_bytes()

    def empty(self) -> list[str]:
        """Identities whose directories hold no image."""
        return []

    def pairs(self) -> Iterator[Pair]:
        """The protocol's comparisons; most sources have none."""
        return iter(())


def directory(path: Path, what: str) -> Path:
    """Return path, which must be a directory."""
    if not path.is_dir():
        raise DataError(f"{path}: is not a directory; {what}")
    return path


def lines(path: Path, what: str) -> Iterator[tuple[int, str]]:
    """Number and text of the lines of a text file that are not empty."""
    if not path.is_file():
        raise DataError(f"{path}: no such file; {what}")
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, line.rstrip("\r\n")


def bad_line(path: Path, number: int, expected: str, text: str) -> DataError:
    """Make the error for a malformed line."""
    return DataError(f"{path}:{number}: must be {expected}, not {text[:80]!r}")


def points_array(points: tuple[float, ...]) -> NDArray[np.float32]:
    """Landmarks of an entry as 5 x 2."""
    return np.array(points, np.float32).reshape(5, 2)
