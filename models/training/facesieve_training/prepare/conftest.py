"""Generated faces for the tests of `prepare`."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from facesieve_training.faces import Picture

Paint = Callable[..., Picture]


@pytest.fixture
def paint() -> Paint:
    """Make a picture of noise, the same for the same seed."""

    def picture(seed: int, width: int = 112, height: int = 112) -> Picture:
        rng = np.random.default_rng(seed)
        small = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)

    return picture


@pytest.fixture
def encode() -> Callable[[Picture], bytes]:
    """Encode a picture losslessly."""
    return lambda picture: cv2.imencode(".png", picture)[1].tobytes()
