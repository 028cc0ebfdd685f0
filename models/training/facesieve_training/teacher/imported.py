"""An ONNX recognition network as teacher, cut before its last layer, where dropout masks are applied.

The file is split once: the head gives the embedding, the values before the last layer and a low-level feature
in one pass; the tail is the part after the cut, which is cheap enough to run once for every mask.
"""

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import onnx.helper
import onnx.utils
import onnxruntime

from facesieve_training.cli import DataError
from facesieve_training.faces import SIZE, Image
from facesieve_training.teacher.features import Features, Floats
from facesieve_training.teacher.prelu import without_prelu

_LAYERS = frozenset({"Gemm", "MatMul", "Conv"})


@dataclass(frozen=True)
class OnnxTeacher:
    """The network's file and its input."""

    onnx: Path
    cut: str
    """Name of the value before the last layer, where dropout masks are applied."""
    low: str
    """Name of the value that is the low-level feature."""
    color: Literal["RGB", "BGR"] = "RGB"
    mean: float = 0.0
    std: float = 1.0

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        found = [] if self.onnx.is_file() else [f"onnx: {self.onnx} is not a file"]
        return found if self.std > 0 else [*found, f"std: {self.std} must be above 0"]


class Teacher:
    """The imported network, ready to run."""

    def __init__(self, config: OnnxTeacher, threads: int = 0) -> None:
        """Load, split and check the network; threads 0 means one per core."""
        self._config = config
        model = _load(config)
        self._input = _input(model, config.onnx)
        output = model.graph.output[0].name
        self._outputs = [output, config.cut, config.low]
        tail = _tail(model, config, output)
        for name in {config.cut, config.low} - {o.name for o in model.graph.output}:
            model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
        self._head = _session(model, threads, config.onnx)
        self._tail = _session(tail, threads, config.onnx)
        batch = self._head.get_inputs()[0].shape[0]
        self._step = batch if isinstance(batch, int) and batch > 0 else 0  # 0: takes any number at once
        self._try()

    def _try(self) -> None:
        """Embed one grey image with and without the cut, compare, and store the cut's shape."""
        file, grey = self._config.onnx, np.full((max(1, self._step), SIZE, SIZE, 3), 128, np.uint8)
        try:
            embedding, cut, _ = self._head.run(self._outputs, {self._input: self._planes(grey)})
        except Exception as error:  # onnxruntime has no common base for its faults
            raise DataError(f"{file}: cannot embed a {SIZE}x{SIZE} image: {error}") from error
        self._tail_shape = cut.shape[1:]
        self._width = embedding.size // len(grey)
        self.cut_width = int(cut.size) // len(grey)
        """Number of values at the cut: the width of a dropout mask."""
        try:
            again = self.embed_cut(cut.reshape(len(grey), -1))
        except Exception as error:
            raise DataError(
                f"{file}: what follows {self._config.cut} cannot be run alone: {error}"
            ) from error
        if not np.allclose(again, embedding.reshape(again.shape), rtol=1e-3, atol=1e-4):
            raise DataError(
                f"{file}: what follows {self._config.cut}, run alone, gives another embedding than the whole "
                "network; give a value that all later ones come from"
            )

    def __call__(self, images: Image) -> Features:
        """Embed N x 112 x 112 x 3 aligned faces, BGR uint8."""
        step = self._step or max(1, len(images))
        parts = []
        for start in range(0, len(images), step):
            some = self._planes(images[start : start + step])
            outputs = self._head.run(self._outputs, {self._input: _filled(some, self._step)})
            parts.append([value[: len(some)].reshape(len(some), -1) for value in outputs])
        embedding, cut, low = [np.concatenate(values) for values in zip(*parts, strict=True)]
        return Features(embedding, cut, low)

    def embed_cut(self, cut: Floats) -> Floats:
        """Run the last layer alone on N x K values of the cut."""
        values, step = cut.reshape(-1, *self._tail_shape), self._step or max(1, len(cut))
        parts = [
            self._tail.run(None, {self._config.cut: _filled(values[start : start + step], self._step)})[0]
            for start in range(0, len(values), step)
        ]
        return np.concatenate(parts).reshape(-1, self._width)[: len(cut)].astype(np.float32, copy=False)

    def _planes(self, images: Image) -> Floats:
        colours = images[..., ::-1] if self._config.color == "RGB" else images
        planes = (colours.transpose(0, 3, 1, 2).astype(np.float32) - self._config.mean) / self._config.std
        return np.ascontiguousarray(planes)


def _filled(values: Floats, batch: int) -> Floats:
    """Add rows of zeros up to a network's fixed batch size, if it has one."""
    short = batch - len(values)
    return np.concatenate([values, np.zeros((short, *values.shape[1:]), np.float32)]) if short > 0 else values


def _load(config: OnnxTeacher) -> onnx.ModelProto:
    """Read the network and check that it has the values that the configuration names."""
    try:
        model = onnx.load(config.onnx)
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf's, onnx's and the system's faults have no common base
        raise DataError(f"{config.onnx}: is not an ONNX network: {error}") from error
    names = [name for node in model.graph.node for name in node.output]
    for key, name in (("cut", config.cut), ("low", config.low)):
        if name not in names:
            raise DataError(
                f"{config.onnx}: teacher.{key}: has no value named {name}{_hint(model, key, name)}"
            )
    return without_prelu(model)


def _hint(model: onnx.ModelProto, key: str, name: str) -> str:
    close = difflib.get_close_matches(name, [o for node in model.graph.node for o in node.output], n=1)
    if close:
        return f"; did you mean {close[0]}?"
    last = [node for node in model.graph.node if node.op_type in _LAYERS]
    return (
        f"; its last layer takes {last[-1].input[0]}" if key == "cut" and last else "; see its nodes' outputs"
    )


def _input(model: onnx.ModelProto, file: Path) -> str:
    """Name of the one input, which must take faces: N x 3 x 112 x 112."""
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    if len(inputs) != 1:
        raise DataError(f"{file}: has {len(inputs)} inputs; a teacher has one, the image")
    shape = [d.dim_value or None for d in inputs[0].type.tensor_type.shape.dim]
    if len(shape) != 4 or any(
        has not in (None, want) for has, want in zip(shape[1:], (3, SIZE, SIZE), strict=True)
    ):
        given = "x".join(str(d or "N") for d in shape)
        raise DataError(f"{file}: its input {inputs[0].name} is {given}; a teacher takes Nx3x{SIZE}x{SIZE}")
    return str(inputs[0].name)


def _session(model: onnx.ModelProto, threads: int, file: Path) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads must not spin while they wait: other processes need the CPU.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise DataError(f"{file}: onnxruntime cannot run it: {error}") from error


def _tail(model: onnx.ModelProto, config: OnnxTeacher, output: str) -> onnx.ModelProto:
    """Extract the nodes from the cut to the output, with their weights."""
    made_by = {name: node for node in model.graph.node for name in node.output}
    weights = {tensor.name for tensor in model.graph.initializer}
    wanted, nodes = [output], []
    while wanted:
        name = wanted.pop()
        if name in ("", config.cut) or name in weights:
            continue
        if name not in made_by:
            raise DataError(
                f"{config.onnx}: teacher.cut: {output} comes not from {config.cut} alone, but {name} too; "
                "give a value that all of the embedding passes through"
            )
        node = made_by[name]
        if node not in nodes:
            nodes.append(node)
            wanted += list(node.input)
    if not any(node.op_type in _LAYERS for node in nodes):
        raise DataError(
            f"{config.onnx}: teacher.cut: no layer follows {config.cut}; dropout must go before the last one"
        )
    used = {name for node in nodes for name in node.input}
    graph = onnx.helper.make_graph(
        [node for node in model.graph.node if node in nodes],
        "tail",
        [onnx.helper.make_tensor_value_info(config.cut, onnx.TensorProto.FLOAT, None)],
        [onnx.helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, None)],
        [tensor for tensor in model.graph.initializer if tensor.name in used],
    )
    return onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
