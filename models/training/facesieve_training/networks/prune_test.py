from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from facesieve_training.networks import mobileface_onnx, prune
from facesieve_training.networks.mobileface import BLOCKS, STRIDES, MobileFaceConfig, mobileface
from facesieve_training.networks.mobileface_onnx import Layer
from facesieve_training.teacher.imported import OnnxTeacher, Teacher

WIDTH, LAST, EMBEDDING = 16, 24, 12
EPSILON = 1e-3


def large() -> list[Layer]:
    """A trained network's layers, were it trained: 16 hidden channels in each block."""
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


def written(layers: list[Layer], path: Path) -> Path:
    """The network as a file: each convolution with a batch norm, pixels in RGB that it scales itself."""
    nodes: list[Any] = []
    weights: list[Any] = []

    def held(name: str, array: Any) -> str:
        weights.append(numpy_helper.from_array(np.asarray(array, np.float32), name))
        return name

    def add(kind: str, inputs: list[str], **attributes: object) -> str:
        output = f"v{len(nodes)}"
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    centred = add("Sub", ["data", held("mean", np.float32(128))])
    value = add("Mul", [centred, held("gain", np.float32(1 / 128))])
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
            "Conv", [value, held(f"k{k}", bare.transpose(3, 2, 0, 1))],
            group=group, strides=[stride] * 2, pads=[pad] * 4,
        )  # fmt: skip
        parts = zip(("gamma", "beta", "mean", "variance"), (gamma, beta, mean, variance), strict=True)
        value = add(
            "BatchNormalization", [value, *(held(f"{name}{k}", p) for name, p in parts)], epsilon=EPSILON
        )
        if layer.slope is not None:
            value = add("PRelu", [value, held(f"slope{k}", layer.slope[:, None, None])])
        if of_block == 2 and k >= 2 and number < len(STRIDES) and STRIDES[number] == 1:
            value = add("Add", [value, stream])
        if k == 0:
            low = value
    cut = add("Flatten", [value])
    output = add("Gemm", [cut, held("fc", layers[-1].kernel.T), held("fc_bias", layers[-1].bias)], transB=1)
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes, "large", [helper.make_tensor_value_info("data", kind, ["N", 3, 112, 112])],
        [helper.make_tensor_value_info(output, kind, ["N", EMBEDDING])], weights,
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    path.with_suffix(".names").write_text(f"{cut} {low}")
    return path


def pictures(count: int, seed: int = 3) -> np.ndarray:
    smooth = np.random.default_rng(seed).uniform(0, 255, (count, 14, 14, 3))
    return np.kron(smooth, np.ones((1, 8, 8, 1))).astype(np.uint8)


def student(config: MobileFaceConfig) -> keras.Model:
    body = mobileface(config)
    return keras.Model(body.input, keras.layers.Dense(EMBEDDING, name="feature")(body.output))


def unexplained(config: MobileFaceConfig) -> float:
    """Share of the embedding's variance, on other pictures, that a started student leaves."""
    layers, seen = large(), pictures(12, seed=4)
    model = student(config)
    model.get_layer("feature").set_weights(prune.start(model, config, layers, pictures(96)))
    told = np.asarray(model(seen.astype(np.float32) / 128 - 1))
    wanted = embedded(layers, seen)
    return float(((told - wanted) ** 2).sum() / ((wanted - wanted.mean(axis=0)) ** 2).sum())


def embedded(layers: list[Layer], seen: np.ndarray) -> np.ndarray:
    values = prune.streams(layers, seen.astype(np.float32) / 128 - 1)[-1]
    return np.asarray(prune.embedding(layers, values))


def test_a_file_gives_back_the_layers_that_it_was_made_of(tmp_path: Path) -> None:
    layers = large()
    for mine, other in zip(
        mobileface_onnx.read(written(layers, tmp_path / "large.onnx")), layers, strict=True
    ):
        np.testing.assert_allclose(mine.kernel, other.kernel, atol=1e-5)
        np.testing.assert_allclose(mine.bias, other.bias, atol=1e-5)
        assert (mine.slope is None) == (other.slope is None)


def test_the_layers_tell_what_the_file_tells(tmp_path: Path) -> None:
    path = written(large(), tmp_path / "large.onnx")
    cut, low = path.with_suffix(".names").read_text().split()
    told = Teacher(OnnxTeacher(path, cut, low), threads=1)(pictures(4)).embedding
    np.testing.assert_allclose(embedded(mobileface_onnx.read(path), pictures(4)), told, rtol=1e-3, atol=1e-3)


def test_the_more_channels_are_kept_the_more_is_told() -> None:
    none = tuple(1 if stride == 2 else 0 for stride in STRIDES)
    left = [
        unexplained(MobileFaceConfig(stem, hidden, LAST))
        for stem, hidden in ((1, none), (8, (8,) * len(STRIDES)), (WIDTH, (WIDTH,) * len(STRIDES)))
    ]
    assert left[2] < left[1] < left[0]
    assert left[2] < 0.5


def test_a_network_that_is_no_larger_one_is_told(tmp_path: Path) -> None:
    for config, fault in (
        (MobileFaceConfig(WIDTH + 1, (8,) * 15, LAST), "stem must be at most the one"),
        (MobileFaceConfig(8, (8,) * 15, LAST + 1), "and last the other"),
        (MobileFaceConfig(8, (8,) * 14 + (WIDTH + 1,), LAST), "its block 14 has 16 hidden channels"),
    ):
        with pytest.raises(ValueError, match=fault):
            prune.start(student(config), config, large(), pictures(2))
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(ValueError, match="it is no ONNX network"):
        mobileface_onnx.read(tmp_path / "text.onnx")
    with pytest.raises(ValueError, match="layers with weights, and a MobileFaceNet 50"):
        mobileface_onnx.read(written(large()[:5] + large()[-1:], tmp_path / "short.onnx"))
