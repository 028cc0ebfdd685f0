from pathlib import Path

import numpy as np
import pytest

from facesieve_training.cli import DataError
from facesieve_training.detector import mistakes
from facesieve_training.detector.augment_test import labelled
from facesieve_training.detector.codec import COLUMNS, FloatArray


class Everywhere:
    """Finds three things in an image of 160x200, whatever its size: one is the face of `labelled`."""

    def __init__(self, file: Path) -> None:
        pass

    def __call__(self, image: np.ndarray, threshold: float) -> FloatArray:
        found = np.zeros((3, COLUMNS), np.float32)
        found[:, :4] = [[52, 58, 60, 60], [5, 150, 20, 20], [100, 110, 12, 12]]
        found[:, :14] *= image.shape[1] / 160
        found[:, 14] = 0.9, 0.8, 0.5
        return found[found[:, 14] >= threshold]


def _detector(tmp_path: Path) -> Path:
    file = tmp_path / "d.tflite"
    file.write_bytes(b"none")
    return file


@pytest.mark.parametrize("sure", [True, False])
def test_a_mistake_is_far_from_any_label(sure: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mistakes, "open_detector", Everywhere)
    config = mistakes.MistakesConfig(_detector(tmp_path), score=0.4)
    (item,) = mistakes.find([labelled(sure=sure)], config)
    np.testing.assert_allclose(item.mistaken[:, :4], [[5, 150, 20, 20]], atol=1e-4)
    nowhere = mistakes.find([labelled(sure=sure)], mistakes.MistakesConfig(_detector(tmp_path), score=0.85))
    assert nowhere[0].mistaken.shape == (0, COLUMNS)


def test_without_a_detector_nothing_is_looked_for() -> None:
    items = [labelled()]
    assert mistakes.find(items, mistakes.MistakesConfig()) == items


def test_what_is_no_detector_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"d\.tflite: is no detector; fix mistakes.detector"):
        mistakes.find([labelled()], mistakes.MistakesConfig(_detector(tmp_path)))
