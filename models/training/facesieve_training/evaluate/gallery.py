"""The faces under evaluation: a directory of aligned images for each identity, or `prepare`'s shards."""

import dataclasses
import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facesieve_training import faces
from facesieve_training.cli import DataError
from facesieve_training.evaluate.edc import Ints
from facesieve_training.faces import SIZE, FaceSet, Image
from facesieve_training.prepare.shards import INDEX, Shards


@dataclass(frozen=True)
class Batch:
    """Some faces of a gallery, the input of scorers and networks."""

    keys: list[str]
    images: NDArray[np.uint8]
    """Number x side x side x 3, BGR: the aligned 112x112 face in the middle, margin around it."""
    inter_eye: NDArray[np.float32]
    """Inter-eye distance in the image that the face was cut from, pixels; NaN where unknown."""

    @property
    def aligned(self) -> NDArray[np.uint8]:
        """The faces without margin, number x 112 x 112 x 3, BGR (a view)."""
        edge = (self.images.shape[1] - SIZE) // 2
        return self.images[:, edge : edge + SIZE, edge : edge + SIZE]


class Gallery(ABC):
    """Faces with their identities, by row number; small to pickle, because images are read on access."""

    def __init__(self, keys: list[str], people: list[str], digest: str) -> None:
        self.keys = keys
        self.people = people
        self.digest = digest
        """Digest of the data set."""
        self.names, codes = np.unique(np.array(people, dtype=str), return_inverse=True)
        self.identity: Ints = codes.astype(np.int64)

    def __len__(self) -> int:
        """Number of faces."""
        return len(self.keys)

    templates: list[str] | None = None
    """Template of each face, in sets that compare templates; then `media` has the medium of each, or ""."""
    media: list[str] = []  # noqa: RUF012

    def protocol(self) -> pd.DataFrame | None:
        """The set's own pairs (left, right: keys, or templates; mated), or None."""
        return None

    def only_pairs(self) -> bool:
        """Whether only the set's own pairs may be compared."""
        return False

    @abstractmethod
    def read(self, rows: Ints) -> Batch:
        """Read the faces of these rows."""


class DirectoryGallery(Gallery):
    """A `faces.FaceSet`."""

    def __init__(self, root: Path, limit: int | None) -> None:
        files = FaceSet(root, limit)
        found = list(files)
        if not found:
            raise DataError(f"{root}: its directories hold no image ({', '.join(sorted(faces.EXTENSIONS))})")
        self._paths = [face.path for face in found]
        super().__init__([face.key for face in found], [face.identity for face in found], files.hash())

    def read(self, rows: Ints) -> Batch:
        """Read the faces of these rows; they must be of one size."""
        images: list[Image] = []
        for row in rows:
            image = faces.read_face(self._paths[row])
            if images and image.shape != images[0].shape:
                raise DataError(
                    f"{self._paths[row]}: is {image.shape[1]} pixels wide, faces before it "
                    f"{images[0].shape[1]}; all faces of a set must have the same margin"
                )
            images.append(image)
        unknown = np.full(len(rows), np.nan, np.float32)
        return Batch([self.keys[row] for row in rows], np.stack(images), unknown)


class ShardGallery(Gallery):
    """The faces of a directory that `prepare` wrote."""

    def __init__(self, root: Path, limit: int | None) -> None:
        self._shards = Shards(root)
        table = self._shards.index
        if limit is not None:
            table = table[table["identity"].isin(list(dict.fromkeys(table["identity"]))[:limit])]
        self._rows = table.index.to_numpy()
        self._inter_eye = table["inter_eye"].to_numpy(np.float32)
        if (table["template"] != "").any():
            self.templates, self.media = list(table["template"]), list(table["media"])
        super().__init__(list(table["key"]), list(table["identity"]), self._shards.hash())

    def protocol(self) -> pd.DataFrame | None:
        """The source's pairs."""
        return self._shards.pairs()

    def only_pairs(self) -> bool:
        """The source's setting."""
        return self._shards.only_pairs()

    def read(self, rows: Ints) -> Batch:
        """Read the faces of these rows."""
        images = self._shards.read(self._rows[rows])
        return Batch([self.keys[row] for row in rows], images, self._inter_eye[rows])


def open_gallery(root: Path, limit: int | None = None) -> Gallery:
    """Open either kind, whichever root is; `limit` takes its first identities only."""
    if not root.is_dir():
        raise DataError(
            f"{root}: is not a directory; give a directory of faces by identity, or one that prepare wrote"
        )
    return ShardGallery(root, limit) if (root / INDEX).exists() else DirectoryGallery(root, limit)


def settings_digest(value: Any) -> str:
    """Text that identifies settings: files by content, without names."""
    parts = []
    for field in dataclasses.fields(value):
        if field.name == "name":
            continue
        content = getattr(value, field.name)
        parts.append(f"{field.name}={file_digest(content) if isinstance(content, Path) else content!r}")
    return f"{type(value).__name__}({', '.join(parts)})"


def file_digest(path: Path) -> str:
    """SHA-256 of a file, which must exist."""
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
