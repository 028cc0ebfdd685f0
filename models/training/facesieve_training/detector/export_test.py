import json
from pathlib import Path

import keras
import numpy as np
import pytest

from facesieve_training.detector import export, initial, network
from facesieve_training.export import manifest
from facesieve_training.networks.exported import read
from facesieve_training.networks.int8 import Int8Network

TEXTS = manifest.Texts(name="trial").stated("a detector", "nothing")
TRAINING = manifest.Training("test", "none", "none", 1, "pytest")


@pytest.fixture(scope="module", name="exported")
def _exported() -> tuple[keras.Model, bytes]:
    keras.utils.set_random_seed(5)
    config = network.NetworkConfig(stem=4, stage4=8, width=8)
    model = network.build(config)
    for layer in model.layers:  # larger head weights, so that the outputs vary
        if layer.name.split("_")[0] in network.HEADS:
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel * 20, bias])
    return model, export.convert(model, [manifest.self_test_image(160, 128, k) for k in range(8)])


def test_input_is_exactly_a_128th(exported: tuple[keras.Model, bytes]) -> None:
    assert Int8Network(exported[1]).input_quantization == (1 / 128, 0)


def test_the_weights_are_rounded_and_the_network_is_unchanged() -> None:
    model = network.build(network.NetworkConfig(stem=4, stage4=8, width=8))
    before = model.get_weights()
    data = export.convert(model, [manifest.self_test_image(64, 64, k) for k in range(8)])
    for own, kept in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(own, kept)
    kernel = model.get_layer("neck8").get_weights()[0] / np.sqrt(1 + model.get_layer("neck8_norm").epsilon)
    result = initial.of_layer(read(data), "neck8").kernel
    step = np.abs(result).max(axis=(0, 1, 2)) / 127
    away = np.abs(result - kernel) / step
    # Rounding to the nearest step would move no weight by more than half a step.
    assert 0.6 < away.max() < 10


def test_images_without_black_and_white_are_refused(exported: tuple[keras.Model, bytes]) -> None:
    with pytest.raises(ValueError, match="must contain both 0 and 255"):
        export.convert(exported[0], [np.full((64, 64, 3), 100, np.uint8)])


@pytest.mark.parametrize("size", [(192, 320), (384, 640), (736, 480), (32, 32)])
def test_every_size_agrees_with_keras(exported: tuple[keras.Model, bytes], size: tuple[int, int]) -> None:
    model, data = exported
    net = Int8Network(data)
    image = manifest.self_test_image(size[1], size[0], 3)
    wanted = model(image[None].astype(np.float32) / 128 - 1, training=False)
    for name, output, found in zip(network.OUTPUTS, export.outputs(net), net.run(image), strict=True):
        expected = np.asarray(wanted[name])
        assert found.shape == expected.shape
        error = np.abs(found - expected)
        assert error.mean() < 6 * output.scale, name


def test_manifest_is_what_the_daemon_reads(exported: tuple[keras.Model, bytes], tmp_path: Path) -> None:
    export.write(
        tmp_path,
        export.DETECTOR,
        exported[1],
        TRAINING,
        TEXTS,
        export.layout(0.6, 0.33),
        {},
    )
    tree = json.loads((tmp_path / "detector.json").read_text())
    assert tree["sha256"] == manifest.sha256((tmp_path / tree["file"]).read_bytes())
    assert (tree["schema"], tree["license"]) == (1, "not stated")
    assert "quality" not in tree
    assert (tree["input"]["width"], tree["input"]["multiple"]) == (0, 32)
    assert (tree["detector"]["score"], tree["detector"]["low_score"]) == (0.6, 0.33)
    heads = [tree["detector"][head] for head in network.HEADS]
    assert sorted(index for head in heads for index in head) == list(range(12))
    for head, channels in network.HEADS.items():
        assert [tree["outputs"][k]["shape"][3] for k in tree["detector"][head]] == [channels] * 3


def test_self_test_holds_for_other_kernels(exported: tuple[keras.Model, bytes], tmp_path: Path) -> None:
    made = export.write(tmp_path, export.DETECTOR, exported[1], TRAINING, TEXTS, export.layout(0.6, 0.33), {})
    net = Int8Network(exported[1], reference=True)
    for case in made.self_test.cases:
        image = manifest.self_test_image(made.self_test.width, made.self_test.height, case.picture)
        for found, wanted, allowed in zip(
            net.run(image), case.outputs, made.self_test.tolerance, strict=True
        ):
            assert np.abs(found.ravel() - np.array(wanted)).max() <= allowed


def test_multiply_adds_of_the_default() -> None:
    model = network.build(network.NetworkConfig(), 384, 640)
    assert network.multiply_adds(model) == 498_769_920
