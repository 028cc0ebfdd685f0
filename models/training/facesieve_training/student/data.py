"""Training data of a student: the labelled images, and the labels, spread evenly over 0..1.

Rows are numbered in the order of the label table. Images are read from a cache file in that order or made
from the faces; both give the same bytes.
"""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from numpy.typing import NDArray
from tqdm import tqdm

from facesieve_training import faces
from facesieve_training.cli import DataError
from facesieve_training.config import load
from facesieve_training.label import stage as label_stage
from facesieve_training.label.source import image, open_source
from facesieve_training.run import write_atomic

Floats = NDArray[np.float32]
_KNOTS = 257
_CHUNK = 2048


@dataclass(frozen=True)
class Labels:
    """The label table in memory, about 300 bytes a row; labels are N x columns, embeddings N x D."""

    identity: NDArray[np.int32]
    identities: list[str]
    file: pa.Array
    variant: NDArray[np.int8]
    labels: Floats
    embedding: NDArray[np.float16]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.variant)


class LabelRun:
    """A finished run of the stage `label`: its table, and the recipe of its images."""

    def __init__(self, directory: Path) -> None:
        """Open the run's directory."""
        self.table = directory / "labels.parquet"
        if not self.table.is_file():
            raise DataError(
                f"{self.table}: is missing; give the directory of a finished run of the stage label"
            )
        self.config = load(directory / "config.yaml", label_stage.Config)
        self.faces = open_source(self.config.faces)
        with self.table.open("rb") as file:
            self.digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
            """Digest of the table, recorded as the student's data hash."""

    def read(self, names: tuple[str, ...]) -> Labels:
        """Read the table, with these columns as labels."""
        stored = pq.read_schema(self.table).names
        missing = [name for name in names if name not in stored]
        if missing:
            raise DataError(f"{self.table}: has no column {missing[0]}; labels are {', '.join(stored[3:])}")
        table = pq.read_table(self.table, columns=["identity", "file", "variant", "embedding", *names])
        people = table["identity"].combine_chunks().dictionary_encode()
        rows = table["embedding"].combine_chunks()
        embedding = rows.flatten().to_numpy(zero_copy_only=False).reshape(len(table), -1)
        labels = np.stack([table[name].to_numpy() for name in names], axis=1)
        return Labels(
            people.indices.to_numpy().astype(np.int32),
            people.dictionary.to_pylist(),
            table["file"].combine_chunks(),
            table["variant"].to_numpy(),
            labels,
            embedding,
        )

    def image(self, labels: Labels, row: int) -> faces.Image:
        """Make the image of a row, as it was labelled."""
        identity = labels.identities[labels.identity[row]]
        c, name, variant = self.config, labels.file[row].as_py(), int(labels.variant[row])
        return image(self.faces, identity, name, variant, c.degradation, c.seed)


class Rows(Protocol):
    """Images by row of the label table."""

    def __getitem__(self, rows: NDArray[np.int64], /) -> faces.Image:
        """Gather N x 112 x 112 x 3 images, BGR."""


class Images:
    """Images by row, from a cache file that is filled once (37 KB a row), or made on access."""

    def __init__(self, source: LabelRun, labels: Labels, cache: Path | None) -> None:
        """Open the cache and add missing rows; without a cache each image is made on access."""
        self._source, self._labels = source, labels
        self._pool = ThreadPoolExecutor(2)
        self._cache = self._fill(cache) if cache else None

    def __getitem__(self, rows: NDArray[np.int64]) -> faces.Image:
        """Gather N x 112 x 112 x 3 images, BGR."""
        if self._cache is not None:
            return np.asarray(self._cache[rows])
        return np.stack(list(self._pool.map(self._make, rows.tolist())))

    def _make(self, row: int) -> faces.Image:
        return self._source.image(self._labels, row)

    def _fill(self, directory: Path) -> NDArray[np.uint8]:
        """Fill the cache in chunks; filled.yaml stores the number of rows and the table's digest."""
        directory.mkdir(parents=True, exist_ok=True)
        stamp = directory / "filled.yaml"
        filled = yaml.safe_load(stamp.read_text()) if stamp.exists() else {}
        start = filled["rows"] if filled.get("table") == self._source.digest else 0
        path, shape = directory / "images.u8", (len(self._labels), faces.SIZE, faces.SIZE, 3)
        whole = path.exists() and path.stat().st_size == np.prod(shape)
        file = np.memmap(path, np.uint8, "r+" if whole else "w+", shape=shape)
        start = start if whole else 0
        with tqdm(
            total=len(self._labels), initial=start, unit=" images cached", mininterval=2, disable=None
        ) as bar:
            for first in range(start, len(self._labels), _CHUNK):
                rows = range(first, min(first + _CHUNK, len(self._labels)))
                for row, made in zip(rows, self._pool.map(self._make, rows), strict=True):
                    file[row] = made
                file.flush()
                write_atomic(stamp, yaml.safe_dump({"rows": rows.stop, "table": self._source.digest}))
                bar.update(len(rows))
        return file


def held_out(labels: Labels, share: float, seed: int) -> NDArray[np.bool_]:
    """Rows of the held-out people, chosen by a hash of the name, so that adding people does not change
    them.
    """
    kept = np.array([is_held_out(name, share, seed) for name in labels.identities])
    return np.asarray(kept[labels.identity])


def is_held_out(name: str, share: float, seed: int) -> bool:
    """Whether this person is held out."""
    return _hash(name, seed) < share


def training_rows(labels: Labels, test: NDArray[np.bool_], clean: int) -> NDArray[np.int64]:
    """Rows to train on, in order: clean images `clean` times each, degraded ones once, held-out ones
    never.
    """
    times = np.where(labels.variant == 0, clean, 1) * ~test
    return np.repeat(np.arange(len(labels)), times)


def _hash(name: str, seed: int) -> float:
    return int.from_bytes(hashlib.sha256(f"{seed}\0{name}".encode()).digest()[:8], "little") / 2**64


@dataclass(frozen=True)
class Scale:
    """Maps a label to 0..1 by its rank among the training images, piecewise linearly; all bins are
    equally full.
    """

    knots: dict[str, list[float]]
    """Label values at evenly spaced ranks, by label."""

    @classmethod
    def fit(cls, labels: Floats, names: tuple[str, ...]) -> "Scale":
        """Fit the map to N x labels values."""
        quantiles = np.linspace(0, 1, _KNOTS)
        finite = [column[np.isfinite(column)] for column in labels.T]
        return cls({n: np.quantile(k, quantiles).tolist() for n, k in zip(names, finite, strict=True)})

    def apply(self, labels: Floats) -> Floats:
        """Map N x labels values to 0..1; NaN stays."""
        quantiles = np.linspace(0, 1, _KNOTS)
        scaled = [np.interp(labels[:, i], knots, quantiles) for i, knots in enumerate(self.knots.values())]
        return np.where(np.isfinite(labels), np.stack(scaled, axis=1), np.nan).astype(np.float32)
