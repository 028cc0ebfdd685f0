"""The stage `student`: distils the teacher's feature into a small network, then teaches it the labels.

The paper trains in two phases; here phases are a list, each with its epochs and the weights of its losses,
so that both can also be trained at once. The result is student.keras, scale.json and the held-out people's
predictions.
"""

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from facesieve_training.label.table import COMPONENTS
from facesieve_training.networks.resnet import macs
from facesieve_training.run import Run, write_atomic
from facesieve_training.student import data, network
from facesieve_training.student.train import Batch, Optimiser, Plan, Trainer

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Phase:
    """Epochs with one weighting of the losses (eq. 6, and the labels')."""

    epochs: float
    feature: float = 0.0
    """Mean squared error to the teacher's embedding."""
    labels: float = 0.0
    """Bins of the three labels."""
    optimiser: Optimiser = field(default_factory=Optimiser)


@dataclass(frozen=True)
class Config:
    """Configuration of the stage."""

    labels: Path
    """Folder of a finished run of the stage label."""
    seed: int = 1
    student: network.StudentConfig = field(default_factory=network.StudentConfig)
    phases: tuple[Phase, ...] = (Phase(6, feature=1.0), Phase(6, labels=1.0))
    batch: int = 64
    dtype: str = "float32"
    """Keras policy: float32, mixed_bfloat16 or mixed_float16."""
    held_out: float = 0.05
    """Share of the people who are never trained on: calibration and every choice are theirs."""
    shift: int = 2
    """Largest move of a training picture, pixels."""
    cache: Path | None = None
    """Folder for decoded pictures, 37 KB each; none makes them anew each time."""
    save_every: int = 500


def run(config: Config, run: Run) -> None:
    """Train, and write the student into the run's folder."""
    keras.utils.set_random_seed(config.seed)
    source = data.LabelRun(config.labels)
    labels = source.read()
    pictures = data.Pictures(source, labels, config.cache)
    test = data.held_out(labels, config.held_out, config.seed)
    scale = data.Scale.fit(labels.labels[~test])
    write_atomic(run.dir / "scale.json", json.dumps(scale.knots) + "\n")
    model = network.build(config.student, labels.embedding.shape[1], dtype=config.dtype)
    run.save_meta(parameters=model.count_params(), macs=macs(model))
    log.info("%s: %.3f M parameters, %.1f MMAC", model.name, model.count_params() / 1e6, macs(model) / 1e6)

    rows = np.flatnonzero(~test)
    scaled = scale.apply(labels.labels)
    losses: dict[str, Any] = {network.FEATURE: "mse"} | dict.fromkeys(COMPONENTS, network.bins_loss)
    batches = Batches(config, pictures, rows, scaled, labels.embedding)
    trainer = Trainer(model, losses, batches, run, config.save_every)
    judged = np.flatnonzero(test)
    trainer.train(
        [_plan(phase, len(rows) // config.batch) for phase in config.phases],
        lambda: judge(model, pictures, judged, scaled),
    )
    model.save_weights(run.dir / "student.weights.h5")
    run.finish(**judge(model, pictures, judged, scaled))


class Batches:
    """Makes the batch of a step: an epoch is one random order of the training rows."""

    def __init__(
        self,
        config: Config,
        pictures: data.Pictures,
        rows: NDArray[np.int64],
        scaled: NDArray[np.float32],
        embedding: NDArray[np.float16],
    ) -> None:
        self._config, self._pictures, self._rows = config, pictures, rows
        self._scaled, self._embedding = scaled, embedding
        self._order: tuple[int, NDArray[np.int64]] = (-1, rows)

    def __call__(self, step: int) -> Batch:
        """Make the batch of a step."""
        size = self._config.batch
        epoch, place = divmod(step, len(self._rows) // size)
        if self._order[0] != epoch:
            shuffled = np.random.default_rng([self._config.seed, 1, epoch]).permutation(self._rows)
            self._order = (epoch, shuffled)
        rows = np.sort(self._order[1][place * size : (place + 1) * size])
        rng = np.random.default_rng([self._config.seed, 2, step])
        x = data.augment(self._pictures[rows], self._config.shift, rng)
        truth = self._scaled[rows]
        known = np.isfinite(truth)
        y = {network.FEATURE: self._embedding[rows].astype(np.float32)}
        weights = {network.FEATURE: np.ones(len(rows), np.float32)}
        for i, name in enumerate(COMPONENTS):
            y[name] = np.nan_to_num(truth[:, i : i + 1])
            weights[name] = known[:, i].astype(np.float32)
        return x, y, weights


def _plan(phase: Phase, epoch: int) -> Plan:
    weights = {network.FEATURE: phase.feature} | dict.fromkeys(COMPONENTS, phase.labels)
    return Plan(max(1, round(phase.epochs * epoch)), epoch, phase.optimiser, weights)


def judge(
    model: keras.Model,
    pictures: data.Pictures,
    rows: NDArray[np.int64],
    scaled: NDArray[np.float32],
    batch: int = 64,
) -> dict[str, float]:
    """Spearman's correlation of prediction and label on held-out people, for each label."""
    if not len(rows):
        return {}
    told = predict(model, pictures, rows, batch)
    found = {}
    for i, name in enumerate(COMPONENTS):
        known = np.isfinite(scaled[rows, i])
        found[f"spearman_{name}"] = float(spearmanr(told[known, i], scaled[rows, i][known]).statistic)
    return found


def predict(
    model: keras.Model, pictures: data.Pictures, rows: NDArray[np.int64], batch: int = 64
) -> NDArray[np.float32]:
    """Predict the labels (0..1) of these rows, N x 3, from the pictures as they are."""
    told = []
    for first in range(0, len(rows), batch):
        x = (pictures[rows[first : first + batch]].astype(np.float32) - 128) / 128
        outputs = model(x, training=False)
        told.append(np.stack([np.asarray(network.expectation(outputs[n])) for n in COMPONENTS], axis=1))
    return np.concatenate(told)
