"""The camera on the device beside OpenCV; JAX works in a process of its own, for where it does Ray hangs."""

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
    """Calls a function of `camera_jax` by name, in the other process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield lambda name, *values: pool.submit(_call, name, values).result()


def _call(name: str, values: tuple[np.ndarray | float, ...]) -> np.ndarray:
    import jax

    from facesieve_training.detector import camera_jax

    if name == "take":
        pictures, seed, clean = values
        return np.asarray(camera_jax.take(np.asarray(pictures), jax.random.key(int(seed)), float(clean)))
    return np.asarray(getattr(camera_jax, name)(*values))


@pytest.fixture
def pictures() -> np.ndarray:
    """Four pictures with edges, gradients and a little noise, [4,64,64,3]."""
    rng = np.random.default_rng(5)
    made = []
    for _ in range(4):
        picture = np.full((64, 64, 3), rng.integers(40, 200, 3), np.uint8)
        cv2.circle(picture, (30, 34), int(rng.integers(8, 24)), rng.integers(0, 256, 3).tolist(), -1)
        cv2.line(picture, (0, 50), (63, 20), (250, 250, 250), 3)
        made.append(cv2.add(picture, rng.integers(0, 12, picture.shape, np.uint8)))
    return np.stack(made)


def _rms(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(a.astype(float) - b.astype(float)))))


@pytest.mark.parametrize("quality", [20, 50, 89])
def test_compression_does_what_jpeg_does(quality: int, pictures: np.ndarray, there: There) -> None:
    told = there("compressed", pictures.astype(np.float32), np.full(4, quality))
    for picture, seen in zip(pictures, told, strict=True):
        file = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        jpeg = np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR))
        assert _rms(seen, picture) == pytest.approx(_rms(jpeg, picture), rel=0.25)
        assert _rms(seen, jpeg) < 0.75 * _rms(jpeg, picture)


def test_blur_is_opencvs(pictures: np.ndarray, there: There) -> None:
    kernels = np.zeros((4, 7, 7), np.float32)
    kernels[0, 3, 3] = 1
    kernels[1:, 2:5, 2:5] = 1 / 9
    told = there("blurred", pictures.astype(np.float32), kernels)
    np.testing.assert_array_equal(told[0], pictures[0])
    for picture, seen in zip(pictures[1:], told[1:], strict=True):
        assert np.abs(cv2.blur(picture, (3, 3)) - seen).max() <= 1


def test_it_takes_pictures_as_the_other_camera_does(pictures: np.ndarray, there: There) -> None:
    """Over many takes the mean change, and how much it varies, are near to those of `camera`."""
    many = np.tile(pictures, (64, 1, 1, 1))
    rng = np.random.default_rng(2)
    here = [_rms(camera.degrade(picture, rng), picture) for picture in many]
    told = there("take", many, 2, 0.0)
    apart = [_rms(seen, picture) for seen, picture in zip(told, many, strict=True)]
    assert np.mean(apart) == pytest.approx(np.mean(here), rel=0.15)
    assert np.std(apart) == pytest.approx(np.std(here), rel=0.25)
    np.testing.assert_array_equal(told, np.round(np.clip(told, 0, 255)))


def test_clean_pictures_are_as_many_as_asked(pictures: np.ndarray, there: There) -> None:
    many = np.tile(pictures, (64, 1, 1, 1))
    np.testing.assert_array_equal(there("take", many, 1, 1.0), many)
    told = there("take", many, 1, 0.4)
    share = np.mean([(seen == picture).all() for seen, picture in zip(told, many, strict=True)])
    assert 0.35 < share < 0.65  # the camera leaves some alone by itself
