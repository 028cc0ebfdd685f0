"""Views on the device compared with OpenCV's; JAX runs in a separate process, because Ray hangs beside it."""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import cv2
import numpy as np
import pytest

from facesieve_training.student.distillation import Change
from facesieve_training.student.views import Views

pytest.importorskip("jax", reason="trains on GPUs; pip install 'jax[cpu]'")

There = Callable[..., np.ndarray]
STILL = Change(two=0, rotation=0, scale=0, shift=0, contrast=0, brightness=0, grey=0, coarse=0)


@pytest.fixture(scope="module")
def there() -> Iterator[There]:
    """Calls a function of `views_jax` by name in the other process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield lambda name, *values: pool.submit(_call, name, values).result()


def _call(name: str, values: tuple[Any, ...]) -> np.ndarray:
    import jax
    import jax.numpy as jnp

    from facesieve_training.student import views_jax

    if name == "blends":
        faces, plain, config, clean = values
        arrays = (jnp.asarray(faces), jnp.asarray(faces[::-1].copy()), jnp.asarray(plain))
        return np.asarray(views_jax.blends(*arrays, jax.random.key(1), config, clean)[0])
    if name == "draw":
        images, views = values
        return np.asarray(views_jax.draw(jnp.asarray(images, jnp.float32), jax.random.key(2), views))
    return np.asarray(getattr(views_jax, name)(*(jnp.asarray(value) for value in values)))


@pytest.fixture
def faces() -> np.ndarray:
    """Six images with a margin of 8 pixels, [6,128,128,3]."""
    rng = np.random.default_rng(3)
    return np.stack([cv2.resize(rng.integers(0, 256, (16, 16, 3), np.uint8), (128, 128)) for _ in range(6)])


def test_a_view_without_changes_is_the_centre_of_the_face(faces: np.ndarray, there: There) -> None:
    result = there("blends", faces, np.zeros(6, bool), STILL, 1.0)
    np.testing.assert_array_equal(result, faces[:, 8:-8, 8:-8])


def test_plain_faces_are_unchanged(faces: np.ndarray, there: There) -> None:
    plain = np.arange(6) < 2
    result = there("blends", faces, plain, Change(rotation=15, brightness=40), 0.0)
    np.testing.assert_array_equal(result[:2], faces[:2, 8:-8, 8:-8])
    assert (np.abs(result[2:] - faces[2:, 8:-8, 8:-8]).mean(axis=(1, 2, 3)) > 2).all()
    np.testing.assert_array_equal(result, np.round(np.clip(result, 0, 255)))


def test_reduction_to_few_pixels_equals_opencvs(faces: np.ndarray, there: There) -> None:
    shrink = there("_shrinking")
    image = faces[0, 8:-8, 8:-8].astype(np.float32)
    for side in (20, 37, 90):
        few = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
        wanted = cv2.resize(few, (112, 112), interpolation=cv2.INTER_LINEAR)
        result = np.einsum("ij,jkc,lk->ilc", shrink[side], image, shrink[side])
        np.testing.assert_allclose(result, wanted, atol=0.1)
    np.testing.assert_allclose(shrink[112], np.eye(112), atol=1e-6)


def test_rotation_and_shift_equal_opencvs(faces: np.ndarray, there: There) -> None:
    turn, zoom, face = np.deg2rad(9.0), 1.2, faces[0].astype(np.float32)
    matrix = cv2.getRotationMatrix2D((63.5, 63.5), 9.0, zoom)
    for move in ([0.0, 0.0], [3.0, -2.0]):
        result = there("_warped", face[None], [[turn]], [[zoom]], [move], 8.0)[0]
        moved = np.roll(face, (-int(move[1]), -int(move[0])), (0, 1))
        wanted = cv2.warpAffine(moved, matrix, (128, 128), flags=cv2.INTER_LINEAR)
        assert np.abs(result - wanted[8:120, 8:120]).mean() < 1


def test_views_are_moved_mirrored_and_lit(faces: np.ndarray, there: There) -> None:
    images = faces[:, 8:-8, 8:-8]
    still = there("draw", images, Views(count=2, shift=0))
    np.testing.assert_array_equal(still[::2], still[1::2, :, ::-1])
    straight = (still[::2] == images).all(axis=(1, 2, 3))
    mirrored = (still[1::2] == images).all(axis=(1, 2, 3))
    assert (straight ^ mirrored).all()
    drawn = there("draw", np.tile(images, (20, 1, 1, 1)), Views(count=2, shift=2, light=0.1))
    assert drawn.shape == (240, 112, 112, 3)
    apart = np.abs(drawn[::2] - drawn[1::2, :, ::-1]).mean(axis=(1, 2, 3))
    assert (apart > 0.5).mean() > 0.9
