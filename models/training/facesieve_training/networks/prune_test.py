from pathlib import Path

import keras
import numpy as np
import pytest

from facesieve_training.networks import mobileface_forward, mobileface_onnx, prune
from facesieve_training.networks.mobileface import STRIDES, MobileFaceConfig, mobileface, stream_name
from facesieve_training.networks.mobileface_onnx import Layer
from facesieve_training.networks.mobileface_sample import EMBEDDING, LAST, WIDTH, large, written
from facesieve_training.teacher.imported import Teacher


def images(count: int, seed: int = 3) -> np.ndarray:
    smooth = np.random.default_rng(seed).uniform(0, 255, (count, 14, 14, 3))
    return np.kron(smooth, np.ones((1, 8, 8, 1))).astype(np.uint8)


def student(config: MobileFaceConfig) -> keras.Model:
    body = mobileface(config)
    return keras.Model(body.input, keras.layers.Dense(EMBEDDING, name="feature")(body.output))


def unexplained(config: MobileFaceConfig) -> float:
    """Unexplained share of the embedding's variance on other images, after pruning."""
    layers, faces = large(), images(12, seed=4)
    model = student(config)
    model.get_layer("feature").set_weights(prune.start(model, config, layers, images(96)))
    result = np.asarray(model(faces.astype(np.float32) / 128 - 1))
    wanted = embedded(layers, faces)
    return float(((result - wanted) ** 2).sum() / ((wanted - wanted.mean(axis=0)) ** 2).sum())


def embedded(layers: list[Layer], faces: np.ndarray) -> np.ndarray:
    values = mobileface_forward.streams(layers, faces.astype(np.float32) / 128 - 1)[-1]
    return np.asarray(mobileface_forward.embedding(layers, values))


def test_a_written_file_is_read_back_to_the_same_layers(tmp_path: Path) -> None:
    layers = large()
    for mine, other in zip(
        mobileface_onnx.read(written(layers, tmp_path / "large.onnx").onnx), layers, strict=True
    ):
        np.testing.assert_allclose(mine.kernel, other.kernel, atol=1e-5)
        np.testing.assert_allclose(mine.bias, other.bias, atol=1e-5)
        assert (mine.slope is None) == (other.slope is None)


def test_the_layers_compute_what_the_file_computes(tmp_path: Path) -> None:
    file = written(large(), tmp_path / "large.onnx")
    result = Teacher(file, threads=1)(images(4)).embedding
    np.testing.assert_allclose(
        embedded(mobileface_onnx.read(file.onnx), images(4)), result, rtol=1e-3, atol=1e-3
    )


def test_more_channels_explain_more_variance() -> None:
    none = tuple(1 if stride == 2 else 0 for stride in STRIDES)
    left = [
        unexplained(MobileFaceConfig(stem, hidden, LAST))
        for stem, hidden in ((1, none), (8, (8,) * len(STRIDES)), (WIDTH, (WIDTH,) * len(STRIDES)))
    ]
    assert left[2] < left[1] < left[0]
    assert left[2] < 0.5


@pytest.mark.parametrize("strides", [(2, 2, 2, 1), (2, 2, 2, 2)])
def test_a_network_with_smaller_maps_predicts_the_stream_at_their_positions(strides: tuple[int, ...]) -> None:
    config = MobileFaceConfig(WIDTH, (WIDTH,) * len(STRIDES), LAST, strides)
    layers, faces, model = large(), images(96), student(config)
    prune.start(model, config, layers, faces)
    x = faces.astype(np.float32) / 128 - 1
    result = np.asarray(keras.Model(model.input, model.get_layer(stream_name(0)).output)(x))
    stream = np.asarray(mobileface_forward.streams(layers, x)[1])
    assert (stream.shape[1], result.shape[1]) == (28, 14)

    def left(wanted: np.ndarray) -> float:
        return float(((result - wanted) ** 2).sum() / ((wanted - wanted.mean(axis=(0, 1, 2))) ** 2).sum())

    assert left(stream[:, ::2, ::2]) < 0.9 * left(stream[:, 1::2, 1::2])
    assert left(stream[:, ::2, ::2]) < 0.8


def test_weights_between_two_cells_of_a_small_map_are_split_equally() -> None:
    weight = np.random.default_rng(0).normal(size=(7, 7, 2))
    small = prune._gathered(weight, 4)
    np.testing.assert_allclose(small.sum(axis=(0, 1)), weight.sum(axis=(0, 1)))
    lone = np.zeros((7, 7, 1))
    lone[1, 4] = 1
    np.testing.assert_array_equal(np.argwhere(prune._gathered(lone, 4)[..., 0]), [[0, 2], [1, 2]])
    assert prune._gathered(weight, 7) is weight


def test_a_network_that_is_not_larger_is_an_error(tmp_path: Path) -> None:
    for config, fault in (
        (MobileFaceConfig(WIDTH + 1, (8,) * 15, LAST), "stem must be at most the one"),
        (MobileFaceConfig(8, (8,) * 15, LAST + 1), "and last the other"),
        (MobileFaceConfig(8, (8,) * 14 + (WIDTH + 1,), LAST), "its block 14 has 16 hidden channels"),
    ):
        with pytest.raises(ValueError, match=fault):
            prune.start(student(config), config, large(), images(2))
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(ValueError, match="it is not an ONNX network"):
        mobileface_onnx.read(tmp_path / "text.onnx")
    with pytest.raises(ValueError, match="layers with weights, and a MobileFaceNet 50"):
        mobileface_onnx.read(written(large()[:5] + large()[-1:], tmp_path / "short.onnx").onnx)
