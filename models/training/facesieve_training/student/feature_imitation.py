"""Feature imitation (FitNets, Romero et al. 2015, arXiv:1412.6550) of a pruned MobileFaceNet, before its
phases.

The targets are the large network's stream after each block, and its embedding. After 64,000 images the cosine
with the teacher's embedding was 0.53 on faces of other people, and 0.48 after training on the embedding and
the labels only.
"""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tqdm import tqdm

from facesieve_training.faces import Image
from facesieve_training.networks import mobileface_forward
from facesieve_training.networks.mobileface import MobileFaceConfig, stream_name
from facesieve_training.networks.mobileface_onnx import Layer
from facesieve_training.networks.pixels import scaled
from facesieve_training.student.data import Rows
from facesieve_training.student.network import FEATURE

log = logging.getLogger(__name__)
_CHUNK, _AHEAD = 64, 4
_EMBEDDING = 4  # weight of the embedding's loss; each stream's weight is 1


@dataclass(frozen=True)
class FeatureImitation:
    """Schedule and training data."""

    images: int = 16_000
    """Images whose streams are stored in a temporary file, half a megabyte each."""
    steps: int = 2500
    batch: int = 64
    rate: float = 0.002

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        return [
            f"{n}: {getattr(self, n)} is below 1"
            for n in ("images", "steps", "batch")
            if getattr(self, n) < 1
        ]


def imitate(
    student: keras.Model, network: MobileFaceConfig, teacher: list[Layer], images: Rows,
    rows: NDArray[np.int64], config: FeatureImitation, directory: Path, seed: int,
) -> float:  # fmt: skip
    """Train the student's backbone and feature on a sample of these rows.

    Returns the unexplained share of the embedding's variance, averaged over the last tenth of the steps.
    """
    rng = np.random.default_rng([seed, 6])
    chosen = np.unique(rng.permutation(rows)[: config.images])
    names = {k: stream_name(k) for k, channels in enumerate(network.hidden) if channels}
    outputs = [student.get_layer(name).output for name in names.values()]
    kept = {k: output.shape[1] for k, output in zip(names, outputs, strict=True)}
    model = keras.Model(student.input, [*outputs, student.get_layer(FEATURE).output])
    with TemporaryDirectory(prefix="feature-imitation-", dir=directory) as scratch:
        examples = _Examples(Path(scratch), teacher, kept, images, chosen, rng)
        return _train(model, examples, config, seed)


class _Examples:
    """Images, half of them mirrored, with the large network's streams and embeddings."""

    def __init__(
        self, directory: Path, teacher: list[Layer], kept: dict[int, int], images: Rows,
        rows: NDArray[np.int64], rng: np.random.Generator,
    ) -> None:  # fmt: skip
        targets = tf.function(lambda x: _targets(teacher, kept, x))
        self._directory = directory
        shapes = [tuple(t.shape[1:]) for t in targets(scaled(images[rows[:1]]))]
        self._images = self._file("images", (len(rows), *images[rows[:1]].shape[1:]), np.uint8)
        self._streams = [
            self._file(f"stream{k}", (len(rows), *shape), np.float16) for k, shape in enumerate(shapes)
        ]
        with tqdm(total=len(rows), desc="streams", unit=" images", disable=None) as bar:
            for first in range(0, len(rows), _CHUNK):
                at = slice(first, first + _CHUNK)
                some = images[rows[at]]
                flips = rng.random(len(some)) < 0.5
                self._images[at] = np.where(flips[:, None, None, None], some[:, :, ::-1], some)
                for stream, values in zip(self._streams, targets(scaled(self._images[at])), strict=True):
                    stream[at] = values
                bar.update(len(some))

    def _file(self, name: str, shape: tuple[int, ...], kind: Any) -> Any:
        return np.memmap(self._directory / name, kind, "w+", shape=shape)

    def variances(self) -> list[float]:
        """Variance of each stream over positions and images, summed over its channels."""
        some = [stream[:512].astype(np.float32) for stream in self._streams]
        return [float(np.var(values, axis=tuple(range(values.ndim - 1))).sum()) for values in some]

    def batches(self, size: int, count: int, seed: int) -> Iterator[tuple[Image, list[NDArray[np.float16]]]]:
        """Batches of images and their streams, read ahead."""

        def make(step: int) -> Any:
            at = np.sort(np.random.default_rng([seed, 7, step]).integers(0, len(self._images), size))
            return self._images[at], [values[at] for values in self._streams]

        with ThreadPoolExecutor(1) as pool:
            ahead = [pool.submit(make, step) for step in range(min(_AHEAD, count))]
            for step in range(count):
                made = ahead.pop(0).result()
                if step + _AHEAD < count:
                    ahead.append(pool.submit(make, step + _AHEAD))
                yield made


def _targets(teacher: list[Layer], kept: dict[int, int], images: Any) -> list[Any]:
    """The streams after these blocks, sampled to maps of these sides, and the embedding."""
    _, *streams, values = mobileface_forward.streams(teacher, images)
    embedding = mobileface_forward.embedding(teacher, values)
    some = [mobileface_forward.sampled(streams[k], side) for k, side in kept.items()]
    return [tf.cast(t, tf.float16) for t in (*some, embedding)]


def _train(model: keras.Model, examples: _Examples, config: FeatureImitation, seed: int) -> float:
    rate = keras.optimizers.schedules.CosineDecay(
        config.rate / 100,
        config.steps,
        0.02,
        warmup_target=config.rate,
        warmup_steps=min(100, config.steps // 2),
    )
    optimizer = keras.optimizers.Adam(rate, clipnorm=1.0)
    optimizer.build(model.trainable_variables)
    variances = examples.variances()

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def step(images: tf.Tensor, wanted: list[tf.Tensor]) -> tf.Tensor:
        with tf.GradientTape() as tape:
            outputs = model(scaled(images), training=True)
            left = [
                tf.reduce_mean(tf.reduce_sum(tf.square(t - tf.cast(w, tf.float32)), -1)) / variance
                for t, w, variance in zip(outputs, wanted, variances, strict=True)
            ]
            loss = tf.add_n(left[:-1]) + _EMBEDDING * left[-1]
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return left[-1]

    losses = list[float]()
    with tqdm(total=config.steps, desc="feature imitation", unit="step", disable=None) as bar:
        for images, wanted in examples.batches(config.batch, config.steps, seed):
            losses.append(float(step(tf.constant(images), [tf.constant(w) for w in wanted])))
            bar.update()
            bar.set_postfix(left=f"{losses[-1]:.3f}", refresh=False)
    return float(np.mean(losses[-max(1, config.steps // 10) :]))
