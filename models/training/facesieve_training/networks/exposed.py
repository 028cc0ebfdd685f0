"""Adds the value of a layer to the outputs of a TFLite file, by appending one vector to the file.

All other bytes stay, apart from the reference to that vector: operators, weights and their alignment are the
same, so the network computes the same values as before.
"""

import re
import struct

from tensorflow.lite.python import schema_py_generated as schema

_OUTPUTS = 8  # of a subgraph's field `outputs` in its table of fields, bytes


def output_of(data: bytes, layer: str) -> int:
    """The index among the outputs of a file that `expose` returned for this dense layer."""
    graph = _graph(data)
    return _outputs(graph).index(_tensor(graph, layer))


def expose(data: bytes, layer: str) -> bytes:
    """Add the value of a dense Keras layer as the last output; a file that has it already is unchanged.

    ValueError for a file without this layer.
    """
    graph = _graph(data)
    outputs, tensor = _outputs(graph), _tensor(graph, layer)
    if tensor in outputs:
        return data
    outputs.append(tensor)
    result = bytearray(data + bytes(-len(data) % 4))
    place, vector = graph._tab.Pos + graph._tab.Offset(_OUTPUTS), len(result)
    result += struct.pack(f"<I{len(outputs)}i", len(outputs), *outputs)
    struct.pack_into("<I", result, place, vector - place)  # references are relative to their own place
    return bytes(result)


def _graph(data: bytes) -> schema.SubGraph:
    return schema.Model.GetRootAs(data, 0).Subgraphs(0)


def _outputs(graph: schema.SubGraph) -> list[int]:
    return [graph.Outputs(k) for k in range(graph.OutputsLength())]


def _tensor(graph: schema.SubGraph, layer: str) -> int:
    """The output of the operator whose weights are those of the layer."""
    # Keras may add the layer's number within the process to its name.
    wanted = re.compile(rf"(^|/){re.escape(layer)}(_\d+)?/MatMul$")
    for k in range(graph.OperatorsLength()):
        operator = graph.Operators(k)
        weights = operator.Inputs(1) if operator.InputsLength() > 1 else -1
        if weights >= 0 and wanted.search(graph.Tensors(weights).Name().decode()):
            return int(operator.Outputs(0))
    raise ValueError(f"has no dense layer {layer}")
