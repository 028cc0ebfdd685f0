"""Alignment: exact on faces made from the template, and the daemon's rule for large faces."""

import cv2
import numpy as np
import pytest

from facesieve_training.faces import SIZE
from facesieve_training.prepare.align import TEMPLATE, align, similarity


def turned(scale: float, degrees: float, shift: tuple[float, float]) -> np.ndarray:
    angle = np.deg2rad(degrees)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.column_stack([turn, shift])


def test_similarity_is_recovered() -> None:
    wanted = turned(2.5, 30, (7, -3))
    points = TEMPLATE @ wanted[:, :2].T + wanted[:, 2]
    np.testing.assert_allclose(similarity(TEMPLATE, points), wanted, atol=1e-9)


def test_similarity_is_the_closest() -> None:
    rng = np.random.default_rng(1)
    points = TEMPLATE + rng.normal(0, 3, TEMPLATE.shape)
    best = similarity(points, TEMPLATE)

    def cost(matrix: np.ndarray) -> float:
        return float(((points @ matrix[:, :2].T + matrix[:, 2] - TEMPLATE) ** 2).sum())

    for _ in range(200):
        a, b, x, y = rng.normal(0, 0.01, 4)
        nudge = np.array([[a, -b, x], [b, a, y]])
        assert cost(best) <= cost(best + nudge) + 1e-9


def test_face_in_place_comes_out_unchanged() -> None:
    image = np.random.default_rng(2).integers(0, 256, (SIZE + 16, SIZE + 16, 3), dtype=np.uint8)
    aligned = align(image, (TEMPLATE + 8).astype(np.float32), margin=8)
    np.testing.assert_array_equal(aligned.image, image)
    assert aligned.residual < 1e-3
    assert aligned.outside == 0
    assert aligned.inter_eye == pytest.approx(35.24, abs=0.01)


@pytest.mark.parametrize("factor", [2, 3])
def test_large_face_is_reduced_by_means(factor: int) -> None:
    small = np.random.default_rng(3).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    large = np.repeat(np.repeat(small, factor, axis=0), factor, axis=1)
    points = TEMPLATE * factor + (factor - 1) / 2
    aligned = align(large, points.astype(np.float32), margin=0)
    assert np.abs(aligned.image.astype(int) - small).max() <= 1


def test_face_over_the_edge_is_black_there() -> None:
    image = np.full((SIZE, SIZE, 3), 200, np.uint8)
    aligned = align(image, (TEMPLATE - [0, SIZE / 2]).astype(np.float32), margin=0)
    assert aligned.image[: SIZE // 2 - 1].max() == 0
    assert aligned.outside == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize("points", [np.zeros((5, 2)), np.full((5, 2), np.nan)])
def test_landmarks_without_area_are_an_error(points: np.ndarray) -> None:
    with pytest.raises(ValueError, match="span no area"):
        align(np.zeros((50, 50, 3), np.uint8), points.astype(np.float32), margin=8)


def test_rotation_is_undone() -> None:
    face = cv2.GaussianBlur(
        np.random.default_rng(4).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8), (0, 0), 4
    )
    matrix = turned(1.4, 20, (60, 20))
    scene = cv2.warpAffine(face, matrix, (260, 260))
    points = TEMPLATE @ matrix[:, :2].T + matrix[:, 2]
    back = align(np.asarray(scene, np.uint8), points.astype(np.float32), margin=0).image
    inner = np.s_[8:-8, 8:-8]
    assert np.abs(back[inner].astype(int) - face[inner]).mean() < 2
