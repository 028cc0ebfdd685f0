"""Starts a training from an exported network: its int8 weights back in a network that can learn.

The export folds every batch norm into the convolution before it, and rounds the weights to 8 bits. Here the
convolution gets the folded weights and the batch norm becomes the offset alone; `settle` then gives the
batch norms the moments that they see on images, which they need before they can learn, and leaves what the
network computes as it is.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers, ops
from tensorflow.lite.python import schema_py_generated as schema

from facesieve_training.networks import mirror
from facesieve_training.networks.norm import BatchNorm
from facesieve_training.networks.pixels import scaled

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Weights:
    """What one layer of an exported network holds, in real units."""

    name: str
    """The Keras layer's, where it came from one; its number within the process may follow."""
    dense: bool
    kernel: Array
    """Height x width x in x out, or in x out of a dense layer."""
    bias: Array
    """One for each output."""


def read(data: bytes) -> list[Weights]:
    """The convolutions and dense layers of an int8 TFLite file, in its order; ValueError when it is none."""
    try:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
        graph = model.subgraphs[0]
        codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    except Exception as error:  # a foreign file fails somewhere in the reader, with whatever it meets there
        raise ValueError(f"it is no TFLite file: {error!r}") from error
    found = []
    for operator in graph.operators:
        code = codes[operator.opcodeIndex]
        if code not in (schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.FULLY_CONNECTED):
            continue
        kernel = graph.tensors[operator.inputs[1]]
        dense = code == schema.BuiltinOperator.FULLY_CONNECTED
        values = _real(model, kernel, np.int8).transpose((1, 0) if dense else (1, 2, 3, 0))
        bias = np.zeros(values.shape[-1], np.float32)
        if len(operator.inputs) > 2 and operator.inputs[2] >= 0:  # a bias of zeros is left out
            bias = _real(model, graph.tensors[operator.inputs[2]], np.int32)
        name = kernel.name.decode().split("/")[-2]
        found.append(Weights(name, dense, np.ascontiguousarray(values), bias))
    return found


def _real(model: Any, tensor: Any, kind: type[np.integer[Any]]) -> Array:
    """A constant in real units; the scale is one for each entry of the first axis, or one for all."""
    values = np.frombuffer(bytes(model.buffers[tensor.buffer].data), kind).reshape(tensor.shape)
    scale = np.asarray(tensor.quantization.scale, np.float32)
    return np.asarray(values * scale.reshape(-1, *[1] * (values.ndim - 1)), np.float32)


def convolutions(model: keras.Model) -> list[tuple[Any, BatchNorm | None]]:
    """Every convolution of a network and the batch norm behind it."""
    norms = {id(layer.input): layer for layer in model.layers if isinstance(layer, BatchNorm)}
    found = [layer for layer in model.layers if isinstance(layer, layers.Conv2D | mirror.MirrorConv2D)]
    return [(layer, norms.get(id(layer.output))) for layer in found]


def give(layer: Any, norm: BatchNorm | None, held: Weights) -> None:
    """Give a convolution these weights; its batch norm, if any, is left with the bias alone."""
    if held.kernel.shape != tuple(layer.kernel.shape):
        raise ValueError(f"{layer.name} is {held.kernel.shape} there and {tuple(layer.kernel.shape)} here")
    kernel, bias = held.kernel, held.bias
    if isinstance(layer, mirror.MirrorConv2D):
        kernel = kernel[..., : kernel.shape[-1] // 2]
    if norm is None:
        layer.set_weights([kernel, bias])
        return
    layer.set_weights([kernel])
    offset = np.asarray(norm.of_weights(bias))
    ones = np.ones_like(offset)
    norm.set_weights([ones, offset, 0 * ones, ones - norm.epsilon])


def fold(model: keras.Model) -> None:
    """Move every batch norm into the convolution before it, as the export does, and leave it the offset; the
    network computes what it did.
    """
    for layer, norm in convolutions(model):
        if norm is not None:
            gamma, beta, mean, variance = norm.get_weights()
            slope = gamma / np.sqrt(variance + norm.epsilon)
            kernel = layer.get_weights()[0] * slope
            give(layer, norm, Weights(layer.name, False, kernel, beta - slope * mean))


def settle(model: keras.Model, images: Iterable[np.ndarray]) -> None:
    """Set every batch norm's moments to those of batches of 8-bit images, and its scale and offset so that
    the network computes what it did.
    """
    pairs = [(layer, norm) for layer, norm in convolutions(model) if norm is not None]
    view = keras.Model(model.input, [layer.output for layer, _ in pairs])
    sums: list[Any] = [0.0] * len(pairs)
    count = 0
    for batch in images:
        maps = view(scaled(batch), training=False)
        for k, values in enumerate(maps):
            real = ops.cast(values, "float32")
            sums[k] += np.stack([ops.mean(real, [0, 1, 2]), ops.mean(real * real, [0, 1, 2])])
        count += 1
    for (_, norm), total in zip(pairs, sums, strict=True):
        mean, square = (np.asarray(norm.of_weights(moment)) for moment in total / count)
        _move(norm, mean, np.maximum(square - mean * mean, 1e-6))


def _move(norm: BatchNorm, mean: Array, variance: Array) -> None:
    gamma, beta, old_mean, old_variance = norm.get_weights()
    slope = gamma / np.sqrt(old_variance + norm.epsilon)
    offset = beta + slope * (mean - old_mean)
    norm.set_weights([slope * np.sqrt(variance + norm.epsilon), offset, mean, variance])
