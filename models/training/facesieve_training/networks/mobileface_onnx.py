"""Reads a trained MobileFaceNet's layers from its ONNX file, with folded batch norms."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from facesieve_training.networks.mobileface import STRIDES

Array = npt.NDArray[np.float64]
_LAYERS = 2 + 3 * len(STRIDES) + 3


@dataclass
class Layer:
    """A convolution, or the last, dense layer."""

    kernel: Array
    """Height x width x in x out; of a depthwise one height x width x channels; of the dense one in x out."""
    bias: Array
    slope: Array | None = None
    """Slope of the PReLU after it, per channel; None for a linear layer."""


def read(path: Path, colour: str = "RGB", mean: float = 0.0, std: float = 1.0) -> list[Layer]:
    """The layers in the order of `mobileface.convolutions`, then the depthwise one over the whole map and the
    dense one that gives the embedding.

    The file's input is (pixel - mean) / std in this colour order; the first returned layer takes BGR in
    -1..1. Raises ValueError when the file is not a MobileFaceNet.
    """
    try:
        graph = onnx.load(path).graph
    except Exception as error:  # protobuf's and the system's faults have no common base
        raise ValueError(f"it is not an ONNX network: {error}") from error
    reader = _Reader({t.name: np.asarray(numpy_helper.to_array(t), np.float64) for t in graph.initializer})
    for node in graph.node:
        reader.take(node)
    dense = [layer for layer in reader.layers if layer.kernel.ndim == 2]
    if len(reader.layers) != _LAYERS or len(dense) != 1:
        raise ValueError(f"it has {len(reader.layers)} layers with weights, and a MobileFaceNet {_LAYERS}")
    _scale_input(reader.layers[0], colour, mean + reader.mean * std, reader.gain / std)
    return reader.layers


def _scale_input(first: Layer, colour: str, mean: float, gain: float) -> None:
    """Convert the first layer's input from the file's colour order and scale to BGR in -1..1."""
    kernel = first.kernel[:, :, ::-1] if colour == "RGB" else first.kernel
    first.bias = first.bias + kernel.sum(axis=(0, 1, 2)) * (128 - mean) * gain
    first.kernel = kernel * 128 * gain


class _Reader:
    """Collects the layers node by node."""

    def __init__(self, weights: dict[str, Array]) -> None:
        self.layers: list[Layer] = []
        self.mean, self.gain = 0.0, 1.0
        self._weights = weights
        self._made_by: dict[str, Layer] = {}

    def take(self, node: Any) -> None:
        """Add a node: a layer, or a part of the layer before it."""
        values = [self._weights[name] for name in node.input if name in self._weights]
        if node.op_type in ("Conv", "Gemm"):
            self.layers.append(_layer(node, values))
            self._made_by[node.output[0]] = self.layers[-1]
        elif node.op_type in ("BatchNormalization", "PRelu"):
            layer = self._made_by[node.output[0]] = self._made_by[node.input[0]]
            if node.op_type == "PRelu":
                layer.slope = values[0].ravel()
            else:
                _fold(layer, values, next(a.f for a in node.attribute if a.name == "epsilon"))
        elif node.op_type == "Sub" and not self.layers:
            self.mean = float(values[0])
        elif node.op_type == "Mul" and not self.layers:
            self.gain = float(values[0])
        elif node.op_type not in ("Add", "Flatten"):
            raise ValueError(f"it has a {node.op_type}, which no MobileFaceNet has")


def _layer(node: Any, values: list[Array]) -> Layer:
    attributes = {a.name: a for a in node.attribute}
    kernel = values[0]
    if node.op_type == "Gemm":
        kernel = kernel.T if "transB" in attributes and attributes["transB"].i else kernel
    elif "group" not in attributes or attributes["group"].i == 1:
        kernel = kernel.transpose(2, 3, 1, 0)
    else:
        kernel = kernel[:, 0].transpose(1, 2, 0)
    bias = values[1] if len(values) > 1 else np.zeros(kernel.shape[-1])
    return Layer(kernel, bias)


def _fold(layer: Layer, values: list[Array], epsilon: float) -> None:
    gamma, beta, mean, variance = values
    slope = gamma / np.sqrt(variance + epsilon)
    layer.kernel, layer.bias = layer.kernel * slope, (layer.bias - mean) * slope + beta
