"""Distillation on a GPU, before the phases: far more views than a CPU could draw.

All faces are kept in the device's memory, 49 KB each with their margin. Views of them are drawn, labelled by
the teachers (`teachers`) and trained on there (`distiller`). The targets are embedding and
labels, without the agreement of two blended faces. A label that only the label table has is trained on its
clean rows, without augmentation.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import keras
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from facesieve_training.cli import DataError
from facesieve_training.degrade import Degradation, Jitter, Span, Tone
from facesieve_training.faces import Image
from facesieve_training.label.source import Source
from facesieve_training.student import data
from facesieve_training.student.teachers import of_others


def _camera() -> Degradation:
    return Degradation(
        spared=0.35, pixels=Span(0.5, 12, 90), motion=Span(0.25, 2, 21), defocus=Span(0.1, 0.3, 1.5),
        dark=Span(0.09, 0.12, 0.5), tone=Tone(1, colour=0.15, contrast=0.4, lift=0.16), grey=0.18,
        noise=Span(0.23, 1, 12), jpeg=Span(0.26, 20, 90), occlusion=Span(0.12, 0.15, 0.5),
        jitter=Jitter(3.5, 8.7, 0.087), misaligned=Span(0, 1, 1),
    )  # fmt: skip


@dataclass(frozen=True)
class Distillation:
    """Schedule, and composition of the batches."""

    steps: int = 20_000
    batch: int = 1024
    rate: float = 0.002
    """Highest learning rate; it rises over `warm_up` steps and falls to 0 as a cosine."""
    warm_up: int = 500
    feature: float = 30.0
    """Weight of the embedding's loss; each label's weight is 1."""
    plain: float = 0.25
    """Share of faces without augmentation."""
    empty: float = 0.08
    """Share of images without a face, drawn from `background`."""
    two: float = 0.4
    """Share of the other faces that are blended with a second one, each with a weight of at least 0.1."""
    degradation: Degradation = field(default_factory=_camera)
    """Degradation of the faces that are not plain."""
    save_every: int = 2000
    """Steps between checkpoints."""

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        counts = ("steps", "batch", "save_every")
        found = [f"{n}: {getattr(self, n)} is below 1" for n in counts if getattr(self, n) < 1]
        if not 0 <= self.warm_up < self.steps:
            found.append(f"warm_up: {self.warm_up} is not from 0 to less than the steps ({self.steps})")
        shares = ("plain", "empty", "two")
        found += [f"{n}: {getattr(self, n)} is not in 0..1" for n in shares if not 0 <= getattr(self, n) <= 1]
        return found if self.plain + self.empty <= 1 else [*found, "plain, empty: are more than 1 together"]


@dataclass(frozen=True)
class Material:
    """Training data."""

    faces: Image
    """Clean faces, N x S x S x 3, with the 112x112 face in the middle of a margin."""
    labels: NDArray[np.float32]
    """Their labels, scaled to 0..1, N x labels; NaN where unknown."""
    others: NDArray[np.float32]
    """Mean unit embedding of the person's other clean images, N x D; NaN where there is none."""
    empty: Image
    """Images without a face, M x 112 x 112 x 3."""


def gather(
    source: Source, labels: data.Labels, scaled: NDArray[np.float32], rows: NDArray[np.int64], empty: Image
) -> Material:
    """Read the faces of the clean rows among these rows of the table; `scaled` holds the labels as 0..1."""
    clean = np.unique(rows[labels.variant[rows] == 0])

    def read(row: int) -> Image:
        return source.read(labels.identities[labels.identity[row]], labels.file[row].as_py())

    with ThreadPoolExecutor() as pool:
        found = pool.map(read, clean.tolist())
        faces = list(tqdm(found, total=len(clean), desc="faces", unit="face", disable=None))
    if len({face.shape for face in faces}) > 1:
        raise DataError("distillation: the faces are of several sizes; `prepare` them with one margin")
    others = of_others(labels.embedding[clean], labels.identity[clean])
    return Material(np.stack(faces), scaled[clean], others, empty)


def check_backend() -> None:
    """Raise DataError on a back end other than JAX, before any data is read."""
    if keras.backend.backend() != "jax":
        raise DataError("distillation: needs JAX; set KERAS_BACKEND=jax, or distillation: null")
