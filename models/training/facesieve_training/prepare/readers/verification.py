"""InsightFace's verification sets (lfw.bin, cfp_fp.bin, agedb_30.bin): a pickle of (images, issame).

Images are encoded, as bytes or arrays of uint8, two for each of the flags. Loading a pickle can run any code,
so only the types of such a file are allowed: lists, bytes, numbers and NumPy arrays of bytes.

The set has pairs and no people: each mated pair and each image of a non-mated pair is an identity. Evaluate
it on its pairs.
"""

import pickle
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from facesieve_training.cli import DataError
from facesieve_training.prepare.source import Entry, Pair, Source

_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.numeric", "_frombuffer"),
    ("numpy.core.numeric", "_frombuffer"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
}


class _Restricted(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(
                f"it needs {module}.{name}, which a verification set does not contain"
            )
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


class Verification(Source):
    """The images of a .bin file, in its order."""

    only_pairs = True

    def __init__(self, root: Path) -> None:
        """Take the file."""
        super().__init__(root)
        if not root.is_file():
            raise DataError(f"{root}: no such file; give an InsightFace .bin file")

    def entries(self) -> Iterator[Entry]:
        """All images, two of a pair after each other."""
        images, same = self._held
        for i, mated in enumerate(same):
            for side in (0, 1):
                identity = f"pair{i:06d}" if mated else f"pair{i:06d}{'ab'[side]}"
                yield Entry(
                    self._key(i, side, mated), identity, f"{self.root.name} image {2 * i + side}",
                    2 * i + side, len(images[2 * i + side]),
                )  # fmt: skip

    def encoded(self, entry: Entry) -> bytes:
        """Bytes of an image."""
        return self._held[0][int(entry.locator)]

    def pairs(self) -> Iterator[Pair]:
        """The file's pairs."""
        for i, mated in enumerate(self._held[1]):
            yield Pair(self._key(i, 0, mated), self._key(i, 1, mated), mated)

    def __getstate__(self) -> dict[str, Any]:
        """State for pickling, without the images: each worker reads the file itself."""
        return {name: value for name, value in self.__dict__.items() if name != "_held"}

    @staticmethod
    def _key(pair: int, side: int, mated: bool) -> str:
        return f"pair{pair:06d}{'' if mated else 'ab'[side]}/{side}"

    @cached_property
    def _held(self) -> tuple[list[bytes], list[bool]]:
        try:
            with self.root.open("rb") as file:
                content = _Restricted(file, encoding="bytes").load()
            images, same = content
            encoded = [
                bytes(p) if isinstance(p, bytes) else np.asarray(p, np.uint8).tobytes() for p in images
            ]
            flags = [bool(s) for s in same]
        except Exception as error:  # a damaged pickle can raise nearly anything
            raise DataError(f"{self.root}: is not a verification set: {error}") from error
        if len(encoded) != 2 * len(flags):
            raise DataError(
                f"{self.root}: has {len(encoded)} images for {len(flags)} pairs; each pair needs two"
            )
        return encoded, flags
