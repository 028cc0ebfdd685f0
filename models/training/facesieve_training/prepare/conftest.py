"""Generated faces for the tests of `prepare`."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from facesieve_training.faces import Image

Paint = Callable[..., Image]


@pytest.fixture
def paint() -> Paint:
    """Make an image of noise, the same for the same seed."""

    def image(seed: int, width: int = 112, height: int = 112) -> Image:
        rng = np.random.default_rng(seed)
        small = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)

    return image


@pytest.fixture
def encode() -> Callable[[Image], bytes]:
    """Encode an image losslessly."""
    return lambda image: cv2.imencode(".png", image)[1].tobytes()
