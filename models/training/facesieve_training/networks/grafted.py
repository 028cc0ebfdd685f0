"""Adds layers, in int8, to a TFLite file: they read a value of the network and end in a new last output.

The other operators, their weights and their order stay, so all other outputs keep every bit.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray
from tensorflow.lite.python import schema_py_generated as schema

_ALIGNMENT = 16
"""Of constant values in the file, bytes, as the schema demands."""
_IDENTIFIER = b"TFL3"
_TENSORS = 3
"""Of a layer, each with a buffer: weights, bias, value."""
_RELU = schema.ActivationFunctionType.RELU


@dataclass(frozen=True)
class Layer:
    """A layer in floating point, and the range of its values."""

    name: str
    kernel: NDArray[np.float64]
    """Outputs x inputs of a dense layer, which reads a map flat; outputs x 1 x 1 x inputs of a pointwise
    convolution. A dense layer on a map becomes a convolution over the whole map, with the same bits: LiteRT's
    delegate for GPUs would apply it to each pixel.
    """
    bias: NDArray[np.float64]
    low: float
    """Lowest value of an output; 0 for a layer with ReLU."""
    high: float
    relu: bool


def graft(data: bytes, source: str, layers: Sequence[Layer]) -> bytes:
    """Add layers, one after another, on the value of a Keras layer; the last one's is the last output.

    Without layers, the value itself becomes an output. ValueError for a file without the value.
    """
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    graph = model.subgraphs[0]
    at = _find(graph, source)
    for layer in layers:
        at = _add(model, graph, at, layer)
    graph.outputs = np.append(graph.outputs, np.int32(at))
    return _packed(model, len(data))


def ungraft(data: bytes, names: Sequence[str]) -> bytes:
    """Remove the layers with these names, which `graft` added last, and their output.

    ValueError for a file that does not end with them.
    """
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    graph, count = model.subgraphs[0], len(names)
    last = [graph.tensors[int(operator.outputs[0])].name.decode() for operator in graph.operators[-count:]]
    if last != list(names):
        raise ValueError(f"does not end with the layers {', '.join(names)}")
    graph.outputs = graph.outputs[:-1]
    del graph.operators[-count:]
    del graph.tensors[-_TENSORS * count :]
    del model.buffers[-_TENSORS * count :]
    return _packed(model, len(data))


def value_of(data: bytes, source: str) -> tuple[tuple[int, ...], float, int]:
    """Shape, scale and zero point of the value of a Keras layer."""
    graph = schema.ModelT.InitFromPackedBuf(data, 0).subgraphs[0]
    tensor = graph.tensors[_find(graph, source)]
    quantization = tensor.quantization
    return tuple(int(n) for n in tensor.shape), float(quantization.scale[0]), int(quantization.zeroPoint[0])


def _packed(model: Any, size: int) -> bytes:
    builder = _Builder(size + (1 << 16))
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())


class _Builder(flatbuffers.Builder):  # type: ignore[misc]
    """Aligns vectors of bytes, which hold the constants."""

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> Any:  # noqa: N802
        return super().StartVector(elemSize, numElems, _ALIGNMENT if elemSize == 1 else alignment)


def _find(graph: Any, layer: str) -> int:
    """The output of the operator that Keras made of a layer."""
    # Keras may add the layer's number within the process to its name.
    wanted = re.compile(rf"(^|/){re.escape(layer)}(_\d+)?/")
    computed = {int(k) for operator in graph.operators for k in operator.outputs}
    found = [k for k in sorted(computed) if wanted.search(graph.tensors[k].name.decode())]
    if not found:
        raise ValueError(f"has no layer {layer}")
    return found[-1]


def _add(model: Any, graph: Any, source: int, layer: Layer) -> int:
    """Add one layer, and return its output's tensor."""
    read, size = graph.tensors[source].quantization.scale, [int(n) for n in graph.tensors[source].shape]
    pointwise = layer.kernel.ndim == 4
    window = not pointwise and len(size) == 4 and size[1] * size[2] > 1
    flat = layer.kernel.reshape(len(layer.kernel), -1)
    step = np.abs(flat).max(axis=1) / 127
    step = np.where(step > 0, step, 1.0)
    weights = np.round(flat / step[:, None]).astype(np.int8)
    weights = weights.reshape(-1, *size[1:]) if window else weights.reshape(layer.kernel.shape)
    scale = np.float64(read[0]) * step
    bias = np.round(layer.bias / scale).astype(np.int32)
    width = (layer.high - layer.low) / 255
    zero = int(np.clip(round(-128 - layer.low / width), -128, 127))
    of = schema.TensorType
    shape = [*size[:3], len(bias)] if pointwise else [1, 1, 1, len(bias)] if window else [1, len(bias)]
    operator = schema.OperatorT()
    operator.inputs = np.array(
        [
            source,
            _tensor(model, graph, f"{layer.name}/weights", of.INT8, weights, step),
            _tensor(model, graph, f"{layer.name}/bias", of.INT32, bias, scale),
        ],
        np.int32,
    )
    output = _tensor(model, graph, layer.name, of.INT8, None, np.array([width]), zero, shape)
    operator.outputs = np.array([output], np.int32)
    _describe(model, operator, pointwise or window, layer.relu)
    graph.operators.append(operator)
    return output


def _describe(model: Any, operator: Any, convolution: bool, relu: bool) -> None:
    """Set the kind of an operator, which the file must have already, and its options."""
    kinds, options = schema.BuiltinOperator, schema.BuiltinOptions
    wanted = kinds.CONV_2D if convolution else kinds.FULLY_CONNECTED
    codes = [max(c.builtinCode, c.deprecatedBuiltinCode) for c in model.operatorCodes]
    operator.opcodeIndex = codes.index(wanted)
    if convolution:
        operator.builtinOptionsType, operator.builtinOptions = options.Conv2DOptions, schema.Conv2DOptionsT()
        operator.builtinOptions.strideH = operator.builtinOptions.strideW = 1
        operator.builtinOptions.dilationHFactor = operator.builtinOptions.dilationWFactor = 1
        operator.builtinOptions.padding = schema.Padding.VALID
    else:
        operator.builtinOptionsType = options.FullyConnectedOptions
        operator.builtinOptions = schema.FullyConnectedOptionsT()
    operator.builtinOptions.fusedActivationFunction = _RELU if relu else 0


def _tensor(
    model: Any, graph: Any, name: str, kind: int, values: NDArray[Any] | None,
    scale: NDArray[np.float64], zero: int = 0, shape: Sequence[int] | None = None,
) -> int:  # fmt: skip
    """Add a tensor, constant with values, and return its index."""
    buffer = schema.BufferT()
    if values is not None:
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
    model.buffers.append(buffer)
    tensor = schema.TensorT()
    tensor.name, tensor.type, tensor.buffer = name, kind, len(model.buffers) - 1
    tensor.shape = np.array(shape if values is None else values.shape, np.int32)
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale = scale.astype(np.float32)
    tensor.quantization.zeroPoint = np.full(len(scale), zero, np.int64)
    tensor.isVariable = False
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1
