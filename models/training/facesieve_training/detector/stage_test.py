import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from facesieve_training import config as configuration
from facesieve_training.cli import DataError
from facesieve_training.detector import stage
from facesieve_training.run import Run

pytestmark = pytest.mark.usefixtures("eager")


def _config(teacher: Path, images: Path, empty: Path, tmp_path: Path) -> stage.Config:
    file = tmp_path / "detector.yaml"
    file.write_text(
        f"""
label: {{teacher: {teacher}, images: {images}, cache: {tmp_path / "labels.npz"}, held_out: 0.3,
  upright: false, scales: [1], mirrored: false}}
network: {{stem: 4, stage4: 4, width: 8}}
augment: {{size: 64, largest_face: 50}}
loss: {{distil: 0.5}}
train: {{steps: 2, batch: 2, warm_up: 1, save_every: 1}}
export: {{name: squares, representative: 4}}
evaluate: {{sizes: [12, 32], every: 1, empty: [{empty}], backgrounds: 6, background_side: 32}}
"""
    )
    return configuration.load(file, stage.Config)


def _recording(path: Path) -> Path:
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 64))
    for _ in range(3):
        video.write(np.full((64, 64, 3), 60, np.uint8))
    video.release()
    return path


def test_the_stage_trains_and_exports_a_network_for_the_daemon(
    bright_squares: Path, squares: Path, tmp_path: Path
) -> None:
    config = _config(bright_squares, squares, _recording(tmp_path / "empty.avi"), tmp_path)
    run = Run.open(tmp_path / "run", "detector", config, False)
    stage.run(config, run)
    manifest = json.loads((run.dir / "detector.json").read_text())
    assert (manifest["task"], manifest["name"], manifest["license"]) == ("detector", "squares", "not stated")
    assert re.fullmatch(
        r"\d+ images of .*/images, labelled by .*/teacher\.onnx; it started from random weights",
        manifest["trained_on"],
    )
    assert manifest["training"]["data_hash"] == run.meta["data_hash"]
    measured = manifest["measured"]
    assert {name: part["images"] for name, part in measured["empty"].items()} == {
        "backgrounds": 6,
        "empty": 3,
    }
    for kind in ("clean", "degraded"):
        assert sum(row["faces"] for row in measured[kind]["sizes"]) > 0
        assert set(measured[kind]["false_per_image"]) == {"detector", "teacher"}
    assert manifest["trained_on"] in (run.dir / "detector.md").read_text()
    assert "distil" in (run.dir / "metrics.csv").read_text().split("\n")[0]
    assert "finished" in run.meta


def test_a_missing_recording_is_an_error_before_training(
    bright_squares: Path, squares: Path, tmp_path: Path
) -> None:
    config = _config(bright_squares, squares, tmp_path / "none.avi", tmp_path)
    run = Run.open(tmp_path / "run", "detector", config, False)
    with pytest.raises(DataError, match=r"none\.avi: no such recording"):
        stage.run(config, run)
