"""Detectors with known errors, and views with known faces."""

import numpy as np
import pytest

from facesieve_training.detector.codec import FloatArray
from facesieve_training.detector.compare.views import OnView, View


def face(x: float, y: float, size: float, score: float = 0.9) -> FloatArray:
    """A face [15] with its landmarks at the usual positions."""
    points = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]]) * size + [x, y]
    return np.array([x, y, size, size, *points.ravel(), score], np.float32)


@pytest.fixture
def views() -> list[View]:
    """Ten images with a face of 14 pixels, one of 60, and an uncertain one."""
    faces = np.stack([face(10, 10, 14), face(40, 40, 60), face(150, 20, 30, score=0.4)])
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 256, (128, 192, 3), np.uint8) for _ in range(10)]
    return [View(image, faces, image, 1.0) for image in images]


@pytest.fixture
def exact(views: list[View]) -> OnView:
    """Finds every face exactly."""
    return lambda view: views[0].faces


@pytest.fixture
def sloppy() -> OnView:
    """Finds the large face, shifted by 6 pixels, and a false one with a score that rises with every image."""
    calls = []

    def detect(view: View) -> FloatArray:
        calls.append(1)
        shifted = face(46, 40, 60, score=0.55)
        return np.stack([shifted, face(0, 90, 30, score=0.05 + 0.09 * len(calls))])

    return detect
