import tracemalloc

import numpy as np
import pytest

from facesieve_training.detector import codec


def _faces(count: int, seed: int = 1) -> codec.FloatArray:
    rng = np.random.default_rng(seed)
    boxes = np.concatenate([rng.uniform(0, 200, (count, 2)), rng.uniform(8, 90, (count, 2))], axis=1)
    points = np.tile(boxes[:, :2], 5) + rng.uniform(0, 8, (count, 10))
    return np.concatenate([boxes, points, rng.uniform(0.3, 1, (count, 1))], axis=1).astype(np.float32)


@pytest.mark.parametrize("stride", codec.STRIDES)
def test_decode_undoes_encode(stride: int) -> None:
    face = _faces(1)
    cell = np.array([[3, 5]], np.float32)
    target = codec.encode(face, cell, stride)[0]
    score, maps = np.zeros((8, 9), np.float32), np.zeros((8, 9, 14), np.float32)
    score[5, 3], maps[5, 3] = face[0, 14], target
    decoded = codec.decode_level(score, maps[..., :4], maps[..., 4:], stride, 0.1)
    np.testing.assert_allclose(decoded, face, rtol=1e-4, atol=1e-3)


def test_decode_is_yunets_formula() -> None:
    score = np.full((1, 1), 0.9, np.float32)
    bbox = np.array([[[0.5, 0.25, np.log(2), np.log(3)]]], np.float32)
    kps = np.arange(10, dtype=np.float32).reshape(1, 1, 10)
    face = codec.decode_level(score, bbox, kps, 16, 0.5)[0]
    np.testing.assert_allclose(face[:4], [8 - 16, 4 - 24, 32, 48], atol=1e-4)
    np.testing.assert_allclose(face[4:14], 16 * np.arange(10), atol=1e-4)


def test_iou_by_hand() -> None:
    a = np.array([[0, 0, 10, 10]], np.float32)
    b = np.array([[5, 0, 10, 10], [20, 20, 5, 5], [0, 0, 10, 10]], np.float32)
    np.testing.assert_allclose(codec.iou(a, b), [[50 / 150, 0, 1]], atol=1e-6)


def test_suppression_keeps_the_best_of_overlapping_faces() -> None:
    faces = _faces(3)
    faces[:, :4] = [[0, 0, 40, 40], [2, 2, 40, 40], [100, 100, 40, 40]]
    faces[:, 14] = [0.6, 0.9, 0.5]
    assert codec.suppress(faces, 0.4)[:, 14].tolist() == pytest.approx([0.9, 0.5])
    assert codec.suppress(faces[:0], 0.4).shape == (0, codec.COLUMNS)


def test_vote_is_the_mean_by_squared_score_of_those_that_agree() -> None:
    close, apart = _sighting(0, 0.4), _sighting(0, 0.6)
    close[:, [0, *range(4, 14)]] += 4
    apart[:, [0, *range(4, 14)]] += 26
    kept = codec.vote(np.concatenate([_sighting(0, 0.8), close, apart]), 0.4)
    wanted = _sighting(0, 0.8)
    wanted[:, [0, *range(4, 14)]] += 4 * 0.16 / 0.8
    np.testing.assert_allclose(kept, np.concatenate([wanted, apart]), rtol=1e-5)


def test_thousands_of_faces_take_little_memory() -> None:
    faces = np.zeros((4000, codec.COLUMNS), np.float32)
    faces[:, 0] = 10 * np.arange(4000)
    faces[:, 2:4], faces[:, 14] = 9, 0.5
    tracemalloc.start()
    kept = codec.vote(faces, 0.4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(kept, faces)
    assert peak < 4000 * 4000, "a byte for each pair"


def _sighting(shift: float, score: float) -> codec.FloatArray:
    """One and the same face, its landmarks shifted."""
    points = np.array([10, 15, 30, 15, 20, 25, 12, 35, 28, 35]) + shift
    return np.array([[0, 0, 40, 40, *points, score]], np.float32)


def test_merge_is_the_mean_by_score() -> None:
    merged = codec.merge([_sighting(0, 0.9), _sighting(1, 0.3)], 0.4)
    np.testing.assert_allclose(merged[0, 4:14], _sighting(0.25, 0)[0, 4:14], rtol=1e-5)


def test_merge_excludes_outlying_landmarks() -> None:
    views = [_sighting(0, 0.5), _sighting(0.5, 0.5), _sighting(-0.5, 0.5), _sighting(8, 0.9)]
    np.testing.assert_allclose(codec.merge(views, 0.4)[0, 4:14], _sighting(0, 0)[0, 4:14], atol=1e-4)


def test_a_face_found_in_one_view_only_has_a_low_score() -> None:
    none = _sighting(0, 0.9)[:0]
    assert codec.merge([_sighting(0, 0.8), none, none, none], 0.4)[0, 14] == pytest.approx(0.2)
    assert codec.merge([_sighting(0, 0.8)] * 4 + [none] * 4, 0.4)[0, 14] == pytest.approx(0.8)
    assert codec.merge([none, none], 0.4).shape == (0, codec.COLUMNS)


def test_mirror_twice_is_the_same_and_swaps_the_eyes() -> None:
    faces = _faces(4)
    mirrored = codec.mirror(faces, 320)
    np.testing.assert_allclose(mirrored[:, 4], 320 - faces[:, 6], rtol=1e-5)
    np.testing.assert_allclose(codec.mirror(mirrored, 320), faces, rtol=1e-4, atol=1e-4)


def test_turn_measures_yaw_and_ignores_roll() -> None:
    upright = np.array([[0, 0], [20, 0], [10, 11], [2, 22], [18, 22]], np.float32)
    aside = upright.copy()
    aside[2, 0] += 5
    angle = np.deg2rad(35)
    tilt = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]], np.float32)
    faces = np.zeros((4, codec.COLUMNS), np.float32)
    faces[:, 4:14] = [points.ravel() for points in (upright, upright @ tilt, aside, aside @ tilt)]
    np.testing.assert_allclose(codec.turn(faces), [0, 0, 0.25, 0.25], atol=1e-6)
    np.testing.assert_allclose(codec.turn(codec.mirror(faces, 100)), [0, 0, 0.25, 0.25], atol=1e-6)
