"""The faces to label: a directory of aligned images for each identity, or the shards of `prepare`."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from facesieve_training import degrade, faces
from facesieve_training.cli import DataError
from facesieve_training.degrade import Degradation
from facesieve_training.faces import FaceSet, Image
from facesieve_training.prepare.shards import INDEX, Shards


@dataclass(frozen=True)
class Rejected:
    """An image that cannot be labelled, or (`empty`) an identity without an image."""

    key: str
    fault: Literal["broken", "empty"]
    detail: str


class Source(Protocol):
    """Faces by identity; of each identity only its name is held in memory."""

    identities: list[str]

    def rejected(self) -> list[Rejected]:
        """Read all images and list those that cannot be labelled."""

    def names(self, identity: str) -> list[str]:
        """List the faces of an identity in order."""

    def read(self, identity: str, name: str) -> Image:
        """Read one face with its margin, BGR."""

    def hash(self) -> str:
        """Digest of the set."""


def open_source(root: Path, limit: int | None = None, without: frozenset[str] = frozenset()) -> Source:
    """Open either kind, whichever root is; `limit` takes its first identities only, `without` leaves out keys
    of a directory's images.
    """
    if (root / INDEX).exists():
        return ShardSource(root, limit)
    return DirectorySource(root, limit, without)


def image(
    source: Source, identity: str, name: str, variant: int, degradation: Degradation, seed: int
) -> Image:
    """Read a face, 112x112 BGR: the clean middle for variant 0, else its degraded version of that number."""
    clean = source.read(identity, name)
    if variant == 0:
        return faces.centre(clean)
    return degrade.degrade(clean, degradation, degrade.generator(seed, f"{identity}/{name}", variant))


class DirectorySource:
    """A `faces.FaceSet`."""

    def __init__(self, root: Path, limit: int | None, without: frozenset[str]) -> None:
        self._set = FaceSet(root, limit, without)
        self.identities = self._set.identities

    def rejected(self) -> list[Rejected]:
        """Decode all images."""
        with ThreadPoolExecutor() as pool:
            checked = tqdm(
                pool.map(self._check, self.identities),
                desc="check",
                total=len(self.identities),
                unit="identity",
                disable=None,
            )
            return [one for some in checked for one in some]

    def _check(self, identity: str) -> list[Rejected]:
        found, images = [], self._set.faces(identity)
        if not images:
            found.append(Rejected(identity, "empty", "its directory holds no image"))
        for face in images:
            try:
                faces.read_face(face.path)
            except DataError as error:
                found.append(Rejected(face.key, "broken", str(error)))
        return found

    def names(self, identity: str) -> list[str]:
        """List the files of an identity."""
        return [face.path.name for face in self._set.faces(identity)]

    def read(self, identity: str, name: str) -> Image:
        """Read a file."""
        return faces.read_face(self._set.root / identity / name)

    def hash(self) -> str:
        """Digest of names and sizes."""
        return self._set.hash()


class ShardSource:
    """A directory that `prepare` wrote: about 40 bytes a face are held, keys included."""

    def rejected(self) -> list[Rejected]:
        """Nothing: `prepare` decoded the images."""
        return []

    def __init__(self, root: Path, limit: int | None) -> None:
        self._shards = Shards(root)
        table = pq.read_table(root / INDEX, columns=["key", "identity"])
        self._keys: pa.Array = table["key"].combine_chunks()
        people = table["identity"].combine_chunks().dictionary_encode()
        codes = people.indices.to_numpy().astype(np.int32)
        self._order = np.argsort(codes, kind="stable").astype(np.int32)
        self._starts = np.searchsorted(codes[self._order], np.arange(len(people.dictionary) + 1))
        self.identities: list[str] = people.dictionary.to_pylist()[:limit]
        self._codes = {name: code for code, name in enumerate(self.identities)}

    def names(self, identity: str) -> list[str]:
        """List the keys of an identity, without the identity's name in front."""
        keys = self._keys.take(pa.array(self._rows(identity))).to_pylist()
        return [key.removeprefix(f"{identity}/") for key in keys]

    def read(self, identity: str, name: str) -> Image:
        """Read a face from its shard."""
        at = self.names(identity).index(name)
        found = np.asarray(self._shards.read(self._rows(identity)[at : at + 1])[0])
        if found.shape[0] < faces.SIZE:
            raise DataError(
                f"{self._shards.root}: holds faces of {found.shape[0]} pixels; {faces.SIZE} are needed"
            )
        return found

    def hash(self) -> str:
        """Digest of the index."""
        return self._shards.hash()

    def _rows(self, identity: str) -> np.typing.NDArray[np.int64]:
        code = self._codes[identity]
        return self._order[self._starts[code] : self._starts[code + 1]].astype(np.int64)
