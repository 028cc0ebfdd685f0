"""Aligned faces on disk, uncompressed for fast reading: the output of `prepare`.

    index.parquet       one row per face, in order: identity, key, source, ..., shard, row (SCHEMA below)
    shard-000000.npy    number x side x side x 3, uint8, BGR; row r of shard s is face (s, r)
    pairs.parquet       only for a source with a protocol: left, right, mated; keys, or templates (IJB-C)

Decoding a JPEG takes a fraction of a millisecond of a core, while a GPU host trains on tens of thousands of
faces a second; and re-encoding would change the image quality. A face of 128x128 is 48 KiB, so 5.8 million
(MS-Celeb-1M) are 285 GB. NumPy's format can be mapped into memory, so that shuffling over the whole set is
one random read per face. Shards are written atomically.
"""

import hashlib
import io
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from facesieve_training.cli import DataError
from facesieve_training.prepare.source import Pair
from facesieve_training.run import atomic, write_atomic

INDEX = "index.parquet"
PAIRS_FILE = "pairs.parquet"
SCHEMA = pa.schema(
    [
        ("key", pa.string()),  # IDENTITY/NAME, unique in the set
        ("identity", pa.string()),
        ("source", pa.string()),  # file, record or entry of the face
        ("template", pa.string()),  # IJB-C's template; empty elsewhere
        ("media", pa.string()),  # IJB-C's medium (photograph or video); empty where unknown
        ("width", pa.int32()),  # of the source image, pixels
        ("height", pa.int32()),
        ("face_score", pa.float32()),  # the detector's, 0..1; NaN where landmarks were given
        ("inter_eye", pa.float32()),  # distance of the eyes in the source image, pixels
        (
            "residual",
            pa.float32(),
        ),  # rms distance of the aligned landmarks from the template's, aligned pixels
        ("outside", pa.float32()),  # share of the aligned face (without margin) that lies outside the source
        ("hash", pa.string()),  # of the source's decoded pixels
        ("shard", pa.int32()),
        ("row", pa.int32()),
    ]
)
PAIRS = pa.schema([("left", pa.string()), ("right", pa.string()), ("mated", pa.bool_())])
# Metadata of pairs.parquet, see `Shards.only_pairs`.
_ONLY = b"only"


def write_pairs(root: Path, pairs: list[Pair], only: bool) -> None:
    """Write a protocol; `only`: no other pairs may be compared."""
    columns = [[p.left for p in pairs], [p.right for p in pairs], [p.mated for p in pairs]]
    schema = PAIRS.with_metadata({_ONLY: b"yes"}) if only else PAIRS
    write_table(root / PAIRS_FILE, pa.table(columns, schema=schema))


def shard_name(number: int) -> str:
    """File of a shard's images."""
    return f"shard-{number:06d}.npy"


def write_shard(root: Path, number: int, images: NDArray[np.uint8]) -> None:
    """Write a shard's images atomically."""
    images = np.ascontiguousarray(images)
    with atomic(
        root / shard_name(number)
    ) as file:  # not write_atomic, which would need a second copy in memory
        # Not np.save, whose error on a full disk has no error number.
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(images))
        file.write(images.data)


def write_table(path: Path, table: pa.Table) -> None:
    """Write a Parquet file atomically."""
    data = io.BytesIO()
    pq.write_table(table, data)
    write_atomic(path, data.getvalue())


def join(root: Path, parts: list[Path]) -> None:
    """Join the rows of the shards into the index, in order, one shard in memory at a time."""
    with atomic(root / INDEX) as file, pq.ParquetWriter(file, SCHEMA) as writer:
        for part in parts:
            writer.write_table(pq.read_table(part))


@dataclass(frozen=True)
class Loaded:
    """A batch: rows of the index, and the images, number x side x side x 3, BGR."""

    rows: NDArray[np.int64]
    images: NDArray[np.uint8]


class Shards:
    """A directory that `prepare` wrote, open for reading; each process maps the shards that it reads."""

    def __init__(self, root: Path) -> None:
        """Read the index and check that every shard is there, with the rows it should have."""
        path = root / INDEX
        if not path.is_file():
            raise DataError(f"{root}: holds no {INDEX}; is `prepare` finished, and is this its output?")
        self.root = root
        missing = {c.name for c in SCHEMA} - set(pq.read_schema(path).names)
        if missing:
            raise DataError(
                f"{path}: has no columns {', '.join(sorted(missing))}; was it written by `prepare`?"
            )
        positions = pq.read_table(path, columns=["shard", "row"])
        self._shard = positions["shard"].to_numpy()
        self._row = positions["row"].to_numpy()
        self._maps: dict[int, NDArray[np.uint8]] = {}
        for number, rows in zip(*np.unique(self._shard, return_counts=True), strict=True):
            self._check(int(number), int(rows))

    def __len__(self) -> int:
        """Number of faces."""
        return len(self._row)

    @cached_property
    def index(self) -> pd.DataFrame:
        """The whole index; read on first access, because reading batches does not need it."""
        table: pd.DataFrame = pq.read_table(self.root / INDEX).to_pandas()
        return table

    def __getstate__(self) -> dict[str, object]:
        """State for pickling, without the maps: each process maps the files itself."""
        return {**self.__dict__, "_maps": {}}

    def hash(self) -> str:
        """Digest of the index, which contains the pixels' hashes, and therefore of the whole set."""
        return hashlib.sha256((self.root / INDEX).read_bytes()).hexdigest()[:16]

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Read the faces of these rows of the index, in this order."""
        if not len(rows):
            return np.zeros((0, 0, 0, 3), np.uint8)
        shards = self._shard[rows]
        images = np.empty((len(rows), *self._map(int(shards[0])).shape[1:]), np.uint8)
        for number in np.unique(shards):
            wanted = np.flatnonzero(shards == number)
            wanted = wanted[np.argsort(self._row[rows[wanted]])]
            images[wanted] = self._map(int(number))[self._row[rows[wanted]]]
        return images

    def batches(
        self, size: int, rng: np.random.Generator | None = None, ahead: int = 2, readers: int = 1
    ) -> Iterator[Loaded]:
        """Batches of every face once, in the index's order or, with rng, shuffled over the whole set.

        `ahead` batches are read in advance by `readers` threads. The last batch may be smaller.
        """
        order = np.arange(len(self)) if rng is None else rng.permutation(len(self))
        starts = iter(range(0, len(self), size))
        with ThreadPoolExecutor(readers) as pool:

            def begin() -> list[tuple[NDArray[np.int64], Future[NDArray[np.uint8]]]]:
                start = next(starts, None)
                if start is None:
                    return []
                rows = order[start : start + size]
                return [(rows, pool.submit(self.read, rows))]

            waiting = [job for _ in range(ahead) for job in begin()]
            while waiting:
                rows, future = waiting.pop(0)
                images = future.result()
                waiting += begin()
                yield Loaded(rows, images)

    def pairs(self) -> pd.DataFrame | None:
        """The source's protocol, or None."""
        path = self.root / PAIRS_FILE
        return pq.read_table(path).to_pandas() if path.is_file() else None

    def only_pairs(self) -> bool:
        """Whether only the protocol's pairs may be compared, because identities are not unique."""
        path = self.root / PAIRS_FILE
        return path.is_file() and _ONLY in (pq.read_schema(path).metadata or {})

    def _map(self, number: int) -> NDArray[np.uint8]:
        if number not in self._maps:
            self._maps[number] = np.load(self.root / shard_name(number), mmap_mode="r")
        return self._maps[number]

    def _check(self, number: int, rows: int) -> None:
        path = self.root / shard_name(number)
        try:
            shape, kind = self._map(number).shape, self._map(number).dtype
        except (OSError, ValueError) as error:
            raise DataError(
                f"{path}: cannot be read: {error}; run `prepare` again, in a new directory"
            ) from error
        if kind != np.uint8 or len(shape) != 4 or shape[1] != shape[2] or shape[3] != 3 or shape[0] != rows:
            raise DataError(
                f"{path}: holds {kind} {shape} for {rows} faces; run `prepare` again, in a new directory"
            )
