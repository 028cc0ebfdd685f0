"""Head fine-tuning of a student with a frozen backbone."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facesieve_training.conftest import make_faces, make_labels
from facesieve_training.networks.mobileface import MobileFaceConfig
from facesieve_training.networks.mobileface_sample import LAST, large, written
from facesieve_training.run import Run
from facesieve_training.student import data, head_fine_tuning, network, stage
from facesieve_training.student.head_fine_tuning import HeadFineTuning
from facesieve_training.student.network import StudentConfig
from facesieve_training.student.views import Views

HIDDEN = (8, 0, 0, 0, 8, 8, 0, 0, 0, 0, 0, 8, 8, 0, 8)
LABELS = ("agreement", "norm")


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> stage.Config:
    root = tmp_path_factory.mktemp("labelled")
    make_faces(root / "faces")
    labels = make_labels(root, written(large(), root / "large.onnx"))
    form = StudentConfig(
        mobileface=MobileFaceConfig(8, HIDDEN, LAST), labels=LABELS, bins=8, hidden=16, length=4
    )
    pruned = stage.Config(
        labels, student=form, initial=root / "large.onnx", phases=(), held_out=0.2, batch=8,
        views=Views(shift=1, light=0.05),
    )  # fmt: skip
    train(pruned, root / "pruned")
    tuning = HeadFineTuning(images=60, degraded=LABELS, epochs=40, batch=16, rate=0.01, consistency=10)
    return replace(pruned, initial=root / "pruned" / "student.weights.h5", head_fine_tuning=tuning)


def train(config: stage.Config, directory: Path, resume: bool = False) -> dict[str, float]:
    stage.run(config, Run.open(directory, "student", config, resume))
    return dict(json.loads((directory / "meta.json").read_text()))


def weights(config: stage.Config, directory: Path) -> list[tuple[str, list[np.ndarray]]]:
    student = network.build(config.student, 12)
    student.load_weights(directory / "student.weights.h5")
    return [(layer.name, layer.get_weights()) for layer in student.layers]


def test_only_the_heads_change(config: stage.Config, tmp_path: Path) -> None:
    assert config.initial
    pruned = config.initial.parent
    second = train(config, tmp_path / "after")
    first = json.loads((pruned / "meta.json").read_text())
    assert second["spearman_norm"] > first["spearman_norm"] + 0.2
    before, after = weights(config, pruned), weights(config, tmp_path / "after")
    moved = {
        name
        for (name, one), (_, other) in zip(before, after, strict=True)
        if any((a != b).any() for a, b in zip(one, other, strict=True))
    }
    assert moved == {"hidden", "length", *LABELS}


def epochs(config: stage.Config, count: int, **values: Any) -> stage.Config:
    assert config.head_fine_tuning
    return replace(config, head_fine_tuning=replace(config.head_fine_tuning, epochs=count, **values))


def test_a_resumed_training_reads_the_cached_inputs(config: stage.Config, tmp_path: Path) -> None:
    config = epochs(config, 4)
    train(config, tmp_path / "whole")
    killed = tmp_path / "killed"
    made, calls = head_fine_tuning._batch, []

    def dies(*given: Any) -> Any:
        calls.append(given)
        if len(calls) > 8:
            raise RuntimeError("killed")
        return made(*given)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(head_fine_tuning, "_batch", dies)
        with pytest.raises(RuntimeError, match="killed"):
            train(config, killed)
    assert list((killed / "checkpoint" / "heads").iterdir()), "it was killed after a checkpoint"
    time_before = (killed / "head_inputs.npz").stat().st_mtime_ns
    train(config, killed, resume=True)
    assert (killed / "head_inputs.npz").stat().st_mtime_ns == time_before
    one, other = weights(config, tmp_path / "whole"), weights(config, killed)
    for (_, uninterrupted), (_, resumed) in zip(one, other, strict=True):
        for a, b in zip(uninterrupted, resumed, strict=True):
            np.testing.assert_array_equal(a, b)
    logged = [(directory / "metrics.csv").read_bytes() for directory in (tmp_path / "whole", killed)]
    assert logged[0] == logged[1]


def test_degraded_images_are_used_only_for_the_labels_that_name_them(
    config: stage.Config, tmp_path: Path
) -> None:
    train(epochs(config, 1, degraded=()), tmp_path / "clean")
    train(epochs(config, 1, degraded=("norm",)), tmp_path / "some")
    labels = data.LabelRun(config.labels).read(LABELS)
    test = data.held_out(labels, config.held_out, config.seed)
    with np.load(tmp_path / "clean" / "head_inputs.npz") as archive:
        assert len(archive["arr_0"]) == ((labels.variant == 0) & ~test).sum()
    with np.load(tmp_path / "some" / "head_inputs.npz") as archive:
        assert len(archive["arr_0"]) == min(60, (~test).sum())
    wrong = epochs(config, 1, degraded=("pose",))
    assert wrong.faults() == ["head_fine_tuning.degraded: pose is none of student.labels"]


def test_invalid_values_are_faults() -> None:
    result = HeadFineTuning(images=0, rate=0, empty=1).faults()
    assert result == ["images: 0 is below 1", "empty: 1 is not in 0..1", "rate: 0 must be above 0"]
