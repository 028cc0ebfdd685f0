import keras
import numpy as np

from facesieve_training.export import quality
from facesieve_training.networks import exported
from facesieve_training.networks.cross_layer_equalisation_test import IMAGES, uneven
from facesieve_training.networks.gptq import LAST, round_weights, rounded, weighted

RNG = np.random.default_rng(5)
MIXED = RNG.normal(0, 1, (2000, 8)) @ RNG.normal(0, 1, (8, 24)) + RNG.normal(0, 0.2, (2000, 24))
WEIGHTS = RNG.normal(0, 1, (24, 10))


def test_weights_lie_on_the_steps_of_int8() -> None:
    result = rounded(WEIGHTS, MIXED.T @ MIXED / len(MIXED))
    steps = result / np.abs(result).max(axis=0) * LAST
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-6)
    assert 0 < np.abs(result - WEIGHTS).max() < np.abs(WEIGHTS).max() / 2


def test_the_error_is_lower_than_that_of_rounding_to_nearest() -> None:
    step = np.abs(WEIGHTS).max(axis=0) / LAST
    nearest = np.round(WEIGHTS / step) * step
    result = rounded(WEIGHTS, MIXED.T @ MIXED / len(MIXED))
    lost, before = (np.square(MIXED @ (some - WEIGHTS)).mean() for some in (result, nearest))
    assert lost < before / 3


def test_every_layers_output_changes_less_than_with_the_nearest_weights() -> None:
    model = uneven()
    weighted_layers = weighted(model)
    inputs = keras.Model(model.input, [layer.input for layer in weighted_layers])(quality.to_input(IMAGES))
    kept = [layer.get_weights() for layer in weighted_layers]
    wanted = [np.asarray(layer(x)) for layer, x in zip(weighted_layers, inputs, strict=True)]
    round_weights(model, IMAGES)
    found = [layer.get_weights() for layer in weighted_layers]
    for layer, x, original, rounded_ones, truth in zip(
        weighted_layers, inputs, kept, found, wanted, strict=True
    ):
        lost = []
        for some in (rounded_ones, nearest(layer, original)):
            layer.set_weights(some)
            lost.append(np.square(np.asarray(layer(x)) - truth).mean())
        assert 0 < lost[0] < 1.1 * lost[1], layer.name
        if original[0].shape[-2] >= 16:  # enough inputs for compensation
            assert lost[0] < lost[1] / 2, layer.name


def test_the_converter_keeps_the_rounded_weights() -> None:
    model = uneven()
    round_weights(model, IMAGES)
    found = [some.kernel for some in exported.read(quality.convert(model, list(IMAGES)))]
    for layer in weighted(model):
        kernel = layer.get_weights()[0]
        if not isinstance(layer, keras.layers.DepthwiseConv2D):  # which `exported` does not read
            same = [np.allclose(k, kernel, rtol=1e-4, atol=1e-6) for k in found if k.shape == kernel.shape]
            assert any(same), layer.name


def nearest(layer: keras.layers.Layer, weights: list[np.ndarray]) -> list[np.ndarray]:
    kernel, bias = weights
    each = (0, 1, 3) if isinstance(layer, keras.layers.DepthwiseConv2D) else tuple(range(kernel.ndim - 1))
    step = np.abs(kernel).max(axis=each, keepdims=True) / LAST
    return [np.round(kernel / step) * step, bias]
