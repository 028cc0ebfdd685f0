"""YuNet's weights, and the maps of its early stages.

A unit of YuNet is a 1x1 convolution and a depthwise 3x3 one without an activation between. Here both are
merged to one plain 3x3 convolution, which is equal except for the 1x1's bias outside the border.
"""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

from facesieve_training.detector.codec import STRIDES, FloatArray
from facesieve_training.detector.network import HEADS, PAIRS
from facesieve_training.networks import exported

_OWN = 5
"""Units of the early stages, which have no counterpart in the detector's network."""
_NAMES = (*(f"stage{s}_conv{k}" for s in STRIDES for k in (0, 1)), "neck32", "neck16", "neck8")
Unit = tuple[FloatArray, FloatArray]
"""Kernel 3 x 3 x in x out, and bias."""


def load(model: keras.Model, path: Path) -> None:
    """Load YuNet's weights above the early layers; ValueError when the file has none that fit."""
    units = _units(path)
    bodies, heads = units[_OWN : _OWN + len(_NAMES)], units[_OWN + len(_NAMES) :]
    if len(bodies) + len(heads) != len(_NAMES) + len(HEADS) * len(STRIDES):
        raise ValueError(f"it has {len(units)} units of a 1x1 and a depthwise convolution and is not YuNet")
    norms = {layer.name: norm for layer, norm in exported.convolutions(model)}

    def give(name: str, kernel: FloatArray, bias: FloatArray) -> None:
        exported.give(model.get_layer(name), norms[name], exported.Weights(name, False, kernel, bias))

    for name, unit in zip(_NAMES, bodies, strict=True):
        give(name, *unit)
    # The file has a head's levels side by side, in the order cls, bbox, obj, kps.
    order = ("cls", "bbox", "obj", "kps")
    by_name = {f"{h}_{s}": heads[k] for k, (h, s) in enumerate((h, s) for h in order for s in STRIDES)}
    for stride in STRIDES:
        for pair in PAIRS:
            parts = [by_name[f"{head}_{stride}"] for head in pair]
            kernel, bias = (np.concatenate(values, axis=-1) for values in zip(*parts, strict=True))
            give(f"{'_'.join(pair)}_{stride}", kernel, bias)


def _units(path: Path) -> list[Unit]:
    """All units of the file, in its order."""
    graph = _read(path).graph
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    made_by = {node.output[0]: node for node in graph.node}
    units = []
    for node in graph.node:
        before = made_by.get(node.input[0]) if node.input else None
        if node.op_type == "Conv" and before is not None and before.op_type == "Conv":
            (point, offset), (deep, bias) = ([weights[n] for n in c.input[1:]] for c in (before, node))
            kernel = np.einsum("oi,oyx->yxio", point[:, :, 0, 0], deep[:, 0])
            units.append((kernel, deep.sum((1, 2, 3)) * offset + bias))
    return units


def _read(path: Path) -> Any:
    try:
        return onnx.load(path)
    except Exception as error:  # protobuf's and the system's faults have no common base
        raise ValueError(f"it is not an ONNX file: {error}") from error


class Early:
    """YuNet's early stages: images to the maps at stride 8 that its other stages read."""

    def __init__(self, path: Path) -> None:
        """Open the ONNX file; the maps are those behind its second pooling."""
        model = _read(path)
        pools = [node.output[0] for node in model.graph.node if node.op_type == "MaxPool"]
        if len(pools) < 2:
            raise ValueError(f"it has {len(pools)} poolings and is not YuNet")
        self._name = pools[1]
        model.graph.output.append(
            onnx.helper.make_tensor_value_info(self._name, onnx.TensorProto.FLOAT, None)
        )
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), providers=["CPUExecutionProvider"]
        )

    def __call__(self, images: np.ndarray) -> FloatArray:
        """N x H x W x 3 images, BGR 8 bits, to N x H/8 x W/8 x C."""
        planes = np.ascontiguousarray(images.transpose(0, 3, 1, 2), np.float32)
        maps = self._session.run([self._name], {self._session.get_inputs()[0].name: planes})[0]
        return np.asarray(maps.transpose(0, 2, 3, 1), np.float32)
