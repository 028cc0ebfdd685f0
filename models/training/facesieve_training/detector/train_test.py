"""The detector's training. Run as a program, this module trains, so that a test can kill it."""

import dataclasses
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import tensorflow as tf

from facesieve_training.cli import DataError
from facesieve_training.detector.augment import AugmentConfig, Drawn, Mosaic
from facesieve_training.detector.augment_test import labelled
from facesieve_training.detector.batches import Batches, Parts, TrainConfig, teacher_maps
from facesieve_training.detector.codec import COLUMNS, STRIDES, FloatArray
from facesieve_training.detector.network import NetworkConfig
from facesieve_training.detector.train import Trainer, train
from facesieve_training.detector.yunet import YuNet
from facesieve_training.run import Run

pytestmark = pytest.mark.usefixtures("eager")

NETWORK = NetworkConfig(stem=4, stage4=8, width=8)


def _parts(steps: int, every: int = 2) -> Parts:
    schedule = TrainConfig(
        steps=steps, batch=2, warm_up=1, threads=2, checkpoint_every=every, log_every=1, rate=5e-3
    )
    return Parts(network=NETWORK, train=schedule)


def _mosaic() -> Mosaic:
    return Mosaic([labelled()], AugmentConfig(size=64))


def test_loss_falls_on_one_batch() -> None:
    trainer = Trainer(_parts(40))
    stream = Batches(_mosaic(), _parts(40)).stream(0)
    batch = next(stream)
    stream.close()
    losses = [trainer.update(*batch)["loss"] for _ in range(12)]
    assert losses[-1] < 0.8 * losses[0]
    assert all(np.isfinite(losses))


def test_batches_do_not_depend_on_where_they_start() -> None:
    batches = Batches(_mosaic(), _parts(4))
    one, other = batches.stream(0), batches.stream(1)
    next(one)
    (image, maps), (same_image, same_maps) = next(one), next(other)
    np.testing.assert_array_equal(image, same_image)
    for level, same_level in zip(maps, same_maps, strict=True):
        np.testing.assert_array_equal(level, same_level)
    one.close()
    other.close()


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
    while process.poll() is None and not (killed / "checkpoint" / "checkpoint").exists():
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the training ended before it could be killed"
    unbroken = _trained(whole)
    for a, b in zip(unbroken, _trained(killed, resume=True), strict=True):
        np.testing.assert_array_equal(a, b)
    assert (whole / "metrics.csv").read_bytes() == (killed / "metrics.csv").read_bytes()
    steps = (killed / "metrics.csv").read_text().split()[1:]
    assert [row.split(",")[0] for row in steps] == ["1", "2", "3", "4"]


def test_training_starts_from_the_weights_of_another(tmp_path: Path) -> None:
    first = Trainer(dataclasses.replace(_parts(2), seed=7))
    first.model.save_weights(tmp_path / "first.weights.h5")
    parts = _parts(2)
    schedule = dataclasses.replace(parts.train, initial=tmp_path / "first.weights.h5")
    second = Trainer(dataclasses.replace(parts, train=schedule))
    for a, b in zip(first.model.get_weights(), second.averaged.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_missing_weights_are_an_error(tmp_path: Path) -> None:
    parts = _parts(2)
    schedule = dataclasses.replace(parts.train, initial=tmp_path / "none.weights.h5")
    with pytest.raises(DataError, match=r"none\.weights\.h5: holds no weights of this network"):
        Trainer(dataclasses.replace(parts, train=schedule))


def test_invalid_schedules_are_faults() -> None:
    faults = TrainConfig(batch=0, precision="int4", log_every=3, checkpoint_every=10).faults()
    assert [fault.split(":")[0] for fault in faults] == ["batch", "precision", "checkpoint_every"]


if __name__ == "__main__":
    tf.config.run_functions_eagerly(True)
    step = Trainer.update

    def slow(trainer: Trainer, *batch: Any) -> dict[str, float]:
        time.sleep(0.3)
        return step(trainer, *batch)

    Trainer.update = slow  # type: ignore[method-assign, assignment]
    _trained(Path(sys.argv[1]))
