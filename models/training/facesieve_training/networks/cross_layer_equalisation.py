"""Cross-layer equalisation of a MobileFaceNet before int8, which has one scale for all channels of a map.

With ReLU, a channel's values can be divided by any positive number if the next layer's weights are multiplied
by it: the network computes the same function. After Nagel et al. 2019 (arXiv:1906.04721), who equalise
weights; here activations are equalised, because weights have a scale per channel. The residual stream is
scaled in all blocks that write and read it.
"""

import itertools
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers

from facesieve_training.faces import Image
from facesieve_training.networks.mobileface import convolutions, is_stream
from facesieve_training.networks.pixels import scaled
from facesieve_training.networks.square import Square

Array = npt.NDArray[np.float32]
_LEAST = 1e-3  # share of the largest channel below which a channel is scaled like the largest
_PEAK = 2  # largest averaged value in units of the largest mean; more would leave fewer steps to the others
_BATCH = 32


def equalise(model: keras.Model, images: Image) -> None:
    """Equalise the channels of a backbone of `mobileface` and of the dense layers on it, in place.

    The streams, every ReLU's output and the dense layers' outputs are scaled by their largest values on these
    images, N x 112 x 112 x 3 BGR.
    """
    for stream in _streams(model):
        _equalise_stream(stream, _largest(keras.Model(model.input, stream.maps), images))
    chain = convolutions(model)
    activated = [k for k, layer in enumerate(chain) if layer.activation is keras.activations.relu]
    largest = _largest(keras.Model(model.input, [chain[k].output for k in activated]), images)
    for k, values in zip(activated, largest, strict=True):
        if k + 1 < len(chain):
            _equalise_pair(chain[k], chain[k + 1], values)
    mean = model.get_layer("pooled")
    dense = [layer for layer in model.layers if isinstance(layer, layers.Dense) and _readers(layer)]
    maxima = _largest(keras.Model(model.input, [layer.output for layer in (mean, *dense)]), images)
    _equalise_last(mean, chain[-1], largest[-1], maxima[0])
    for layer, values in zip(dense, maxima[1:], strict=True):
        _equalise_dense(layer, values)


@dataclass(frozen=True)
class _Stream:
    """Blocks of one width that share a residual stream."""

    writers: list[Any]
    readers: list[Any]
    maps: list[Any]
    """The sum after each writer."""


def _streams(model: keras.Model) -> list[_Stream]:
    chain = convolutions(model)
    found: list[_Stream] = []
    for layer, following in itertools.pairwise(chain):
        if layer.activation is keras.activations.relu:
            continue
        begins = is_stream(layer)
        if begins:
            found.append(_Stream([], [], []))
        found[-1].writers.append(layer)
        found[-1].readers.append(following)
        found[-1].maps.append(layer.output if begins else layer._outbound_nodes[0].operation.output)
    return found


def _equalise_stream(stream: _Stream, largest: list[Array]) -> None:
    """Scale each channel by its largest share of the maximum over all sums of the stream."""
    scale = _positive(np.max([values / values.max() for values in largest], axis=0))
    for layer in stream.writers:
        _divide(layer, scale)
    for layer in stream.readers:
        kernel, bias = layer.get_weights()
        layer.set_weights([kernel * scale[:, None], bias])


def _largest(maps: keras.Model, images: Image) -> list[Array]:
    """The largest magnitude of each channel of each map."""
    found: list[Array] = []
    for first in range(0, len(images), _BATCH):
        outputs = maps(scaled(images[first : first + _BATCH]), training=False)
        some = [np.abs(keras.ops.convert_to_numpy(t)).reshape(-1, t.shape[-1]).max(axis=0) for t in outputs]
        found = [np.maximum(a, b) for a, b in zip(found, some, strict=True)] if found else some
    return found


def _equalise_pair(layer: Any, following: Any, values: Array) -> None:
    """Equalise the channels between two convolutions.

    A depthwise convolution has a scale per channel, so its inputs are scaled to 1. For another convolution
    values and weights get the same range.
    """
    kernel, bias = following.get_weights()
    scale = _positive(values)
    if not isinstance(following, layers.DepthwiseConv2D):
        scale = np.sqrt(scale / _positive(np.abs(kernel).max(axis=(0, 1, 3))))
    following.set_weights([kernel * scale[:, None], bias])
    _divide(layer, scale)


def _equalise_last(mean: Any, layer: Any, values: Array, means: Array) -> None:
    """Scale the last map to at most 1 in every channel, and its weighted means likewise.

    The averaged values stay below `_PEAK` times the mean. A channel that is always 0 is removed, because its
    weights would be the largest.
    """
    weight, scale = mean.get_weights()[0], _positive(values)
    there = means > _LEAST * means.max()
    size = np.where(there, np.maximum(means, scale * np.abs(weight).max(axis=(0, 1)) / _PEAK), 1).astype(
        np.float32
    )
    _divide(layer, scale)
    mean.set_weights([weight * np.where(there, scale / size, 0)])
    for dense in (node.operation for node in mean._outbound_nodes):
        kernel, bias = dense.get_weights()
        dense.set_weights([kernel * np.where(there, size, 0)[:, None], bias])


def _equalise_dense(layer: Any, values: Array) -> None:
    """Give a layer's values and the weights that read them the same range; before a square scale them to
    1.
    """
    readers = _readers(layer)
    weights = np.max([_share(r.get_weights()[0])[at] for r, at, _ in readers], axis=0)
    squared = any(power == 2 for *_, power in readers)
    scale = _positive(values) if squared else np.sqrt(_positive(values) / _positive(weights))
    for reader, at, power in readers:
        kernel, bias = reader.get_weights()
        kernel[at] *= (scale**power)[:, None]
        reader.set_weights([kernel, bias])
    kernel, bias = layer.get_weights()
    layer.set_weights([kernel / scale, bias / scale])


def _readers(layer: Any) -> list[tuple[Any, slice, int]]:
    """The dense layers that read a dense layer: directly, through a concatenation or squared.

    Each comes with the rows of its kernel that read it, and the power.
    """
    width, found = layer.units, []
    for node in layer._outbound_nodes:
        first, power = 0, 1
        if isinstance(node.operation, layers.Concatenate):
            before = [t is layer.output for t in node.input_tensors].index(True)
            first = sum(t.shape[-1] for t in node.input_tensors[:before])
        elif isinstance(node.operation, Square):
            power = 2
        elif isinstance(node.operation, layers.Dense):
            found.append((node.operation, slice(0, width), 1))
            continue
        else:
            continue
        ends = [n.operation for n in node.operation._outbound_nodes]
        found += [(end, slice(first, first + width), power) for end in ends if isinstance(end, layers.Dense)]
    return found


def _share(kernel: Array) -> Array:
    """The largest weight of each row, after each column, which has its own scale, is divided by its
    largest.
    """
    size = np.abs(kernel)
    return np.asarray((size / np.maximum(size.max(axis=0), 1e-12)).max(axis=1), np.float32)


def _positive(values: Array) -> Array:
    largest = values.max() or 1.0  # 1 where every value is 0: the layer stays as it is
    return np.where(values > _LEAST * largest, values, largest).astype(np.float32)


def _divide(layer: Any, scale: Array) -> None:
    kernel, bias = layer.get_weights()
    by = scale[:, None] if isinstance(layer, layers.DepthwiseConv2D) else scale
    layer.set_weights([kernel / by, bias / scale])
