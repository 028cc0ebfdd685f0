from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facesieve_training.cli import DataError
from facesieve_training.devices import Hosts
from facesieve_training.fit import Optimiser
from facesieve_training.label import stage as label_stage
from facesieve_training.networks.mobileface import MobileFaceConfig
from facesieve_training.networks.mobileface_sample import LAST, large, written
from facesieve_training.run import Run
from facesieve_training.student import data, distillation, network, stage
from facesieve_training.student.background import Empty
from facesieve_training.student.batches import Batches, Phase
from facesieve_training.student.device_distillation import DeviceDistillation
from facesieve_training.student.distillation import FROM_TEACHER, NORM, Distillation
from facesieve_training.student.network import FEATURE, StudentConfig
from facesieve_training.student.views import Views
from facesieve_training.teacher.imported import OnnxTeacher, Teacher
from facesieve_training.teacher.source import TeacherSource

HIDDEN = (8, 0, 0, 0, 8, 8, 0, 0, 0, 0, 0, 8, 8, 0, 8)
STILL = Distillation(
    blends=0.5, two=0, rotation=0, scale=0, shift=0, contrast=0, brightness=0, grey=0, coarse=0
)


def images(count: int) -> np.ndarray:
    smooth = np.random.default_rng(3).uniform(0, 255, (count, 14, 14, 3))
    return np.kron(smooth, np.ones((1, 8, 8, 1))).astype(np.uint8)


def label(faces: Path, teacher: OnnxTeacher, directory: Path) -> stage.Config:
    source = TeacherSource(**vars(teacher))
    labels = label_stage.Config(faces, source, masks=label_stage.Masks(count=4), threads=1, sheet=0)
    label_stage.run(labels, Run.open(directory, "label", labels, False))
    return stage.Config(
        directory,
        student=StudentConfig(
            mobileface=MobileFaceConfig(8, HIDDEN, LAST), labels=("agreement", NORM), bins=8, hidden=16
        ),
        phases=(Phase(2, feature=1.0, labels=1.0),),
        batch=16,
        held_out=0.2,
        views=Views(count=2, shift=1, light=0.05),
        distillation=Distillation(),
    )


@pytest.fixture
def config(face_directory: Path, tmp_path: Path) -> stage.Config:
    return label(face_directory, written(large(), tmp_path / "large.onnx"), tmp_path / "label")


def test_the_teacher_layer_equals_its_file(tmp_path: Path) -> None:
    faces = images(3)
    wanted = Teacher(written(large(), tmp_path / "large.onnx"))(faces).embedding
    result = np.asarray(distillation.TeacherEmbedding(large())(faces.astype(np.float32) / 128 - 1))
    np.testing.assert_allclose(result, wanted, rtol=1e-3, atol=1e-4)


def test_the_norm_is_ranked_as_the_label_is() -> None:
    rng = np.random.default_rng(0)
    scale = data.Scale.fit(rng.gamma(4, 2, (500, 1)).astype(np.float32), (NORM,))
    vectors = rng.normal(0, 1, (200, 12)).astype(np.float32) * rng.uniform(0, 6, (200, 1)).astype(np.float32)
    wanted = scale.apply(np.linalg.norm(vectors, axis=1, keepdims=True))
    result = np.asarray(distillation.Ranked(scale.knots[NORM])(vectors))
    np.testing.assert_allclose(result, wanted, atol=1e-3)


def test_a_blend_is_the_image_alone_or_lies_between_two_images() -> None:
    rng, some = np.random.default_rng(0), images(8)
    np.testing.assert_array_equal(distillation.blend(some, some[::-1], STILL, rng), some)
    mixed = distillation.blend(some, some[::-1], replace(STILL, two=1), rng).astype(int)
    low, high = np.minimum(some, some[::-1]), np.maximum(some, some[::-1])
    assert ((mixed >= low) & (mixed <= high)).all()
    assert (np.abs(mixed - some).mean(axis=(1, 2, 3)) > 3).all()


@pytest.mark.parametrize(
    "change", ["rotation", "scale", "shift", "contrast", "brightness", "grey", "coarse", "covered", "smeared"]
)
def test_each_change_changes_the_image(change: str) -> None:
    strong = {
        "grey": 1,
        "coarse": 1,
        "covered": 1,
        "smeared": 1,
        "rotation": 15,
        "shift": 6,
        "brightness": 40,
    }
    config = replace(STILL, **{change: strong.get(change, 0.4)})
    some = images(4)
    made = distillation.blend(some, some, config, np.random.default_rng(0))
    assert made.shape == some.shape
    assert (np.abs(made.astype(int) - some).mean(axis=(1, 2, 3)) > 0.5).all()
    if change == "grey":
        assert (np.ptp(made, axis=-1) == 0).all()


def test_blends_are_trained_on_the_teachers_norm_only(config: stage.Config) -> None:
    source = data.LabelRun(config.labels)
    names = config.student.labels
    labels = source.read(names)
    batches = Batches(
        config.phases, data.Images(source, labels, None), labels, labels.labels, names,
        np.arange(len(labels)), 16, config.views, 1, Hosts(), Empty(images(2), 0.1), Distillation(blends=0.5),
    )  # fmt: skip
    x, y, weights = batches(0)
    assert x.dtype == np.uint8
    assert (y[NORM][:14] == FROM_TEACHER).all(), "the last two are not faces"
    assert (y[NORM][14:] == 0).all()
    assert (weights[NORM] == 1).all()
    assert (weights["agreement"][:8] == 0).all()
    assert (weights["agreement"][8:] > 0).any()
    assert (weights[FEATURE] == [1] * 14 + [0] * 2).all()


def test_losses_use_the_teachers_outputs_for_the_views(config: stage.Config) -> None:
    labels = data.LabelRun(config.labels).read(config.student.labels)
    rows = np.arange(len(labels))
    scale = data.Scale.fit(labels.labels, config.student.labels)
    student = stage.make_student(config, labels, rows)
    model = stage.in_training(student, config, labels, rows, 10, large(), scale)
    faces = images(4)
    result = {name: np.asarray(value) for name, value in model(faces).items()}
    each = np.asarray(distillation.TeacherEmbedding(large())(faces.astype(np.float32) / 128 - 1))
    wanted = each.reshape(2, 2, -1).mean(axis=1).repeat(2, axis=0)
    mine = {name: np.asarray(v) for name, v in student(faces.astype(np.float32) / 128 - 1).items()}
    np.testing.assert_allclose(
        np.asarray(distillation.feature_loss(None, result[FEATURE])),
        np.square(mine[FEATURE] - wanted).mean(axis=1),
        rtol=1e-4,
    )
    bins = network.BinsLoss(Views())
    norms = scale.apply(np.stack([np.zeros(4), np.linalg.norm(each, axis=1)], axis=1))[:, 1:]
    norms = norms.reshape(2, 2, 1).mean(axis=1).repeat(2, axis=0)
    truth = np.array([[FROM_TEACHER], [FROM_TEACHER], [0.3], [0]], np.float32)
    np.testing.assert_allclose(
        np.asarray(distillation.NormLoss(bins)(truth, result[NORM])),
        np.asarray(bins(np.where(truth < 0, norms, truth).astype(np.float32), mine[NORM])),
        rtol=1e-2,
    )


def test_distillation_reduces_the_error_on_held_out_people(config: stage.Config, tmp_path: Path) -> None:
    slow = Phase(6, feature=1.0, labels=1.0, optimiser=Optimiser(0.0003, "cosine"))
    config = replace(config, initial=tmp_path / "large.onnx", phases=(slow,))
    directory = tmp_path / "run"
    stage.run(config, Run.open(directory, "student", config, False))
    source = data.LabelRun(config.labels)
    labels = source.read(config.student.labels)
    faces = data.Images(source, labels, None)[
        np.flatnonzero(data.held_out(labels, config.held_out, config.seed))
    ]
    wanted = np.asarray(distillation.TeacherEmbedding(large())(faces.astype(np.float32) / 128 - 1))

    def left(weights: str) -> float:
        student = stage.make_student(config, labels, np.arange(len(labels)))
        student.load_weights(directory / weights)
        result = np.asarray(student(faces.astype(np.float32) / 128 - 1)[FEATURE])
        return float(np.square(result - wanted).mean())

    assert left("student.weights.h5") < 0.98 * left("begun.weights.h5")


def test_a_teacher_that_cannot_be_distilled_is_an_error(
    face_directory: Path, teacher_config: OnnxTeacher, tmp_path: Path
) -> None:
    config = label(face_directory, teacher_config, tmp_path / "label")
    with pytest.raises(DataError, match=r"teacher\.onnx: is not a MobileFaceNet.*distillation"):
        stage.run(config, Run.open(tmp_path / "run", "student", config, False))


def test_invalid_distillation_values_are_faults(tmp_path: Path) -> None:
    wrong = Distillation(blends=1.5, rotation=-1).faults()
    assert wrong == ["blends: 1.5 is not in 0..1", "rotation: -1 is below 0"]
    config = stage.Config(tmp_path, student=StudentConfig(labels=("agreement",)), distillation=Distillation())
    assert config.faults() == ["distillation: needs the label norm; name it in student.labels"]
    config = replace(
        config, distillation=None, device_distillation=DeviceDistillation(batch=9), views=Views(count=2)
    )
    name = "device_distillation"
    assert [fault.split(":")[0] for fault in config.faults()] == [name, name, f"{name}.batch"]
    assert DeviceDistillation(steps=0, plain=0.6, empty=0.5).faults() == [
        "steps: 0 is below 1",
        "warm_up: 500 is not from 0 to less than the steps (0)",
        "plain, empty: are more than 1 together",
    ]
