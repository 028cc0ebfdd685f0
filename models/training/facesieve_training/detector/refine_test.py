from collections.abc import Callable

import numpy as np
import pytest

from facesieve_training.detector.codec import FloatArray
from facesieve_training.detector.refine import SIDE, refine

PLACES = np.array([[20, 24], [40, 24], [30, 36], [22, 48], [38, 48]], np.float32)


def face(x: float, y: float, off: float = 0) -> FloatArray:
    """A face of 60x60; its landmarks are `off` pixels too far right."""
    return np.array([x, y, 60, 60, *(PLACES + np.array([x + off, y])).ravel(), 0.9], np.float32)


@pytest.fixture(name="shown")
def _shown() -> list[np.ndarray]:
    return []


@pytest.fixture(name="finds")
def _finds(shown: list[np.ndarray]) -> Callable[..., Callable[[np.ndarray, float], FloatArray]]:
    """Makes a detector that returns these faces for every input."""

    def detector(*faces: FloatArray) -> Callable[[np.ndarray, float], FloatArray]:
        def detect(image: np.ndarray, threshold: float) -> FloatArray:
            shown.append(image)
            assert threshold == 0.4
            return np.array(faces, np.float32).reshape(-1, 15)

        return detect

    return detector


FULL = np.random.default_rng(1).integers(0, 256, (400, 600, 3), np.uint8)


def test_a_face_gets_the_landmarks_of_the_refiner(
    finds: Callable[..., Callable[[np.ndarray, float], FloatArray]],
) -> None:
    """The square around a face of 60 pixels has the side of the network's input."""
    found = refine(finds(face(18, 18)), FULL, face(300, 200, 6))
    np.testing.assert_allclose(found, face(300, 200), atol=1e-3)


@pytest.mark.parametrize(("detected", "refined", "raised"), [(0.4, 0.9, 0.65), (0.9, 0.4, 0.9)])
def test_the_score_is_raised_to_the_mean_of_both_scores_but_not_lowered(
    finds: Callable[..., Callable[[np.ndarray, float], FloatArray]],
    detected: float,
    refined: float,
    raised: float,
) -> None:
    before, after = face(300, 200), face(18, 18)
    before[14], after[14] = detected, refined
    assert refine(finds(after), FULL, before)[14] == pytest.approx(raised)


@pytest.mark.parametrize("faces", [[], [face(18 + 36, 18)]])
def test_a_face_that_the_refiner_does_not_find_is_unchanged(
    finds: Callable[..., Callable[[np.ndarray, float], FloatArray]], faces: list[FloatArray]
) -> None:
    np.testing.assert_array_equal(refine(finds(*faces), FULL, face(300, 200, 6)), face(300, 200, 6))
    outside = face(900, 200, 6)
    np.testing.assert_array_equal(refine(finds(face(18, 18)), FULL, outside), outside)


def test_the_face_is_the_one_that_overlaps_most(
    finds: Callable[..., Callable[[np.ndarray, float], FloatArray]],
) -> None:
    found = refine(finds(face(18 + 20, 18), face(18, 18, 2)), FULL, face(300, 200, 6))
    np.testing.assert_allclose(found, face(300, 200, 2), atol=1e-3)


def test_the_square_is_cut_from_the_full_image(
    finds: Callable[..., Callable[[np.ndarray, float], FloatArray]], shown: list[np.ndarray]
) -> None:
    refine(finds(), FULL, face(300, 200))
    np.testing.assert_array_equal(shown[0], FULL[182:278, 282:378])
    refine(finds(), FULL, face(-20, 360))
    assert shown[1].shape == (SIDE, SIDE, 3)
    np.testing.assert_array_equal(shown[1][:58, 38:], FULL[342:400, :58])
    assert not shown[1][58:].any()
    assert not shown[1][:, :38].any()
    large = face(200, 100)
    large[2:4] = 120
    refine(finds(), FULL, large)
    mean = FULL[64:256, 164:356].reshape(SIDE, 2, SIDE, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(shown[2], mean, atol=1)
