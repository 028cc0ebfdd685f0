"""Initialises a trainable network from the int8 weights of an exported one.

The export folds every batch norm into the convolution before it and rounds the weights to 8 bits. Here the
convolution gets the folded weights, and the batch norm keeps only the offset. `settle` then sets the batch
norms' moments to those measured on images, which training needs, without changing the network's function.
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
    """Weights of one layer of an exported network, in real units."""

    name: str
    """Name of the Keras layer, possibly with its number within the process."""
    dense: bool
    kernel: Array
    """Height x width x in x out, or in x out of a dense layer."""
    bias: Array
    """One for each output."""


def read(data: bytes) -> list[Weights]:
    """The convolutions and dense layers of an int8 TFLite file, in its order; ValueError for other files."""
    try:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
        graph = model.subgraphs[0]
        codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    except Exception as error:  # the reader raises arbitrary exceptions for other files
        raise ValueError(f"it is not a TFLite file: {error!r}") from error
    found = []
    for operator in graph.operators:
        code = codes[operator.opcodeIndex]
        if code not in (schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.FULLY_CONNECTED):
            continue
        kernel = graph.tensors[operator.inputs[1]]
        dense = code == schema.BuiltinOperator.FULLY_CONNECTED
        values = _real(model, kernel, np.int8).transpose((1, 0) if dense else (1, 2, 3, 0))
        bias = np.zeros(values.shape[-1], np.float32)
        if len(operator.inputs) > 2 and operator.inputs[2] >= 0:  # the converter omits a bias of zeros
            bias = _real(model, graph.tensors[operator.inputs[2]], np.int32)
        name = kernel.name.decode().split("/")[-2]
        found.append(Weights(name, dense, np.ascontiguousarray(values), bias))
    return found


def _real(model: Any, tensor: Any, kind: type[np.integer[Any]]) -> Array:
    """A constant in real units; there is one scale per entry of the first axis, or one for all."""
    values = np.frombuffer(bytes(model.buffers[tensor.buffer].data), kind).reshape(tensor.shape)
    scale = np.asarray(tensor.quantization.scale, np.float32)
    return np.asarray(values * scale.reshape(-1, *[1] * (values.ndim - 1)), np.float32)


def convolutions(model: keras.Model) -> list[tuple[Any, BatchNorm | None]]:
    """Every convolution of a network with the batch norm after it."""
    norms = {id(layer.input): layer for layer in model.layers if isinstance(layer, BatchNorm)}
    found = [layer for layer in model.layers if isinstance(layer, layers.Conv2D | mirror.MirrorConv2D)]
    return [(layer, norms.get(id(layer.output))) for layer in found]


def give(layer: Any, norm: BatchNorm | None, weights: Weights) -> None:
    """Set a convolution's weights; its batch norm, if any, gets the bias as offset and is otherwise
    identity.
    """
    if weights.kernel.shape != tuple(layer.kernel.shape):
        raise ValueError(f"{layer.name} is {weights.kernel.shape} there and {tuple(layer.kernel.shape)} here")
    kernel, bias = weights.kernel, weights.bias
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
    """Fold every batch norm into the convolution before it, as the export does; it keeps the offset.

    The network's function does not change.
    """
    for layer, norm in convolutions(model):
        if norm is not None:
            gamma, beta, mean, variance = norm.get_weights()
            slope = gamma / np.sqrt(variance + norm.epsilon)
            kernel = layer.get_weights()[0] * slope
            give(layer, norm, Weights(layer.name, False, kernel, beta - slope * mean))


def settle(model: keras.Model, images: Iterable[np.ndarray]) -> None:
    """Set every batch norm's moments to those of batches of 8-bit images.

    Scale and offset are adapted so that the network's function does not change.
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
