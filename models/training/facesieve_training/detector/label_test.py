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
    (root / "images").mkdir(exist_ok=True)
    return label.LabelConfig(root / "teacher.onnx", root / "images", root / "cache.npz", upright=False)


def test_the_cache_returns_the_labelled_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = _config(tmp_path)
    items = [labelled("a.jpg"), dataclasses.replace(labelled("b.jpg"), faces=np.zeros((0, 15), np.float32))]
    calls = []

    def made(config: label.LabelConfig) -> list[label.Labelled]:
        calls.append(config)
        return items

    monkeypatch.setattr(label, "label_images", made)
    for _ in range(2):
        for item, wanted in zip(label.load(config), items, strict=True):
            assert (item.name, item.data, item.held_out) == (wanted.name, wanted.data, wanted.held_out)
            assert (item.width, item.height) == (160, 200)
            np.testing.assert_array_equal(item.faces, wanted.faces)
    assert len(calls) == 1
    label.load(dataclasses.replace(config, threshold=0.5))
    (config.images / "c.jpg").write_bytes(b"another")
    label.load(config)
    assert len(calls) == 3


def test_missing_files_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"teacher\.onnx: does not exist; fix label\.teacher"):
        label.load(label.LabelConfig(tmp_path / "teacher.onnx"))


def test_crowds_are_widened(tmp_path: Path) -> None:
    config = _config(tmp_path)
    for name in ("crowd_1.png", "1.png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((50, 50, 3), np.uint8))
    assert label.read(tmp_path / "crowd_1.png", config).shape == (50, 70, 3)
    assert label.read(tmp_path / "1.png", config).shape == (50, 50, 3)


def test_a_broken_image_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"x\.jpg: is not a readable image"):
        label.read(tmp_path / "x.jpg", _config(tmp_path))


def test_held_out_is_a_fixed_share(tmp_path: Path) -> None:
    held_out = label.HeldOut(dataclasses.replace(_config(tmp_path), held_out=0.1))
    names = [Path(f"{k:06d}.jpg") for k in range(4000)]
    chosen = [held_out(name) for name in names]
    assert 0.08 < np.mean(chosen) < 0.12
    assert chosen == [held_out(tmp_path / name) for name in names]


def test_the_held_out_list_names_images_by_content(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"abc")
    (tmp_path / "b.jpg").write_bytes(b"abcd")
    (tmp_path / "held_out.txt").write_text("ba7816bf8f01cfea\n")  # SHA-256 of abc
    config = dataclasses.replace(_config(tmp_path), held_out_list=tmp_path / "held_out.txt")
    held_out = label.HeldOut(config)
    assert [held_out(tmp_path / name) for name in ("a.jpg", "b.jpg")] == [True, False]
    before = label.cache_key(config)
    (tmp_path / "held_out.txt").write_text("")
    assert label.cache_key(config) != before
