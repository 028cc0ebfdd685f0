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
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from jax import Array, random
from tqdm import tqdm

from facesieve_training.cli import DataError
from facesieve_training.detector.batches import Batches, Parts, Source
from facesieve_training.detector.camera_jax import take
from facesieve_training.detector.learner import Learner
from facesieve_training.detector.losses import detector_loss
from facesieve_training.fit import State
from facesieve_training.networks.pixels import scaled
from facesieve_training.on_device import OnDevice, Values
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


class Trainer(Learner):
    """Trains a network with JAX, one pass over a round at a time."""

    def __init__(self, parts: Parts) -> None:
        initial = parts.train.initial
        if initial is not None and initial.suffix != ".h5":
            raise DataError(
                f"{initial}: only TensorFlow starts a training from it; set train.initial to the .weights.h5 "
                "of a run; with TensorFlow and train.steps=0 a run converts this file"
            )
        super().__init__(parts)
        self.on_device = OnDevice(
            self.model.trainable_variables,
            self.model.non_trainable_variables,
            self.averaged.trainable_variables,
            self.averaged.non_trainable_variables,
            self.optimizer.variables,
        )
        self._scanned = jax.jit(self._scan, donate_argnums=0)

    def _scan(
        self, values: Values, images: Array, maps: list[Array], orders: Array, key: Array
    ) -> tuple[Values, dict[str, Array]]:
        """The steps of one pass, with rows [steps, batch] of the round; also returns the mean parts of
        the loss.
        """
        numbers = jnp.arange(len(orders))

        def step(values: Values, inputs: tuple[Array, Array]) -> tuple[Values, dict[str, Array]]:
            rows, number = inputs
            degraded = take(images[rows], random.fold_in(key, number), self._parts.augment.clean)
            return self._learnt(values, scaled(degraded), [level[rows].astype(jnp.float32) for level in maps])

        values, parts = jax.lax.scan(step, values, (orders, numbers))
        return values, {name: losses.mean() for name, losses in parts.items()}

    def _learnt(self, values: Values, degraded: Array, maps: list[Array]) -> tuple[Values, dict[str, Array]]:
        """One step."""
        trainable, moments, *averaged, optimizer = values

        def loss(trainable: list[Array]) -> tuple[Array, tuple[dict[str, Array], list[Array]]]:
            outputs, moved = self.model.stateless_call(trainable, moments, degraded, training=True)
            parts = detector_loss(outputs, maps, self._parts.loss)
            return parts["loss"], (parts, moved)

        gradients, (parts, moments) = jax.grad(loss, has_aux=True)(trainable)
        trainable, optimizer = self.optimizer.stateless_apply(optimizer, gradients, trainable)
        keep = self.kept(optimizer[0].astype(jnp.float32))  # whose first value counts the steps
        means = [
            [mean * keep + value * (1 - keep) for mean, value in zip(*pair, strict=True)]
            for pair in zip(averaged, (trainable, moments), strict=True)
        ]
        return (trainable, moments, *means, optimizer), parts

    def train_round(self, images: Array, maps: list[Array], number: int) -> dict[str, float]:
        """Train on the images of a round once, in the order of this pass; returns the mean parts of the
        loss.
        """
        batch = self._parts.train.batch
        order = np.random.default_rng([self._parts.seed, 2, number]).permutation(len(images))
        key = random.fold_in(random.key(self._parts.seed, impl="rbg"), number)
        orders = jnp.asarray(order.reshape(-1, batch))
        self.on_device.values, parts = self._scanned(self.on_device.values, images, maps, orders, key)
        return {name: float(value) for name, value in parts.items()}


def train(source: Source, parts: Parts, run: Run) -> keras.Model:
    """Train, resuming from the run's checkpoint; returns the averaged network (float32).

    A step of the schedule is a batch; training ends with the round that contains the last step.
    """
    config = parts.train
    shown = config.rounds.images // config.batch
    with closing(Rounds(source, parts)) as rounds:
        trainer = Trainer(parts)
        state = State(trainer.on_device.variables(), run.checkpoint)
        step = max(state.kept(), default=0) if run.resumed else 0
        if step:
            state.load(step)
            trainer.on_device.restore()
        run.rewind(step)
        made = rounds.stream(step // (shown * config.rounds.repetitions))
        with tqdm(total=config.steps, initial=step, desc="train", unit="step", disable=None) as bar:
            while step < config.steps:
                images, maps = _on_device(next(made))
                for _ in range(config.rounds.repetitions):
                    means = trainer.train_round(images, maps, step // shown)
                    step += shown
                    run.log(step, **means)
                    bar.update(shown)
                    bar.set_postfix({name: f"{value:.3f}" for name, value in means.items()})
                trainer.on_device.store()
                state.save(step)
    return trainer.averaged


def _on_device(drawn: tuple[np.ndarray, list[np.ndarray]]) -> tuple[Array, list[Array]]:
    images, maps = drawn
    return jnp.array(images), [jnp.array(level) for level in maps]
