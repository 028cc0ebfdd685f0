"""Learns the labels' layers alone, from what the rest of a student makes of its images.

That is made once and kept, so an epoch is a matter of seconds; body and embedding stay as they are. Each
image is seen as it is and mirrored, so that both can be held together.
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

from facesieve_training.cli import DataError
from facesieve_training.faces import Image
from facesieve_training.networks import pixels
from facesieve_training.run import Run
from facesieve_training.student import data, network
from facesieve_training.student.background import Empty
from facesieve_training.student.network import BinsLoss, StudentConfig
from facesieve_training.student.views import Views

_CHUNK, _VIEWS = 128, 2


@dataclass(frozen=True)
class Heads:
    """How long, and of how much."""

    images: int = 60_000
    """All clean ones that there are room for, and degraded ones; 2.6 KB of each are kept meanwhile."""
    degraded: tuple[str, ...] = ()
    """Labels that learn the degraded ones; none, and the clean ones are all."""
    empty: float = 0.06
    """Share of images without a face, of those that the stage gathers."""
    epochs: int = 10
    batch: int = 512
    """Images in a step."""
    rate: float = 0.002
    """Highest learning rate; it falls to 0 as a cosine."""
    consistency: float = 1000.0
    """Weight of the squared distance between what is told of an image, or its mirror image, and of both."""

    def faults(self) -> list[str]:
        """Say what is wrong with the values."""
        counts = ("images", "epochs", "batch")
        found = [f"{n}: {getattr(self, n)} is below 1" for n in counts if getattr(self, n) < 1]
        found += [] if 0 <= self.empty < 1 else [f"empty: {self.empty} is not in 0..1"]
        return found if self.rate > 0 else [*found, f"rate: {self.rate} must be above 0"]


@dataclass(frozen=True)
class Seen:
    """Images and their mirror images, as the labels' layers get them."""

    values: list[NDArray[np.float16]]
    """Inputs of these layers, each N x 2 x width."""
    labels: NDArray[np.float32]
    """0..1, N x labels; NaN where one is not known."""


def learn(
    student: keras.Model, form: StudentConfig, images: data.Images, labels: data.Labels,
    scaled: NDArray[np.float32], rows: NDArray[np.int64], empty: Empty | None, config: Heads, run: Run,
    seed: int,
) -> None:  # fmt: skip
    """Train them on some of these rows of the table, whose labels are scaled to 0..1."""
    heads = network.heads(student, form)
    rng = np.random.default_rng([seed, 8])
    chosen = _chosen(labels, rows, config, rng)
    truth = scaled[chosen]
    taught = [name in config.degraded for name in form.labels]
    truth[(labels.variant[chosen] != 0)[:, None] & ~np.array(taught)] = np.nan
    without = round(len(chosen) * config.empty / (1 - config.empty)) if empty else 0
    nothing = empty.images[rng.integers(0, len(empty.images), without)] if empty else None
    values = _values(student, images, chosen, nothing, run.dir / "heads.npz")
    seen = Seen(values, np.concatenate([truth, np.zeros((without, truth.shape[1]), np.float32)]))
    batch = min(config.batch, len(seen.labels))
    steps = config.epochs * (len(seen.labels) // batch)
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(config.rate, steps))
    heads.compile(optimizer, loss=BinsLoss(Views(count=_VIEWS, consistency=config.consistency)))
    order = np.zeros(0, np.int64)
    with tqdm(total=steps, desc="heads", unit="step", disable=None) as bar:
        for _ in range(steps):
            order = order if len(order) >= batch else rng.permutation(len(seen.labels))
            some, order = order[:batch], order[batch:]
            loss = heads.train_on_batch(*_batch(seen, some, form.labels), return_dict=True)["loss"]
            if not np.isfinite(loss):
                raise DataError("heads.rate: the loss is no number; take a lower rate")
            bar.update()
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)


def _chosen(
    labels: data.Labels, rows: NDArray[np.int64], config: Heads, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Rows to learn, each once, in order."""
    mixed = rng.permutation(np.unique(rows))
    is_clean = labels.variant[mixed] == 0
    clean, degraded = mixed[is_clean], mixed[~is_clean]
    wanted = np.concatenate([clean, degraded]) if config.degraded else clean
    return np.sort(wanted[: config.images])


def _batch(seen: Seen, rows: NDArray[np.int64], names: tuple[str, ...]) -> tuple[Any, ...]:
    """Inputs, targets and weights; both views of an image lie side by side."""
    x = [values[rows].reshape(len(rows) * _VIEWS, -1).astype(np.float32) for values in seen.values]
    truth = np.repeat(seen.labels[rows], _VIEWS, axis=0)
    y = {name: np.nan_to_num(truth[:, k : k + 1]) for k, name in enumerate(names)}
    return x, y, {name: np.isfinite(truth[:, k]).astype(np.float32) for k, name in enumerate(names)}


def _values(
    student: keras.Model,
    images: data.Images,
    rows: NDArray[np.int64],
    nothing: Image | None,
    file: Path,
) -> list[NDArray[np.float16]]:
    """What the labels' layers read of these rows, and behind them of images without a face, each N x 2 x
    width; or what a killed run had seen of them.
    """
    if file.exists():
        with np.load(file) as held:
            return [held[name] for name in held.files]
    body = keras.Model(student.input, network.read_by_heads(student))
    parts = [rows[k : k + _CHUNK] for k in range(0, len(rows), _CHUNK)]
    chunks: Iterator[Image] = (images[part] for part in parts)
    if nothing is not None:
        chunks = chain(chunks, (nothing[k : k + _CHUNK] for k in range(0, len(nothing), _CHUNK)))
    outputs: list[list[Any]] = []
    total = len(rows) + (0 if nothing is None else len(nothing))
    with tqdm(total=total, desc="seen", unit="image", disable=None) as bar:
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
