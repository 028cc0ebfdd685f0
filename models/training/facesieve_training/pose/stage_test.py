import json
from pathlib import Path

import numpy as np
import pytest

from facesieve_training.cli import main
from facesieve_training.export.manifest import self_test_image
from facesieve_training.networks.int8 import Int8Network
from facesieve_training.pose.head import LIMIT

TOLERANCE = 0.01
"""Degrees; the daemon's test of the same file has it, too."""


@pytest.mark.timeout(300)
def test_a_small_run_adds_a_head(models: Path, shared_data: Path, tmp_path: Path) -> None:
    settings = {
        "network": models / "quality.tflite", "photographs": shared_data / "scenes",
        "finder": shared_data / "models/yunet_s.onnx",
        "detector": models / "detector.tflite", "landmarks": models / "landmarks.tflite",
        "limit": 10,
        "views.count": 2, "test_views": 2, "head.epochs": 1, "workers": 1,
    }  # fmt: skip
    sets = [text for key, value in settings.items() for text in ("--set", f"{key}={value}")]
    run = tmp_path / "run"
    assert main(["pose", "--run", str(run), *sets]) == 0
    tree = json.loads((run / "quality.json").read_text())
    k = tree["quality"]["pose"]["output"]
    assert tree["outputs"][k]["name"] == "pose"
    assert tree["outputs"][k]["shape"] == [1, 2]
    assert [output["name"] for output in tree["outputs"]].count("pose") == 1, "it replaces the present one"
    old, new = (Int8Network((d / "quality.tflite").read_bytes()) for d in (models, run))
    image = self_test_image(112, 112, 2)
    *kept, pose = new.run(image)
    assert all(np.array_equal(a, b) for a, b in zip(old.run(image)[:-1], kept, strict=True))
    assert np.abs(pose).max() <= LIMIT + 1
    assert "| pitch all |" in (run / "pose.md").read_text()
    assert main(["pose", "--run", str(run), *sets, "--resume"]) == 0, "the views come from the checkpoint"


def test_a_network_without_an_embedding_is_refused(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = json.loads((models / "quality.json").read_text())
    del tree["quality"]["embedding"]
    (tmp_path / "quality.json").write_text(json.dumps(tree))
    (tmp_path / "quality.tflite").write_bytes((models / "quality.tflite").read_bytes())
    sets = [f"network={tmp_path / 'quality.tflite'}", f"photographs={tmp_path}", "finder=none"]
    assert main(["pose", "--run", str(tmp_path / "run"), *(v for some in sets for v in ("--set", some))]) == 1
    assert "has no embedding" in capsys.readouterr().err


def test_the_daemon_tests_the_poses_of_this_network(models: Path) -> None:
    file = models.parent / "quality" / "testdata" / "poses.json"
    golden, network = json.loads(file.read_text()), Int8Network((models / "quality.tflite").read_bytes())
    k = json.loads((models / "quality.json").read_text())["quality"]["pose"]["output"]
    poses = np.array([network.run(self_test_image(112, 112, n))[k].ravel() for n in golden["images"]])
    wanted = json.dumps({"images": golden["images"], "poses": poses.round(4).tolist()})
    assert np.abs(poses - golden["poses"]).max() <= TOLERANCE, f"{file} must hold {wanted}"
    assert np.ptp(poses, axis=0).min() > 5, "the poses must differ for the comparison to be meaningful"
