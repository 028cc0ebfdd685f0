import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from facesieve_training.cli import DataError
from facesieve_training.detector.export import convert
from facesieve_training.detector.initial import load, load_tflite, mix
from facesieve_training.detector.network import OUTPUTS, NetworkConfig, build
from facesieve_training.networks.exported import settle
from facesieve_training.networks.int8 import Int8Network
from facesieve_training.networks.norm import BatchNorm

NETWORK = NetworkConfig(stem=4, stage4=8, width=8)


def _images(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    images = [rng.integers(0, 256, (64, 96, 3), np.uint8) for _ in range(count)]
    images[0][0, 0], images[0][0, 1] = 0, 255
    return images


def _exported(path: Path) -> Path:
    """A network like a trained one: no batch norm is the identity, and no head's weights are 0."""
    keras.utils.set_random_seed(5)
    rng = np.random.default_rng(2)
    model = build(NETWORK)
    for layer in model.layers:
        shapes = [w.shape for w in layer.get_weights()]
        if isinstance(layer, BatchNorm):
            layer.set_weights([rng.uniform(0.5, 1.5, shape).astype(np.float32) for shape in shapes])
        elif layer.name.startswith(("cls", "obj", "bbox", "kps")):
            layer.set_weights([rng.normal(0, 0.3, shape).astype(np.float32) for shape in shapes])
    path.write_bytes(convert(model, _images(8)))
    return path


def _maps(model: object, image: np.ndarray) -> dict[str, np.ndarray]:
    maps = model(tf.cast(image[None], tf.float32) / 128 - 1, training=False)  # type: ignore[operator]
    return {name: maps[name].numpy() for name in OUTPUTS}


def test_the_float_network_computes_what_the_exported_one_does(tmp_path: Path) -> None:
    path = _exported(tmp_path / "detector.tflite")
    model = build(NETWORK)
    load_tflite(model, path)
    network, image = Int8Network(path.read_bytes()), _images(3)[2]
    maps = _maps(model, image)
    for name, output, details in zip(OUTPUTS, network.run(image), network.outputs(), strict=True):
        assert maps[name].std() > 10 * details["quantization"][0]
        np.testing.assert_allclose(maps[name].mean(), output.mean(), atol=1.5 * details["quantization"][0])
        np.testing.assert_allclose(maps[name], output, atol=10 * details["quantization"][0])


def test_settled_norms_keep_the_outputs_in_training_mode(tmp_path: Path) -> None:
    model = build(NETWORK)
    load_tflite(model, _exported(tmp_path / "detector.tflite"))
    image = _images(1)[0]
    before = _maps(model, image)
    settle(model, [image[None]])
    after = _maps(model, image)
    learning = model(tf.cast(image[None], tf.float32) / 128 - 1, training=True)
    for name in OUTPUTS:
        np.testing.assert_allclose(after[name], before[name], atol=1e-4)
        np.testing.assert_allclose(learning[name].numpy(), before[name], atol=1e-3)


def test_a_mixture_lies_between_the_two(tmp_path: Path) -> None:
    image = _images(1)[0]
    one, other = build(NETWORK), build(NETWORK)
    for model in (one, other):
        load_tflite(model, _exported(tmp_path / "detector.tflite"))
    before = _maps(one, image)
    batch = np.stack(_images(8))
    mix(one, other, 0.5, [batch])
    for name, values in _maps(one, image).items():
        np.testing.assert_allclose(
            values, before[name], atol=0.1, rtol=0.03
        )  # moments of few cells are rough
    layer = other.get_layer("cls_obj_8")
    layer.set_weights([layer.get_weights()[0] + 0.4, layer.get_weights()[1] + 1])
    mix(one, other, 0.25, [batch])
    kernel, bias = one.get_layer("cls_obj_8").get_weights()
    np.testing.assert_allclose(kernel, layer.get_weights()[0] - 0.3, atol=1e-5)
    np.testing.assert_allclose(bias, layer.get_weights()[1] - 0.75, atol=1e-5)
    assert one.get_layer("stem_norm").momentum == other.get_layer("stem_norm").momentum


def test_a_network_of_other_widths_is_an_error(tmp_path: Path) -> None:
    path = _exported(tmp_path / "detector.tflite")
    wider = build(dataclasses.replace(NETWORK, width=16))
    with pytest.raises(DataError, match=r"detector\.tflite: holds no weights.*stage8_down is \(3, 3, 8, 8\)"):
        load(wider, path)


def test_a_file_without_a_network_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "detector.tflite"
    path.write_bytes(b"no network at all, but text")
    with pytest.raises(DataError, match=r"detector\.tflite: holds no weights.*it is not a TFLite file"):
        load(build(NETWORK), path)
