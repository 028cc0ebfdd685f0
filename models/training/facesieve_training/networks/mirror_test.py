import keras
import numpy as np
import pytest

from facesieve_training.networks import mirror
from facesieve_training.networks.resnet import NetworkConfig, macs, resnet
from facesieve_training.student import network
from facesieve_training.student.network import StudentConfig

CONFIG = StudentConfig(NetworkConfig(10, 0.125, stem=4, mirror=True), bins=8, hidden=16)


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (count, 112, 112, 3)).astype(np.float32)


def outputs(model: keras.Model, x: np.ndarray) -> dict[str, np.ndarray]:
    return {name: np.asarray(value) for name, value in model(x, training=False).items()}


def test_a_mirrored_image_gets_the_same_answer() -> None:
    model = network.build(CONFIG, 16)
    x = images(4)
    model(x, training=True)  # moves the statistics away from their initial values
    result, mirrored = (outputs(model, some) for some in (x, x[:, :, ::-1]))
    for name, value in result.items():
        np.testing.assert_allclose(mirrored[name], value, atol=2e-4, err_msg=name)
        assert np.abs(value[0] - value[1]).max() > 1e-3
    turned = outputs(model, x[:, ::-1])
    assert np.abs(turned["agreement"] - result["agreement"]).max() > 1e-3


def test_one_half_swaps_with_the_other() -> None:
    x = images(2)
    backbone = resnet(CONFIG.network)
    result, mirrored = np.asarray(backbone(x)), np.asarray(backbone(x[:, :, ::-1]))
    np.testing.assert_allclose(mirrored, np.asarray(mirror.swap(result)), atol=1e-4)
    assert np.abs(mirrored - result).max() > 1e-3


def test_a_mirrored_network_has_the_cost_of_its_convolutions_and_half_their_weights() -> None:
    model = resnet(NetworkConfig(32, 0.25, stem=4, mirror=True))
    assert macs(model) == pytest.approx(0.0592e9, rel=0.01)
    assert model.count_params() == pytest.approx(0.68e6, rel=0.02)


def test_the_kept_statistics_are_those_of_both_halves() -> None:
    norm = mirror.MirrorNorm(momentum=0.0)
    x = np.random.default_rng(1).normal(2, 3, (4, 6, 6, 8)).astype(np.float32)
    norm(x, training=True)
    halves = np.concatenate([x[..., :4], x[..., 4:]])
    np.testing.assert_allclose(np.asarray(norm.moving_mean), halves.mean(axis=(0, 1, 2)), atol=1e-4)
