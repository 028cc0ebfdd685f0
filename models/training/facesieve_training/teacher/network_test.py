import numpy as np
import pytest

from facesieve_training.networks.resnet import NetworkConfig, macs
from facesieve_training.teacher import network
from facesieve_training.teacher.network import CUT, EMBEDDING, LOW, Head, TeacherNetwork


def test_the_papers_network_has_its_size() -> None:
    built = network.build(TeacherNetwork(), classes=10)
    # The paper's 44.5 M and 2.21 GFLOPs count a last layer of 1000 classes and what SER-FIQ adds.
    assert built.teacher.count_params() == pytest.approx(43.13e6, rel=1e-3)
    assert macs(built.teacher) == pytest.approx(2.004e9, rel=1e-3)
    shapes = {name: value.shape[1:] for name, value in built.teacher.output.items()}
    assert shapes == {EMBEDDING: (256,), CUT: (2048,), LOW: (28, 28, 256)}


def test_dropout_lies_between_cut_and_feature_and_only_in_training() -> None:
    config = TeacherNetwork(NetworkConfig(10, 0.125), feature=4, dropout=0.5)
    built = network.build(config, classes=3)
    images = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), np.uint8)
    still = [np.asarray(built.teacher(images, training=False)[EMBEDDING]) for _ in range(2)]
    np.testing.assert_array_equal(still[0], still[1])
    kernel, bias = [np.asarray(w) for w in built.teacher.get_layer("feature").weights]
    cut = np.asarray(built.teacher(images, training=False)[CUT])
    np.testing.assert_allclose(still[0], cut @ kernel + bias, rtol=1e-4, atol=1e-5)
    moved = [np.asarray(built.teacher(images, training=True)[EMBEDDING]) for _ in range(2)]
    assert not np.array_equal(moved[0], moved[1])


def test_arcface_ends_in_cosines() -> None:
    config = TeacherNetwork(NetworkConfig(10, 0.125), feature=4, head=Head("arcface"))
    built = network.build(config, classes=5)
    result = np.asarray(built.trained(np.zeros((1, 112, 112, 3), np.uint8), training=False))
    assert result.shape == (1, 5)
    assert np.abs(result).max() <= 1 + 1e-6


def test_bad_values_are_named() -> None:
    assert Head("arcface", margin=2.0, scale=0.0).faults() == [
        "margin: 2.0 is not an angle in 0..1.5",
        "scale: 0.0 must be above 0",
    ]
    assert TeacherNetwork(feature=0, dropout=1.0).faults() == [
        "feature: 0 must be above 0",
        "dropout: 1.0 is not in 0..1",
    ]
