"""Distillation by the command, with JAX in a separate process on a CPU."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from facesieve_training.cli import DataError
from facesieve_training.config import load
from facesieve_training.conftest import make_labels
from facesieve_training.jax_process import train, train_killed
from facesieve_training.networks.mobileface_sample import LAST, large, written
from facesieve_training.run import Run
from facesieve_training.student import stage
from facesieve_training.student.distillation import Distillation

DETECTOR = Path(__file__).parents[3] / "detector.tflite"

pytest.importorskip("jax", reason="trains on GPUs; pip install 'jax[cpu]'")


@pytest.fixture
def config(face_directory: Path, tmp_path: Path) -> Path:
    make_labels(tmp_path, written(large(), tmp_path / "large.onnx"))
    file = tmp_path / "student.yaml"
    file.write_text(
        f"""
labels: {tmp_path / "label"}
initial: {tmp_path / "large.onnx"}
student:
  mobileface:
    stem: 8
    hidden: [8, 0, 0, 0, 8, 8, 0, 0, 0, 0, 0, 8, 8, 0, 8]
    last: {LAST}
    strides: [2, 2, 2, 1]
  labels: [agreement, norm]
  bins: 8
  hidden: 16
phases: []
distillation: {{steps: 24, batch: 8, rate: 0.001, warm_up: 5, save_every: 8}}
background: {{images: {face_directory}, detector: {DETECTOR}}}
views: {{count: 2, shift: 1, light: 0.05, consistency: 10}}
held_out: 0.2
batch: 8
"""
    )
    return file


def _weights(directory: Path) -> dict[str, np.ndarray]:
    with np.load(directory / "checkpoint" / "distillation" / "step-000000024.npz") as archive:
        return {name: archive[name] for name in archive.files}


def test_a_killed_and_resumed_training_gives_the_same_result(config: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    first = train("student", config, whole)
    assert first.returncode == 0, first.stderr
    train_killed("student", config, killed, "checkpoint/distillation", "student.weights.h5")
    one, other = _weights(whole), _weights(killed)
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name])
    assert (whole / "student.weights.h5").exists()


def test_another_back_end_is_refused(config: Path, tmp_path: Path) -> None:
    assert keras.backend.backend() == "tensorflow"
    wanted = load(config, stage.Config)
    with pytest.raises(DataError, match="set KERAS_BACKEND=jax"):
        stage.run(wanted, Run.open(tmp_path / "run", "student", wanted, False))
    assert Distillation(steps=0, plain=0.6, empty=0.5, two=2).faults() == [
        "steps: 0 is below 1",
        "warm_up: 500 is not from 0 to less than the steps (0)",
        "two: 2 is not in 0..1",
        "plain, empty: are more than 1 together",
    ]
    wrong = replace(wanted, background=None, views=replace(wanted.views, count=3)).faults()
    assert [fault.split(":")[0] for fault in wrong[:2]] == ["distillation", "distillation.batch"]
