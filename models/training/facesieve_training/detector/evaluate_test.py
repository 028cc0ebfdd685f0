import cv2
import numpy as np
import pytest

from facesieve_training.detector import codec
from facesieve_training.detector.augment_test import labelled
from facesieve_training.detector.compare.outcome import Outcome
from facesieve_training.detector.evaluate import EvaluateConfig, backgrounds, landmark_error, match, scaled
from facesieve_training.detector.measured import Measured

CONFIG = EvaluateConfig()


def _face(x: float, score: float, size: float = 20) -> list[float]:
    points = [x + 5, 5, x + 15, 5, x + 10, 10, x + 6, 15, x + 14, 15]
    return [x, 0, size, size, *points, score]


def _faces(*rows: list[float]) -> codec.FloatArray:
    return np.array(rows, np.float32).reshape(-1, codec.COLUMNS)


def test_matches_count_found_missed_and_false() -> None:
    truth = _faces(_face(0, 0.9), _face(100, 0.9), _face(200, 0.4))
    found = _faces(_face(1, 0.8), _face(200, 0.7), _face(300, 0.6))
    taken, false = match(found, truth, CONFIG)
    assert taken.tolist() == [0, -1]
    assert false[:, 14].tolist() == [pytest.approx(0.6)]  # the unsure face counts neither way
    assert landmark_error(found[0], truth[0]) == pytest.approx(0.1)


def test_two_detections_of_one_face_are_one() -> None:
    taken, false = match(_faces(_face(0, 0.9), _face(2, 0.8)), _faces(_face(0, 0.9)), CONFIG)
    assert (taken.tolist(), len(false)) == ([0], 0)


def test_empty_images() -> None:
    assert match(_faces(), _faces(), CONFIG)[0].tolist() == []
    assert match(_faces(), _faces(_face(0, 0.9)), CONFIG)[0].tolist() == [-1]


def _measured(false: list[float], images: int, empty: dict[str, list[float]]) -> Measured:
    none = np.zeros((0, 15), np.float32)
    outcome = Outcome(none, {"detector": none}, {"detector": np.array(false, np.float32)}, none, {}, images)
    return Measured(outcome, outcome, {}, empty)


def test_the_score_is_the_lowest_within_the_allowed_false_positives() -> None:
    measured = _measured([0.505, 0.305], 10, {})
    assert measured.score(0.25) == 0.2
    assert measured.score(0.15) == 0.31
    assert _measured([0.5], 10, {"one": [0, 0.72], "other": [0, 0]}).score(0.15) == 0.73


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
