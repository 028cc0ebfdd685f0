"""The loop with a small network. Run as a program, this module trains, to be killed or as one of many
hosts.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from facesieve_training import devices
from facesieve_training.cli import DataError
from facesieve_training.devices import Hosts
from facesieve_training.fit import Loop, Optimiser, Rate, State, adam, variables
from facesieve_training.run import Run, RunError

EPOCH, EPOCHS, BATCH = 5, 6, 8
LAST = "step-000000030.npz"


@dataclass(frozen=True)
class Settings:
    seed: int = 3


def network(precision: devices.Precision = "float32") -> keras.Model:
    """A network with all kinds of state of a training step: random masks, moving means, a schedule."""
    dtype = devices.policy(precision)
    inputs = keras.Input((6,))
    x = layers.Dense(8, "relu", dtype=dtype)(inputs)
    x = layers.Dropout(0.3, dtype=dtype)(layers.BatchNormalization(dtype=dtype)(x))
    model = keras.Model(inputs, layers.Dense(3, dtype="float32")(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimiser = adam(Optimiser(0.01, every=2, factor=0.5, warmup=3), EPOCH, EPOCH * EPOCHS, precision)
    model.compile(optimiser, loss=loss)
    return model


def batch(step: int, hosts: Hosts) -> tuple[Any, Any]:
    rng = np.random.default_rng([1, step])
    values = rng.normal(size=(BATCH, 6)).astype(np.float32)
    return values[hosts.share(BATCH)], (values[:, 0] > 0).astype(np.int32)[hosts.share(BATCH)]


def train(
    directory: Path,
    resume: bool = False,
    endless: bool = False,
    precision: devices.Precision = "float32",
    count: int = 0,
) -> None:
    run = Run.open(directory, "test", Settings(), resume)
    hosts = devices.prepare(3)
    devices.spread(count, BATCH, hosts)

    def make(step: int) -> tuple[Any, Any]:
        if endless and step == EPOCHS * EPOCH - 1:
            time.sleep(600)
        return batch(step, hosts)

    Loop(network(precision), make, run, 3, hosts).train(EPOCHS, EPOCH, lambda: {"evaluated": 1.0})


def weights(directory: Path) -> list[np.ndarray]:
    with np.load(directory / "checkpoint" / LAST) as archive:
        return [archive[name] for name in archive.files]


def program(directory: Path, *more: str, **variables: str) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, **variables}
    arguments = [sys.executable, "-m", "facesieve_training.fit_test", str(directory), *more]
    return subprocess.Popen(arguments, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def test_a_killed_and_resumed_run_gives_the_same_result(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    process = program(killed, "endless")
    while process.poll() is None and len(list(killed.glob("checkpoint/step-*.npz"))) < 2:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"
    assert not (killed / "checkpoint" / LAST).exists()
    train(whole)
    # A kill may leave a partial checkpoint and a partial row.
    (killed / "checkpoint" / ".step-9.1.tmp").write_bytes(b"half")
    with (killed / "metrics.csv").open("a") as file:
        file.write("27,5.4,0.3")
    train(killed, resume=True)
    for left, right in zip(weights(whole), weights(killed), strict=True):
        np.testing.assert_array_equal(left, right)
    assert (whole / "metrics.csv").read_bytes() == (killed / "metrics.csv").read_bytes()
    steps = [row.split(",")[0] for row in (whole / "metrics.csv").read_text().splitlines()]
    assert steps == ["step", "3", "5", "6", "9", "10", "12", "15", "18", "20", "21", "24", "25", "27", "30"]
    assert sorted(path.name for path in (whole / "checkpoint").iterdir()) == ["step-000000027.npz", LAST]


def test_devices_and_hosts_train_as_one_device(tmp_path: Path) -> None:
    """Processes with JAX: one on one device and then on two, and a pair with one device each."""
    pytest.importorskip("jax", reason="several devices need JAX; pip install 'jax[cpu]'")
    jax = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    one, two, first, second = [tmp_path / name for name in ("1", "2", "first", "second")]
    address = f"127.0.0.1:{_free_port()}"
    programs = [
        program(tmp_path, "devices", **jax, XLA_FLAGS="--xla_force_host_platform_device_count=2"),
        program(first, **jax, **_host(0, address)),
        program(second, **jax, **_host(1, address)),
    ]
    assert [process.wait(240) for process in programs] == [0, 0, 0]
    for directory in (two, first):
        for left, right in zip(weights(one), weights(directory), strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-3, atol=1e-5)
    for left, right in zip(weights(first), weights(second), strict=True):
        np.testing.assert_array_equal(left, right)
    assert (first / "metrics.csv").read_bytes() == (second / "metrics.csv").read_bytes()


def _free_port() -> int:
    """A port below those that the system gives to clients, and above those of the tests in Go."""
    first = 30000 + os.getpid() % 2000
    for port in range(first, first + 700):
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port from {first} on")


def _host(index: int, address: str) -> dict[str, str]:
    values = {"JOB_ADDRESSES": address, "NUM_PROCESSES": "2", "PROCESS_ID": str(index)}
    return {f"KERAS_DISTRIBUTION_{name}": value for name, value in values.items()}


def test_hosts_resume_from_the_newest_checkpoint_that_all_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(tmp_path)
    before, rows = weights(tmp_path), (tmp_path / "metrics.csv").read_bytes()
    monkeypatch.setattr(devices, "gather", lambda value, hosts: [value, 27])
    train(tmp_path, resume=True)
    for left, right in zip(before, weights(tmp_path), strict=True):
        np.testing.assert_array_equal(left, right)
    assert (tmp_path / "metrics.csv").read_bytes() == rows
    monkeypatch.setattr(devices, "gather", lambda value, hosts: [value, 24])
    with pytest.raises(RunError, match="has no checkpoint of step 24, where another host resumes"):
        train(tmp_path, resume=True)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_keeps_all_of_its_state(precision: devices.Precision, tmp_path: Path) -> None:
    train(tmp_path, precision=precision)
    model = network(precision)
    model.optimizer.build(model.trainable_variables)
    state = State(variables(model), tmp_path / "checkpoint")
    state.load(30)
    state.save(31)
    with np.load(tmp_path / "checkpoint" / "step-000000031.npz") as again:
        for left, right in zip(weights(tmp_path), (again[name] for name in again.files), strict=True):
            np.testing.assert_array_equal(left, right)
    kinds = {array.dtype for array in weights(tmp_path)}
    assert np.dtype(np.float32) in kinds
    assert np.dtype(np.float16) not in kinds


def test_the_papers_rate_falls_every_ten_epochs() -> None:
    rate = Rate(Optimiser(), epoch=7, steps=210)
    result = [float(rate(step)) for step in (0, 69, 70, 139, 140)]
    assert result == pytest.approx([1e-3, 1e-3, 5e-5, 5e-5, 2.5e-6])
    warm = Rate(Optimiser(1.0, "cosine", warmup=4), epoch=7, steps=100)
    assert [float(warm(step)) for step in (0, 50, 100)] == pytest.approx([0.25, 0.5, 0.0], abs=1e-6)


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    train(tmp_path)
    model = keras.Sequential([keras.Input((6,)), layers.Dense(3)])
    model.compile("adam", loss="mse")
    with pytest.raises(RunError, match=r"step-000000030.npz: holds \d+ variables, the network \d+"):
        State(variables(model), tmp_path / "checkpoint").load(30)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    model = network()
    model.compile(model.optimizer, loss=lambda truth, result: keras.ops.mean(result) * np.nan)
    loop = Loop(model, lambda step: batch(step, Hosts()), Run.open(tmp_path, "test", Settings(), False), 3)
    with pytest.raises(DataError, match=r"the loss is nan before step 3; lower the learning rate"):
        loop.train(1, EPOCH, dict)


def test_devices_that_are_not_there_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    if keras.backend.backend() == "jax":
        pytest.skip("JAX has devices")
    with pytest.raises(DataError, match="devices: 4 need the JAX back end; set KERAS_BACKEND=jax"):
        devices.spread(4, 8, Hosts())
    monkeypatch.setenv("KERAS_DISTRIBUTION_NUM_PROCESSES", "2")
    with pytest.raises(DataError, match="only JAX trains on several hosts"):
        devices.prepare(1)


if __name__ == "__main__":
    given = Path(sys.argv[1])
    if "devices" in sys.argv:
        for number in (1, 2):
            train(given / str(number), count=number)
    else:
        train(given, endless="endless" in sys.argv)
