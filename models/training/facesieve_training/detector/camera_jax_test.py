"""The camera on the device compared with OpenCV; JAX runs in a separate process, because Ray hangs beside
it.
"""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor

import cv2
import numpy as np
import pytest

from facesieve_training.detector import camera

pytest.importorskip("jax", reason="trains on GPUs; pip install 'jax[cpu]'")

There = Callable[..., np.ndarray]


@pytest.fixture(scope="module")
def there() -> Iterator[There]:
    """Calls a function of `camera_jax` by name in the other process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield lambda name, *values: pool.submit(_call, name, values).result()


def _call(name: str, values: tuple[np.ndarray | float, ...]) -> np.ndarray:
    import jax

    from facesieve_training.detector import camera_jax

    if name == "take":
        images, seed, clean = values
        return np.asarray(camera_jax.take(np.asarray(images), jax.random.key(int(seed)), float(clean)))
    return np.asarray(getattr(camera_jax, name)(*values))


@pytest.fixture
def images() -> np.ndarray:
    """Four images with edges, gradients and a little noise, [4,64,64,3]."""
    rng = np.random.default_rng(5)
    made = []
    for _ in range(4):
        image = np.full((64, 64, 3), rng.integers(40, 200, 3), np.uint8)
        cv2.circle(image, (30, 34), int(rng.integers(8, 24)), rng.integers(0, 256, 3).tolist(), -1)
        cv2.line(image, (0, 50), (63, 20), (250, 250, 250), 3)
        made.append(cv2.add(image, rng.integers(0, 12, image.shape, np.uint8)))
    return np.stack(made)


def _rms(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(a.astype(float) - b.astype(float)))))


@pytest.mark.parametrize("quality", [20, 50, 89])
def test_compression_resembles_jpegs(quality: int, images: np.ndarray, there: There) -> None:
    result = there("compressed", images.astype(np.float32), np.full(4, quality))
    for image, recorded in zip(images, result, strict=True):
        file = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        jpeg = np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR))
        assert _rms(recorded, image) == pytest.approx(_rms(jpeg, image), rel=0.25)
        assert _rms(recorded, jpeg) < 0.75 * _rms(jpeg, image)


def test_blur_is_opencvs(images: np.ndarray, there: There) -> None:
    kernels = np.zeros((4, 7, 7), np.float32)
    kernels[0, 3, 3] = 1
    kernels[1:, 2:5, 2:5] = 1 / 9
    result = there("blurred", images.astype(np.float32), kernels)
    np.testing.assert_array_equal(result[0], images[0])
    for image, recorded in zip(images[1:], result[1:], strict=True):
        assert np.abs(cv2.blur(image, (3, 3)) - recorded).max() <= 1


def test_changes_are_as_strong_as_the_other_cameras(images: np.ndarray, there: There) -> None:
    """Mean and deviation of the change over many images are close to those of `camera`."""
    many = np.tile(images, (64, 1, 1, 1))
    rng = np.random.default_rng(2)
    here = [_rms(camera.degrade(image, rng), image) for image in many]
    result = there("take", many, 2, 0.0)
    apart = [_rms(recorded, image) for recorded, image in zip(result, many, strict=True)]
    assert np.mean(apart) == pytest.approx(np.mean(here), rel=0.15)
    assert np.std(apart) == pytest.approx(np.std(here), rel=0.25)
    np.testing.assert_array_equal(result, np.round(np.clip(result, 0, 255)))


def test_the_share_of_clean_images_is_the_configured_one(images: np.ndarray, there: There) -> None:
    many = np.tile(images, (64, 1, 1, 1))
    np.testing.assert_array_equal(there("take", many, 1, 1.0), many)
    result = there("take", many, 1, 0.4)
    share = np.mean([(recorded == image).all() for recorded, image in zip(result, many, strict=True)])
    assert 0.35 < share < 0.65  # the degradation leaves some images unchanged
