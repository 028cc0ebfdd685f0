import keras
import numpy as np

from facesieve_training.networks import exported
from facesieve_training.networks.norm import BatchNorm
from facesieve_training.networks.pixels import scaled

RNG = np.random.default_rng(2)
IMAGES = RNG.integers(0, 256, (4, 16, 16, 3), np.uint8)


def normed() -> keras.Model:
    """Two convolutions with batch norms that have random moments, and one without."""
    inputs = keras.Input((16, 16, 3))
    x = inputs
    for name in ("a", "b"):
        x = keras.layers.Conv2D(5, 3, padding="same", use_bias=False, name=name)(x)
        x = BatchNorm(name=f"{name}_norm")(x)
        x = keras.layers.ReLU()(x)
    model = keras.Model(inputs, keras.layers.Conv2D(2, 3, name="last")(x))
    for _, norm in exported.convolutions(model):
        if norm is not None:
            norm.set_weights([RNG.uniform(0.3, 2, 5), *RNG.normal(0, 1, (2, 5)), RNG.uniform(0.2, 3, 5)])
    return model


def test_folding_moves_the_norms_into_the_convolutions_and_changes_nothing() -> None:
    model = normed()
    before = np.asarray(model(scaled(IMAGES)))
    kernel, norm = model.get_layer("a").get_weights()[0], model.get_layer("a_norm").get_weights()
    exported.fold(model)
    np.testing.assert_allclose(np.asarray(model(scaled(IMAGES))), before, atol=1e-5)
    slope = norm[0] / np.sqrt(norm[3] + model.get_layer("a_norm").epsilon)
    np.testing.assert_allclose(model.get_layer("a").get_weights()[0], kernel * slope, rtol=1e-5)
    np.testing.assert_array_equal(model.get_layer("b_norm").get_weights()[0], np.ones(5))


def test_settling_gives_the_norms_the_moments_of_the_images_and_changes_nothing() -> None:
    model = normed()
    exported.fold(model)
    before = np.asarray(model(scaled(IMAGES)))
    exported.settle(model, [IMAGES])
    np.testing.assert_allclose(np.asarray(model(scaled(IMAGES))), before, atol=1e-4)
    outputs = np.asarray(model.get_layer("a")(scaled(IMAGES)))
    np.testing.assert_allclose(model.get_layer("a_norm").get_weights()[2], outputs.mean((0, 1, 2)), atol=1e-5)
