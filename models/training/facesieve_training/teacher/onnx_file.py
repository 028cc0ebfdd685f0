"""Writes a trained teacher as ONNX, so that labels, baselines and other tools run it without Keras.

Input `pictures`: N x 3 x 112 x 112 float, BGR, 0..255 (the network scales them). Output `embedding`; the
values `cut` and `low` have the names for OnnxTeacher. The file is written node by node: the network has few
kinds of layers, and the usual converter needs older versions of TensorFlow.
"""

from typing import Any

import keras
import numpy as np
import onnx
from keras import layers
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from facesieve_training.faces import SIZE
from facesieve_training.teacher.network import CUT, EMBEDDING, LOW

IMAGES = "pictures"
_OPSET, _IR = 17, 8


def to_onnx(teacher: keras.Model) -> bytes:
    """Convert the network that `network.build` calls teacher."""
    graph = _Graph()
    graph.add("Mul", [IMAGES, graph.weight("scale", np.float32(1 / 128))], "shrunk")
    graph.add("Sub", ["shrunk", graph.weight("one", np.float32(1))], "scaled")
    backbone = next(layer for layer in teacher.layers if isinstance(layer, keras.Model))
    low, averaged = backbone.outputs
    names = {id(backbone.inputs[0]): "scaled", id(low): LOW, id(averaged): CUT}
    for number, layer in enumerate(backbone.layers):
        if not isinstance(layer, layers.InputLayer):
            inputs = layer.input if isinstance(layer.input, list) else [layer.input]
            # Keras numbers layers over the whole process; the file must not depend on these numbers.
            output = names.setdefault(id(layer.output), f"{type(layer).__name__.lower()}{number}")
            graph.layer(layer, [names[id(tensor)] for tensor in inputs], output)
    graph.layer(teacher.get_layer("feature"), [CUT], EMBEDDING)
    return graph.finished(int(teacher.output[EMBEDDING].shape[-1]))


class _Graph:
    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._weights: list[Any] = []

    def add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> None:
        self._nodes.append(helper.make_node(kind, inputs, [output], **attributes))

    def weight(self, name: str, value: Any) -> str:
        array: NDArray[Any] = np.asarray(value, np.float32)
        self._weights.append(numpy_helper.from_array(array, name))
        return name

    def layer(self, layer: Any, inputs: list[str], output: str) -> None:
        """Add the nodes of one Keras layer."""
        values = [keras.ops.convert_to_numpy(v) for v in layer.weights]
        name = output
        if isinstance(layer, layers.Conv2D):
            kernel = self.weight(f"{name}.kernel", values[0].transpose(3, 2, 0, 1))
            self.add("Conv", [*inputs, kernel], output, strides=list(layer.strides), auto_pad="SAME_UPPER")
        elif isinstance(layer, layers.BatchNormalization):
            kinds = ("gamma", "beta", "mean", "variance")
            weights = [self.weight(f"{name}.{k}", v) for k, v in zip(kinds, values, strict=True)]
            self.add("BatchNormalization", [*inputs, *weights], output, epsilon=layer.epsilon)
        elif isinstance(layer, layers.MaxPooling2D):
            shape = {"kernel_shape": list(layer.pool_size), "strides": list(layer.strides)}
            self.add("MaxPool", inputs, output, auto_pad="SAME_UPPER", **shape)
        elif isinstance(layer, layers.GlobalAveragePooling2D):
            self.add("GlobalAveragePool", inputs, f"{output}.map")
            self.add("Flatten", [f"{output}.map"], output)
        elif isinstance(layer, layers.Dense):
            weights = [self.weight(f"{name}.{k}", v) for k, v in zip(("kernel", "bias"), values, strict=True)]
            self.add("Gemm", [*inputs, *weights], output)
        elif isinstance(layer, layers.ReLU | layers.Add):
            self.add("Relu" if isinstance(layer, layers.ReLU) else "Add", inputs, output)
        else:
            raise TypeError(f"{layer.name}: no ONNX for a layer of type {type(layer).__name__}")

    def finished(self, width: int) -> bytes:
        """Return the file's bytes, checked."""
        kind = onnx.TensorProto.FLOAT
        graph = helper.make_graph(
            self._nodes,
            "teacher",
            [helper.make_tensor_value_info(IMAGES, kind, ["N", 3, SIZE, SIZE])],
            [helper.make_tensor_value_info(EMBEDDING, kind, ["N", width])],
            self._weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR)
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())
