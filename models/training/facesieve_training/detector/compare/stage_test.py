import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from facesieve_training import config as configuration
from facesieve_training.cli import DataError
from facesieve_training.config import ConfigError
from facesieve_training.detector.compare import stage
from facesieve_training.detector.compare.peers import Peer
from facesieve_training.detector.network import NetworkConfig, build
from facesieve_training.run import Run

CONFIG = Path(__file__).parents[3] / "configs" / "compare.yaml"
_WIDTHS = {"stem": 4, "stage4": 4, "width": 8}


def _config(teacher: Path, images: Path, tmp_path: Path) -> stage.Config:
    weights = tmp_path / "new.weights.h5"
    build(NetworkConfig(**_WIDTHS)).save_weights(weights)
    empty, cache = tmp_path / "empty.avi", tmp_path / "labels.npz"
    video = cv2.VideoWriter(str(empty), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 64))
    for _ in range(3):
        video.write(np.full((64, 64, 3), 60, np.uint8))
    video.release()
    rule = {"side": 96, "crop_scale": 1.6, "min_crop": 8, "min_iou": 0.4}
    manifest = {"detector": {"score": 0.4, "low_score": 0.4}, "refinement": rule}
    teacher.with_suffix(".json").write_text(json.dumps(manifest))
    file = tmp_path / "compare.yaml"
    file.write_text(
        f"""
label: {{teacher: {teacher}, images: {images}, cache: {cache}, held_out: 0.5, scales: [1.0],
  upright: false}}
peers: [{{name: new, file: {weights}, score: 0.5}}, {{name: teacher, file: {teacher}, score: 0.5}},
  {{name: refined, file: {teacher}, score: 0.5, refiner: {teacher}}}]
cameras: [1]
network: {_WIDTHS}
scorer: null
evaluate: {{sizes: [8], every: 1, empty: [{empty}], recordings: [{empty}], backgrounds: 5,
  background_side: 64}}
""".replace("'", "")
    )
    return configuration.load(file, stage.Config)


def test_two_detectors_and_a_report_of_both(bright_squares: Path, squares: Path, tmp_path: Path) -> None:
    config = _config(bright_squares, squares, tmp_path)
    run = Run.open(tmp_path / "run", "compare", config, False)
    stage.run(config, run)
    figures = json.loads((run.dir / "figures.json").read_text())
    empty = figures["empty"]
    assert (empty["backgrounds"]["images"], empty["empty"]["images"]) == (5, 3)
    assert empty["backgrounds"]["teacher"]["false"] == 0
    row = next(row for row in figures["clean"]["rates"][0]["sizes"] if row["from"] == 24)
    assert row["faces"] > 0
    assert row["recall"] == {"new": 0.0, "teacher": 1.0, "refined": 1.0}
    assert figures["milliseconds"]["new"] is None
    assert "refined" not in figures["milliseconds"]
    assert empty["backgrounds"]["refined"]["false"] == 0
    camera = figures["cameras"][0]
    assert (camera["times"], camera["images"]) == (1.0, figures["clean"]["images"])
    assert camera["sizes"] == figures["clean"]["rates"][0]["sizes"]
    assert camera["own"] == figures["clean"]["own"]
    page = (run.dir / "report.html").read_text()
    assert f"<tr><td>24-48</td><td>{row['faces']}</td><td>0.000</td><td>1.000</td><td>1.000</td>" in page
    assert "<h2>A camera with 1 times the input's pixels a line" in page
    assert "<td>backgrounds</td><td>5</td><td>teacher</td><td>0</td>" in page
    assert "<h2>Recording empty</h2>" in page
    for sheet in re.findall(r'<a href="([^"]+)">', page):
        assert (run.dir / sheet).exists()
    assert "sheets-clean/missed-but-by-the-peer.png" in page
    assert (run.dir / "recall.svg").stat().st_size > 1000


def test_a_missing_peer_is_an_error(bright_squares: Path, squares: Path, tmp_path: Path) -> None:
    config = _config(bright_squares, squares, tmp_path)
    (tmp_path / "new.weights.h5").unlink()
    with pytest.raises(DataError, match=r"new\.weights\.h5: no such file; fix peers \(new\)"):
        stage.run(config, Run.open(tmp_path / "run", "compare", config, False))


def test_a_peer_has_the_threshold_of_its_manifest(tmp_path: Path) -> None:
    file, manifest = tmp_path / "d.tflite", tmp_path / "d.json"
    assert Peer("mine", file).recommended() is None
    manifest.write_text('{"detector": {"score": 0.7}}')
    assert Peer("mine", file).recommended() == 0.7
    assert Peer("mine", file, 0.5).recommended() == 0.5
    manifest.write_text("{}")
    with pytest.raises(DataError, match=r"d\.json: recommends no score; give one in peers \(mine\)"):
        Peer("mine", file).recommended()


def test_one_peer_is_too_few(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("peers: [{name: a, file: b}]\n")
    with pytest.raises(ConfigError, match="peers: must be two at least"):
        configuration.load(tmp_path / "c.yaml", stage.Config)


def test_the_shipped_configuration_is_valid() -> None:
    assert [peer.name for peer in configuration.load(CONFIG, stage.Config).peers] == [
        "shipped",
        "YuNet",
        "refined",
    ]


def test_a_camera_cannot_have_fewer_pixels_than_the_input(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("cameras: [3, 0.5]\n")
    with pytest.raises(ConfigError, match=r"cameras: 0\.5 is below 1"):
        configuration.load(tmp_path / "c.yaml", stage.Config)
