"""Net2Net: starts a wider or deeper network from a trained one of the same kind, with the same function.

In a wider layer the trained channels come first (in each half, when a network is mirrored). Their weights
from the new channels are 0; the new channels read all channels. A new block adds 0, because the last batch
norm of a block starts at 0. After Chen, Goodfellow, Shlens 2016 (arXiv:1511.05641), with random instead of
copied channels, which would need symmetry breaking.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from facesieve_training.networks import exported, mirror
from facesieve_training.networks.norm import BatchNorm

_COLOURS = 3
_MIRRORED = (mirror.MirrorConv2D, mirror.MirrorDense, mirror.MirrorReadout)
Pair = tuple[Any, BatchNorm | None]
"""A convolution and the batch norm behind it."""


def aligned(
    wanted: Sequence[Pair], stored: Sequence[exported.Weights]
) -> Iterator[tuple[Pair, exported.Weights]]:
    """Pair a network's convolutions with trained ones, both in the order of their creation.

    In a stage with more blocks the last ones stay unpaired. Raises ValueError when the networks are not of
    one kind.
    """
    left = deque(stored)
    for pair in wanted:
        if left and _kind(left[0].kernel.shape) == _kind(pair[0].kernel.shape):
            yield pair, left.popleft()
    if left:
        raise ValueError(f"of its {len(stored)} convolutions the last {len(left)} do not fit this network")


def _kind(shape: tuple[int, ...]) -> tuple[float, ...]:
    """Properties of a kernel that do not depend on the network's width."""
    height, width, ins, outs = shape
    return (height, width, 0 if ins == _COLOURS else outs / ins)


def give(layer: Any, norm: BatchNorm | None, weights: exported.Weights) -> None:
    """Set the weights of a convolution with at least as many channels, and the bias of its batch norm."""
    fresh = norm.get_weights()[0] if norm is not None else np.empty(0)
    widened = widen(weights, layer)
    exported.give(layer, norm, widened)
    if norm is not None:
        gamma, *others = norm.get_weights()
        old_count = len(gamma) * len(weights.bias) // len(widened.bias)
        norm.set_weights([np.concatenate([gamma[:old_count], fresh[old_count:]]), *others])


def widen(weights: exported.Weights, layer: Any) -> exported.Weights:
    """Copy stored weights into a layer's random kernel; weights that are not smaller are returned
    unchanged.
    """
    shape = tuple(layer.kernel.shape)
    bigger = len(shape) == weights.kernel.ndim and np.all(np.greater_equal(shape, weights.kernel.shape))
    if shape == weights.kernel.shape or not bigger or shape[:-2] != weights.kernel.shape[:-2]:
        return weights
    halves = isinstance(layer, _MIRRORED)
    ins, outs = (_places(weights.kernel.shape[axis], shape[axis], halves) for axis in (-2, -1))
    kernel = np.array(keras.ops.convert_to_numpy(layer.kernel), np.float32)
    bias = np.zeros(shape[-1], np.float32)
    kernel[..., outs] = 0
    kernel[..., ins[:, None], outs] = weights.kernel
    bias[outs] = weights.bias
    return exported.Weights(weights.name, weights.dense, kernel, bias)


def _places(count: int, among: int, halves: bool) -> npt.NDArray[np.int64]:
    """Indices of the trained channels among all."""
    if count == among or not halves:
        return np.arange(count)
    return np.concatenate([np.arange(count // 2), among // 2 + np.arange(count // 2)])
