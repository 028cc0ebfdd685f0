import json
from pathlib import Path

import numpy as np
import pytest

from facesieve_training.cli import DataError, main
from facesieve_training.export.manifest import self_test_image
from facesieve_training.networks.int8 import Int8Network
from facesieve_training.pose.head import LIMIT

TOLERANCE = 0.01
"""Degrees; the daemon's test of the same file has it, too."""


def without_pose(models: Path, directory: Path) -> Path:
    """The shipped student with a manifest that does not mention its pose."""
    tree = json.loads((models / "quality.json").read_text())
    tree["quality"].pop("pose", None)
    (directory / "quality.json").write_text(json.dumps(tree))
    (directory / "quality.tflite").write_bytes((models / "quality.tflite").read_bytes())
    return directory / "quality.tflite"


@pytest.mark.timeout(300)
def test_a_small_run_adds_a_head(models: Path, shared_data: Path, tmp_path: Path) -> None:
    before = without_pose(models, tmp_path)
    settings = {
        "network": before, "photographs": shared_data / "scenes",
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
    old, new = Int8Network(before.read_bytes()), Int8Network((run / "quality.tflite").read_bytes())
    image = self_test_image(112, 112, 2)
    *kept, pose = new.run(image)
    assert all(np.array_equal(a, b) for a, b in zip(old.run(image), kept, strict=True))
    assert np.abs(pose).max() <= LIMIT + 1
    assert "| pitch all |" in (run / "pose.md").read_text()
    assert main(["pose", "--run", str(run), *sets, "--resume"]) == 0, "the views come from the checkpoint"


def test_a_network_with_a_pose_is_refused(models: Path, tmp_path: Path) -> None:
    from facesieve_training.pose.stage import _tree

    with pytest.raises(DataError, match="has a pose head already"):
        _tree(models / "quality.tflite")
    assert _tree(without_pose(models, tmp_path))["quality"]["embedding"]


def test_the_daemon_tests_the_poses_of_this_network(models: Path) -> None:
    file = models.parent / "quality" / "testdata" / "poses.json"
    golden, network = json.loads(file.read_text()), Int8Network((models / "quality.tflite").read_bytes())
    k = json.loads((models / "quality.json").read_text())["quality"]["pose"]["output"]
    poses = np.array([network.run(self_test_image(112, 112, n))[k].ravel() for n in golden["images"]])
    wanted = json.dumps({"images": golden["images"], "poses": poses.round(4).tolist()})
    assert np.abs(poses - golden["poses"]).max() <= TOLERANCE, f"{file} must hold {wanted}"
    assert np.ptp(poses, axis=0).min() > 5, "the poses must differ for the comparison to be meaningful"
