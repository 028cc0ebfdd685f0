"""The training loop for data that stay on a GPU, with JAX: the device makes the batches, too."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import keras
from jax import Array, random
from keras import ops

from facesieve_training import camera
from facesieve_training.degrade import NUMBERS, Degradation, Strengths, strengths
from facesieve_training.fit import Segments
from facesieve_training.run import Run

_CALL = 100
"""Steps of one call of the device, between two moves of the progress bar."""
Values = tuple[list[Array], list[Array], list[Array]]
"""Trainable and other variables of the model, and the optimiser's."""


class DeviceLoop(Segments):
    """Trains a model on batches that the device makes.

    `data(step)` returns the arrays of a step, as a tree, and the step before which they are valid.
    `make_batch(arrays, step, key)` returns the model's input and its targets, and `loss(outputs, targets)`
    the parts of the loss with their sum as `loss`; both are traced by JAX. The key depends on seed and step.
    """

    def __init__(
        self, model: keras.Model, optimizer: Any, data: Callable[[int], tuple[Any, int]],
        make_batch: Callable[[Any, Array, Array], tuple[Any, Any]],
        loss: Callable[[Any, Any], dict[str, Array]], run: Run, save_every: int, seed: int, name: str = "",
        after: int = 0,
    ) -> None:  # fmt: skip
        self._model, self._data, self._make_batch, self._loss = model, data, make_batch, loss
        self._key = random.key(seed, impl="rbg")
        self._arrays: Any = None
        self._valid = 0
        if not optimizer.built:
            optimizer.build(model.trainable_variables)
        self._groups = (model.trainable_variables, model.non_trainable_variables, optimizer.variables)
        super().__init__(
            run, [v for group in self._groups for v in group], optimizer, save_every, None, name, after
        )
        self._steps = jax.jit(self._several, donate_argnums=0)
        self._loaded()

    def _loaded(self) -> None:
        trainable, fixed, optimizer = ([jnp.array(v.value) for v in group] for group in self._groups)
        self._values: Values = (trainable, fixed, optimizer)

    def _segment(self, start: int, end: int, bar: Any) -> dict[str, float]:
        sums: dict[str, float] = {}
        step = start
        while step < end:
            if step >= self._valid:
                self._arrays, self._valid = self._data(step)
            last = min(step + _CALL, end, self._valid)
            self._values, parts = self._steps(self._values, self._arrays, jnp.int32(step), jnp.int32(last))
            for name, total in parts.items():
                sums[name] = sums.get(name, 0.0) + float(total)
            bar.update(last - step)
            step = last
        for group, values in zip(self._groups, self._values, strict=True):
            for variable, value in zip(group, values, strict=True):
                variable.assign(value)
        return {name: total / (end - start) for name, total in sums.items()}

    def _several(
        self, values: Values, arrays: Any, first: Array, last: Array
    ) -> tuple[Values, dict[str, Array]]:
        """Train these steps; returns the sums of the parts of the loss."""
        shapes = jax.eval_shape(self._step, values, arrays, first)[1]
        zeros = {name: jnp.zeros(shape.shape, shape.dtype) for name, shape in shapes.items()}

        def body(step: Array, carried: tuple[Values, dict[str, Array]]) -> tuple[Values, dict[str, Array]]:
            now, sums = carried
            now, parts = self._step(now, arrays, step)
            return now, {name: sums[name] + part for name, part in parts.items()}

        trained: tuple[Values, dict[str, Array]] = jax.lax.fori_loop(first, last, body, (values, zeros))
        return trained

    def _step(self, values: Values, arrays: Any, step: Array) -> tuple[Values, dict[str, Array]]:
        trainable, fixed, optimizer = values
        inputs, targets = self._make_batch(arrays, step, random.fold_in(self._key, step))

        def loss(trainable: list[Array]) -> tuple[Array, tuple[dict[str, Array], list[Array]]]:
            outputs, moved = self._model.stateless_call(trainable, fixed, inputs, training=True)
            parts = self._loss(outputs, targets)
            return parts["loss"], (parts, moved)

        gradients, (parts, fixed) = jax.grad(loss, has_aux=True)(trainable)
        trainable, optimizer = self._optimizer.stateless_apply(optimizer, gradients, trainable)
        return (trainable, fixed, optimizer), parts


def recorded(images: Array, config: Degradation, key: Array) -> tuple[camera.Recorded, Strengths]:
    """Degrade images [N,H,W,3] of 0..255 before their alignment, and the strengths, for the alignment."""
    numbers, noise = random.split(key)
    drawn = strengths(random.uniform(numbers, (len(images), NUMBERS)), config, ops)
    images = images.astype(jnp.float32)
    return camera.record(images, drawn, random.normal(noise, images.shape)), drawn
