"""Batches of a student's training: a function of the step, with the weights of the phase."""

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from facesieve_training.devices import Hosts
from facesieve_training.faces import Image
from facesieve_training.fit import Batch, Optimiser
from facesieve_training.student import data
from facesieve_training.student.background import Empty
from facesieve_training.student.network import CLASSES, FEATURE
from facesieve_training.student.views import Views, draw


@dataclass(frozen=True)
class Phase:
    """Epochs with one weighting of the losses (eq. 6, and the labels')."""

    epochs: float
    """Passes over the training rows; may be a fraction."""
    feature: float = 0.0
    """Mean squared error to the teacher's embedding."""
    teacher_classes: float = 0.0
    """Cross entropy to the teacher's classes."""
    classes: float = 0.0
    """Cross entropy to the person's class."""
    labels: float = 0.0
    """Loss of the labels' bins."""
    optimiser: Optimiser = field(default_factory=Optimiser)

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        return [] if self.epochs > 0 else [f"epochs: {self.epochs} must be above 0"]


class Batches:
    """Makes this host's part of a step's batch; an epoch is one random order of the training rows.

    The views of an image are adjacent in a batch; images without a face come last.
    """

    def __init__(
        self,
        phases: tuple[Phase, ...],
        images: data.Rows,
        labels: data.Labels,
        scaled: NDArray[np.float32],
        names: tuple[str, ...],
        rows: NDArray[np.int64],
        batch: int,
        views: Views,
        seed: int,
        hosts: Hosts,
        empty: Empty | None = None,
    ) -> None:
        """Take the labels, scaled to 0..1, and the rows to train on, which may repeat.

        Images without a face get the lowest value of each label.
        """
        self._phases, self._images, self._labels = phases, images, labels
        self._scaled, self._names, self._rows = scaled, names, rows
        self._distinct, self._views = batch // views.count, views
        self._seed, self._hosts = seed, hosts
        self._with_classes = any(p.classes or p.teacher_classes for p in phases)
        self._empty = empty
        # Batches are made ahead, also across the end of an epoch.
        self._order = lru_cache(2)(self._shuffled)

    @property
    def epoch(self) -> int:
        """Steps in an epoch."""
        return len(self._rows) // self._distinct

    def __call__(self, step: int) -> Batch:
        """Make the batch of a step."""
        epoch, position = divmod(step, self.epoch)
        rows = self._order(epoch)[position * self._distinct : (position + 1) * self._distinct]
        rows = rows[self._hosts.share(self._distinct)]
        rng = np.random.default_rng([self._seed, 2, step, self._hosts.index])
        phase = self._phase(step / self.epoch)
        images = self._images[rows]
        empty = self._clear(images, rng)
        images = np.repeat(images, self._views.count, axis=0)
        y, weights = self._targets(np.repeat(rows, self._views.count), phase)
        at = slice(len(images) - empty * self._views.count, None)
        for name in y:
            labelled = name in self._names
            y[name][at], weights[name][at] = 0, phase.labels if labelled else 0
        return draw(images, self._views, rng), y, weights

    def _shuffled(self, epoch: int) -> NDArray[np.int64]:
        return np.random.default_rng([self._seed, 1, epoch]).permutation(self._rows)

    def _clear(self, images: Image, rng: np.random.Generator) -> int:
        """Replace the last images of a batch by images without a face; returns their number."""
        if self._empty is None:
            return 0
        count = max(1, round(self._empty.share * len(images)))
        images[-count:] = self._empty.images[rng.integers(0, len(self._empty.images), count)]
        return count

    def _phase(self, passed: float) -> Phase:
        ends = np.cumsum([phase.epochs for phase in self._phases])
        return self._phases[min(int(np.searchsorted(ends, passed, side="right")), len(self._phases) - 1)]

    def _targets(
        self, rows: NDArray[np.int64], phase: Phase
    ) -> tuple[dict[str, NDArray[np.float32]], dict[str, NDArray[np.float32]]]:
        """Targets and weights by output; an unknown label has weight 0."""
        embedding = self._labels.embedding[rows].astype(np.float32)
        ones = np.ones(len(rows), np.float32)
        y, weights = {FEATURE: embedding}, {FEATURE: phase.feature * ones}
        truth = self._scaled[rows]
        for i, name in enumerate(self._names):
            y[name] = np.nan_to_num(truth[:, i : i + 1])
            weights[name] = (phase.labels * np.isfinite(truth[:, i])).astype(np.float32)
        if self._with_classes:
            person = self._labels.identity[rows].astype(np.float32)
            parts = (person, phase.teacher_classes * ones, phase.classes * ones)
            y[CLASSES] = np.concatenate([embedding, np.stack(parts, axis=1)], axis=1)
            weights[CLASSES] = ones
        return y, weights
