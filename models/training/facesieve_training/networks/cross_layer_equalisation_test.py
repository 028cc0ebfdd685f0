import keras
import numpy as np

from facesieve_training.export import quality
from facesieve_training.networks.cross_layer_equalisation import equalise
from facesieve_training.networks.int8 import Int8Network
from facesieve_training.networks.mobileface import MobileFaceConfig, convolutions, mobileface, stream_name
from facesieve_training.networks.square import Square

IMAGES = np.random.default_rng(1).integers(0, 256, (24, 112, 112, 3)).astype(np.uint8)


def uneven() -> keras.Model:
    """A network with channels of very different ranges."""
    keras.utils.set_random_seed(2)
    body = mobileface(MobileFaceConfig(8, (8, 0, 0, 0, 8, 8, 0, 0, 0, 0, 0, 8, 8, 0, 8), 16))
    rng = np.random.default_rng(3)
    for layer in convolutions(body):
        if layer.activation is not keras.activations.relu:
            continue
        kernel, bias = layer.get_weights()
        size = np.exp(rng.normal(0, 1.5, bias.shape)).astype(np.float32)
        layer.set_weights([kernel * (size[:, None] if kernel.shape[-1] == 1 else size), bias])
    feature = keras.layers.Dense(6, name="feature")(body.output)
    length = keras.layers.Dense(3, "relu", name="length")(Square()(feature))
    hidden = keras.layers.Dense(5, "relu", name="hidden")(body.output)
    read = keras.layers.Concatenate()([hidden, length])
    model = keras.Model(body.input, [keras.layers.Dense(4)(read), keras.layers.Dense(4)(read)])
    for name in ("feature", "hidden", "length"):
        kernel, bias = model.get_layer(name).get_weights()
        size = np.exp(rng.normal(0, 1.5, bias.shape)).astype(np.float32)
        model.get_layer(name).set_weights([kernel * size, bias])
    return model


def test_the_network_computes_the_same_and_loses_less_in_int8() -> None:
    model = uneven()
    wanted = np.concatenate([np.asarray(t) for t in model(quality.to_input(IMAGES))], axis=1)

    def lost() -> float:
        network = Int8Network(quality.convert(model, list(IMAGES)))
        result = np.stack([np.concatenate([t[0] for t in network.run(p)]) for p in IMAGES])
        return float(((result - wanted) ** 2).mean())

    before = lost()
    equalise(model, IMAGES)
    again = np.concatenate([np.asarray(t) for t in model(quality.to_input(IMAGES))], axis=1)
    np.testing.assert_allclose(again, wanted, rtol=1e-3, atol=1e-3 * float(np.abs(wanted).max()))
    assert lost() < before / 2


def test_channels_before_a_depthwise_convolution_are_equally_large() -> None:
    model = uneven()
    equalise(model, IMAGES)
    maps = keras.Model(model.input, convolutions(model)[0].output)(quality.to_input(IMAGES))
    largest = np.max(np.asarray(maps), axis=(0, 1, 2))
    np.testing.assert_allclose(largest[largest > 0.01], 1, atol=1e-3)


def test_channels_of_a_stream_are_equally_large_where_they_are_largest() -> None:
    model = uneven()

    def largest() -> list[np.ndarray]:
        maps = [model.get_layer(stream_name(block)).output for block in (5, 11)]
        result = keras.Model(model.input, maps)(quality.to_input(IMAGES))
        return [np.abs(np.asarray(t)).max(axis=(0, 1, 2)) for t in result]

    assert min(largest()[1]) < max(largest()[1]) / 2
    equalise(model, IMAGES)
    shares = np.max([values / values.max() for values in largest()], axis=0)
    np.testing.assert_allclose(shares, 1, rtol=0.2)


def test_channels_before_a_square_are_equally_large() -> None:
    model = uneven()
    equalise(model, IMAGES)
    result = keras.Model(model.input, model.get_layer("feature").output)(quality.to_input(IMAGES))
    np.testing.assert_allclose(np.max(np.abs(np.asarray(result)), axis=0), 1, atol=1e-3)
