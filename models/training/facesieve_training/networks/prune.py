"""Prunes a trained MobileFaceNet to a smaller one by selecting hidden channels.

Block by block, hidden channels of the large network's block are selected by orthogonal least squares (Chen,
Billings, Luo 1989): from the small network's current stream they must explain the large network's stream. The
block's last convolution is then solved for. ReLU is one side of a PReLU, so a channel may be selected with
either side of its two PReLUs; the other side is replaced by its mean.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from facesieve_training.faces import Image
from facesieve_training.networks.mobileface import STRIDES, MobileFaceConfig, convolutions
from facesieve_training.networks.mobileface_forward import convolve, sampled, streams
from facesieve_training.networks.mobileface_onnx import Array, Layer

_BATCH = 32
_SAMPLES = 1200  # sampled positions of the maps of a batch
_RIDGE = 1e-4
Weights = tuple[Array, Array]
_SIDES = ((1, 1), (1, -1), (-1, 1), (-1, -1))
"""Sides of a channel's two PReLUs."""
_BEFORE = ((0, 0), (1, 0), (1, 0), (0, 0))


def start(body: keras.Model, config: MobileFaceConfig, teacher: list[Layer], images: Image) -> Weights:
    """Initialise a backbone of `mobileface` (or a network on it) from a larger trained one.

    Channels are selected on these images, N x 112 x 112 x 3 BGR; a few hundred are enough. Returns kernel and
    bias of the dense layer from the backbone's values to the embedding. Raises ValueError when the backbone
    is not a smaller network of the same kind.
    """
    _check(config, teacher)
    body_layers = convolutions(body)
    x = tf.constant(images, tf.float32) / 128 - 1
    stem, *wanted, values = _batched(partial(streams, teacher), x)
    blocks = list(_blocks(config, teacher))
    x = _start_stem(body_layers[:5], [*teacher[:2], *blocks[0].layers], x, stem, wanted[0])
    for k, block in enumerate(blocks[1:], 1):
        mine = body_layers[2 + 3 * k : 5 + 3 * k]
        candidates = _Candidates.of(block.layers, mine[1].strides[0], x[:_BATCH])
        target = wanted[block.number]
        target = sampled(target, x.shape[1]) - x if block.adds else target
        chosen, kernel, bias = _choose(candidates, x, target, _width(mine[0]))
        for layer, weights in zip(mine, (*candidates.kept(chosen), (kernel[None, None], bias)), strict=True):
            _set(layer, *weights)
        predicted = _batched(partial(_run, mine), x)
        x = x + predicted if block.adds else predicted
    predicted, scale = _give_last(body_layers[-1], body.get_layer("pooled"), teacher[-3:-1], x)
    # Mean of the dropped sides of the PReLUs, and of the bias of the layer over the whole map.
    missing = np.mean(values, axis=(0, 1, 2)) - np.mean(predicted, axis=0) * scale
    return teacher[-1].kernel * scale[:, None], teacher[-1].bias + missing @ teacher[-1].kernel


def _check(config: MobileFaceConfig, teacher: list[Layer]) -> None:
    widths = [len(layer.bias) for layer in teacher]
    if config.stem > widths[0] or config.last != widths[-2]:
        raise ValueError(
            f"its first and last width are {widths[0]} and {widths[-2]}: stem must be at most the one, and "
            "last the other"
        )
    for k, (channels, block) in enumerate(zip(config.hidden, widths[2:-3:3], strict=True)):
        if channels > block:
            raise ValueError(f"its block {k} has {block} hidden channels, and the student's {channels}")


@dataclass(frozen=True)
class _Block:
    """A block of the large network, merged with the omitted blocks before it."""

    number: int
    adds: bool
    layers: list[Layer]


def _blocks(config: MobileFaceConfig, teacher: list[Layer]) -> Iterator[_Block]:
    pending: list[list[Layer]] = []
    for k, (channels, stride) in enumerate(zip(config.hidden, STRIDES, strict=True)):
        pending = pending if stride == 1 else []
        pending.append(teacher[2 + 3 * k : 4 + 3 * k])
        if channels:
            yield _Block(k, stride == 1, [_beside(some) for some in zip(*pending, strict=True)])
            pending = []


def _beside(some: Sequence[Layer]) -> Layer:
    """Concatenate layers of the same input."""
    slopes = np.concatenate([np.asarray(layer.slope) for layer in some])
    kernel = np.concatenate([layer.kernel for layer in some], axis=-1)
    return Layer(kernel, np.concatenate([layer.bias for layer in some]), slopes)


def _start_stem(body_layers: list[Any], teacher: list[Layer], x: Any, stem: Any, stream: Any) -> Any:
    """Set the weights of the stem and the first block, and return the stream after them.

    The block's channels are selected on the large network's stem, then the stem's to explain the block's
    input.
    """
    block = _Candidates.of(teacher[2:], 2, stem[:_BATCH])
    expand, depthwise = block.kept(_choose(block, stem, stream, _width(body_layers[2]))[0])
    wanted = _batched(lambda some: convolve(some, *expand, 1), stem)
    small = _Candidates.of(teacher[:2], body_layers[1].strides[0], x[:_BATCH])
    chosen, kernel, bias = _choose(small, x, wanted, _width(body_layers[0]))
    given = (*small.kept(chosen), (kernel[None, None], bias), depthwise)
    for layer, weights in zip(body_layers, given, strict=False):
        _set(layer, *weights)
    x = _batched(lambda some: _run(body_layers[:2], some), x)
    rows = _sampled(lambda some: _run(body_layers[2:4], some), x, stream)
    kernel, bias = _least_squares(*rows)
    _set(body_layers[4], kernel[None, None], bias)
    return _batched(lambda some: _run(body_layers[2:], some), x)


def _width(layer: Any) -> int:
    return int(layer.bias.shape[0])


def _batched(function: Callable[[Any], Any], x: Any) -> Any:
    found = [function(x[k : k + _BATCH]) for k in range(0, len(x), _BATCH)]
    if isinstance(found[0], list):
        return [tf.concat(parts, 0) for parts in zip(*found, strict=True)]
    return tf.concat(found, 0)


@dataclass(frozen=True)
class _Candidates:
    """The hidden channels of a block or of the stem, each with all _SIDES."""

    expand: Layer
    depthwise: Layer
    stride: int
    missing: dict[int, Array]
    """Mean of the depthwise convolution's output for the other side, by the first PReLU's side."""

    @classmethod
    def of(cls, layers: list[Layer], stride: int, x: Any) -> "_Candidates":
        """Candidates from the first two layers; x is a sample of their inputs."""
        bare = cls(layers[0], layers[1], stride, {1: np.zeros(1), -1: np.zeros(1)})
        means = {side: np.mean(bare._first(x, side), axis=(0, 1, 2)) for side in (1, -1)}
        return cls(layers[0], layers[1], stride, {1: means[-1], -1: means[1]})

    def _gain(self, side: int) -> Array:
        slope = np.asarray(self.expand.slope)
        return np.ones_like(slope) if side == 1 else -slope

    def _first(self, x: Any, side: int) -> Any:
        heard = convolve(x, self.expand.kernel, self.expand.bias, 2 if x.shape[-1] == 3 else 1)
        kernel = self.depthwise.kernel * self._gain(side)
        return convolve(tf.nn.relu(side * heard), kernel, np.zeros(1), self.stride)

    def maps(self, x: Any) -> Any:
        """Outputs of all candidates, N x H x W x 4 C."""
        of = {s: self._first(x, s) + (self.depthwise.bias + self.missing[s]) for s in (1, -1)}
        return tf.concat([tf.nn.relu(second * of[first]) for first, second in _SIDES], -1)

    def kept(self, chosen: list[int]) -> tuple[Weights, Weights]:
        """Kernel and bias of both convolutions for the selected candidates."""
        channels = len(self.expand.bias)
        which = [k % channels for k in chosen]
        first, second = np.array([_SIDES[k // channels] for k in chosen]).T
        gain, missing = (
            np.array([of(side)[k] for side, k in zip(first, which, strict=True)])
            for of in (self._gain, self.missing.__getitem__)
        )
        expand = (self.expand.kernel[..., which] * first, self.expand.bias[which] * first)
        kernel = self.depthwise.kernel[..., which] * gain * second
        return expand, (kernel, (self.depthwise.bias[which] + missing) * second)


def _set(layer: Any, kernel: Array, bias: Array) -> None:
    layer.set_weights([kernel[..., None] if kernel.ndim == 3 else kernel, bias])


def _run(some_layers: list[Any], x: Any) -> Any:
    """Apply convolutions in order, with padding before those with a stride."""
    for layer in some_layers:
        x = layer(tf.pad(x, _BEFORE) if layer.padding == "valid" and layer.strides[0] == 2 else x)
    return x


def _choose(candidates: _Candidates, x: Any, target: Any, count: int) -> tuple[list[int], Array, Array]:
    """The candidates that explain the target best, with kernel and bias of the regression."""
    regressors, wanted = _sampled(candidates.maps, x, target)
    chosen = _orthogonal(regressors - regressors.mean(axis=0), wanted - wanted.mean(axis=0), count)
    return chosen, *_least_squares(regressors[:, chosen], wanted)


def _sampled(function: Callable[[Any], Any], x: Any, target: Any) -> tuple[Array, Array]:
    """Rows of the function's output for x and of the target, at random positions."""
    rng = np.random.default_rng(1)

    def rows() -> Iterator[tuple[Any, Any]]:
        for k in range(0, len(x), _BATCH):
            maps = function(x[k : k + _BATCH])
            wanted = sampled(target[k : k + _BATCH], maps.shape[1])
            positions = rng.permutation(int(np.prod(maps.shape[:3])))[:_SAMPLES]
            yield tuple(
                tf.gather(tf.reshape(m, (-1, m.shape[-1])), positions).numpy() for m in (maps, wanted)
            )

    regressors, wanted = zip(*rows(), strict=True)
    return np.concatenate(regressors).astype(np.float64), np.concatenate(wanted).astype(np.float64)


def _orthogonal(regressors: Array, wanted: Array, count: int) -> list[int]:
    """Select columns of the regressors one by one: each explains most of the residual of `wanted`."""
    gram, shared = regressors.T @ regressors, regressors.T @ wanted
    own = np.diag(gram).copy() + 1e-12
    chosen: list[int] = []
    free = np.ones(len(own), bool)
    for _ in range(count):
        left = np.diag(gram)
        explained = np.where(free, (shared**2).sum(axis=1) / np.maximum(left, 1e-3 * own), -1)
        k = int(explained.argmax())
        chosen.append(k)
        free[k] = False
        pivot = left[k] * (1 + _RIDGE) + 1e-12
        row, explained_by = gram[:, k].copy(), shared[k].copy()
        shared -= np.outer(row / pivot, explained_by)
        gram -= np.outer(row / pivot, row)
    return chosen


def _least_squares(regressors: Array, wanted: Array) -> tuple[Array, Array]:
    """Kernel and bias that predict `wanted`, N x O, from the regressors, N x C."""
    regressor_mean, wanted_mean = regressors.mean(axis=0), wanted.mean(axis=0)
    centred = regressors - regressor_mean
    gram = centred.T @ centred
    gram[np.diag_indices_from(gram)] *= 1 + _RIDGE
    gram[np.diag_indices_from(gram)] += 1e-9 * len(regressors)
    kernel = np.linalg.solve(gram, centred.T @ (wanted - wanted_mean))
    return kernel, wanted_mean - regressor_mean @ kernel


def _give_last(expand: Any, mean: Any, layers: list[Layer], x: Any) -> tuple[Any, Array]:
    """Set the last two layers, unpruned: the steeper side of each PReLU, and weights of at most 1 per channel
    for int8. Returns the backbone's output and the divisor of each channel.
    """
    pointwise, whole = layers
    slope = np.asarray(pointwise.slope)
    side = np.where(np.abs(slope) > 1, -1, 1)
    _set(expand, pointwise.kernel * side, pointwise.bias * side)
    weight = _gathered(whole.kernel, x.shape[1]) * np.where(side == 1, 1, -slope)
    scale = np.abs(weight).max(axis=(0, 1)) + 1e-9
    mean.set_weights([weight / scale])
    positions = np.prod(weight.shape[:2])
    return _batched(lambda some: mean(expand(some)), x), scale * positions


def _gathered(weight: Array, side: int) -> Array:
    """Weights for a smaller map, H x W x C; a weight between two positions is split equally."""
    if side == len(weight):
        return weight
    positions = np.arange(len(weight))
    interpolation = np.maximum(1 - np.abs(positions / 2 - np.arange(side)[:, None]), 0)
    return np.asarray(np.einsum("ih,jw,hwc->ijc", interpolation, interpolation, weight))
