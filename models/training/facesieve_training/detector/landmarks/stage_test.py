import json
from pathlib import Path

import pytest

from facesieve_training import config as configuration
from facesieve_training.cli import DataError
from facesieve_training.detector import export
from facesieve_training.detector.landmarks import stage
from facesieve_training.detector.network import NetworkConfig, build
from facesieve_training.detector.refine import read_rule
from facesieve_training.export.manifest import self_test_image
from facesieve_training.networks.int8 import Int8Network
from facesieve_training.run import Run

pytestmark = pytest.mark.usefixtures("eager")

CONFIG = Path(__file__).parents[3] / "configs" / "landmarks.yaml"


def _config(teacher: Path, images: Path, tmp_path: Path) -> stage.Config:
    model = build(NetworkConfig(stem=4, stage4=4, width=8))
    data = export.convert(model, [self_test_image(64, 64, k) for k in range(4)])
    (tmp_path / "detector.tflite").write_bytes(data)
    file = tmp_path / "landmarks.yaml"
    file.write_text(
        f"""
label: {{teacher: {teacher}, images: {images}, cache: {tmp_path / "labels.npz"}, held_out: 0.3,
  upright: false, scales: [1], mirrored: false}}
network: {{stem: 4, stage4: 4, width: 8}}
train: {{steps: 2, batch: 2, warm_up: 1, save_every: 1}}
export: {{name: squares, representative: 4}}
detector: {tmp_path / "detector.tflite"}
refinement: {{side: 64, crop_scale: 1.5, min_crop: 10, min_iou: 0.3}}
score: 0.45
evaluate: {{sizes: [12]}}
"""
    )
    return configuration.load(file, stage.Config)


def test_the_stage_trains_and_exports_a_network_for_the_daemon(
    bright_squares: Path, squares: Path, tmp_path: Path
) -> None:
    config = _config(bright_squares, squares, tmp_path)
    run = Run.open(tmp_path / "run", "landmarks", config, False)
    stage.run(config, run)
    manifest = json.loads((run.dir / "landmarks.json").read_text())
    assert (manifest["task"], manifest["file"]) == ("landmarks", "landmarks.tflite")
    assert (manifest["name"], manifest["trained_on"][-32:]) == ("squares", "; it started from random weights")
    assert (manifest["self_test"]["width"], manifest["detector"]["score"]) == (64, 0.45)
    assert manifest["refinement"] == {"side": 64, "crop_scale": 1.5, "min_crop": 10, "min_iou": 0.3}
    assert manifest["training"]["data_hash"] == run.meta["data_hash"]
    for kind in ("clean", "degraded"):
        assert [row["from"] for row in manifest["measured"][kind]] == [12, 16, 24, 48, 96]
        assert sum(row["faces"] for row in manifest["measured"][kind]) > 0
    assert len(Int8Network((run.dir / "landmarks.tflite").read_bytes()).outputs()) == 12
    assert (run.dir / "landmarks.weights.h5").exists()
    assert "finished" in run.meta


def test_a_missing_detector_is_an_error_before_training(
    bright_squares: Path, squares: Path, tmp_path: Path
) -> None:
    config = _config(bright_squares, squares, tmp_path)
    config.detector.unlink()
    with pytest.raises(DataError, match=r"detector\.tflite: no such file; fix detector"):
        stage.run(config, Run.open(tmp_path / "run", "landmarks", config, False))


def test_the_shipped_configuration_is_that_of_the_shipped_network(models: Path) -> None:
    config = configuration.load(CONFIG, stage.Config, ["export.name=mine"])
    assert config.train.steps > 1000
    assert (config.score, config.refinement) == read_rule(models / "landmarks.json")
