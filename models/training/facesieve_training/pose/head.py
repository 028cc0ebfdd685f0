"""The pose head: a pointwise convolution and two dense layers on a map of the quality network."""

from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from facesieve_training.fit import Batch, Loop, Optimiser, Rate
from facesieve_training.networks.grafted import Layer
from facesieve_training.run import Run

LIMIT = 90.0
"""Yaw and pitch are within -LIMIT..LIMIT, degrees."""
_PARTS = ("squeeze", "hidden", "pose")
TENSORS = ("pose_squeeze", "pose_hidden", "pose")
"""Names of the layers' values in the int8 file."""


@dataclass(frozen=True)
class Head:
    """Architecture and training."""

    channels: int = 32
    """Of the pointwise convolution."""
    hidden: int = 64
    epochs: int = 24
    batch: int = 256
    rate: float = 2e-3
    dropout: float = 0.3
    decay: float = 1e-3
    """Weight decay."""


def train(
    config: Head, values: NDArray[np.float32], truth: NDArray[np.float64], run: Run, seed: int
) -> keras.Model:
    """Train on maps N x H x W x C, in real units, and yaw and pitch N x 2 in degrees, resuming the run."""
    keras.utils.set_random_seed(seed)
    model = _build(config, values)
    batch = min(config.batch, len(values))
    epoch = len(values) // batch
    schedule = Rate(Optimiser(config.rate, "cosine"), epoch, config.epochs * epoch)
    model.compile(keras.optimizers.AdamW(schedule, weight_decay=config.decay), keras.losses.Huber(10.0))

    def make(step: int) -> Batch:
        number, position = divmod(step, epoch)
        order = np.random.default_rng([seed, number]).permutation(len(values))
        rows = order[position * batch : (position + 1) * batch]
        return values[rows], truth[rows]

    Loop(model, make, run, epoch, name="head").train(config.epochs, epoch)
    return model


def _build(config: Head, values: NDArray[np.float32]) -> keras.Model:
    image = keras.Input(values.shape[1:])
    x = layers.Dropout(config.dropout / 2)(image)
    squeeze = layers.Conv2D(config.channels, 1, activation="relu", name=_PARTS[0])
    x = layers.Dropout(config.dropout)(layers.Flatten()(squeeze(x)))
    x = layers.Dense(config.hidden, activation="relu", name=_PARTS[1])(x)
    # The scale makes the last layer's weights as large as the others'.
    x = layers.Dense(2, name=_PARTS[2])(x)
    model = keras.Model(image, ops.multiply(x, LIMIT / 2))
    squeeze.set_weights([w / max(float(values.std()), 1e-6) for w in squeeze.get_weights()])
    return model


def grafts(model: keras.Model, values: NDArray[np.float32]) -> list[Layer]:
    """The layers for the int8 file, with the ranges of their values on these maps."""
    made, x = [], values
    for name, tensor in zip(_PARTS, TENSORS, strict=True):
        kernel, bias = (np.asarray(w, np.float64) for w in model.get_layer(name).get_weights())
        inner, last = kernel.reshape(-1, kernel.shape[-1]), name == _PARTS[-1]
        x = x.reshape(*x.shape[:3], -1) if name == _PARTS[0] else x.reshape(len(x), -1)
        x = np.maximum(x @ inner.astype(np.float32) + bias.astype(np.float32), -np.inf if last else 0)
        low, high = 0.0, float(np.quantile(x.max(axis=tuple(range(1, x.ndim))), 0.999))
        if last:
            kernel, bias, low, high = kernel * LIMIT / 2, bias * LIMIT / 2, -LIMIT, LIMIT
        made.append(Layer(tensor, np.moveaxis(kernel, -1, 0), bias, low, high, not last))
    return made
