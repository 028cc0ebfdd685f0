from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from facesieve_training import faces
from facesieve_training.cli import DataError
from facesieve_training.distribute import Distribute
from facesieve_training.label import formulas, stage, table
from facesieve_training.run import Run
from facesieve_training.teacher.imported import OnnxTeacher, Teacher
from facesieve_training.teacher.source import TeacherSource


@pytest.fixture
def config(face_directory: Path, teacher_config: OnnxTeacher) -> stage.Config:
    masks = stage.Masks(count=6)
    teacher = TeacherSource(**vars(teacher_config))
    return stage.Config(
        face_directory, teacher, variants=2, masks=masks, shard=5, batch=7, threads=1, sheet=5
    )


def label(config: stage.Config, directory: Path, resume: bool = False) -> pd.DataFrame:
    stage.run(config, Run.open(directory, "label", config, resume))
    return pd.read_parquet(directory / "labels.parquet")


def test_every_image_is_labelled_once_in_order(config: stage.Config, tmp_path: Path) -> None:
    found = label(config, tmp_path / "run")
    assert len(found) == 45 * 3
    assert list(found["variant"][:6]) == [0, 1, 2, 0, 1, 2]
    assert found["identity"].is_monotonic_increasing
    assert found["robustness"].between(0, 1).all()
    assert found[["agreement", "quality"]].isna().sum().tolist() == [3, 3], "the lone face has no agreement"
    for name in ("visual", "robustness", "agreement", "quality", "norm"):
        assert (tmp_path / "run" / f"sheet_{name}.png").stat().st_size > 0


def test_labels_are_the_formulas_on_the_teacher(config: stage.Config, tmp_path: Path) -> None:
    found = label(config, tmp_path / "run")
    one = found[found["identity"] == "p03"]
    teacher = Teacher(config.teacher.as_onnx())
    clean = [faces.centre(faces.read_face(config.faces / "p03" / f"{i}.png")) for i in range(4)]
    features = teacher(np.stack(clean))
    of_clean = one[one["variant"] == 0]
    everyone, all_clean = np.arange(4), np.ones(4, bool)
    np.testing.assert_allclose(
        of_clean["agreement"], formulas.agreement(features.embedding, everyone, all_clean), atol=1e-4
    )
    np.testing.assert_allclose(
        of_clean["distance"], formulas.distance(list(features.low), all_clean), rtol=1e-2
    )
    np.testing.assert_allclose(of_clean["norm"], np.linalg.norm(features.embedding, axis=1), rtol=1e-4)


def test_quality_is_the_weighted_sum(config: stage.Config, tmp_path: Path) -> None:
    found = label(config, tmp_path / "run")
    wanted = 0.2 * found["visual"] + 0.4 * found["robustness"] + 0.4 * found["agreement"]
    np.testing.assert_allclose(found["quality"], wanted, atol=1e-6)
    assert found["visual"].min() == 0
    assert found["visual"].max() == 1


def test_a_second_teacher_adds_a_label(
    config: stage.Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "open_lightqnet", lambda _: lambda face: float(face.mean()) / 255)
    found = label(replace(config, lightqnet=Path("lightqnet.pb")), tmp_path / "run")
    clean = found[(found["identity"] == "p03") & (found["variant"] == 0)]
    means = [faces.centre(faces.read_face(config.faces / "p03" / f"{i}.png")).mean() / 255 for i in range(4)]
    np.testing.assert_allclose(clean["lightqnet"], means, rtol=1e-6)
    assert (tmp_path / "run" / "sheet_lightqnet.png").stat().st_size > 0
    assert "lightqnet" not in label(config, tmp_path / "without")


def test_a_kill_between_shards_changes_nothing(config: stage.Config, tmp_path: Path) -> None:
    whole = label(config, tmp_path / "whole")
    killed = tmp_path / "killed"
    stage.run(config, Run.open(killed, "label", config, False))
    for path in [killed / "labels.parquet", *sorted((killed / "shards").iterdir())[1:]]:
        path.unlink()
    pd.testing.assert_frame_equal(label(config, killed, resume=True), whole)


def test_workers_give_the_same_table(config: stage.Config, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    alone = label(config, tmp_path / "alone")
    shared = label(replace(config, distribute=Distribute(workers=2)), tmp_path / "shared")
    pd.testing.assert_frame_equal(shared, alone)


@pytest.mark.parametrize("removed", [False, True])
def test_broken_images_and_empty_directories_are_left_out_and_the_run_can_be_resumed(
    config: stage.Config, tmp_path: Path, removed: bool
) -> None:
    replaced, broken = (config.faces / "p04" / name for name in ("2.png", "2.jpg"))
    cv2.imwrite(str(broken), faces.read(replaced))
    replaced.unlink()
    whole = broken.read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    (config.faces / "p99").mkdir()
    found = label(config, tmp_path / "run")
    assert len(found) == 44 * 3
    lost = pd.read_csv(tmp_path / "run" / "rejected.csv")
    assert list(zip(lost["key"], lost["fault"], strict=True)) == [("p04/2.jpg", "broken"), ("p99", "empty")]
    assert lost["detail"][0] == f"{broken}: is a truncated JPEG; remove or replace it"

    if removed:
        broken.unlink()
        (config.faces / "p99").rmdir()
    for path in [tmp_path / "run" / "labels.parquet", *(tmp_path / "run" / "shards").iterdir()][:2]:
        path.unlink()
    pd.testing.assert_frame_equal(label(config, tmp_path / "run", resume=True), found)


def test_a_wrong_cut_is_named(config: stage.Config, tmp_path: Path) -> None:
    wrong = replace(config, teacher=replace(config.teacher, cut="nothing"))
    with pytest.raises(DataError, match="has no value named nothing"):
        label(wrong, tmp_path / "run")


def test_the_table_is_joined_without_holding_it(config: stage.Config, tmp_path: Path) -> None:
    label(config, tmp_path / "run")
    sizes = [len(batch) for batch in table.batches(tmp_path / "run" / "labels.parquet", ["variant"])]
    assert sum(sizes) == 45 * 3
