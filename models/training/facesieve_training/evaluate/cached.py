"""Cache of one array per face, computed in chunks: a killed run resumes there, other runs reuse it."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from facesieve_training.distribute import Distribute, over
from facesieve_training.evaluate.edc import Ints
from facesieve_training.evaluate.gallery import Batch, Gallery
from facesieve_training.run import write_atomic

CHUNK = 512
"""Faces in a chunk: the largest loss of a kill, and the work item of a worker."""


class Measure(Protocol):
    """A value per face: an embedding or a score."""

    @property
    def name(self) -> str:
        """Name in the progress bar and of the directory."""

    def digest(self) -> str:
        """Text that changes whenever the result would."""

    def open(self) -> Callable[[Batch], NDArray[Any]]:
        """Load the networks and return the function from faces to rows; called once in every worker."""


class _Work:
    """Reads the rows of a gallery and measures them, in a worker."""

    def __init__(self, gallery: Gallery, measure: Measure) -> None:
        self._gallery = gallery
        self._measure = measure.open()

    def __call__(self, rows: Ints) -> NDArray[Any]:
        return np.asarray(self._measure(self._gallery.read(rows)))


@dataclass(frozen=True)
class Cache:
    """Directory of results, one subdirectory for each data set and measure, by digest."""

    directory: Path
    where: Distribute

    def every(self, gallery: Gallery, measure: Measure) -> NDArray[Any]:
        """Measure every face of the gallery, in its order; chunks in the cache are read from it."""
        text = f"{gallery.digest} {len(gallery)} {CHUNK} {measure.digest()}"
        name = "".join(c if c.isalnum() else "_" for c in measure.name)
        directory = self.directory / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        starts = range(0, len(gallery), CHUNK)
        chunks = [np.arange(start, min(start + CHUNK, len(gallery))) for start in starts]
        missing = [i for i in range(len(chunks)) if not (directory / f"{i:06d}.npy").exists()]
        made = over(partial(_Work, gallery, measure), [chunks[i] for i in missing], self.where)
        with tqdm(total=len(gallery), desc=measure.name, unit="face", disable=None) as bar:
            bar.update(len(gallery) - sum(len(chunks[i]) for i in missing))
            for i, result in zip(missing, made, strict=True) if missing else ():
                if len(result) != len(chunks[i]):
                    raise ValueError(f"{measure.name}: {len(result)} results for {len(chunks[i])} faces")
                _save(directory / f"{i:06d}.npy", result)
                bar.update(len(result))
        return np.concatenate([np.load(directory / f"{i:06d}.npy") for i in range(len(chunks))])


def _save(path: Path, array: NDArray[Any]) -> None:
    import io

    data = io.BytesIO()
    np.save(data, array)
    write_atomic(path, data.getvalue())
