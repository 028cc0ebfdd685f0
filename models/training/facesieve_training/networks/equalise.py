"""Evens out the channels of a MobileFaceNet before int8, which has one scale for all channels of a map.

ReLU lets a channel's values be divided by any positive number that the next layer multiplies by again: the
network computes the same (after Nagel et al. 2019, arXiv:1906.04721, which evens out weights; here the values
count, for weights have a scale for each channel).
"""

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers

from facesieve_training.faces import Picture
from facesieve_training.networks.mobileface import convolutions

Array = npt.NDArray[np.float32]
_LEAST = 1e-3  # of the largest channel: one that tells less counts as the largest, and stays small
_BATCH = 32


def equalise(model: keras.Model, pictures: Picture) -> None:
    """Even out the channels behind every ReLU of a body of `mobileface`, or of a network on it, by their
    largest values on these pictures, N x 112 x 112 x 3 BGR.
    """
    held = convolutions(model)
    bent = [k for k, layer in enumerate(held) if layer.activation is keras.activations.relu]
    largest = _largest(keras.Model(model.input, [held[k].output for k in bent]), pictures)
    for k, values in zip(bent, largest, strict=True):
        if k + 1 < len(held):
            _even(held[k], held[k + 1], values)
    _even_last(model, held[-1], largest[-1])


def _largest(maps: keras.Model, pictures: Picture) -> list[Array]:
    """The largest value of each channel of each map."""
    found: list[Array] = []
    for first in range(0, len(pictures), _BATCH):
        told = maps(pictures[first : first + _BATCH].astype(np.float32) / 128 - 1, training=False)
        some = [np.max(keras.ops.convert_to_numpy(t), axis=(0, 1, 2)) for t in told]
        found = [np.maximum(a, b) for a, b in zip(found, some, strict=True)] if found else some
    return found


def _even(layer: Any, following: Any, values: Array) -> None:
    """A depthwise convolution has a scale for each of its channels; for another one values and weights are
    made alike.
    """
    kernel, bias = following.get_weights()
    if isinstance(following, layers.DepthwiseConv2D):
        scale = _positive(values)
        following.set_weights([kernel * scale[:, None], bias])
    else:
        weights = np.abs(kernel).max(axis=(0, 1, 3))
        scale = np.sqrt(_positive(values) / _positive(weights))
        following.set_weights([kernel * scale[:, None], bias])
    _divide(layer, scale)


def _even_last(model: keras.Model, layer: Any, values: Array) -> None:
    """Values and weights of the mean up to 1 in every channel; the dense layers behind it undo it."""
    mean = model.get_layer("pooled")
    weight = mean.get_weights()[0]
    scale, size = _positive(values), _positive(np.abs(weight).max(axis=(0, 1)))
    mean.set_weights([weight / size])
    _divide(layer, scale)
    for dense in (node.operation for node in mean._outbound_nodes):
        kernel, bias = dense.get_weights()
        dense.set_weights([kernel * (scale * size)[:, None], bias])


def _positive(values: Array) -> Array:
    return np.where(values > _LEAST * values.max(), values, values.max()).astype(np.float32)


def _divide(layer: Any, scale: Array) -> None:
    kernel, bias = layer.get_weights()
    by = scale[:, None] if isinstance(layer, layers.DepthwiseConv2D) else scale
    layer.set_weights([kernel / by, bias / scale])
