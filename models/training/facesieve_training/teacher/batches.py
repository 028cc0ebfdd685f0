"""Batches of faces and class numbers; faces and augmentation depend on seed and step only.

Every host draws the same order and reads its own rows of each batch, so that a training does not depend on
the number of hosts.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from facesieve_training import degrade, faces
from facesieve_training.cli import DataError
from facesieve_training.degrade import Jitter
from facesieve_training.devices import Hosts
from facesieve_training.evaluate.gallery import DirectoryGallery, Gallery

_PIECE = 16  # faces that a reading thread takes at a time
_NAMED = 10  # bad files that an error names


@dataclass(frozen=True)
class Augment:
    """Random augmentation of a clean face."""

    flip: bool = True
    """Mirror every second face."""
    jitter: Jitter = field(default_factory=lambda: Jitter(0.0, 0.0, 0.0))
    """Misalignment; faces with a margin have real pixels for it."""

    @property
    def still(self) -> bool:
        """Whether there is no misalignment."""
        return not (self.jitter.shift or self.jitter.rotation or self.jitter.scale)

    def apply(self, image: faces.Image, rng: np.random.Generator) -> faces.Image:
        """Cut, or warp, the 112x112 face out of an image with margin."""
        flip = self.flip and rng.random() < 0.5
        out = faces.centre(image) if self.still else degrade.align(image, self.jitter, rng)
        return out[:, ::-1] if flip else out


class Batches:
    """Makes the batch of a step: an epoch is one random order of all faces, without an incomplete batch."""

    def __init__(
        self, gallery: Gallery, batch: int, seed: int, augment: Augment, hosts: Hosts, readers: int = 0
    ) -> None:
        """Check that the set can be trained on; readers is the number of threads, 0 for one per core."""
        if len(gallery.names) < 2:
            raise DataError(
                f"faces: all {len(gallery)} are of {gallery.names[0]}; give at least two identities"
            )
        if len(gallery) < batch:
            raise DataError(
                f"batch: {batch} is more than the {len(gallery)} faces there are; take a smaller one"
            )
        if batch % hosts.number:
            raise DataError(f"batch: {batch} cannot be shared equally among {hosts.number} hosts")
        self._gallery, self._batch, self._seed, self._augment = gallery, batch, seed, augment
        self._share = hosts.share(batch)
        self._pool = ThreadPoolExecutor(readers or os.cpu_count() or 1)
        self._order: tuple[int, NDArray[np.int64]] = (-1, np.zeros(0, np.int64))
        self.epoch = len(gallery) // batch
        """Steps in an epoch."""

    def __call__(self, step: int) -> tuple[faces.Image, NDArray[np.int32]]:
        """Make this host's part of a batch: N x 112 x 112 x 3 BGR faces, and their N class numbers."""
        epoch, position = divmod(step, self.epoch)
        if self._order[0] != epoch:
            self._order = (epoch, np.random.default_rng([self._seed, epoch]).permutation(len(self._gallery)))
        rows = self._order[1][position * self._batch : (position + 1) * self._batch][self._share]
        pieces = [rows[i : i + _PIECE] for i in range(0, len(rows), _PIECE)]
        made = list(self._pool.map(lambda piece: self._make(piece, epoch), pieces))
        return np.concatenate(made), self._gallery.identity[rows].astype(np.int32)

    def _make(self, rows: NDArray[np.int64], epoch: int) -> faces.Image:
        read = self._gallery.read(rows)
        out = np.empty((len(rows), faces.SIZE, faces.SIZE, 3), np.uint8)
        for i, (key, image) in enumerate(zip(read.keys, read.images, strict=True)):
            out[i] = self._augment.apply(image, degrade.generator(self._seed, key, epoch))
        return out

    def check(self) -> None:
        """Read every file of a directory once, so that an unreadable one fails before the training starts.

        Shards need no such check: `prepare` has read them.
        """
        if not isinstance(self._gallery, DirectoryGallery):
            return
        faults = [fault for fault in self._pool.map(self._fault, range(len(self._gallery))) if fault]
        if faults:
            more = f"\nand {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
            raise DataError("\n".join(faults[:_NAMED]) + more)

    def _fault(self, row: int) -> str | None:
        try:
            self._gallery.read(np.array([row]))
        except (DataError, OSError) as error:
            return str(error)
        return None
