"""The training loop; a killed and resumed run gives the same result.

Training is divided into segments that end at every checkpoint and every epoch; metrics.csv gets one row per
segment, with the learning rate of its first step. There are two ways to compute a segment: `Loop`, one
`Model.fit` on batches that are made meanwhile, on any back end; and `on_device.DeviceLoop`, for data that
stay on a GPU.
"""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
from tqdm import tqdm

from facesieve_training import devices
from facesieve_training.cli import DataError
from facesieve_training.devices import Hosts
from facesieve_training.run import Run, RunError

log = logging.getLogger(__name__)

Batch = tuple[Any, ...]
"""Input and targets, and optional sample weights."""
_AHEAD = 6  # batches made ahead


@dataclass(frozen=True)
class Optimiser:
    """Adam and its learning rate."""

    rate: float = 1e-3
    schedule: Literal["step", "cosine"] = "step"
    factor: float = 0.05
    """step: factor of the rate after every `every` epochs."""
    every: float = 10
    """step: epochs between two changes of the rate."""
    warmup: int = 0
    """Steps in which the rate rises from 0."""

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        found = [
            f"{n}: {v} must be above 0" for n, v in (("rate", self.rate), ("every", self.every)) if v <= 0
        ]
        found += [] if 0 < self.factor <= 1 else [f"factor: {self.factor} is not above 0 and at most 1"]
        return found if self.warmup >= 0 else [*found, f"warmup: {self.warmup} is below 0"]


class Rate(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """Learning rate of a step."""

    def __init__(self, optimiser: Optimiser, epoch: int, steps: float) -> None:
        """Take the steps of an epoch, and of the whole training."""
        self._optimiser, self._epoch, self._steps = optimiser, epoch, steps

    def __call__(self, step: Any) -> Any:
        """Return the rate; step may be a tensor."""
        ops, o = keras.ops, self._optimiser
        step = ops.cast(step, "float32")
        if o.schedule == "cosine":
            rate = o.rate * 0.5 * (1 + ops.cos(np.pi * ops.minimum(step / self._steps, 1.0)))
        else:
            rate = o.rate * ops.power(o.factor, ops.floor(step / (o.every * self._epoch)))
        return rate * ops.minimum((step + 1) / max(o.warmup, 1), 1.0)


def adam(optimiser: Optimiser, epoch: int, steps: int, precision: devices.Precision) -> Any:
    """Adam with this schedule; float16 gets a loss scale, because small gradients would underflow."""
    inner = keras.optimizers.Adam(Rate(optimiser, epoch, steps))
    return keras.optimizers.LossScaleOptimizer(inner) if precision == "float16" else inner


class Segments:
    """A training in segments that end at every checkpoint and every epoch, in whatever way each is computed.

    `name` is the checkpoint's directory below the run's, for a run with several trainings; `after` is the
    number of steps of its earlier ones, after which the rows of metrics.csv continue.
    """

    def __init__(
        self, run: Run, state: Sequence[Any], optimizer: Any, save_every: int, hosts: Hosts | None = None,
        name: str = "", after: int = 0,
    ) -> None:  # fmt: skip
        self._run, self._optimizer, self._save_every = run, optimizer, save_every
        self._hosts, self._name, self._after = hosts or Hosts(), name, after
        directory = run.checkpoint / name
        directory.mkdir(exist_ok=True)
        self._state = State(state, directory)

    def train(self, epochs: float, epoch: int, evaluate: Callable[[], dict[str, float]] = dict) -> None:
        """Train `epochs` epochs of `epoch` steps; `evaluate` returns additional figures after each."""
        total = round(epochs * epoch)
        step = self._resume(total)
        hidden = self._hosts.index > 0 or None
        with tqdm(total=total, initial=step, desc=self._name or "train", unit="step", disable=hidden) as bar:
            while step < total:
                ends = ((step // every + 1) * every for every in (self._save_every, epoch))
                end = min(*ends, total)
                rate = float(keras.ops.convert_to_numpy(self._optimizer.learning_rate))
                figures = self._finite(self._segment(step, end, bar), end)
                bar.set_postfix({name: f"{value:.3f}" for name, value in figures.items()}, refresh=False)
                values = {"epoch": round(end / epoch, 4), **figures, "rate": rate}
                step = end
                # The row first: a resumed run rewrites the rows after the last checkpoint.
                evaluated = evaluate() if step % epoch == 0 else {}
                self._run.log(self._after + step, **values, **evaluated)
                self._state.save(step)

    def _segment(self, start: int, end: int, bar: Any) -> dict[str, float]:
        """Train from a step to another; returns the mean parts of the loss, with their sum as `loss`."""
        raise NotImplementedError

    def _loaded(self) -> None:
        """Called after the variables were restored."""

    def _resume(self, total: int) -> int:
        """Load the newest checkpoint that all hosts have."""
        kept = self._state.kept() if self._run.resumed else []
        step = min(devices.gather(kept[-1] if kept else 0, self._hosts))
        if step and step not in kept:
            raise RunError(
                f"{self._run.checkpoint}: has no checkpoint of step {step}, where another host resumes"
            )
        if step:
            self._state.load(step)
            self._loaded()
            log.info("resuming %s after step %d", self._name or "training", step)
        if step < total:  # otherwise later trainings may have written rows
            self._run.rewind(self._after + step)
        return step

    def _finite(self, figures: dict[str, float], end: int) -> dict[str, float]:
        if np.isfinite(figures["loss"]):
            return figures
        raise DataError(
            f"{self._run.dir}: the loss is {figures['loss']} before step {end}; "
            "lower the learning rate, raise its warm-up or take precision float32"
        )


class Loop(Segments):
    """Trains a compiled model on batches that are streamed to it, on any back end.

    `make_batch(step)` returns this host's part of a step's batch and must be a function of the step; `makers`
    threads call it.
    """

    def __init__(
        self, model: keras.Model, make_batch: Callable[[int], Batch], run: Run, save_every: int,
        hosts: Hosts | None = None, name: str = "", after: int = 0, makers: int = 3,
    ) -> None:  # fmt: skip
        self._model, self._make_batch, self._makers = model, make_batch, makers
        self._fault: Exception | None = None
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        super().__init__(run, variables(model), model.optimizer, save_every, hosts, name, after)

    def _segment(self, start: int, end: int, bar: Any) -> dict[str, float]:
        try:
            history = self._model.fit(
                self._batches(start, end),
                steps_per_epoch=end - start,
                shuffle=False,
                verbose=0,
                callbacks=[_Tick(bar)],
            )
        except Exception as error:
            # TensorFlow replaces an exception of make_batch by its own.
            raise self._fault or error from None
        return {name: float(values[-1]) for name, values in history.history.items()}

    def _batches(self, start: int, end: int) -> Iterator[Batch]:
        with ThreadPoolExecutor(self._makers) as pool:
            ahead = [pool.submit(self._make_batch, s) for s in range(start, min(start + _AHEAD, end))]
            for step in range(start, end):
                try:
                    batch = ahead.pop(0).result()
                except Exception as error:
                    self._fault = error
                    raise
                if step + _AHEAD < end:
                    ahead.append(pool.submit(self._make_batch, step + _AHEAD))
                yield batch


class Averaged(keras.optimizers.AdamW):  # type: ignore[misc]
    """AdamW with a moving average of the weights, whose decay is smaller in the first steps."""

    def __init__(self, *arguments: Any, average: float, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._average = average

    def build(self, variables: Sequence[Any]) -> None:
        """Start the averages at the present weights."""
        if self.built:
            return
        super().build(variables)
        self.averages = [self.add_variable_from_reference(v, "average") for v in variables]
        for average, variable in zip(self.averages, variables, strict=True):
            average.assign(variable)

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        """Update the weights, then their averages."""
        super().apply(grads, trainable_variables)
        step = keras.ops.cast(self.iterations, "float32")
        keep = keras.ops.minimum(self._average, (1 + step) / (10 + step))
        for average, variable in zip(self.averages, self._trainable_variables, strict=True):
            average.assign(average * keep + variable * (1 - keep))


def variables(model: keras.Model) -> list[Any]:
    """Weights, random states and the optimiser's variables of a compiled model, each once."""
    metrics = {id(v) for v in model.metrics_variables}
    own = [v for v in model.variables if id(v) not in metrics]
    own_ids = {id(v) for v in own}
    return own + [v for v in model.optimizer.variables if id(v) not in own_ids]


class _Tick(keras.callbacks.Callback):  # type: ignore[misc]
    """Moves the progress bar without waiting for the device."""

    async_safe = True

    def __init__(self, bar: Any) -> None:
        super().__init__()
        self._bar = bar

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._bar.update()


class State:
    """Checkpoints of all variables of a training, as numbered arrays.

    The last two are kept: when several hosts are killed, one may have written one more than another.
    """

    def __init__(self, variables: Sequence[Any], directory: Path) -> None:
        self._variables, self._directory = variables, directory

    def kept(self) -> list[int]:
        """Steps of the existing checkpoints, in order."""
        return sorted(int(path.stem.removeprefix("step-")) for path in self._directory.glob("step-*.npz"))

    def save(self, step: int) -> None:
        """Write a checkpoint atomically, then delete those before the last two."""
        temporary = self._directory / f".step-{step}.{os.getpid()}.tmp"
        arrays = {f"v{i}": keras.ops.convert_to_numpy(v) for i, v in enumerate(self._variables)}
        with temporary.open("wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path(step))
        for old in self.kept()[:-2]:
            self._path(old).unlink()

    def load(self, step: int) -> None:
        """Restore every variable to its value after that step."""
        variables = self._variables
        with np.load(self._path(step)) as saved:
            if len(saved.files) != len(variables):
                raise RunError(
                    f"{self._path(step)}: holds {len(saved.files)} variables, the network {len(variables)}; "
                    "was it written by another version? start a new run"
                )
            for i, variable in enumerate(variables):
                value = saved[f"v{i}"]
                if value.shape != tuple(variable.shape):
                    raise RunError(
                        f"{self._path(step)}: {variable.path} has shape {value.shape}, "
                        f"not {tuple(variable.shape)}; start a new run"
                    )
                variable.assign(value)

    def _path(self, step: int) -> Path:
        return self._directory / f"step-{step:09d}.npz"
