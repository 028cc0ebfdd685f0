import keras
import numpy as np
import pytest

from facesieve_training.detector import network as detector
from facesieve_training.export import cells
from facesieve_training.networks.cells import as_cells
from facesieve_training.networks.norm import BatchNorm
from facesieve_training.networks.resnet import NetworkConfig, resnet


def _learnt(model: keras.Model) -> keras.Model:
    """A network none of whose batch norms is the identity."""
    rng = np.random.default_rng(2)
    for layer in model.layers:
        if isinstance(layer, BatchNorm):
            layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])
    return model


@pytest.mark.parametrize(("stem", "mirror"), [(3, False), (7, False), (4, True)])
@pytest.mark.parametrize("pixels", [1, 2, 4])
def test_a_backbone_in_cells_computes_the_same(stem: int, mirror: bool, pixels: int) -> None:
    model = _learnt(resnet(NetworkConfig(10, 0.125, stem, mirror)))
    faces = np.random.default_rng(1).normal(size=(2, 112, 112, 3)).astype(np.float32)
    found = cells.in_cells(model, 1, pixels)(as_cells(faces, pixels))
    np.testing.assert_allclose(found, model(faces), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("pixels", [1, 2, 4])
def test_the_detector_in_cells_computes_the_same_at_any_size(pixels: int) -> None:
    model = _learnt(detector.build(detector.NetworkConfig()))
    packed = cells.in_cells(model, 2, pixels)
    for height, width in ((64, 96), (32, 160)):
        picture = np.random.default_rng(1).normal(size=(1, height, width, 3)).astype(np.float32)
        wanted, found = model(picture), packed(as_cells(picture, pixels))
        for name, values in wanted.items():
            np.testing.assert_allclose(found[name], values, rtol=1e-3, atol=1e-3 * np.abs(values).max())
