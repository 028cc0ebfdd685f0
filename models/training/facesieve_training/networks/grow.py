"""Puts a trained network inside a wider or deeper one of its kind, which at first computes what it did.

Of a wider layer the trained channels come first (in each half, where a network is mirrored). They hear
nothing of the fresh ones yet, which hear everything; a fresh block adds nothing yet, because the last batch
norm of a block starts at zero. From there both learn. After Chen, Goodfellow, Shlens 2016 (Net2Net,
arXiv:1511.05641), but with fresh channels for their copies, which would have to be driven apart.
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
    """Pair a network's convolutions with trained ones, both in the order in which they were made; of a stage
    with more blocks the last ones get none. ValueError when the networks are not of one kind.
    """
    left = deque(stored)
    for pair in wanted:
        if left and _kind(left[0].kernel.shape) == _kind(pair[0].kernel.shape):
            yield pair, left.popleft()
    if left:
        raise ValueError(f"of its {len(stored)} convolutions the last {len(left)} have no place here")


def _kind(shape: tuple[int, ...]) -> tuple[float, ...]:
    """What kernels of one place in networks of different width have in common."""
    height, width, ins, outs = shape
    return (height, width, 0 if ins == _COLOURS else outs / ins)


def give(layer: Any, norm: BatchNorm | None, held: exported.Weights) -> None:
    """Give a convolution of as many channels or more these weights, and its batch norm their bias."""
    fresh = norm.get_weights()[0] if norm is not None else np.empty(0)
    widened = widen(held, layer)
    exported.give(layer, norm, widened)
    if norm is not None:
        gamma, *others = norm.get_weights()
        known = len(gamma) * len(held.bias) // len(widened.bias)
        norm.set_weights([np.concatenate([gamma[:known], fresh[known:]]), *others])


def widen(held: exported.Weights, layer: Any) -> exported.Weights:
    """Fill a layer's fresh kernel with what is held of it; a smaller or another kernel stays as it is."""
    shape = tuple(layer.kernel.shape)
    bigger = len(shape) == held.kernel.ndim and np.all(np.greater_equal(shape, held.kernel.shape))
    if shape == held.kernel.shape or not bigger or shape[:-2] != held.kernel.shape[:-2]:
        return held
    halves = isinstance(layer, _MIRRORED)
    ins, outs = (_places(held.kernel.shape[axis], shape[axis], halves) for axis in (-2, -1))
    kernel = np.array(keras.ops.convert_to_numpy(layer.kernel), np.float32)
    bias = np.zeros(shape[-1], np.float32)
    kernel[..., outs] = 0
    kernel[..., ins[:, None], outs] = held.kernel
    bias[outs] = held.bias
    return exported.Weights(held.name, held.dense, kernel, bias)


def _places(count: int, among: int, halves: bool) -> npt.NDArray[np.int64]:
    """Where the trained channels lie among all."""
    if count == among or not halves:
        return np.arange(count)
    return np.concatenate([np.arange(count // 2), among // 2 + np.arange(count // 2)])
