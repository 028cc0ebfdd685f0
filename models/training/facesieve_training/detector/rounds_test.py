"""Training by rounds with the command, with JAX in a separate process on a CPU."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from facesieve_training.jax_process import train, train_killed

pytest.importorskip("jax", reason="trains on GPUs; pip install 'jax[cpu]'")


def _config(teacher: Path, images: Path, tmp_path: Path) -> Path:
    file = tmp_path / "detector.yaml"
    file.write_text(
        f"""
label: {{teacher: {teacher}, images: {images}, cache: {tmp_path / "labels.npz"}, upright: false}}
network: {{stem: 4, stage4: 4, width: 8}}
augment: {{size: 64, largest_face: 50}}
loss: {{distil: 0.5}}
train: {{steps: 200, batch: 2, warm_up: 1, save_every: 8,
  rounds: {{images: 4, repetitions: 2, processes: 1}}}}
export: {{name: test}}
"""
    )
    return file


def _last(directory: Path) -> dict[str, np.ndarray]:
    with np.load(directory / "checkpoint" / "step-000000200.npz") as archive:
        return {name: archive[name] for name in archive.files}


def test_a_killed_and_resumed_training_gives_the_same_result(
    bright_squares: Path, squares: Path, tmp_path: Path
) -> None:
    config = _config(bright_squares, squares, tmp_path)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    first = train("detector", config, whole)
    assert first.returncode == 0, first.stderr
    assert first.stderr.count("KERAS_BACKEND=tensorflow") == 1
    train_killed("detector", config, killed, "checkpoint", "detector.weights.h5")
    one, other = _last(whole), _last(killed)
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name])
    assert (whole / "metrics.csv").read_bytes() == (killed / "metrics.csv").read_bytes()
    assert (whole / "detector.weights.h5").exists()
    assert not (whole / "detector.tflite").exists()
    losses = pd.read_csv(whole / "metrics.csv")["loss"]
    assert losses[-5:].mean() < 0.8 * losses[:3].mean()
