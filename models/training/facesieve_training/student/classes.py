"""The teacher's probabilities of the people, C_t of eq. 6.

A teacher that was trained here has a classifier of its own. Any other one gets the softmax over a scale times
the cosines of its embedding with each person's mean clean embedding.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facesieve_training.config import load
from facesieve_training.label import formulas
from facesieve_training.student import data
from facesieve_training.teacher.source import TeacherSource

Floats = NDArray[np.float32]
FILE = "classes.npz"


@dataclass(frozen=True)
class Classifier:
    """Embeddings N x D to logits N x people: matrix product with the kernel, plus the bias."""

    kernel: Floats
    """D x people, in the order of the people's numbers."""
    bias: Floats
    unit: bool
    """Whether embeddings are scaled to length 1 first."""
    origin: str
    """Where it comes from, for the run's output."""


def prototypes(labels: data.Labels, rows: NDArray[np.int64]) -> Floats:
    """Mean of each person's clean unit embeddings among the rows, scaled to length 1, by person's number."""
    clean = rows[labels.variant[rows] == 0]
    sums = np.zeros((len(labels.identities), labels.embedding.shape[1]), np.float32)
    np.add.at(sums, labels.identity[clean], formulas.unit_rows(labels.embedding[clean].astype(np.float32)))
    return formulas.unit_rows(sums)


def by_means(labels: data.Labels, rows: NDArray[np.int64], scale: float, why: str) -> Classifier:
    """A classifier by cosines with the people's means among these rows of the table."""
    kernel = scale * prototypes(labels, rows).T
    origin = f"softmax of {scale:g} times the cosines with each person's mean embedding ({why})"
    return Classifier(kernel, np.zeros(kernel.shape[1], np.float32), True, origin)


def classifier(
    source: TeacherSource, labels: data.Labels, rows: NDArray[np.int64], scale: float
) -> Classifier:
    """The teacher's own classifier if it was trained here on all people of the table, else one by means."""
    file = (source.run or Path()) / FILE
    if source.run is None or not file.is_file():
        return by_means(labels, rows, scale, "the teacher was not trained here")
    with np.load(file) as stored:
        arrays = {name: stored[name] for name in stored.files}
    number = {str(name): k for k, name in enumerate(arrays["names"])}
    unknown = [name for name in labels.identities if name not in number]
    if unknown:
        few = f"the teacher's classifier has no class for {len(unknown)} of {len(labels.identities)} people"
        return by_means(labels, rows, scale, f"{few}, such as {unknown[0]}")
    columns = np.array([number[name] for name in labels.identities])
    kernel, origin = arrays["kernel"][:, columns].astype(np.float32), f"the teacher's classifier, {file}"
    if "bias" in arrays:
        return Classifier(kernel, arrays["bias"][columns].astype(np.float32), False, origin)
    from facesieve_training.teacher import stage  # it imports this package's teachers

    head = load(source.run / "config.yaml", stage.Config).network.head
    kernel = head.scale * kernel / np.linalg.norm(kernel, axis=0)
    return Classifier(kernel, np.zeros(len(columns), np.float32), True, origin)
