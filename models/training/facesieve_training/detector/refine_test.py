import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from facesieve_training.cli import DataError
from facesieve_training.detector.codec import FloatArray
from facesieve_training.detector.int8 import Int8Detector
from facesieve_training.detector.refine import Refiner, read_rule, square_around
from facesieve_training.export.manifest import Refinement

RULE = Refinement(side=96, crop_scale=1.6, min_crop=8, min_iou=0.4)
PLACES = np.array([[20, 24], [40, 24], [30, 36], [22, 48], [38, 48]], np.float32)


def face(x: float, y: float, off: float = 0) -> FloatArray:
    """A face of 60x60; its landmarks are `off` pixels too far right."""
    return np.array([x, y, 60, 60, *(PLACES + np.array([x + off, y])).ravel(), 0.9], np.float32)


@pytest.fixture(name="shown")
def _shown() -> list[np.ndarray]:
    return []


@pytest.fixture(name="finds")
def _finds(shown: list[np.ndarray]) -> Callable[..., Refiner]:
    """Makes a refiner whose network returns these faces for every input."""

    def refiner(*faces: FloatArray) -> Refiner:
        def detect(image: np.ndarray, threshold: float) -> FloatArray:
            shown.append(image)
            assert threshold == 0.4
            return np.array(faces, np.float32).reshape(-1, 15)

        return Refiner(detect, 0.4, RULE)

    return refiner


FULL = np.random.default_rng(1).integers(0, 256, (400, 600, 3), np.uint8)


def test_a_face_gets_the_landmarks_of_the_refiner(
    finds: Callable[..., Refiner],
) -> None:
    """The square around a face of 60 pixels has the side of the network's input."""
    found = finds(face(18, 18))(FULL, face(300, 200, 6))
    np.testing.assert_allclose(found, face(300, 200), atol=1e-3)


@pytest.mark.parametrize(("detected", "refined", "raised"), [(0.4, 0.9, 0.65), (0.9, 0.4, 0.9)])
def test_the_score_is_raised_to_the_mean_of_both_scores_but_not_lowered(
    finds: Callable[..., Refiner],
    detected: float,
    refined: float,
    raised: float,
) -> None:
    before, after = face(300, 200), face(18, 18)
    before[14], after[14] = detected, refined
    assert finds(after)(FULL, before)[14] == pytest.approx(raised)


@pytest.mark.parametrize("faces", [[], [face(18 + 36, 18)]])
def test_a_face_that_the_refiner_does_not_find_is_unchanged(
    finds: Callable[..., Refiner], faces: list[FloatArray]
) -> None:
    np.testing.assert_array_equal(finds(*faces)(FULL, face(300, 200, 6)), face(300, 200, 6))
    outside = face(900, 200, 6)
    np.testing.assert_array_equal(finds(face(18, 18))(FULL, outside), outside)


def test_the_face_is_the_one_that_overlaps_most(
    finds: Callable[..., Refiner],
) -> None:
    found = finds(face(18 + 20, 18), face(18, 18, 2))(FULL, face(300, 200, 6))
    np.testing.assert_allclose(found, face(300, 200, 2), atol=1e-3)


def test_the_square_is_cut_from_the_full_image(
    finds: Callable[..., Refiner], shown: list[np.ndarray]
) -> None:
    finds()(FULL, face(300, 200))
    np.testing.assert_array_equal(shown[0], FULL[182:278, 282:378])
    finds()(FULL, face(-20, 360))
    assert shown[1].shape == (96, 96, 3)
    np.testing.assert_array_equal(shown[1][:58, 38:], FULL[342:400, :58])
    assert not shown[1][58:].any()
    assert not shown[1][:, :38].any()
    large = face(200, 100)
    large[2:4] = 120
    finds()(FULL, large)
    mean = FULL[64:256, 164:356].reshape(96, 2, 96, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(shown[2], mean, atol=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crop_scale": 0.5}, r"marks\.json: refinement\.crop_scale: 0\.5 is outside 1\.\.4"),
        (
            {"square": 1.6},
            r"marks\.json: cannot be read as the manifest .* unexpected keyword argument 'square'",
        ),
    ],
)
def test_a_wrong_rule_in_a_manifest_is_an_error(
    models: Path, tmp_path: Path, change: dict[str, float], message: str
) -> None:
    tree = json.loads((models / "landmarks.json").read_text())
    tree["refinement"] |= change
    (tmp_path / "marks.json").write_text(json.dumps(tree))
    with pytest.raises(DataError, match=message):
        read_rule(tmp_path / "marks.json")


def test_the_daemon_cuts_the_same_squares(models: Path) -> None:
    """A test of the daemon reads the same file."""
    golden = json.loads((models / "testdata" / "refinement.json").read_text())
    width, height = golden["frame"]
    rule = read_rule(models / "landmarks.json")[1]
    for case in golden["squares"]:
        if case["square"] is not None:
            left, top, side = square_around(np.array(case["box"], np.float32), rule)
            assert [left, top, side] == case["square"], case
            assert left < width
            assert top < height


def test_the_daemon_refines_a_real_face_alike(shared_data: Path, models: Path) -> None:
    golden = json.loads((models / "testdata" / "refinement.json").read_text())["refined"]
    image = np.asarray(cv2.imread(str(shared_data / golden["image"]), cv2.IMREAD_COLOR))
    network = Int8Detector((models / "landmarks.tflite").read_bytes(), 0.4)
    before = np.array([*golden["box"], *[0] * 10, golden["score"]], np.float32)
    after = Refiner(network, *read_rule(models / "landmarks.json"))(image, before)
    off = np.linalg.norm(after[4:14].reshape(5, 2) - np.array(golden["landmarks"]), axis=1)
    assert off.max() <= 0.1
    assert after[14] == pytest.approx(golden["raised_score"], abs=0.01)
