from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from facesieve_training import cli
from facesieve_training.config import ConfigError, load
from facesieve_training.teacher import imported, stage, trained
from facesieve_training.teacher.batches import Batches
from facesieve_training.teacher.imported import OnnxTeacher
from facesieve_training.teacher.source import TeacherSource, open_teacher

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture
def tiny(face_directory: Path, tmp_path: Path) -> Path:
    """Configuration of the smallest training: 2 epochs of 3 steps."""
    values = {
        "faces": str(face_directory),
        "network": {"backbone": {"depth": 10, "width": 0.125}, "feature": 8},
        "epochs": 2,
        "batch": 12,
        "save_every": 2,
        "augment": {"jitter": {"shift": 1.0}},
    }
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def command(config: Path, directory: Path, *more: str) -> list[str]:
    return ["teacher", "--config", str(config), "--run", str(directory), *more]


def weights(directory: Path) -> list[np.ndarray]:
    with np.load(directory / "checkpoint" / "step-000000006.npz") as archive:
        return [archive[name] for name in archive.files]


def test_an_interrupted_and_resumed_run_gives_the_same_result(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, cut_off = tmp_path / "whole", tmp_path / "cut_off"
    assert cli.main(command(tiny, whole)) == 0
    make = Batches.__call__

    def interrupted(batches: Batches, step: int) -> Any:
        if step == 3:
            raise KeyboardInterrupt
        return make(batches, step)

    with monkeypatch.context() as patch:
        patch.setattr(Batches, "__call__", interrupted)
        assert cli.main(command(tiny, cut_off)) == 130
    assert not (cut_off / trained.FILE).exists()
    assert cli.main(command(tiny, cut_off, "--resume")) == 0
    for left, right in zip(weights(whole), weights(cut_off), strict=True):
        np.testing.assert_array_equal(left, right)
    assert (whole / "metrics.csv").read_bytes() == (cut_off / "metrics.csv").read_bytes()
    assert (whole / "teacher.onnx").read_bytes() == (cut_off / "teacher.onnx").read_bytes()


@pytest.mark.parametrize("kind", ["softmax", "arcface"])
def test_the_files_of_a_run_all_give_the_same_embedding(kind: str, tiny: Path, tmp_path: Path) -> None:
    done = tmp_path / kind
    more = ["--set", f"network.head.kind={kind}", "--set", "epochs=1", "--set", "precision=bfloat16"]
    assert cli.main(command(tiny, done, *more)) == 0
    teacher = open_teacher(TeacherSource(run=done))
    assert isinstance(teacher, trained.Teacher)
    images = np.random.default_rng(0).integers(0, 256, (3, 112, 112, 3), np.uint8)
    result = teacher(images)
    assert result.cut.shape == (3, teacher.cut_width)
    np.testing.assert_allclose(teacher.embed_cut(result.cut), result.embedding, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(teacher(images[:1]).embedding, result.embedding[:1], rtol=1e-2, atol=1e-3)

    file = TeacherSource(run=done).as_onnx()
    assert file == OnnxTeacher(done / "teacher.onnx", cut="cut", low="low", color="BGR")
    other = imported.Teacher(file, threads=1)(images)
    # Trained and run in bfloat16 by Keras, in float32 by onnxruntime.
    np.testing.assert_allclose(other.embedding, result.embedding, rtol=0.05, atol=0.05)
    channels = result.low.shape[1] // 28**2
    moved = other.low.reshape(3, channels, -1).swapaxes(1, 2).reshape(3, -1)
    np.testing.assert_allclose(moved, result.low, rtol=0.05, atol=0.1)

    with np.load(done / "classes.npz") as classes:
        assert classes["kernel"].shape == (8, 12)
        assert list(classes["names"]) == [f"p{person:02d}" for person in range(12)]


def test_an_imported_teacher_is_verified_and_can_be_used_by_its_run(
    teacher_config: OnnxTeacher, tmp_path: Path
) -> None:
    settings = [f"{name}={getattr(teacher_config, name)}" for name in ("onnx", "cut", "low", "mean", "std")]
    done = tmp_path / "imported"
    arguments = ["teacher", "--run", str(done)]
    assert cli.main(arguments + [a for s in settings for a in ("--set", f"teacher.{s}")]) == 0
    teacher = open_teacher(TeacherSource(run=done))
    assert isinstance(teacher, imported.Teacher)
    assert teacher.cut_width == 16


def test_bad_images_stop_the_stage_before_it_trains(
    tiny: Path, face_directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (face_directory / "p01" / "2.png").write_bytes(b"")
    assert cli.main(command(tiny, tmp_path / "bad")) == 1
    assert "p01/2.png: is not a readable image; remove or replace it" in capsys.readouterr().err


def test_an_image_that_becomes_unreadable_during_training_is_named(
    tiny: Path,
    face_directory: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Batches, "check", lambda _: [f.write_bytes(b"x") for f in face_directory.glob("*/*")])
    assert cli.main(command(tiny, tmp_path / "bad")) == 1
    assert ".png: is not a readable image; remove or replace it" in capsys.readouterr().err


def test_all_faults_are_reported_at_once() -> None:
    with pytest.raises(ConfigError) as result:
        load(None, stage.Config, ["network.head.scale=-1", "optimiser.factor=2", "epochs=0"])
    assert str(result.value).splitlines() == [
        "configuration: faces: is required to train a teacher (or import one with teacher.onnx)",
        "--set: epochs: must be 1 or more, not 0",
        "--set: network.head.scale: -1.0 must be above 0",
        "--set: optimiser.factor: 2.0 is not above 0 and at most 1",
    ]
    with pytest.raises(
        ConfigError, match=r"run: give either run, the directory of a trained teacher, or onnx"
    ):
        load(None, TeacherSource)
    with pytest.raises(ConfigError, match=r"cut: is required with onnx\n.*low: is required with onnx"):
        load(None, TeacherSource, ["onnx=teacher.onnx"])


def test_the_shipped_configurations_are_valid() -> None:
    paper = load(CONFIGS / "paper" / "teacher.yaml", stage.Config)
    defaults = stage.Config(faces=paper.faces)
    assert paper.network == defaults.network
    assert paper.optimiser == defaults.optimiser
    assert load(CONFIGS / "teacher_laptop.yaml", stage.Config).network.backbone.depth == 18
