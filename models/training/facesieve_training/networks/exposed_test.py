import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from facesieve_training.export.quality import with_extremes
from facesieve_training.export.tflite import convert_int8
from facesieve_training.faces import SIZE
from facesieve_training.networks import exposed
from facesieve_training.networks.int8 import Int8Network


@pytest.fixture(scope="module")
def model() -> keras.Model:
    """A feature between the image and two outputs, as in a student that reads its length."""
    keras.utils.set_random_seed(1)
    image = keras.Input((SIZE, SIZE, 3))
    x = layers.AveragePooling2D(16)(layers.Conv2D(4, 3, strides=4, activation="relu")(image))
    feature = layers.Dense(8, name="feature")(layers.Flatten()(x))
    read = layers.Dense(5, activation="relu", name="features")(feature)
    return keras.Model(image, [layers.Dense(3)(read), layers.Dense(2)(read)])


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (12, SIZE, SIZE, 3), np.uint8)


@pytest.fixture(scope="module")
def data(model: keras.Model, images: np.ndarray) -> bytes:
    def outputs(x: tf.Tensor) -> list[tf.Tensor]:
        return list(model(x, training=False))

    return convert_int8(outputs, SIZE, SIZE, with_extremes(list(images)))


def test_the_other_outputs_keep_every_bit(model: keras.Model, images: np.ndarray, data: bytes) -> None:
    added = exposed.expose(data, "feature")
    assert exposed.output_of(added, "feature") == 2
    for reference in (False, True):
        before, after = Int8Network(data, reference), Int8Network(added, reference)
        found = []
        for image in images:
            outputs = after.run(image)
            for old, new in zip(before.run(image), outputs[:2], strict=True):
                np.testing.assert_array_equal(old, new)
            found.append(outputs[2].ravel())
        real = keras.Model(model.input, model.get_layer("feature").output)(images / np.float32(128) - 1)
        assert np.corrcoef(np.ravel(found), np.ravel(real))[0, 1] > 0.99


def test_only_a_vector_is_appended_and_one_reference_changes(data: bytes) -> None:
    added = exposed.expose(data, "feature")
    changed = np.flatnonzero(np.frombuffer(added[: len(data)], np.uint8) != np.frombuffer(data, np.uint8))
    assert len(changed) <= 4
    assert np.ptp(changed) < 4
    assert 16 <= len(added) - len(data) < 20


def test_a_layer_is_exposed_once_and_must_be_there(data: bytes) -> None:
    added = exposed.expose(data, "feature")
    assert exposed.expose(added, "feature") == added
    assert len(Int8Network(exposed.expose(added, "features")).outputs()) == 4
    for layer in ("feat", "conv2d", "student"):
        with pytest.raises(ValueError, match=f"has no dense layer {layer}"):
            exposed.expose(data, layer)
