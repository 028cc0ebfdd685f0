import keras
import numpy as np
from keras import layers

from facesieve_training.networks.norm import BatchNorm


def test_outputs_and_moments_equal_keras() -> None:
    rng = np.random.default_rng(0)
    own, theirs = BatchNorm(momentum=0.9), layers.BatchNormalization(momentum=0.9)
    for _ in range(3):
        x = rng.normal(3, 2, (8, 7, 5, 4)).astype(np.float32)
        result = [keras.ops.convert_to_numpy(layer(x, training=True)) for layer in (own, theirs)]
        np.testing.assert_allclose(result[0], result[1], atol=1e-4)
    for ours, keras_own in zip(own.weights, theirs.weights, strict=True):
        # The fused operation stores the unbiased variance: n / (n - 1) times Keras's.
        np.testing.assert_allclose(np.asarray(ours), np.asarray(keras_own), rtol=8e-3)
    result = [keras.ops.convert_to_numpy(layer(x, training=False)) for layer in (own, theirs)]
    np.testing.assert_allclose(result[0], result[1], atol=0.02)


def test_the_layer_is_restored_from_a_models_configuration() -> None:
    model = keras.Sequential([keras.Input((4, 4, 2)), BatchNorm()])
    copy = keras.Sequential.from_config(model.get_config())
    assert isinstance(copy.layers[-1], BatchNorm)
