"""Training on a GPU by rounds, with JAX, because the GPU trains faster than the CPU draws images.

While the device trains on the images of one round, processes draw those of the next. A round's images are in
the device's memory, clean. They are used several times in different orders, each time with a different
degradation. Their target maps are beside them, in half precision.
"""

import math
import mmap
import multiprocessing
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from jax import Array, random

from facesieve_training.detector.batches import Batches, Parts, Source
from facesieve_training.detector.camera import SCENE
from facesieve_training.detector.losses import detector_loss
from facesieve_training.detector.train import averaged, begin, optimizer
from facesieve_training.networks.pixels import scaled
from facesieve_training.on_device import DeviceLoop, recorded
from facesieve_training.run import Run

_CHUNK = 8
"""Images of one task of a drawing process."""


class Rounds:
    """Images and target maps by rounds, drawn ahead by processes; create it before the device is used.

    Sample k equals that of `Batches.sample` without degradation.
    """

    def __init__(self, source: Source, parts: Parts) -> None:
        config = parts.train.rounds
        self._size = config.images
        first = Batches(source, parts).sample(0, camera=False)
        shapes = [(np.uint8, first[0].shape), *((np.float16, level.shape) for level in first[1])]
        # Anonymous shared memory for two rounds: one is drawn while the other is read.
        self._slots = [[_shared((self._size, *shape), kind) for kind, shape in shapes] for _ in range(2)]
        processes = config.processes or os.cpu_count()
        # A pool, not an executor: its processes end when this one is killed.
        self._pool = multiprocessing.get_context("fork").Pool(processes, _open, (source, parts, self._slots))

    def stream(self, first: int) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        """Rounds from `first` on, without end; a yielded round is overwritten when the next is requested."""
        waiting = self._request(first)
        while True:
            waiting.get()
            slot = self._slots[first % 2]
            first += 1
            waiting = self._request(first)
            yield slot[0], slot[1:]

    def _request(self, number: int) -> Any:
        starts = range(0, self._size, _CHUNK)
        rows = [(number, range(start, min(start + _CHUNK, self._size))) for start in starts]
        return self._pool.starmap_async(_draw, rows, chunksize=1)

    def close(self) -> None:
        """End the processes."""
        self._pool.terminate()
        self._pool.join()


def _shared(shape: tuple[int, ...], kind: type[Any]) -> np.ndarray:
    size = math.prod(shape) * np.dtype(kind).itemsize
    return np.frombuffer(mmap.mmap(-1, size), kind).reshape(shape)


_drawing: tuple[Batches, list[list[np.ndarray]]]
"""State of a drawing process: the batches, and the shared memory."""


def _open(source: Source, parts: Parts, slots: list[list[np.ndarray]]) -> None:
    global _drawing
    _drawing = Batches(source, parts), slots


def _draw(number: int, rows: range) -> None:
    batches, slots = _drawing
    images, *levels = slots[number % 2]
    for row in rows:
        image, maps = batches.sample(number * len(images) + row, camera=False)
        images[row] = image
        for level, drawn in zip(levels, maps, strict=True):
            level[row] = drawn


def train(source: Source, parts: Parts, run: Run) -> keras.Model:
    """Train on rounds, resuming the run; returns the averaged network."""
    config, size = parts.train, parts.train.rounds.images
    shown = size // config.batch  # steps of one pass over a round
    used = shown * config.rounds.repetitions
    camera_of_scene = replace(SCENE, spared=parts.augment.clean)
    with closing(Rounds(source, parts)) as rounds:
        batches = Batches(source, parts)
        network = begin(parts, batches)
        trained = optimizer(parts, network)
        drawn: Iterator[Any] = iter(())
        following = -1

        def data(step: int) -> tuple[Any, int]:
            """The round of a step, and the first step of the next round."""
            nonlocal drawn, following
            number = step // used
            if number != following:
                drawn, following = rounds.stream(number), number
            images, maps = next(drawn)
            following += 1
            return (jnp.array(images), [jnp.array(level) for level in maps]), (number + 1) * used

        def batch(arrays: tuple[Array, list[Array]], step: Array, key: Array) -> tuple[Array, list[Array]]:
            """Some images of the round, in an order of their own in every pass, each degraded anew."""
            images, maps = arrays
            order = random.permutation(random.fold_in(random.key(parts.seed), step // shown), size)
            rows = jax.lax.dynamic_slice(order, (step % shown * config.batch,), (config.batch,))
            with jax.default_matmul_precision("highest"):
                degraded = recorded(images[rows], camera_of_scene, key)[0].images
            return scaled(degraded), [level[rows].astype(jnp.float32) for level in maps]

        def loss(outputs: dict[str, Array], maps: list[Array]) -> dict[str, Array]:
            return dict(detector_loss(outputs, maps, parts.loss))

        every = max(config.save_every // shown, 1) * shown
        loop = DeviceLoop(network, trained, data, batch, loss, run, every, parts.seed)
        loop.train(1, config.steps)
    return averaged(parts, network, trained, batches)
