"""Runs the command with JAX in a separate process on a CPU, or kills it: for tests of training on a GPU."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

_PATIENCE = 800  # seconds; less than the limit of a test, for machines with much other work


def train(
    stage: str, config: Path, directory: Path, *more: str, backend: str = "jax"
) -> subprocess.CompletedProcess[str]:
    """Run a stage to its end."""
    with _start(stage, config, directory, *more, backend=backend) as process:
        try:
            errors = process.communicate(timeout=_PATIENCE)[1]
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, stderr=errors)


def train_killed(stage: str, config: Path, directory: Path, checkpoints: str, result: str) -> None:
    """Kill a stage at its first checkpoint in the run's directory `checkpoints`, and resume it."""
    process = _start(stage, config, directory)
    while process.poll() is None and not list((directory / checkpoints).glob("step-*.npz")):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "the training ended before it could be killed"
    assert not (directory / result).exists()
    assert train(stage, config, directory, "--resume").returncode == 0


def _start(
    stage: str, config: Path, directory: Path, *more: str, backend: str = "jax"
) -> subprocess.Popen[str]:
    program = [sys.executable, "-m", "facesieve_training", stage, "--config", str(config), "--run"]
    # A shared compilation cache: compilation is most of the processes' time.
    compiled = {"JAX_COMPILATION_CACHE_DIR": str(directory.parent / "compiled")}
    compiled["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.5"
    environment = {**os.environ, **compiled, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"}
    return subprocess.Popen(
        [*program, str(directory), *more], env=environment, stderr=subprocess.PIPE, text=True
    )
