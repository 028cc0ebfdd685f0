"""Following, as a user runs it: the command with JAX in a process of its own, on a CPU."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from facesieve_training.label import stage as label_stage
from facesieve_training.networks.mobileface_sample import LAST, large, written
from facesieve_training.run import Run
from facesieve_training.teacher.source import TeacherSource

DETECTOR = Path(__file__).parents[3] / "detector.tflite"

pytest.importorskip("jax", reason="trains on GPUs; pip install 'jax[cpu]'")


@pytest.fixture
def config(face_folder: Path, tmp_path: Path) -> Path:
    teacher = TeacherSource(**vars(written(large(), tmp_path / "large.onnx")))
    labelling = label_stage.Config(face_folder, teacher, masks=label_stage.Masks(count=4), threads=1, sheet=0)
    label_stage.run(labelling, Run.open(tmp_path / "label", "label", labelling, False))
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
follow: {{steps: 60, batch: 8, rate: 0.001, warm_up: 5, save_every: 20}}
background: {{pictures: {face_folder}, detector: {DETECTOR}}}
views: {{count: 2, shift: 1, light: 0.05, consistency: 10}}
held_out: 0.2
batch: 8
"""
    )
    return file


def _train(config: Path, folder: Path, *more: str, backend: str = "jax") -> subprocess.Popen[str]:
    program = [sys.executable, "-m", "facesieve_training", "student", "--config", str(config), "--run"]
    environment = {**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"}
    return subprocess.Popen(
        [*program, str(folder), *more], env=environment, stderr=subprocess.PIPE, text=True
    )


def _weights(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "followed" / "step-000000060.npz") as held:
        return {name: held[name] for name in held.files}


def test_a_killed_training_ends_as_one_that_was_not(config: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    first = _train(config, whole)
    told = first.communicate(timeout=300)[1]
    assert first.returncode == 0, told
    second = _train(config, killed)
    while second.poll() is None and not list((killed / "followed").glob("step-*.npz")):
        time.sleep(0.005)
    second.send_signal(signal.SIGKILL)
    second.communicate()
    assert second.returncode == -signal.SIGKILL, "the training ended before it could be killed"
    assert not (killed / "student.weights.h5").exists()
    again = _train(config, killed, "--resume")
    again.communicate(timeout=300)
    assert again.returncode == 0
    one, other = _weights(whole), _weights(killed)
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name])
    assert (whole / "student.weights.h5").exists()


def test_another_back_end_is_refused(config: Path, tmp_path: Path) -> None:
    refused = _train(config, tmp_path / "run", backend="tensorflow")
    told = refused.communicate(timeout=200)[1]
    assert refused.returncode == 1
    assert "set KERAS_BACKEND=jax" in told
