"""Fixtures: an ONNX detector of bright squares, and images with such squares."""

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper

from facesieve_training.detector.codec import STRIDES

_HEADS = {"cls": (0, 1), "obj": (1, 2), "bbox": (2, 6), "kps": (6, 16)}
_POINTS = [0.2, 0.3, 0.8, 0.3, 0.5, 0.5, 0.3, 0.8, 0.7, 0.8]


@pytest.fixture
def bright_squares(tmp_path: Path) -> Path:
    """The detector's file: a white cell is a face of the stride's size."""
    path = tmp_path / "teacher.onnx"
    onnx.save(_detector(), str(path))
    return path


@pytest.fixture
def squares(tmp_path: Path) -> Path:
    """A directory of 16 dark images, each with a bright square of 32 pixels on a cell of stride 32."""
    directory = tmp_path / "images"
    directory.mkdir()
    rng = np.random.default_rng(3)
    for number in range(16):
        image = rng.integers(0, 60, (128, 160, 3), np.uint8)
        x, y = 32 * rng.integers(0, 5), 32 * rng.integers(0, 4)
        image[y : y + 32, x : x + 32] = 255
        cv2.imwrite(str(directory / f"{number:02d}.png"), image)
    return directory


def _detector() -> onnx.ModelProto:
    weights = {"weight": np.zeros((16, 3, 1, 1)), "bias": np.array([-22.0, -22.0, 0.5, 0.5, 0, 0, *_POINTS])}
    weights["weight"][:2] = 0.1 / 3
    constants = {name: value.astype(np.float32) for name, value in weights.items()}
    nodes, outputs = [], []
    for stride in STRIDES:
        nodes += _level(stride)
        for head, (low, high) in _HEADS.items():
            constants[f"{head}_shape"] = np.array([1, -1, high - low])
            constants[f"{head}_low"], constants[f"{head}_high"] = np.array([low]), np.array([high])
            outputs.append(
                helper.make_tensor_value_info(f"{head}_{stride}", TensorProto.FLOAT, [1, None, high - low])
            )
    constants["axis"] = np.array([3])
    entry = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, "height", "width"])
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "squares", [entry], outputs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def _level(stride: int) -> list[NodeProto]:
    pooled, maps, last = f"pooled{stride}", f"maps{stride}", f"last{stride}"
    nodes = [
        helper.make_node("AveragePool", ["input"], [pooled], kernel_shape=[stride] * 2, strides=[stride] * 2),
        helper.make_node("Conv", [pooled, "weight", "bias"], [maps]),
        helper.make_node("Transpose", [maps], [last], perm=[0, 2, 3, 1]),
    ]
    for head in _HEADS:
        cut, flat, output = f"{head}_cut{stride}", f"{head}_flat{stride}", f"{head}_{stride}"
        nodes.append(helper.make_node("Slice", [last, f"{head}_low", f"{head}_high", "axis"], [cut]))
        nodes.append(helper.make_node("Reshape", [cut, f"{head}_shape"], [flat]))
        scores = head in ("cls", "obj")
        nodes.append(helper.make_node("Sigmoid" if scores else "Identity", [flat], [output]))
    return nodes
