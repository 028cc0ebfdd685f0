"""An ONNX recognition network as teacher, cut before its last layer so that dropout masks can go there.

The file is split once: the head yields the embedding, the values before the last layer and a low-level
feature in one pass; the tail is only what follows the cut, and is cheap enough to be run once for every
mask.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import onnxruntime
from numpy.typing import NDArray

from facesieve_training.cli import DataError
from facesieve_training.faces import SIZE, Picture

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class OnnxTeacher:
    """Where the network is and how it wants its pictures."""

    onnx: Path
    cut: str
    """Name of the value before the last layer: dropout masks go here."""
    low: str
    """Name of the value that serves as low-level feature."""
    colour: str = "RGB"
    mean: float = 0.0
    std: float = 1.0

    def faults(self) -> list[str]:
        """Say what is wrong with the values."""
        found = [] if self.onnx.is_file() else [f"onnx: {self.onnx} is no file"]
        found += [] if self.colour in ("RGB", "BGR") else [f"colour: {self.colour!r} is neither RGB nor BGR"]
        return found if self.std > 0 else [*found, f"std: {self.std} must be above 0"]


@dataclass(frozen=True)
class Features:
    """What the teacher says about N faces."""

    embedding: Floats
    """N x D, not normalised."""
    cut: Floats
    """N x K, the values before the last layer."""
    low: Floats
    """N x L, the low-level feature, flattened."""


class Teacher:
    """The imported network, ready to run."""

    def __init__(self, config: OnnxTeacher, threads: int = 0) -> None:
        """Load and split the network; threads 0 means one for each core."""
        self._config = config
        model = _without_prelu(onnx.load(config.onnx))
        names = {name for node in model.graph.node for name in node.output}
        for name in (config.cut, config.low):
            if name not in names:
                raise DataError(
                    f"{config.onnx}: has no value named {name}; see its nodes' outputs for the right one"
                )
        self._input = model.graph.input[0].name
        output = model.graph.output[0].name
        self._outputs = [output, config.cut, config.low]
        tail = _tail(model, config.cut, output)
        for name in (config.cut, config.low):
            model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
        self._head = _session(model, threads)
        self._tail = _session(tail, threads)
        probe = self._head.run([config.cut], {self._input: np.zeros((1, 3, SIZE, SIZE), np.float32)})[0]
        self._tail_shape = probe.shape[1:]
        self.cut_width = int(probe.size)
        """Number of values at the cut: the width of a dropout mask."""

    def __call__(self, pictures: Picture) -> Features:
        """Embed N x 112 x 112 x 3 aligned faces, BGR uint8."""
        colours = pictures[..., ::-1] if self._config.colour == "RGB" else pictures
        planes = (colours.transpose(0, 3, 1, 2).astype(np.float32) - self._config.mean) / self._config.std
        embedding, cut, low = self._head.run(self._outputs, {self._input: np.ascontiguousarray(planes)})
        return Features(embedding, cut.reshape(len(cut), -1), low.reshape(len(low), -1))

    def embed_cut(self, cut: Floats) -> Floats:
        """Run the last layer alone on N x K values of the cut."""
        told = self._tail.run(None, {self._config.cut: cut.reshape(-1, *self._tail_shape)})[0]
        return np.asarray(told, np.float32)


def _session(model: onnx.ModelProto, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _without_prelu(model: onnx.ModelProto) -> onnx.ModelProto:
    """Write PRelu as slope * x + (1 - slope) * relu(x), two depthwise convolutions and a sum.

    onnxruntime keeps its blocked layout through those, but leaves it at every PRelu: MobileFaceNet runs at
    twice the speed on a CPU, with the same result but for rounding.
    """
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        if node.op_type != "PRelu" or node.input[1] not in weights:
            nodes.append(node)
            continue
        x, out = node.input[0], node.output[0]
        slope = onnx.numpy_helper.to_array(weights[node.input[1]]).reshape(-1, 1, 1, 1).astype(np.float32)
        parts = [(x, slope, f"{out}_line"), (f"{out}_relu", 1 - slope, f"{out}_bend")]
        nodes.append(onnx.helper.make_node("Relu", [x], [f"{out}_relu"]))
        for value, scale, name in parts:
            model.graph.initializer.append(onnx.numpy_helper.from_array(scale, f"{name}_scale"))
            nodes.append(onnx.helper.make_node("Conv", [value, f"{name}_scale"], [name], group=len(slope)))
        nodes.append(onnx.helper.make_node("Add", [name for _, _, name in parts], [out]))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def _tail(model: onnx.ModelProto, cut: str, output: str) -> onnx.ModelProto:
    """Take the nodes from the cut to the output out of the network, with the weights that they use."""
    made_by = {name: node for node in model.graph.node for name in node.output}
    wanted, nodes = [output], []
    while wanted:
        name = wanted.pop()
        if name == cut or name not in made_by:
            continue
        node = made_by[name]
        if node not in nodes:
            nodes.append(node)
            wanted += list(node.input)
    used = {name for node in nodes for name in node.input}
    ordered = [node for node in model.graph.node if node in nodes]
    graph = onnx.helper.make_graph(
        ordered,
        "tail",
        [onnx.helper.make_tensor_value_info(cut, onnx.TensorProto.FLOAT, None)],
        [onnx.helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, None)],
        [weights for weights in model.graph.initializer if weights.name in used],
    )
    return onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
