"""Forward pass of a trained MobileFaceNet from its layers, on any back end."""

from typing import Any

from keras import ops

from facesieve_training.networks.mobileface import STRIDES
from facesieve_training.networks.mobileface_onnx import Layer

_EVEN = ((0, 0), (1, 1), (1, 1), (0, 0))


def convolve(x: Any, kernel: Any, bias: Any, stride: int) -> Any:
    """A convolution with symmetric padding; depthwise for a kernel of three axes."""
    weights = ops.cast(kernel, "float32")
    x = ops.pad(x, _EVEN) if kernel.shape[0] == 3 else x
    if len(kernel.shape) == 4:
        maps = ops.conv(x, weights, stride, "valid")
    else:
        maps = ops.depthwise_conv(x, weights[..., None], stride, "valid")
    return maps + ops.cast(bias, "float32")


def streams(teacher: list[Layer], images: Any) -> list[Any]:
    """Maps of images, N x 112 x 112 x 3 BGR in -1..1: the stem's, the stream after each block, and the values
    before the last layer, N x 1 x 1 x K.
    """
    x = _apply(_apply(images, teacher[0], 2), teacher[1])
    found = [x]
    for k, stride in enumerate(STRIDES):
        expand, depthwise, project = teacher[2 + 3 * k : 5 + 3 * k]
        y = _apply(_apply(_apply(x, expand), depthwise, stride), project)
        x = y if stride == 2 else x + y
        found.append(x)
    return [*found, _apply(_apply(x, teacher[-3]), teacher[-2])]


def sampled(maps: Any, side: int) -> Any:
    """Maps sampled to this side, from the first position on, as strides do."""
    step = -(-maps.shape[1] // side)
    return maps[:, ::step, ::step]


def embedding(teacher: list[Layer], values: Any) -> Any:
    """The embedding, N x D, from the values before the last layer."""
    last = teacher[-1]
    flat = ops.reshape(values, (-1, last.kernel.shape[0]))
    return ops.matmul(flat, ops.cast(last.kernel, "float32")) + ops.cast(last.bias, "float32")


def _apply(x: Any, layer: Layer, stride: int = 1) -> Any:
    maps = convolve(x, layer.kernel, layer.bias, stride)
    if layer.slope is None:
        return maps
    return ops.relu(maps) + ops.cast(layer.slope, "float32") * ops.minimum(maps, 0)
