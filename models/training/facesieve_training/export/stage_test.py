import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from facesieve_training import config
from facesieve_training.cli import DataError
from facesieve_training.conftest import make_faces, make_labels, make_teacher
from facesieve_training.evaluate.network import Network
from facesieve_training.export import embedding_stage, held_out, quality, stage, weighting
from facesieve_training.export.embedding import Embedding
from facesieve_training.export.manifest import self_test_image
from facesieve_training.export.scorer import Scorer
from facesieve_training.faces import centre, read
from facesieve_training.networks.int8 import Int8Network
from facesieve_training.networks.mobileface import MobileFaceConfig
from facesieve_training.networks.resnet import NetworkConfig
from facesieve_training.run import Run
from facesieve_training.student import stage as student_stage
from facesieve_training.student.batches import Phase
from facesieve_training.student.network import StudentConfig

SHORT = (8, 0, 0, 0, 8, 8, 0, 0, 0, 0, 0, 8, 8, 0, 8)
EMBEDDING = Embedding([0.0], max_fnmr=1)
FORMS = {
    "residual": StudentConfig(NetworkConfig(10, 0.125), bins=8, hidden=16),
    "mobileface": StudentConfig(mobileface=MobileFaceConfig(8, SHORT, 16), bins=8, hidden=16, length=4),
}

# From 12 epochs on, the int8 outputs of the MobileFaceNet differ between faces.
EPOCHS = {"residual": 1, "mobileface": 12}


@pytest.fixture(scope="module", params=FORMS)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student exported after a few steps of training, beside its runs and its faces."""
    root = tmp_path_factory.mktemp("exported")
    make_faces(root / "faces")
    teacher_config = make_teacher(root / "teacher.onnx")
    labels = make_labels(root, teacher_config)
    training = student_stage.Config(
        labels,
        student=FORMS[request.param],
        phases=(Phase(EPOCHS[request.param], labels=1.0),),
        batch=16,
        held_out=0.4,
    )
    student_stage.run(training, Run.open(root / "student", "student", training, False))
    matcher = Network(teacher_config.onnx, mean=[127.5], std=[128.0])
    exporting = stage.Config(
        root / "student", matcher, name="trial", representative=20, knots=5, fmr=0.01,
        embedding=EMBEDDING if request.param == "mobileface" else None,
    )  # fmt: skip
    stage.run(exporting, Run.open(root / "export", "export", exporting, False))
    return root / "export" / "quality.tflite"


def test_the_export_is_consistent_with_its_manifest(exported: Path, tmp_path: Path) -> None:
    result = json.loads(exported.with_suffix(".json").read_text())
    assert (result["name"], result["license"]) == ("trial", "not stated")
    assert re.fullmatch(
        r"45 faces of 12 people from .*/faces, labelled by .*/teacher.onnx; it started from random weights",
        result["trained_on"],
    )
    assert (result["input"]["scale"], result["input"]["zero_point"]) == (1 / 128, 0)
    with_embedding = "embedding" in result["quality"]
    names = ["visual", "robustness", "agreement", *(["embedding"] if with_embedding else [])]
    assert [output["name"] for output in result["outputs"]] == names
    assert (np.diff(result["quality"]["calibration"]["raw"]) > 0).all()
    scorer = Scorer(exported)
    for case in result["self_test"]["cases"]:
        outputs = scorer.network.run(self_test_image(112, 112, case["picture"]))
        for output, wanted, tolerance in zip(
            outputs, case["outputs"], result["self_test"]["tolerance"], strict=True
        ):
            np.testing.assert_allclose(output.ravel(), wanted, atol=tolerance)
    score = scorer.score(self_test_image(112, 112, 0))
    assert 0 <= score.value <= 100
    assert set(score.labels) == {"visual", "robustness", "agreement"}
    report = (exported.parent / "parity.md").read_text()
    assert "| int8_spearman |" in report
    assert "| fnmr_clean_high |" in report
    assert re.search(
        r"\*\*clean: The threshold at FMR 0.01 rests on \d of \d+ non-mated pairs; 3,000", report
    )
    assert (exported.parent / "fnmr.png").stat().st_size > 0

    changed = shutil.copytree(exported.parent, tmp_path / "changed") / exported.name
    changed.write_bytes(changed.read_bytes()[:-1] + b"x")
    with pytest.raises(DataError, match="is not the file that"):
        Scorer(changed)


@pytest.mark.parametrize("exported", ["residual"], indirect=True)
def test_figures_without_a_failing_pair_are_left_out(exported: Path, tmp_path: Path) -> None:
    # At this FMR every clean mated pair matches.
    again = config.load(exported.parent / "config.yaml", stage.Config, ["fmr=0.99"])
    stage.run(again, Run.open(tmp_path / "again", "export", again, False))
    measured = json.loads((tmp_path / "again" / "quality.json").read_text())["measured"]
    assert (measured["fnmr_clean"], "pauc_clean" in measured, "pauc_mixed" in measured) == (0, False, True)
    report = (tmp_path / "again" / "parity.md").read_text()
    assert "| pauc_clean | - |" in report
    assert "**clean: No mated pair fails at FMR 0.99: the relative area (pauc) has no value.**" in report
    assert json.loads((tmp_path / "again" / "meta.json").read_text())["pauc_clean"] is None


def test_weights_are_not_chosen_without_a_failing_pair() -> None:
    quality, pairs = np.array([[0.1, 0.9], [0.9, 0.2], [0.5, 0.5], [0.6, 0.6]]), np.array([0, 1, 2, 3])

    def compared(threshold: float) -> held_out.Comparisons:
        return held_out.Comparisons(pairs, pairs, np.array([0.1, 0.8, 0.8, 0.8]), threshold, pairs, 4)

    names = ("one", "other")
    some = weighting.areas(quality, names, {"clean": compared(0), "mixed": compared(0.5)})
    assert weighting.choose(some, names, None) == ("one", {"one": 1, "other": 0})
    none = weighting.areas(quality, names, {"clean": compared(0), "mixed": compared(0)})
    with pytest.raises(DataError, match=r"^weights: cannot be chosen, .* weights=\{one: 1, other: 1\}, set"):
        weighting.choose(none, names, None)
    assert weighting.choose(none, names, {"one": 2}) == ("given", {"one": 2, "other": 0})


@pytest.mark.parametrize("exported", ["mobileface"], indirect=True)
def test_the_embedding_is_that_of_the_float_network(exported: Path, tmp_path: Path) -> None:
    root = exported.parents[1]
    face_directory, student = root / "faces", root / "student"
    training = config.load(student / "config.yaml", student_stage.Config)
    model = quality.load_student(student, training, features=8, people=0)
    scorer = Scorer(exported)
    faces = [centre(read(path)) for path in sorted(face_directory.glob("*/*.png"))]
    real = quality.embedder(model)(np.stack(faces))
    cosine = [float(scorer.embed(face) @ f / np.linalg.norm(f)) for face, f in zip(faces, real, strict=True)]
    assert min(cosine) > 0.9

    # The stage of the same name adds it to a network that was exported before.
    before = json.loads(exported.with_suffix(".json").read_text())
    added = embedding_stage.Config(
        exported, student / "student.weights.h5", face_directory, variants=1,
        student=student / "config.yaml", embedding=EMBEDDING, representative=20,
    )  # fmt: skip
    embedding_stage.run(added, Run.open(tmp_path / "embedding", "embedding", added, False))
    after = json.loads((tmp_path / "embedding" / "quality.json").read_text())
    assert (tmp_path / "embedding" / "quality.tflite").read_bytes() == exported.read_bytes()
    assert after["quality"].pop("embedding")["scale"] == pytest.approx(
        before["quality"].pop("embedding")["scale"], rel=0.1
    )
    assert after == before
    assert "| FMR measured |" in (tmp_path / "embedding" / "embedding.md").read_text()


@pytest.mark.parametrize("exported", ["residual"], indirect=True)
def test_without_phases_a_student_keeps_its_initial_weights(exported: Path, tmp_path: Path) -> None:
    training = student_stage.Config(
        exported.parents[1] / "label",
        student=FORMS["residual"],
        phases=(),
        initial=exported,
        batch=16,
        held_out=0.4,
    )
    student_stage.run(training, Run.open(tmp_path / "again", "student", training, False))
    model = quality.load_student(tmp_path / "again", training, features=8, people=0)
    image = self_test_image(112, 112, 1)
    of_tflite = np.ravel(Int8Network(exported.read_bytes()).run(image))
    result = np.ravel([np.asarray(output) for output in model(quality.to_input(image[None]))])
    assert np.corrcoef(result, of_tflite)[0, 1] > 0.95
    assert student_stage.Config(tmp_path, phases=()).faults() == [
        "phases: must have at least one without initial"
    ]

    wrong = stage.Config(tmp_path / "again", Network(exported), name="trial", embedding=EMBEDDING)
    with pytest.raises(DataError, match=r"embedding: .* has student\.length 0"):
        stage.run(wrong, Run.open(tmp_path / "wrong", "export", wrong, False))


def test_too_few_people_are_refused_with_the_numbers_that_are_needed() -> None:
    held_out.check(np.repeat(np.arange(10), 5), fmr=0.001, knots=41)
    with pytest.raises(DataError) as raised:
        held_out.check(np.repeat(np.arange(8), 5), fmr=0.001, knots=41)
    assert str(raised.value) == (
        "8 people are held out, with 40 clean faces, 80 mated pairs of 8 people and 700 non-mated pairs; "
        "needed are at least 41 faces for 41 knots, mated pairs of two people, and 1,000 non-mated pairs for "
        "FMR 0.001 (30,000 for a reliable threshold): hold out more people (held_out of the stage student), "
        "or set fmr higher and knots lower"
    )
    for few in (np.arange(60), np.zeros(60, np.int64), np.append(np.arange(60), 0)):
        with pytest.raises(DataError):
            held_out.check(few, fmr=0.001, knots=41)
