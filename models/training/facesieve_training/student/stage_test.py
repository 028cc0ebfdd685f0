from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from facesieve_training.conftest import make_faces, make_labels, make_teacher
from facesieve_training.devices import Hosts
from facesieve_training.fit import Optimiser
from facesieve_training.networks.resnet import NetworkConfig
from facesieve_training.run import Run
from facesieve_training.student import data, initial, stage
from facesieve_training.student.background import Empty
from facesieve_training.student.batches import Batches, Phase
from facesieve_training.student.network import StudentConfig
from facesieve_training.student.views import Views


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("labelled")
    make_faces(root / "faces")
    return make_labels(root, make_teacher(root / "teacher.onnx"))


@pytest.fixture
def config(labels: Path, tmp_path: Path, eager: None) -> stage.Config:
    tiny = StudentConfig(NetworkConfig(10, 0.125), bins=8, hidden=16)
    first = Phase(1, feature=1.0, optimiser=Optimiser(0.002, "cosine"))
    second = Phase(1, labels=1.0, optimiser=Optimiser(0.002))
    return stage.Config(
        labels, student=tiny, phases=(first, second), batch=16, held_out=0.2, views=Views(shift=0),
        save_every=2, cache=tmp_path / "cache",
    )  # fmt: skip


def train(config: stage.Config, directory: Path, resume: bool = False) -> dict[str, Any]:
    stage.run(config, Run.open(directory, "student", config, resume))
    newest = max((directory / "checkpoint").iterdir())
    with np.load(newest) as archive:
        return {name: archive[name] for name in archive.files}


def test_a_killed_and_resumed_run_gives_the_same_result(
    config: stage.Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(config, tmp_path / "whole")
    made = Batches.__call__

    def dies(self: Batches, step: int) -> Any:
        if step == 7:
            raise KeyboardInterrupt
        return made(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(Batches, "__call__", dies)
        with pytest.raises(KeyboardInterrupt):
            train(config, tmp_path / "killed")
    resumed = train(config, tmp_path / "killed", resume=True)
    assert whole.keys() == resumed.keys()
    for name, value in whole.items():
        np.testing.assert_array_equal(resumed[name], value, err_msg=name)
    logged = [pd.read_csv(tmp_path / name / "metrics.csv")["step"].tolist() for name in ("whole", "killed")]
    assert logged[0] == logged[1]


def test_a_small_student_overfits_its_labels(config: stage.Config, tmp_path: Path) -> None:
    once = replace(config, phases=(Phase(9, labels=1.0, optimiser=Optimiser(0.004)),))
    train(once, tmp_path / "run")
    losses = pd.read_csv(tmp_path / "run" / "metrics.csv")["loss"]
    assert losses.iloc[-1] < 0.85 * losses.iloc[0]


def test_a_constant_has_no_correlation() -> None:
    rising = np.arange(4, dtype=np.float32)
    both = np.stack([rising, np.zeros(4, np.float32)], axis=1)
    assert stage.correlations(both, both, ("one", "other")) == {"spearman_one": 1.0}


def test_a_phase_may_be_a_part_of_an_epoch(config: stage.Config, tmp_path: Path) -> None:
    phases = (Phase(0.5, feature=1.0), Phase(0.75, labels=1.0))
    train(replace(config, phases=phases), tmp_path / "run")
    result = pd.read_csv(tmp_path / "run" / "metrics.csv")
    steps = round(result["step"].iloc[0] / result["epoch"].iloc[0])
    assert result["step"].iloc[-1] == round(1.25 * steps)

    source = data.LabelRun(config.labels)
    labels = source.read(("agreement",))
    images, scaled = data.Images(source, labels, None), np.full((len(labels), 1), 0.5, np.float32)
    batches = Batches(
        phases,
        images,
        labels,
        scaled,
        ("agreement",),
        np.arange(len(labels)),
        8,
        Views(shift=0),
        1,
        Hosts(),
    )
    weights = [batches(step)[2] for step in range(batches.epoch)]
    learns = [w["agreement"].max() > 0 for w in weights]
    assert learns == [step >= batches.epoch / 2 for step in range(batches.epoch)]
    assert all((w["feature"].max() > 0) != labelled for w, labelled in zip(weights, learns, strict=True))


def test_cached_images_equal_uncached_ones(config: stage.Config) -> None:
    source = data.LabelRun(config.labels)
    labels = source.read(("agreement",))
    rows = np.array([0, 1, 5, len(labels) - 1])
    cached = data.Images(source, labels, config.cache)[rows]
    np.testing.assert_array_equal(cached, data.Images(source, labels, None)[rows])


def test_a_batch_shows_two_views_of_each_image_side_by_side(config: stage.Config) -> None:
    source = data.LabelRun(config.labels)
    labels = source.read(("agreement",))
    scaled = data.Scale.fit(labels.labels, ("agreement",)).apply(labels.labels)
    rows, images = np.arange(len(labels)), data.Images(source, labels, None)
    batches = Batches(
        config.phases, images, labels, scaled, ("agreement",), rows, 16, Views(count=2, shift=3), 1, Hosts()
    )
    assert batches.epoch == len(rows) // 8
    x, y, _ = batches(0)
    assert len(x) == 16
    np.testing.assert_array_equal(y["feature"][::2], y["feature"][1::2])
    assert len(np.unique(y["feature"], axis=0)) == 8
    assert (x[::2] != x[1::2]).any(axis=(1, 2, 3)).sum() >= 6, "moved and mirrored by chance"


def test_training_starts_from_an_exported_student(
    config: stage.Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Path] = []

    def load(_model: object, path: Path, _images: object) -> list[str]:
        started.append(path)
        return []

    monkeypatch.setattr(initial, "load", load)
    train(replace(config, initial=tmp_path / "quality.tflite"), tmp_path / "run")
    assert started == [tmp_path / "quality.tflite"]


def test_images_without_a_face_have_the_lowest_labels(config: stage.Config) -> None:
    source = data.LabelRun(config.labels)
    names = ("agreement", "robustness")
    labels = source.read(names)
    scaled = data.Scale.fit(labels.labels, names).apply(labels.labels)
    rows = np.arange(len(labels))
    empty = Empty(np.full((3, 112, 112, 3), 7, np.uint8), share=0.25)
    images = data.Images(source, labels, None)
    batches = Batches(
        config.phases, images, labels, scaled, names, rows, 16, Views(shift=0), 1, Hosts(), empty
    )
    x, y, weights = batches(batches.epoch)  # the second phase learns labels
    assert (x[12:] == 7).all()
    assert not (x[:12] == 7).all(axis=(1, 2, 3)).any()
    for name in names:
        assert (y[name][12:] == 0).all()
        assert (weights[name] == 1).all()
    assert (weights["feature"] == 0).all()


def test_the_views_of_a_batch_are_all_of_a_face_or_all_without_one(config: stage.Config) -> None:
    source = data.LabelRun(config.labels)
    labels = source.read(("agreement",))
    scaled = data.Scale.fit(labels.labels, ("agreement",)).apply(labels.labels)
    empty = Empty(np.full((3, 112, 112, 3), 7, np.uint8), share=0.2)  # of 16 three, which no pairs make
    batches = Batches(
        config.phases, data.Images(source, labels, None), labels, scaled, ("agreement",),
        np.arange(len(labels)), 16, Views(count=2, shift=0), 1, Hosts(), empty,
    )  # fmt: skip
    without = (batches(0)[0] == 7).all(axis=(1, 2, 3))
    assert 0 < without.sum() < 16
    np.testing.assert_array_equal(without[::2], without[1::2])
