import numpy as np
import pytest

from facesieve_training.networks.blueprint import BlueprintConv2D, factors


@pytest.mark.parametrize("offset", [None, 0.5])
def test_it_computes_the_same_as_one_convolution_and_as_two(offset: float | None) -> None:
    layer = BlueprintConv2D(6, offset=offset)
    maps = np.random.default_rng(1).normal(size=(2, 5, 7, 4)).astype(np.float32)
    one, two = np.asarray(layer(maps, training=True)), np.asarray(layer(maps, training=False))
    assert one.shape == layer.compute_output_shape(maps.shape)
    np.testing.assert_allclose(one, two, atol=1e-5)
    assert one.std() > 0.1
    assert len(layer.get_weights()) == (2 if offset is None else 3)


def test_a_product_is_split_into_what_it_is_made_of() -> None:
    rng = np.random.default_rng(2)
    kernel = rng.normal(size=(3, 3, 1, 5)) * rng.normal(size=(4, 5))
    point, deep = factors(kernel.astype(np.float32))
    np.testing.assert_allclose(deep[:, :, None] * point, kernel, atol=1e-5)


def test_the_nearest_product_is_taken_of_a_plain_kernel() -> None:
    kernel = np.random.default_rng(3).normal(size=(3, 3, 4, 5)).astype(np.float32)
    point, deep = factors(kernel)
    left = ((deep[:, :, None] * point - kernel) ** 2).sum((0, 1, 2))
    for output in range(5):
        values = np.linalg.svd(kernel[..., output].reshape(9, 4), compute_uv=False)
        assert left[output] == pytest.approx((values[1:] ** 2).sum(), rel=1e-4)
