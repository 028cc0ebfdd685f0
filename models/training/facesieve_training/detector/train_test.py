"""The detector's training. Run as a program, this module trains, so that a test can kill it."""

import dataclasses
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, cast

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from facesieve_training.cli import DataError
from facesieve_training.detector.augment import AugmentConfig, Drawn, Mosaic
from facesieve_training.detector.augment_test import labelled
from facesieve_training.detector.batches import Batches, Parts, TrainConfig, teacher_maps
from facesieve_training.detector.codec import COLUMNS, STRIDES, FloatArray
from facesieve_training.detector.network import NetworkConfig, build
from facesieve_training.detector.train import begin, train
from facesieve_training.detector.yunet import YuNet
from facesieve_training.fit import Averaged
from facesieve_training.run import Run

pytestmark = pytest.mark.usefixtures("eager")

NETWORK = NetworkConfig(stem=4, stage4=8, width=8)


def _parts(steps: int, every: int = 2) -> Parts:
    schedule = TrainConfig(steps=steps, batch=2, warm_up=1, threads=2, save_every=every, rate=5e-3)
    return Parts(network=NETWORK, train=schedule)


def _mosaic() -> Mosaic:
    return Mosaic([labelled()], AugmentConfig(size=64))


def test_loss_falls_on_one_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = _parts(12, every=1)
    batch = Batches(_mosaic(), parts).batch(0)
    monkeypatch.setattr(Batches, "batch", lambda self, step: batch)
    train(_mosaic(), parts, Run.open(tmp_path / "run", "detector", parts, False))
    rows = pd.read_csv(tmp_path / "run" / "metrics.csv")
    assert list(rows.columns) == ["step", "epoch", "box", "calm", "cls", "kps", "loss", "obj", "rate"]
    assert rows["loss"].iloc[-1] < 0.8 * rows["loss"].iloc[0]
    parts_of_loss = rows[["box", "calm", "cls", "kps", "obj"]].sum(axis=1)
    np.testing.assert_allclose(parts_of_loss, rows["loss"], rtol=1e-4)


def test_the_average_follows_the_weights() -> None:
    variable = keras.Variable(np.array([1.0, 2.0], np.float32))
    optimizer = Averaged(0.1, average=0.6)
    optimizer.build([variable])
    wanted = np.array([1.0, 2.0])
    for step in range(1, 8):
        optimizer.apply([np.array([1.0, -1.0], np.float32)])
        keep = min(0.6, (1 + step) / (10 + step))
        wanted = wanted * keep + np.asarray(variable) * (1 - keep)
        np.testing.assert_allclose(np.asarray(optimizer.averages[0]), wanted, rtol=1e-5)


def test_the_teacher_gets_the_clean_image_and_its_overlap_is_masked_by_the_labels() -> None:
    shown = []

    class Everywhere:
        def maps(self, image: np.ndarray) -> list[FloatArray]:
            shown.append(image)
            return [np.full((320 // s, 320 // s, 16), 0.5, np.float32) for s in STRIDES]

    face, ignored = (np.zeros((1, COLUMNS), np.float32) for _ in range(2))
    face[0, :4], ignored[0, :4] = (32, 32, 40, 40), (256, 256, 40, 40)
    drawn = Drawn(np.zeros((320, 320, 3), np.uint8), np.ones((320, 320, 3), np.uint8), face, ignored)
    maps = teacher_maps(cast(YuNet, Everywhere()), drawn)
    assert len(shown) == 1
    assert shown[0] is drawn.clean
    level = maps[0]
    assert (level[6, 6, 1], level[34, 34, 1], level[20, 20, 1]) == (0.5, 0.5, 0)
    assert (np.delete(level, 1, axis=-1) == 0.5).all()


def _trained(directory: Path, resume: bool = False) -> list[np.ndarray]:
    parts = _parts(4)
    weights: list[np.ndarray] = train(
        _mosaic(), parts, Run.open(directory, "detector", parts, resume)
    ).get_weights()
    return weights


def test_a_killed_and_resumed_training_gives_the_same_result(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    program = [sys.executable, "-m", "facesieve_training.detector.train_test", str(killed)]
    process = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not list(killed.glob("checkpoint/step-*.npz")):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the training ended before it could be killed"
    unbroken = _trained(whole)
    for a, b in zip(unbroken, _trained(killed, resume=True), strict=True):
        np.testing.assert_array_equal(a, b)
    assert (whole / "metrics.csv").read_bytes() == (killed / "metrics.csv").read_bytes()
    assert pd.read_csv(killed / "metrics.csv")["step"].tolist() == [2, 4]


def test_training_starts_from_the_weights_of_another(tmp_path: Path) -> None:
    parts, other = _parts(0), build(NETWORK)
    other.save_weights(tmp_path / "first.weights.h5")
    schedule = dataclasses.replace(parts.train, initial=tmp_path / "first.weights.h5")
    parts = dataclasses.replace(parts, train=schedule)
    trained = train(_mosaic(), parts, Run.open(tmp_path / "run", "detector", parts, False))
    for a, b in zip(other.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_missing_weights_are_an_error(tmp_path: Path) -> None:
    parts = _parts(2)
    schedule = dataclasses.replace(parts.train, initial=tmp_path / "none.weights.h5")
    with pytest.raises(DataError, match=r"none\.weights\.h5: holds no weights of this network"):
        begin(dataclasses.replace(parts, train=schedule), Batches(_mosaic(), parts))


def test_invalid_schedules_are_faults() -> None:
    faults = TrainConfig(batch=0, save_every=0).faults()
    assert [fault.split(":")[0] for fault in faults] == ["batch", "save_every"]


if __name__ == "__main__":
    tf.config.run_functions_eagerly(True)
    made = Batches.batch

    def endless(batches: Batches, step: int) -> Any:
        if step == 3:  # the last one
            time.sleep(600)
        return made(batches, step)

    Batches.batch = endless  # type: ignore[method-assign, assignment]
    _trained(Path(sys.argv[1]))
