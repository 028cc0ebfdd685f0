"""Training by rounds, as a user runs it: the command with JAX in a process of its own, on a CPU."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("jax", reason="trains on GPUs; pip install 'jax[cpu]'")


def _train(config: Path, folder: Path, *more: str) -> subprocess.Popen[str]:
    program = [sys.executable, "-m", "facesieve_training", "detector", "--config", str(config), "--run"]
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    return subprocess.Popen(
        [*program, str(folder), *more], env=environment, stderr=subprocess.PIPE, text=True
    )


def _config(teacher: Path, pictures: Path, tmp_path: Path) -> Path:
    file = tmp_path / "detector.yaml"
    file.write_text(
        f"""
label: {{teacher: {teacher}, pictures: {pictures}, cache: {tmp_path / "labels.npz"}, upright: false}}
network: {{stem: 4, stage4: 4, width: 8}}
augment: {{size: 64, largest_face: 50}}
loss: {{distil: 0.5}}
train: {{steps: 400, batch: 2, warm_up: 1, rounds: {{pictures: 4, shows: 2, processes: 1}}}}
"""
    )
    return file


def test_only_weights_start_it(bright_squares: Path, squares: Path, tmp_path: Path) -> None:
    config = _config(bright_squares, squares, tmp_path)
    refused = _train(config, tmp_path / "run", "--set", f"train.initial={bright_squares}")
    told = refused.communicate(timeout=200)[1]
    assert refused.returncode == 1
    assert "teacher.onnx: only TensorFlow starts a training from it" in told


def _last(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "checkpoint" / "step-000000400.npz") as held:
        return {name: held[name] for name in held.files}


def test_a_killed_training_ends_as_one_that_was_not(
    bright_squares: Path, squares: Path, tmp_path: Path
) -> None:
    config = _config(bright_squares, squares, tmp_path)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    first = _train(config, whole)
    assert first.communicate(timeout=200)[1].count("KERAS_BACKEND=tensorflow") == 1
    second = _train(config, killed)
    while second.poll() is None and not list((killed / "checkpoint").glob("step-*.npz")):
        time.sleep(0.005)
    second.send_signal(signal.SIGKILL)
    second.communicate()
    assert second.returncode == -signal.SIGKILL, "the training ended before it could be killed"
    assert not (killed / "detector.weights.h5").exists()
    again = _train(config, killed, "--resume")
    again.communicate(timeout=200)
    assert (first.returncode, again.returncode) == (0, 0)
    one, other = _last(whole), _last(killed)
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name])
    assert (whole / "metrics.csv").read_bytes() == (killed / "metrics.csv").read_bytes()
    assert (whole / "detector.weights.h5").exists()
    assert not (whole / "detector.tflite").exists()
    losses = [float(row.split(",")[6]) for row in (whole / "metrics.csv").read_text().splitlines()[1:]]
    assert np.mean(losses[-20:]) < 0.8 * np.mean(losses[:5])
