import numpy as np
import pytest
from keras import layers

from facesieve_training.networks.resnet import NetworkConfig, macs, resnet


def test_macs_of_a_convolution_and_a_dense_layer() -> None:
    model = resnet(NetworkConfig(10, 0.125))
    wanted = 0
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D):
            _, height, width, _ = layer.output.shape
            wanted += layer.count_params() * height * width
    assert macs(model) == wanted > 0


@pytest.mark.parametrize(
    ("depth", "width", "parameters", "cost"),
    [(34, 1.0, 21.29e6, 0.97e9), (34, 0.25, 1.34e6, 0.066e9), (18, 1.0, 11.19e6, 0.49e9)],
)
def test_size_and_cost_are_those_of_the_papers(
    depth: int, width: float, parameters: float, cost: float
) -> None:
    model = resnet(NetworkConfig(depth, width))
    assert model.count_params() == pytest.approx(parameters, rel=0.01)
    assert macs(model) == pytest.approx(cost, rel=0.03)


def test_bottlenecks_end_four_times_as_wide() -> None:
    assert resnet(NetworkConfig(50, 0.125)).output.shape == (None, 256)


def test_outputs_do_not_depend_on_the_batch() -> None:
    model = resnet(NetworkConfig(10, 0.125))
    images = np.random.default_rng(0).uniform(-1, 1, (2, 112, 112, 3)).astype(np.float32)
    both = np.asarray(model(images, training=False))
    np.testing.assert_allclose(both[1:], np.asarray(model(images[1:], training=False)), atol=1e-5)
