from pathlib import Path

import numpy as np
import pytest

from facesieve_training.cli import DataError
from facesieve_training.detector import hard_negatives
from facesieve_training.detector.augment_test import labelled
from facesieve_training.detector.codec import COLUMNS, FloatArray


class Everywhere:
    """Returns three boxes in an image of 160x200, scaled to its size; one is the face of `labelled`."""

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
def test_a_hard_negative_is_far_from_any_label(
    sure: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hard_negatives, "open_detector", Everywhere)
    config = hard_negatives.HardNegativesConfig(_detector(tmp_path), score=0.4)
    (item,) = hard_negatives.find([labelled(sure=sure)], config)
    np.testing.assert_allclose(item.hard_negatives[:, :4], [[5, 150, 20, 20]], atol=1e-4)
    nowhere = hard_negatives.find(
        [labelled(sure=sure)], hard_negatives.HardNegativesConfig(_detector(tmp_path), score=0.85)
    )
    assert nowhere[0].hard_negatives.shape == (0, COLUMNS)


def test_without_a_detector_nothing_is_mined() -> None:
    items = [labelled()]
    assert hard_negatives.find(items, hard_negatives.HardNegativesConfig()) == items


def test_a_file_without_a_detector_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"d\.tflite: is not a detector; fix hard_negatives.detector"):
        hard_negatives.find([labelled()], hard_negatives.HardNegativesConfig(_detector(tmp_path)))
