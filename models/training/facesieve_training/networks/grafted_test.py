from pathlib import Path

import numpy as np
import pytest
from tensorflow.lite.python import schema_py_generated as schema

from facesieve_training.faces import SIZE
from facesieve_training.networks import grafted
from facesieve_training.networks.grafted import Layer
from facesieve_training.networks.int8 import Int8Network

LAYER = "stream9"


@pytest.fixture(scope="module")
def data(models: Path) -> bytes:
    return (models / "quality.tflite").read_bytes()


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 256, (3, SIZE, SIZE, 3), np.uint8)
    return np.concatenate([noise, np.full((1, SIZE, SIZE, 3), 90, np.uint8)])


@pytest.fixture(scope="module")
def layers() -> list[Layer]:
    rng = np.random.default_rng(2)
    return [
        Layer("narrow", rng.normal(0, 0.1, (6, 1, 1, 128)), rng.normal(0, 1, 6), 0, 12, True),
        Layer("wide", rng.normal(0, 0.1, (16, 6 * 49)), rng.normal(0, 1, 16), 0, 20, True),
        Layer("last", rng.normal(0, 1, (3, 16)), rng.normal(0, 1, 3), -60, 60, False),
    ]


def test_the_other_outputs_keep_every_bit(data: bytes, images: np.ndarray, layers: list[Layer]) -> None:
    made = grafted.graft(data, LAYER, layers)
    for reference in (False, True):
        before, after = Int8Network(data, reference), Int8Network(made, reference)
        for image in images:
            *kept, added = after.run(image)
            for old, new in zip(before.run(image), kept, strict=True):
                np.testing.assert_array_equal(old, new)
            assert added.shape == (1, 3)


def test_the_layers_compute_what_they_are_given(data: bytes, images: np.ndarray, layers: list[Layer]) -> None:
    value, made = Int8Network(grafted.graft(data, LAYER, [])), Int8Network(grafted.graft(data, LAYER, layers))
    for image in images:
        x = value.run(image)[-1][0]
        first = np.clip(x @ layers[0].kernel[:, 0, 0].T + layers[0].bias, 0, 12)
        second = np.clip(layers[1].kernel @ first.ravel() + layers[1].bias, 0, 20)
        wanted = layers[2].kernel @ second + layers[2].bias
        np.testing.assert_allclose(made.run(image)[-1][0], wanted, atol=2.5)


def test_no_dense_layer_reads_a_map(data: bytes, layers: list[Layer]) -> None:
    for file in (data, grafted.graft(data, LAYER, layers)):
        model = schema.ModelT.InitFromPackedBuf(file, 0)
        graph = model.subgraphs[0]
        codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
        for operator in graph.operators:
            if codes[operator.opcodeIndex] == schema.BuiltinOperator.FULLY_CONNECTED:
                read = graph.tensors[int(operator.inputs[0])].shape
                assert len(read) == 2 or read[1] * read[2] == 1, operator.outputs


def test_layers_can_be_removed(data: bytes, layers: list[Layer]) -> None:
    made, names = grafted.graft(data, LAYER, layers), [layer.name for layer in layers]
    bare = grafted.ungraft(made, names)
    assert len(Int8Network(bare).outputs()) == len(Int8Network(data).outputs())
    assert grafted.graft(bare, LAYER, layers) == made
    with pytest.raises(ValueError, match="does not end with the layers wide, last, more"):
        grafted.ungraft(made, ["wide", "last", "more"])


def test_the_constants_are_aligned_in_the_file(data: bytes, layers: list[Layer]) -> None:
    made = grafted.graft(data, LAYER, layers)
    whole, model = np.frombuffer(made, np.uint8), schema.Model.GetRootAs(made, 0)
    starts = [
        buffer.DataAsNumpy().__array_interface__["data"][0] - whole.__array_interface__["data"][0]
        for buffer in (model.Buffers(k) for k in range(model.BuffersLength()))
        if buffer.DataLength()
    ]
    assert starts
    assert all(start % 16 == 0 for start in starts)


def test_the_value_is_described_and_must_be_there(data: bytes) -> None:
    shape, scale, zero = grafted.value_of(data, LAYER)
    details = Int8Network(grafted.graft(data, LAYER, [])).outputs()[-1]
    assert (shape, scale, zero) == (tuple(details["shape"]), *details["quantization"])
    for layer in ("stream", "stream99"):
        with pytest.raises(ValueError, match=f"has no layer {layer}"):
            grafted.graft(data, layer, [])
