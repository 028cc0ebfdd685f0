import keras
import numpy as np
import pytest

from facesieve_training.networks.resnet import NetworkConfig
from facesieve_training.student import network
from facesieve_training.student.views import Views


def test_expectation_of_certain_bins() -> None:
    logits = np.full((2, 16), -50, np.float32)
    logits[0, 15] = logits[1, 3] = 50
    np.testing.assert_allclose(np.asarray(network.expectation(logits)), [1, 3 / 15], atol=1e-6)


@pytest.mark.parametrize("truth", [0.02, 0.31, 0.99])
def test_the_loss_is_least_at_the_two_bins_beside_the_truth(truth: float) -> None:
    position = truth * 15
    soft = np.maximum(1 - np.abs(position - np.arange(16)), 1e-6)
    best = np.log(soft)[None].astype(np.float32)
    result = np.array([[truth]], np.float32)
    least = float(np.asarray(network.BinsLoss(Views())(result, best))[0])
    soft = soft[soft > 1e-5]
    assert least == pytest.approx(-(soft * np.log(soft)).sum(), abs=1e-3), "entropy, and no squared error"
    for other in np.random.default_rng(0).normal(0, 1, (20, 1, 16)).astype(np.float32):
        assert float(np.asarray(network.BinsLoss(Views())(result, best + other))[0]) > least


def test_consistency_adds_the_squared_distance_between_views() -> None:
    rng = np.random.default_rng(0)
    logits, truth = rng.normal(0, 1, (6, 8)).astype(np.float32), rng.random((6, 1)).astype(np.float32)
    alone = np.asarray(network.BinsLoss(Views())(truth, logits))
    both = np.asarray(network.BinsLoss(Views(count=2, consistency=30))(truth, logits))
    result = np.asarray(network.expectation(logits)).reshape(3, 2)
    apart = 30 * ((result[:, 0] - result[:, 1]) / 2) ** 2
    np.testing.assert_allclose(both - alone, np.repeat(apart, 2), rtol=1e-3)


def test_outputs_have_the_names_that_losses_and_export_use() -> None:
    config = network.StudentConfig(NetworkConfig(10, 0.125), bins=8)
    model = network.build(config, features=32, classes=5)
    shapes = {name: output.shape[1] for name, output in model.output.items()}
    assert shapes == {"feature": 32, "visual": 8, "robustness": 8, "agreement": 8, "classes": 5}


def test_labels_read_the_length_of_the_feature_without_a_gradient_to_it() -> None:
    keras.utils.set_random_seed(1)
    config = network.StudentConfig(NetworkConfig(10, 0.125), labels=("norm",), bins=8, length=4)
    model = network.build(config, features=32)
    network.spread_length(model, np.full((10, 32), 0.5, np.float32))  # mean square 0.25
    model.get_layer("feature").set_weights(
        [np.zeros(model.get_layer("feature").kernel.shape), np.full(32, 0.4)]
    )
    units = keras.Model(model.input, model.get_layer("length").output)
    result = np.asarray(units(np.zeros((1, 112, 112, 3), np.float32)))[0]
    np.testing.assert_allclose(result, np.maximum(2 * 0.16 / 0.25 - np.array([0, 0.5, 1, 1.5]), 0), atol=1e-5)

    losses = {"norm": network.BinsLoss(Views()), "feature": "mse"}
    model.compile(keras.optimizers.SGD(1.0), losses, {"norm": 1.0, "feature": 0.0})
    before = [w.copy() for w in model.get_layer("feature").get_weights()]
    images = np.random.default_rng(0).normal(0, 1, (4, 112, 112, 3)).astype(np.float32)
    wanted = {"norm": np.full((4, 1), 0.9, np.float32), "feature": np.ones((4, 32), np.float32)}
    model.train_on_batch(images, wanted)
    for kept, now in zip(before, model.get_layer("feature").get_weights(), strict=True):
        np.testing.assert_array_equal(kept, now)


def test_class_loss_is_the_two_cross_entropies_of_eq_6() -> None:
    rng = np.random.default_rng(0)
    prototypes = np.eye(3, 4, dtype=np.float32)
    embedding = rng.normal(0, 2, (5, 4)).astype(np.float32)
    logits = rng.normal(0, 1, (5, 3)).astype(np.float32)
    person = np.array([0, 1, 2, 1, 0])
    truth = np.concatenate([embedding, np.stack([person, [0.2] * 5, [0.4] * 5], axis=1)], axis=1)
    result = np.asarray(
        network.ClassLoss(8 * prototypes.T, np.zeros(3, np.float32), True)(truth.astype(np.float32), logits)
    )
    log_student = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    cosines = embedding[:, :3] / np.linalg.norm(embedding, axis=1, keepdims=True)
    of_teacher = np.exp(8 * cosines) / np.exp(8 * cosines).sum(axis=1, keepdims=True)
    wanted = -0.2 * (of_teacher * log_student).sum(axis=1) - 0.4 * log_student[np.arange(5), person]
    np.testing.assert_allclose(result, wanted, rtol=1e-4)


def test_only_the_labels_are_shipped() -> None:
    config = network.StudentConfig(NetworkConfig(10, 0.125), labels=("norm", "agreement"), bins=8)
    model = network.build(config, features=32, classes=5)
    shipped = network.inference(model, config)
    assert [output.shape[1] for output in shipped.outputs] == [8, 8]
    assert shipped.count_params() < model.count_params()
