"""Head fine-tuning: trains the labels' layers only, on cached values of the frozen rest of a student.

The values are computed once, so that an epoch takes seconds; backbone and embedding do not change. Each image
is used unmirrored and mirrored, for the consistency loss.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from facesieve_training.faces import Image
from facesieve_training.fit import Batch, Loop, Optimiser, Rate
from facesieve_training.networks import pixels
from facesieve_training.run import Run
from facesieve_training.student import data, network
from facesieve_training.student.background import Empty
from facesieve_training.student.network import BinsLoss, StudentConfig
from facesieve_training.student.views import Views

_CHUNK, _VIEWS = 128, 2


@dataclass(frozen=True)
class HeadFineTuning:
    """Schedule and training data."""

    images: int = 60_000
    """Largest number of images, clean ones first; each takes 2.6 KB of disk."""
    degraded: tuple[str, ...] = ()
    """Labels that are trained on degraded images too; without any, only clean images are used."""
    empty: float = 0.06
    """Share of images without a face, drawn from `background`."""
    epochs: int = 10
    batch: int = 512
    """Images in a step."""
    rate: float = 0.002
    """Highest learning rate; it falls to 0 as a cosine."""
    consistency: float = 1000.0
    """Weight of the squared distance of the predictions for an image and its mirror image from their mean."""

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        counts = ("images", "epochs", "batch")
        found = [f"{n}: {getattr(self, n)} is below 1" for n in counts if getattr(self, n) < 1]
        found += [] if 0 <= self.empty < 1 else [f"empty: {self.empty} is not in 0..1"]
        return found if self.rate > 0 else [*found, f"rate: {self.rate} must be above 0"]


@dataclass(frozen=True)
class HeadInputs:
    """Inputs of the labels' layers for images and their mirror images, with targets."""

    values: list[NDArray[np.float16]]
    """Inputs of these layers, each N x 2 x width."""
    labels: NDArray[np.float32]
    """0..1, N x labels; NaN where unknown."""


def fine_tune(
    student: keras.Model, form: StudentConfig, images: data.Images, labels: data.Labels,
    scaled: NDArray[np.float32], rows: NDArray[np.int64], empty: Empty | None, config: HeadFineTuning,
    run: Run, seed: int, after: int,
) -> None:  # fmt: skip
    """Train the labels' layers on some of these rows of the table; `scaled` holds the labels as 0..1.

    `after` is the number of steps of the run's earlier trainings.
    """
    heads = network.heads(student, form)
    rng = np.random.default_rng([seed, 8])
    chosen = _chosen(labels, rows, config, rng)
    truth = scaled[chosen]
    taught = [name in config.degraded for name in form.labels]
    truth[(labels.variant[chosen] != 0)[:, None] & ~np.array(taught)] = np.nan
    without = round(len(chosen) * config.empty / (1 - config.empty)) if empty else 0
    nothing = empty.images[rng.integers(0, len(empty.images), without)] if empty else None
    values = _values(student, images, chosen, nothing, run.dir / "head_inputs.npz")
    inputs = HeadInputs(values, np.concatenate([truth, np.zeros((without, truth.shape[1]), np.float32)]))
    batch = min(config.batch, len(inputs.labels))
    epoch = len(inputs.labels) // batch
    schedule = Rate(Optimiser(config.rate, "cosine"), epoch, config.epochs * epoch)
    loss = BinsLoss(Views(count=_VIEWS, consistency=config.consistency))
    heads.compile(keras.optimizers.Adam(schedule), loss=loss)

    def make(step: int) -> Batch:
        number, position = divmod(step, epoch)
        order = np.random.default_rng([seed, 8, number]).permutation(len(inputs.labels))
        return _batch(inputs, order[position * batch : (position + 1) * batch], form.labels)

    Loop(heads, make, run, epoch, name="heads", after=after).train(config.epochs, epoch)


def _chosen(
    labels: data.Labels, rows: NDArray[np.int64], config: HeadFineTuning, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Rows to train on, each once, in order."""
    mixed = rng.permutation(np.unique(rows))
    is_clean = labels.variant[mixed] == 0
    clean, degraded = mixed[is_clean], mixed[~is_clean]
    wanted = np.concatenate([clean, degraded]) if config.degraded else clean
    return np.sort(wanted[: config.images])


def _batch(inputs: HeadInputs, rows: NDArray[np.int64], names: tuple[str, ...]) -> tuple[Any, ...]:
    """Inputs, targets and weights; the two views of an image are adjacent."""
    x = tuple(values[rows].reshape(len(rows) * _VIEWS, -1).astype(np.float32) for values in inputs.values)
    truth = np.repeat(inputs.labels[rows], _VIEWS, axis=0)
    y = {name: np.nan_to_num(truth[:, k : k + 1]) for k, name in enumerate(names)}
    return (
        x if len(x) > 1 else x[0],
        y,
        {name: np.isfinite(truth[:, k]).astype(np.float32) for k, name in enumerate(names)},
    )


def _values(
    student: keras.Model,
    images: data.Images,
    rows: NDArray[np.int64],
    nothing: Image | None,
    file: Path,
) -> list[NDArray[np.float16]]:
    """Inputs of the labels' layers for these rows, then for images without a face, each N x 2 x width.

    A resumed run reads them from the file of the killed one.
    """
    if file.exists():
        with np.load(file) as archive:
            return [archive[name] for name in archive.files]
    body = keras.Model(student.input, network.head_inputs(student))
    parts = [rows[k : k + _CHUNK] for k in range(0, len(rows), _CHUNK)]
    chunks: Iterator[Image] = (images[part] for part in parts)
    if nothing is not None:
        chunks = chain(chunks, (nothing[k : k + _CHUNK] for k in range(0, len(nothing), _CHUNK)))
    outputs: list[list[Any]] = []
    total = len(rows) + (0 if nothing is None else len(nothing))
    with tqdm(total=total, desc="head inputs", unit="image", disable=None) as bar:
        for some in chunks:
            both = np.stack([some, some[:, :, ::-1]], axis=1).reshape(-1, *some.shape[1:])
            made = [np.asarray(t, np.float16) for t in body.predict_on_batch(pixels.scaled(both))]
            outputs.append([t.reshape(len(some), _VIEWS, -1) for t in made])
            bar.update(len(some))
    values = [np.concatenate(several) for several in zip(*outputs, strict=True)]
    temporary = file.with_name(f".{file.name}")
    np.savez(temporary, *values)
    temporary.replace(file)
    return values
