import cv2
import numpy as np
import pytest

from facesieve_training.detector import codec
from facesieve_training.detector.augment_test import labelled
from facesieve_training.detector.evaluate import (
    EvaluateConfig,
    Tally,
    add_matches,
    backgrounds,
    choose_score,
    scaled,
    table,
)

CONFIG = EvaluateConfig()


def _face(x: float, score: float, size: float = 20) -> list[float]:
    points = [x + 5, 5, x + 15, 5, x + 10, 10, x + 6, 15, x + 14, 15]
    return [x, 0, size, size, *points, score]


def _faces(*rows: list[float]) -> codec.FloatArray:
    return np.array(rows, np.float32).reshape(-1, codec.COLUMNS)


def test_matches_count_found_missed_and_false() -> None:
    truth = _faces(_face(0, 0.9), _face(100, 0.9), _face(200, 0.4))
    found = _faces(_face(1, 0.8), _face(200, 0.7), _face(300, 0.6))
    tally = Tally()
    add_matches(tally, found, truth, CONFIG)
    assert tally.recall(0, 100, 0.5) == (0.5, 2)
    assert tally.recall(0, 100, 0.85) == (0.0, 2)
    assert tally.false == [pytest.approx(0.6)]  # the unsure face counts neither way
    assert tally.false_per_image(0.5) == 1
    assert tally.error(0, 100, 0.5) == pytest.approx(0.1)


def test_two_detections_of_one_face_are_one() -> None:
    tally = Tally()
    add_matches(tally, _faces(_face(0, 0.9), _face(2, 0.8)), _faces(_face(0, 0.9)), CONFIG)
    assert tally.scores == [pytest.approx(0.9)]
    assert tally.false == []


def test_empty_images() -> None:
    tally = Tally()
    add_matches(tally, _faces(), _faces(), CONFIG)
    add_matches(tally, _faces(), _faces(_face(0, 0.9)), CONFIG)
    assert tally.images == 2
    assert tally.recall(0, 100, 0.3) == (0.0, 1)


def test_the_score_is_the_lowest_within_the_allowed_false_positives() -> None:
    images = Tally(false=[0.5, 0.3], images=10)
    assert choose_score(images, 0.25, []) == 0.2
    assert choose_score(images, 0.15, []) == 0.31
    assert choose_score(images, 0.15, [Tally(false=[0.72], images=1000), Tally(images=3)]) == 0.73


def test_backgrounds_hold_no_face() -> None:
    item = labelled()  # 160x200 with a face of 60 pixels at 50, 60
    image = np.full((200, 160, 3), 40, np.uint8)
    image[60:120, 50:110] = 255
    item = type(item)(item.name, cv2.imencode(".png", image)[1].tobytes(), 160, 200, item.faces, True)
    crops = list(backgrounds([item], EvaluateConfig(backgrounds=20, background_side=40), 1))
    assert len(crops) == 20
    assert all(crop.shape == (40, 40, 3) and crop.max() < 60 for crop in crops)


def test_scaled_gives_the_size_and_never_enlarges_much() -> None:
    item = labelled()
    made = scaled(item, 20, CONFIG)
    assert made is not None
    assert np.sqrt(made[1][0, 2] * made[1][0, 3]) == pytest.approx(20, rel=1e-5)
    assert made[0].shape == (67, 53, 3)
    assert scaled(item, 200, CONFIG) is None


def test_table_has_a_row_for_every_size() -> None:
    tally = Tally(sizes=[8, 16, 16], scores=[0.0, 0.9, 0.2], errors=[np.nan, 0.05, 0.2], images=3)
    rows = table(tally, 0.5, (8.0, 16.0))
    assert [(row["size"], row["faces"], row["recall"]) for row in rows] == [(8, 1, 0.0), (16, 2, 0.5)]
    assert rows[1]["landmark_error"] == 0.05
