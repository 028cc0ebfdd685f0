from pathlib import Path

import keras
import numpy as np
import pytest

from facesieve_training.cli import DataError
from facesieve_training.export import quality
from facesieve_training.networks.int8 import Int8Network
from facesieve_training.networks.norm import BatchNorm
from facesieve_training.networks.resnet import NetworkConfig
from facesieve_training.student import initial, network
from facesieve_training.student.network import StudentConfig

LABELS = ("agreement", "norm")


def _images() -> np.ndarray:
    smooth = np.random.default_rng(1).uniform(0, 255, (24, 7, 7, 3)).astype(np.float32)
    return np.asarray(np.kron(smooth, np.ones((1, 16, 16, 1))), np.uint8)


def _student(
    mirror: bool, labels: tuple[str, ...] = LABELS, width: float = 0.125, depth: int = 10
) -> keras.Model:
    config = StudentConfig(NetworkConfig(depth, width, 4 if mirror else 3, mirror), labels, bins=8, hidden=16)
    return network.build(config, 32)


@pytest.fixture(params=[True, False], ids=["mirror", "plain"])
def mirror(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def exported(mirror: bool, tmp_path: Path) -> Path:
    """A student as a training leaves it: no batch norm is the identity."""
    keras.utils.set_random_seed(3)
    model = _student(mirror)
    rng = np.random.default_rng(2)
    for layer in model.layers:
        if isinstance(layer, BatchNorm):
            layer.set_weights(
                [rng.uniform(0.5, 1.5, w.shape).astype(np.float32) for w in layer.get_weights()]
            )
    path = tmp_path / "quality.tflite"
    path.write_bytes(quality.convert(_shipped(model), list(_images())))
    return path


def _shipped(model: keras.Model) -> keras.Model:
    return keras.Model(model.input, [model.output[name] for name in LABELS])


def test_the_float_student_equals_the_exported_one(exported: Path, mirror: bool) -> None:
    model = _student(mirror)
    assert set(initial.load(model, exported, [_images()])) == {"hidden", *LABELS}
    file, image = Int8Network(exported.read_bytes()), _images()[5]
    result = _shipped(model)(quality.to_input(image[None]), training=False)
    for mine, output, details in zip(result, file.run(image), file.outputs(), strict=True):
        np.testing.assert_allclose(np.asarray(mine), output, atol=12 * details["quantization"][0])


def test_training_mode_starts_from_the_same_outputs(exported: Path, mirror: bool) -> None:
    model, images = _student(mirror), _images()
    both = np.concatenate([images, images[:, :, ::-1]])
    initial.load(model, exported, [both])
    still, learning = (model(quality.to_input(both), training=learns) for learns in (False, True))
    for name in LABELS:
        np.testing.assert_allclose(np.asarray(learning[name]), np.asarray(still[name]), atol=0.02)


def test_a_label_missing_in_the_file_is_initialised_at_random(exported: Path, mirror: bool) -> None:
    model = _student(mirror, ("norm", "visual"))
    fresh = model.get_layer("visual").get_weights()
    assert set(initial.load(model, exported, [_images()])) == {"hidden", "norm"}
    for mine, kept in zip(model.get_layer("visual").get_weights(), fresh, strict=True):
        np.testing.assert_array_equal(mine, kept)


def test_another_network_or_file_is_an_error(exported: Path, mirror: bool, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"quality\.tflite: holds no weights of this student.* there and "):
        initial.load(_student(mirror, width=0.0625), exported, [_images()])
    with pytest.raises(DataError, match=r"quality\.tflite: holds no weights.*it has 12 convolutions"):
        initial.load(_student(mirror, depth=18), exported, [_images()])
    (tmp_path / "text.tflite").write_text("no network")
    with pytest.raises(DataError, match=r"text\.tflite: holds no weights.*it is not a TFLite file"):
        initial.load(_student(mirror), tmp_path / "text.tflite", [_images()])
