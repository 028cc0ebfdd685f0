"""A trained network as it is exported: its first convolutions on cells of pixels, see `networks.cells`."""

from typing import Any

import keras
import numpy as np
from keras import layers

from facesieve_training.networks import exported
from facesieve_training.networks.cells import PIXELS, Array, pack
from facesieve_training.networks.norm import BatchNorm


def in_cells(model: keras.Model, count: int, pixels: int = PIXELS) -> keras.Model:
    """Build the network with its first so many convolutions, each with batch norm and ReLU, on cells of so
    many pixels; its input is N x H x W / pixels x 3 pixels, the picture's bytes as they are. With 1 it is the
    network itself.
    """
    if pixels == 1:
        return model
    _, height, width, colours = model.input.shape
    inputs = keras.Input((height, width and width // pixels, pixels * colours), name="cells")
    x = inputs
    relus = {id(layer.input): layer for layer in model.layers if isinstance(layer, layers.ReLU)}
    pairs = [(layer, norm) for layer, norm in exported.convolutions(model) if norm is not None]
    for convolution, norm in pairs[:count]:
        if pixels == 1:
            break
        x, pixels = _convolution(x, convolution, norm, pixels)
        last = relus[id(norm.output)]
    if pixels > 1:
        x = layers.Reshape(last.output.shape[1:])(x)
    return keras.Model(inputs, keras.Model(last.output, model.output)(x), name=model.name)


def _convolution(x: Any, layer: Any, norm: Any, pixels: int) -> tuple[Any, int]:
    stride = layer.strides if isinstance(layer.strides, int) else layer.strides[0]
    kernel, bias = _folded(layer, norm)
    packed, left = pack(kernel, stride, pixels), pixels // stride
    made = layers.Conv2D(
        packed.shape[-1], packed.shape[:2], (stride, 1), "same", activation="relu", name=layer.name
    )
    y = made(x)
    made.set_weights([packed, np.tile(bias, left)])
    return y, left


def _folded(layer: Any, norm: BatchNorm) -> tuple[Array, Array]:
    """Kernel and bias of a convolution without one, with the batch norm behind it folded in."""
    gamma, beta, mean, variance = (
        keras.ops.convert_to_numpy(norm.of_channels(values)) for values in norm.weights
    )
    slope = gamma / np.sqrt(variance + norm.epsilon)
    return keras.ops.convert_to_numpy(layer.kernel) * slope, beta - mean * slope
