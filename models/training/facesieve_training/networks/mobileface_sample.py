"""A MobileFaceNet with random weights, as layers and as a file, for tests."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from facesieve_training.networks.mobileface import BLOCKS, STRIDES
from facesieve_training.networks.mobileface_onnx import Layer
from facesieve_training.teacher.imported import OnnxTeacher

WIDTH, LAST, EMBEDDING = 16, 24, 12
EPSILON = 1e-3


def large() -> list[Layer]:
    """Layers with random weights and 16 hidden channels in each block."""
    rng = np.random.default_rng(1)

    def layer(*shape: int, slope: bool = True) -> Layer:
        kernel = rng.normal(0, 1.4 / np.sqrt(np.prod(shape[:-1])), shape)
        return Layer(
            kernel, rng.normal(0, 0.1, shape[-1]), rng.uniform(-0.2, 0.2, shape[-1]) if slope else None
        )

    found, ins = [layer(3, 3, 3, WIDTH), layer(3, 3, WIDTH)], WIDTH
    for width, _, count in BLOCKS:
        for _ in range(count):
            found += [layer(1, 1, ins, WIDTH), layer(3, 3, WIDTH), layer(1, 1, WIDTH, width, slope=False)]
            ins = width
    last = [layer(1, 1, ins, LAST), layer(7, 7, LAST, slope=False), layer(LAST, EMBEDDING, slope=False)]
    return found + last


def written(layers: list[Layer], path: Path) -> OnnxTeacher:
    """Write the network as a file: each convolution with a batch norm; RGB input, scaled by the network."""
    nodes: list[Any] = []
    weights: list[Any] = []

    def initializer(name: str, array: Any) -> str:
        weights.append(numpy_helper.from_array(np.asarray(array, np.float32), name))
        return name

    def add(kind: str, inputs: list[str], **attributes: object) -> str:
        output = f"v{len(nodes)}"
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    centred = add("Sub", ["data", initializer("mean", np.float32(128))])
    value = add("Mul", [centred, initializer("gain", np.float32(1 / 128))])
    strides = [2, 1, *(s for stride in STRIDES for s in (1, stride, 1)), 1, 1]
    norm = np.random.default_rng(2)
    stream = ""
    for k, (layer, stride) in enumerate(zip(layers[:-1], strides, strict=False)):
        number, of_block = divmod(k - 2, 3)
        entry = value if k >= 2 and of_block == 0 else ""
        stream = entry or stream
        kernel, n = layer.kernel, len(layer.bias)
        group = n if kernel.ndim == 3 else 1
        gamma, mean, variance = norm.uniform(0.5, 2, n), norm.normal(0, 1, n), norm.uniform(0.5, 2, n)
        bare = kernel / (gamma / np.sqrt(variance + EPSILON))
        bare = bare[:, :, None] if kernel.ndim == 3 else bare
        if k == 0:  # from BGR in -1..1 to RGB as the file scales it
            bare = bare[:, :, ::-1]
        beta = layer.bias + mean * gamma / np.sqrt(variance + EPSILON)
        pad = kernel.shape[0] // 2 if kernel.shape[0] == 3 else 0
        value = add(
            "Conv", [value, initializer(f"k{k}", bare.transpose(3, 2, 0, 1))],
            group=group, strides=[stride] * 2, pads=[pad] * 4,
        )  # fmt: skip
        parts = zip(("gamma", "beta", "mean", "variance"), (gamma, beta, mean, variance), strict=True)
        value = add(
            "BatchNormalization",
            [value, *(initializer(f"{name}{k}", p) for name, p in parts)],
            epsilon=EPSILON,
        )
        if layer.slope is not None:
            value = add("PRelu", [value, initializer(f"slope{k}", layer.slope[:, None, None])])
        if of_block == 2 and k >= 2 and number < len(STRIDES) and STRIDES[number] == 1:
            value = add("Add", [value, stream])
        if k == 0:
            low = value
    cut = add("Flatten", [value])
    output = add(
        "Gemm",
        [cut, initializer("fc", layers[-1].kernel.T), initializer("fc_bias", layers[-1].bias)],
        transB=1,
    )
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes, "large", [helper.make_tensor_value_info("data", kind, ["N", 3, 112, 112])],
        [helper.make_tensor_value_info(output, kind, ["N", EMBEDDING])], weights,
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return OnnxTeacher(path, cut, low)
