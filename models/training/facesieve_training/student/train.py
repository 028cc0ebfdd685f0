"""The training loop: phases of steps, checkpoints in between, and the same batches again after a resume."""

import io
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
from tqdm import tqdm

from facesieve_training.run import Run, write_atomic

log = logging.getLogger(__name__)

Batch = tuple[Any, Any, Any]
"""Input, targets by output, sample weights by output."""


@dataclass(frozen=True)
class Optimiser:
    """Adam and its learning rate over a phase."""

    rate: float = 1e-3
    schedule: Literal["step", "cosine"] = "step"
    factor: float = 0.05
    """step: the rate is multiplied by this every so many epochs."""
    every: float = 10
    warmup: int = 0
    """Steps in which the rate rises from 0."""


@dataclass(frozen=True)
class Plan:
    """One phase of training."""

    steps: int
    epoch: int
    """Steps in an epoch."""
    optimiser: Optimiser
    loss_weights: dict[str, float]
    """Weight of each output's loss; an output without one is left out."""


class _Rate(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def __call__(self, step: Any) -> Any:
        ops, o = keras.ops, self._plan.optimiser
        step = ops.cast(step, "float32")
        if o.schedule == "cosine":
            rate = o.rate * 0.5 * (1 + ops.cos(np.pi * ops.minimum(step / self._plan.steps, 1.0)))
        else:
            rate = o.rate * ops.power(o.factor, ops.floor(step / (o.every * self._plan.epoch)))
        return rate * ops.minimum((step + 1) / max(o.warmup, 1), 1.0)


class Trainer:
    """Trains a model through its phases; `make_batch(step)` always gives the same batch of a step."""

    def __init__(
        self,
        model: keras.Model,
        losses: dict[str, Any],
        make_batch: Callable[[int], Batch],
        run: Run,
        save_every: int = 500,
    ) -> None:
        self.model, self._losses, self._make_batch = model, losses, make_batch
        self._run, self._save_every = run, save_every

    def train(self, plans: list[Plan], judge: Callable[[], dict[str, float]]) -> None:
        """Run all phases, going on where a checkpoint says; judge is asked after each epoch, for the log."""
        state = self._run.checkpoint / "state.npz"
        done = _step(state) if self._run.resumed else 0
        if done:
            log.info("going on after step %d", done)
        self._run.rewind(done)
        first = 0
        for plan in plans:
            if done < first + plan.steps:
                self._compile(plan)
                self._restore(state, done - first if done else 0, done)
                self._phase(plan, first, max(done, first), judge, state)
            first += plan.steps
        if done >= first and state.exists():
            self._restore_weights(state)

    def _compile(self, plan: Plan) -> None:
        weights = {name: plan.loss_weights.get(name, 0.0) for name in self._losses}
        optimizer = keras.optimizers.Adam(_Rate(plan))
        self.model.compile(optimizer, loss=self._losses, loss_weights=weights, jit_compile="auto")
        optimizer.build(self.model.trainable_variables)

    def _phase(
        self, plan: Plan, first: int, start: int, judge: Callable[[], dict[str, float]], state: Path
    ) -> None:
        end, sums, count = first + plan.steps, dict.fromkeys(["loss"], 0.0), 0
        with tqdm(total=end, initial=start, unit=" steps", mininterval=5) as bar:
            for step, batch in self._batches(start, end):
                told = self.model.train_on_batch(*batch, return_dict=True)
                for name, value in told.items():
                    sums[name] = sums.get(name, 0.0) + float(value)
                count += 1
                bar.update()
                now = step + 1
                epoch_ends = (now - first) % plan.epoch == 0 or now == end
                if epoch_ends:
                    means = {name: value / count for name, value in sums.items()}
                    self._run.log(now, **means, **judge())
                    sums, count = dict.fromkeys(["loss"], 0.0), 0
                if epoch_ends or now % self._save_every == 0:
                    self._save(state, now)

    def _batches(self, start: int, end: int) -> Iterator[tuple[int, Batch]]:
        """Make the next batches while the network is busy with one."""
        with ThreadPoolExecutor(1) as pool:
            ahead = [(s, pool.submit(self._make_batch, s)) for s in range(start, min(start + 3, end))]
            while ahead:
                step, batch = ahead.pop(0)
                ready = batch.result()
                if (later := step + 3) < end:
                    ahead.append((later, pool.submit(self._make_batch, later)))
                yield step, ready

    def _save(self, path: Path, step: int) -> None:
        arrays = {f"w{i}": np.asarray(w) for i, w in enumerate(self.model.weights)}
        arrays |= {f"o{i}": np.asarray(v) for i, v in enumerate(self.model.optimizer.variables)}
        held = io.BytesIO()
        np.savez(held, step=step, **arrays)  # type: ignore[arg-type]
        write_atomic(path, held.getvalue())

    def _restore_weights(self, path: Path) -> None:
        with np.load(path) as held:
            for i, weight in enumerate(self.model.weights):
                weight.assign(held[f"w{i}"])

    def _restore(self, path: Path, inside: int, done: int) -> None:
        """Take weights, and the optimiser's state when the checkpoint lies inside the phase."""
        if not done or not path.exists():
            return
        self._restore_weights(path)
        if inside > 0:
            with np.load(path) as held:
                for i, variable in enumerate(self.model.optimizer.variables):
                    variable.assign(held[f"o{i}"])


def _step(path: Path) -> int:
    if not path.exists():
        return 0
    with np.load(path) as held:
        return int(held["step"])
