from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facesieve_training.cli import DataError
from facesieve_training.config import load
from facesieve_training.label import stage as label_stage
from facesieve_training.networks.mobileface import MobileFaceConfig
from facesieve_training.networks.mobileface_sample import LAST, large, written
from facesieve_training.networks.resnet import macs
from facesieve_training.run import Run
from facesieve_training.student import initial, network, stage
from facesieve_training.student.batches import Phase
from facesieve_training.student.feature_imitation import FeatureImitation
from facesieve_training.student.network import StudentConfig
from facesieve_training.teacher.source import TeacherSource

HIDDEN = (8, 0, 0, 0, 8, 8, 0, 0, 0, 0, 0, 8, 8, 0, 8)


@pytest.fixture
def config(face_directory: Path, tmp_path: Path) -> stage.Config:
    teacher = TeacherSource(**vars(written(large(), tmp_path / "large.onnx")))
    labels = label_stage.Config(face_directory, teacher, masks=label_stage.Masks(count=4), threads=1, sheet=0)
    label_stage.run(labels, Run.open(tmp_path / "label", "label", labels, False))
    return stage.Config(
        tmp_path / "label",
        student=StudentConfig(mobileface=MobileFaceConfig(8, HIDDEN, LAST, (2, 2, 2, 1)), bins=8, hidden=16),
        phases=(Phase(1, feature=1.0, labels=1.0),),
        initial=teacher.onnx,
        feature_imitation=FeatureImitation(images=40, steps=40, batch=8),
        batch=16,
        held_out=0.2,
    )


def test_feature_imitation_reduces_the_error_and_is_not_repeated_after_a_kill(
    config: stage.Config, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO")
    stage.run(config, Run.open(tmp_path / "run", "student", config, False))
    left = float(next(r.args[0] for r in caplog.records if "of its embedding" in r.msg))  # type: ignore[index,arg-type]
    assert left < 0.8
    assert not list((tmp_path / "run").glob("feature-imitation-*"))
    whole = np.load(max((tmp_path / "run" / "checkpoint").iterdir()))

    (tmp_path / "killed").mkdir()
    run = Run.open(tmp_path / "killed", "student", config, False)
    (run.dir / "begun.weights.h5").write_bytes((tmp_path / "run" / "begun.weights.h5").read_bytes())
    monkeypatch.setattr(stage, "imitate", lambda *_: pytest.fail("feature imitation is repeated"))
    stage.run(config, run)
    again = np.load(max((tmp_path / "killed" / "checkpoint").iterdir()))
    for name in whole.files:
        np.testing.assert_array_equal(again[name], whole[name], err_msg=name)


def test_only_a_mobilefacenet_starts_from_one(config: stage.Config, tmp_path: Path) -> None:
    other = replace(config, student=StudentConfig(bins=8))
    with pytest.raises(DataError, match=r"large\.onnx: cannot initialise.*give student\.mobileface"):
        stage.run(other, Run.open(tmp_path / "run", "student", other, False))


def test_an_exported_student_cannot_initialise_a_mobilefacenet(config: stage.Config) -> None:
    assert replace(config, initial=Path("quality.tflite")).faults() == [
        "initial: quality.tflite cannot initialise a MobileFaceNet; give a larger one's .onnx"
    ]


def test_the_weights_beside_the_configuration_are_its_students(tmp_path: Path) -> None:
    training = Path(__file__).parents[2]
    shipped = load(training / "configs" / "student.yaml", stage.Config)
    model = network.build(shipped.student, features=128)
    fresh = model.get_layer("norm").get_weights()[0]
    initial.load_same(model, training / str(shipped.initial))
    assert not np.allclose(model.get_layer("norm").get_weights()[0], fresh)
    assert macs(network.inference(model, shipped.student)) < 60e6
    (tmp_path / "other.weights.h5").write_text("no weights")
    with pytest.raises(DataError, match=r"other\.weights\.h5: holds no weights of this student"):
        initial.load_same(model, tmp_path / "other.weights.h5")
