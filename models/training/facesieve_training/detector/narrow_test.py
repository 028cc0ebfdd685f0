import dataclasses
import itertools
from collections.abc import Generator
from pathlib import Path
from typing import cast

import keras
import numpy as np
import pytest
import tensorflow as tf

from facesieve_training.detector import narrow
from facesieve_training.detector.batches import Batches, Parts, TrainConfig
from facesieve_training.detector.export import convert
from facesieve_training.detector.feature_imitation import imitate
from facesieve_training.detector.initial import load_tflite
from facesieve_training.detector.network import EARLY, OUTPUTS, NetworkConfig, build
from facesieve_training.detector.train import Trainer
from facesieve_training.networks import exported

WIDE = NetworkConfig(stem=4, stage4=8, width=12)
DEAD = (1, 4, 5, 10)
"""Constant channels of each layer of the wide network."""


def images(count: int, seed: int = 5) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [
        np.kron(rng.integers(0, 256, (8, 12, 3)), np.ones((8, 8, 1))).astype(np.uint8) for _ in range(count)
    ]


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with some constant channels in its upper layers."""
    keras.utils.set_random_seed(5)
    rng = np.random.default_rng(2)
    model = build(WIDE)
    for layer, norm in exported.convolutions(model):
        kernel, *bias = layer.get_weights()
        if norm is None:
            layer.set_weights([rng.normal(0, 0.3, kernel.shape), *bias])
        elif kernel.shape[-1] == WIDE.width:
            kernel[..., DEAD] *= 1e-3
            layer.set_weights([kernel])
    path = tmp_path_factory.mktemp("wide") / "detector.tflite"
    path.write_bytes(convert(model, images(8)))
    return path


def same_batches() -> Batches:
    class Same:
        def images(self) -> Generator[np.ndarray]:
            yield from itertools.repeat(np.stack(images(4)))

    return cast(Batches, Same())


def maps(model: keras.Model, batch: np.ndarray) -> dict[str, np.ndarray]:
    result = model(tf.cast(batch, tf.float32) / 128 - 1, training=False)
    return {name: np.asarray(result[name]) for name in OUTPUTS}


def test_the_widths_are_those_of_the_file(wide: Path) -> None:
    assert narrow.widths(wide) == WIDE


def test_constant_channels_are_dropped_without_a_change_of_the_output(wide: Path) -> None:
    whole, small = build(WIDE), build(dataclasses.replace(WIDE, width=8))
    load_tflite(whole, wide)
    narrow.start(small, wide, [np.stack(images(4))])
    batch = np.stack(images(3, seed=6))
    wanted, result = maps(whole, batch), maps(small, batch)
    for name in OUTPUTS:
        assert wanted[name].std() > 0.01
        np.testing.assert_allclose(result[name], wanted[name], atol=0.1 * wanted[name].std())


def test_other_early_layers_are_trained_on_the_wide_networks_maps(wide: Path) -> None:
    keras.utils.set_random_seed(1)
    small = build(NetworkConfig(stem=4, stage4=8, blocks4=0, width=8))
    batch = np.stack(images(8))
    early = narrow.start(small, wide, [batch])
    assert early(batch).shape == (8, 8, 12, 8)
    kept = small.get_layer("neck8").get_weights()[0]
    first = imitate(small, early, (batch for _ in range(2)), 2)
    left = imitate(small, early, (batch for _ in range(200)), 200)
    assert left < 0.5 * first
    np.testing.assert_array_equal(small.get_layer("neck8").get_weights()[0], kept)


def test_training_starts_with_feature_imitation(wide: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    network = NetworkConfig(stem=4, stage4=8, blocks4=0, width=8)
    trainer = Trainer(Parts(network=network, train=TrainConfig(initial=wide, imitation_steps=3)))
    trainer.begin(wide, same_batches())
    assert "of the maps of detector.tflite's early layers" in caplog.text
    begun = build(network)
    narrow.start(begun, wide, [np.stack(images(4))] * 8)
    np.testing.assert_array_equal(trainer.averaged.get_layer("neck8").kernel, begun.get_layer("neck8").kernel)


def test_equal_early_layers_keep_their_weights(wide: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    network = dataclasses.replace(WIDE, width=8)
    Trainer(Parts(network=network, train=TrainConfig(initial=wide, imitation_steps=3))).begin(
        wide, same_batches()
    )
    (left,) = (record.args[1] for record in caplog.records if "early layers" in record.msg)  # type: ignore[index]
    assert float(str(left)) < 0.05


def test_a_file_without_the_layers_is_an_error(wide: Path, models: Path) -> None:
    with pytest.raises(ValueError, match="has no convolution stem"):
        narrow.widths(models / "quality.tflite")
    assert EARLY == "stage8_down"
