"""Rewrites PRelu for speed in onnxruntime on a CPU."""

import numpy as np
import onnx
from onnx import helper, numpy_helper


def without_prelu(model: onnx.ModelProto) -> onnx.ModelProto:
    """Replace each PRelu by slope * x + (1 - slope) * relu(x): two depthwise convolutions and a sum.

    onnxruntime keeps its blocked memory layout through these, but not through a PRelu: MobileFaceNet runs at
    twice the speed, with the same result up to rounding. A slope that all channels share is left unchanged.
    The model is changed in place and returned.
    """
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        slope = weights.get(node.input[1]) if node.op_type == "PRelu" else None
        if slope is not None and np.prod(slope.dims) > 1:
            slope = numpy_helper.to_array(slope)
            nodes += _line_and_bend(model, node, slope.reshape(-1, 1, 1, 1).astype(np.float32))
        else:
            nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def _line_and_bend(
    model: onnx.ModelProto, node: onnx.NodeProto, slope: np.typing.NDArray[np.float32]
) -> list[onnx.NodeProto]:
    x, out = node.input[0], node.output[0]
    nodes = [helper.make_node("Relu", [x], [f"{out}_relu"])]
    for value, scale, name in ((x, slope, f"{out}_line"), (f"{out}_relu", 1 - slope, f"{out}_bend")):
        model.graph.initializer.append(numpy_helper.from_array(scale, f"{name}_scale"))
        nodes.append(helper.make_node("Conv", [value, f"{name}_scale"], [name], group=len(slope)))
    return [*nodes, helper.make_node("Add", [f"{out}_line", f"{out}_bend"], [out])]
