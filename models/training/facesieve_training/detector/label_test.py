import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest

from facesieve_training.cli import DataError
from facesieve_training.detector import label
from facesieve_training.detector.augment_test import labelled


def _config(root: Path) -> label.LabelConfig:
    (root / "teacher.onnx").write_bytes(b"teacher")
    (root / "pictures").mkdir(exist_ok=True)
    return label.LabelConfig(root / "teacher.onnx", root / "pictures", root / "cache.npz")


def test_the_cache_gives_back_what_was_labelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = _config(tmp_path)
    items = [labelled("a.jpg"), dataclasses.replace(labelled("b.jpg"), faces=np.zeros((0, 15), np.float32))]
    calls = []

    def made(config: label.LabelConfig) -> list[label.Labelled]:
        calls.append(config)
        return items

    monkeypatch.setattr(label, "label_pictures", made)
    for _ in range(2):
        for item, wanted in zip(label.load(config), items, strict=True):
            assert (item.name, item.data, item.held_out) == (wanted.name, wanted.data, wanted.held_out)
            assert (item.width, item.height) == (160, 200)
            np.testing.assert_array_equal(item.faces, wanted.faces)
    assert len(calls) == 1
    label.load(dataclasses.replace(config, threshold=0.5))
    (config.pictures / "c.jpg").write_bytes(b"another")
    label.load(config)
    assert len(calls) == 3


def test_missing_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"teacher\.onnx: does not exist; mend label\.teacher"):
        label.load(label.LabelConfig(tmp_path / "teacher.onnx"))


def test_crowds_are_widened(tmp_path: Path) -> None:
    config = _config(tmp_path)
    for name in ("crowd_1.png", "1.png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((50, 50, 3), np.uint8))
    assert label.read(tmp_path / "crowd_1.png", config).shape == (50, 70, 3)
    assert label.read(tmp_path / "1.png", config).shape == (50, 50, 3)


def test_a_broken_picture_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"x\.jpg: is no readable picture"):
        label.read(tmp_path / "x.jpg", _config(tmp_path))
