"""The steps of the reproduction for data of several forms."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from facesieve_training.cli import DataError
from facesieve_training.config import load
from facesieve_training.label import stage as label
from facesieve_training.paper.plan import Plan, plan
from facesieve_training.prepare import stage as prepare
from facesieve_training.prepare.readers.readers_test import HEADING
from facesieve_training.student import stage as student


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Aligned faces to train on, LFW as published (not aligned), Adience's folds, and no IJB-C."""
    root = tmp_path / "data"
    for name, side in (("train/a/1.png", 128), ("lfw/b/b_0001.png", 250), ("adience/aligned/c/d.png", 200)):
        path = root / "faces" / name
        path.parent.mkdir(parents=True)
        cv2.imwrite(str(path), np.zeros((side, side, 3), np.uint8))
    (root / "faces" / "adience" / "fold_0_data.txt").write_text(HEADING)
    return root


def made(data: Path, size: str = "tiny") -> Plan:
    return plan(data, Path("/runs"), size)  # type: ignore[arg-type]


def test_published_sets_are_prepared_first(data: Path) -> None:
    planned = made(data)
    names = ["set-lfw", "set-adience", "teacher", "label", "label-printed", "distilled", "student"]
    assert [step.name for step in planned.steps] == [*names, "student-printed", "evaluate"]
    assert planned.missing == {"IJB-C": data / "faces" / "ijbc"}
    by_name = {step.name: step.config for step in planned.steps}
    assert by_name["set-lfw"]["source"] == {"kind": "directory", "path": str(data / "faces" / "lfw")}
    assert by_name["set-adience"]["source"]["kind"] == "adience"
    assert by_name["teacher"]["faces"] == str(data / "faces" / "train")
    sets = {one["name"]: one["faces"] for one in by_name["evaluate"]["sets"]}
    assert sets == {"LFW": "/runs/set-lfw", "Adience": "/runs/set-adience"}
    assert by_name["evaluate"]["matcher"]["file"] == str(data / "models" / "matcher_mobilefacenet.onnx")


def test_the_configurations_are_valid(data: Path, tmp_path: Path) -> None:
    import yaml

    kinds = {"label": label.Config, "student": student.Config, "prepare": prepare.Config}
    for size in ("tiny", "full"):
        for step in made(data, size).steps:
            if step.stage in kinds:
                path = tmp_path / f"{step.name}.yaml"
                path.write_text(yaml.safe_dump(step.config))
                load(path, kinds[step.stage])


def test_the_full_size_is_the_paper(data: Path) -> None:
    planned = made(data, "full")
    assert not any(planned.changed.values())
    steps = {step.name: step.config for step in planned.steps}
    teacher, distilled, trained = (steps[name] for name in ("teacher", "distilled", "student"))
    assert teacher["network"]["backbone"] == {"depth": 101, "width": 1.0}
    assert teacher["network"]["feature"] == 256
    weights = {key: distilled["phases"][0][key] for key in ("feature", "teacher_classes", "classes")}
    assert weights == {"feature": 0.4, "teacher_classes": 0.2, "classes": 0.4}
    for phase in (*distilled["phases"], *trained["phases"], teacher):
        assert phase["optimiser"] == {"rate": 0.001, "schedule": "step", "factor": 0.05, "every": 10}
    assert trained["initial"] == "/runs/distilled/backbone.weights.h5"
    assert trained["student"]["network"] == {"depth": 34, "width": 1.0}
    assert (steps["label"]["variants"], steps["label"].get("lightqnet")) == (0, None)
    forms = [steps[name]["visual"] for name in ("label", "label-printed")]
    assert forms == ["identity", "printed"]
    assert steps["student-printed"]["labels"] == "/runs/label-printed"


def test_the_page_gets_every_value_that_a_size_changes(data: Path) -> None:
    changed = made(data).changed
    assert ("network.backbone.depth", 101, 50) in changed["teacher"]
    assert ("epochs", 30, 12) in changed["teacher"]
    assert ("phases[0].epochs", 30, 6) in changed["student"]
    assert ("nonmated", 1_000_000, 100_000) in changed["evaluate"]


def test_without_any_set_there_is_nothing_to_draw(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"faces/lfw: is not a directory; at least one set is needed"):
        made(tmp_path)
