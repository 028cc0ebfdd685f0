"""Starts a training from an exported detector: its int8 weights back in a network that can learn.

The export folds every batch norm into the convolution before it, and rounds the weights to 8 bits. Here the
convolution gets the folded weights and the batch norm becomes the offset alone; `settle` then gives the
batch norms the moments that they see on pictures, which they need before they can learn, and leaves what the
network computes as it is.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

from facesieve_training.cli import DataError
from facesieve_training.networks.norm import BatchNorm

Array = npt.NDArray[np.float32]


def load(model: keras.Model, path: Path) -> None:
    """Give the network the weights of a file: .weights.h5 of a run, or an exported .tflite."""
    try:
        if path.suffix == ".tflite":
            load_tflite(model, path)
        else:
            model.load_weights(path)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: holds no weights of this network; mend the configuration: {error}"
        ) from error


def load_tflite(model: keras.Model, path: Path) -> None:
    """Give the network the weights of an exported one; ValueError when they are not of this network."""
    stored = convolutions(path.read_bytes())
    for layer, norm in _layers(model):
        found = [name for name in stored if re.fullmatch(rf"{layer.name}(_\d+)?", name)]
        if len(found) != 1:
            raise ValueError(f"it has no convolution {layer.name}")
        kernel, bias = stored[found[0]]
        if kernel.shape != tuple(layer.kernel.shape):
            raise ValueError(f"{layer.name} is {kernel.shape} there and {tuple(layer.kernel.shape)} here")
        if norm is None:
            layer.set_weights([kernel, bias])
            continue
        layer.set_weights([kernel])
        ones = np.ones_like(bias)
        norm.set_weights([ones, bias, 0 * ones, ones - norm.epsilon])


def convolutions(data: bytes) -> dict[str, tuple[Array, Array]]:
    """The convolutions of an int8 TFLite file by name: kernel [height, width, in, out] and bias [out]."""
    try:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
        graph = model.subgraphs[0]
        codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    except Exception as error:  # a foreign file fails somewhere in the reader, with whatever it meets there
        raise ValueError(f"it is no TFLite file: {error!r}") from error
    found = {}
    for operator in graph.operators:
        if codes[operator.opcodeIndex] == schema.BuiltinOperator.CONV_2D:
            kernel, bias = (graph.tensors[i] for i in operator.inputs[1:3])
            name = kernel.name.decode().split("/")[-2]
            values = _real(model, kernel, np.int8).transpose(1, 2, 3, 0)
            found[name] = np.ascontiguousarray(values), _real(model, bias, np.int32)
    return found


def _real(model: Any, tensor: Any, kind: type[np.integer[Any]]) -> Array:
    """A constant in real units; the scale is one for each entry of the first axis, or one for all."""
    values = np.frombuffer(bytes(model.buffers[tensor.buffer].data), kind).reshape(tensor.shape)
    scale = np.asarray(tensor.quantization.scale, np.float32)
    return np.asarray(values * scale.reshape(-1, *[1] * (values.ndim - 1)), np.float32)


def settle(model: keras.Model, pictures: Iterable[np.ndarray]) -> None:
    """Set every batch norm's moments to those of batches of 8-bit pictures, and its scale and offset so that
    the network computes what it did.
    """
    pairs = [(layer, norm) for layer, norm in _layers(model) if norm is not None]
    view = keras.Model(model.input, [layer.output for layer, _ in pairs])
    sums: list[Any] = [0.0] * len(pairs)
    count = 0
    for batch in pictures:
        maps = view(tf.cast(batch, tf.float32) / 128 - 1, training=False)
        for k, values in enumerate(maps):
            real = tf.cast(values, tf.float32)
            sums[k] += np.stack([tf.reduce_mean(real, [0, 1, 2]), tf.reduce_mean(real * real, [0, 1, 2])])
        count += 1
    for (_, norm), total in zip(pairs, sums, strict=True):
        mean, square = total / count
        _move(norm, mean, np.maximum(square - mean * mean, 1e-6))


def mix(model: keras.Model, other: keras.Model, share: float, batches: Sequence[np.ndarray]) -> None:
    """Move a network's weights this share of the way to another's, from which it was trained.

    What a network learns on harder pictures costs it some of the old ones; between the two it has most of
    both (Wortsman et al. 2022, arXiv:2109.01903). The moments of the batch norms are measured anew, on
    batches of 8-bit pictures.
    """
    for network in (model, other):
        settle(network, batches)
    pairs = zip(model.get_weights(), other.get_weights(), strict=True)
    model.set_weights([(1 - share) * own + share * theirs for own, theirs in pairs])
    norms = [norm for _, norm in _layers(model) if norm is not None]
    momentum = [norm.momentum for norm in norms]
    moments = [[np.zeros(norm.gamma.shape, np.float32)] * 2 for norm in norms]
    for norm in norms:
        norm.momentum = 0.0  # each batch's moments alone; their mean is taken below
    for batch in batches:
        model(tf.cast(batch, tf.float32) / 128 - 1, training=True)
        for k, norm in enumerate(norms):
            moments[k] = [
                a + b / len(batches) for a, b in zip(moments[k], norm.get_weights()[2:], strict=True)
            ]
    for norm, kept, measured in zip(norms, momentum, moments, strict=True):
        norm.momentum = kept
        norm.set_weights([*norm.get_weights()[:2], *measured])


def _move(norm: BatchNorm, mean: Array, variance: Array) -> None:
    gamma, beta, old_mean, old_variance = norm.get_weights()
    slope = gamma / np.sqrt(old_variance + norm.epsilon)
    offset = beta + slope * (mean - old_mean)
    norm.set_weights([slope * np.sqrt(variance + norm.epsilon), offset, mean, variance])


def _layers(model: keras.Model) -> list[tuple[keras.layers.Conv2D, BatchNorm | None]]:
    """Every convolution and the batch norm behind it; the heads have none."""
    named = {layer.name: layer for layer in model.layers}
    convs = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    return [(conv, named.get(f"{conv.name}_norm")) for conv in convs]
