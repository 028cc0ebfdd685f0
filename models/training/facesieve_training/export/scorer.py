"""Scores aligned faces with an exported student as in the daemon: int8 on XNNPACK, decoded by the
manifest.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesieve_training.cli import DataError
from facesieve_training.export import manifest
from facesieve_training.faces import Image
from facesieve_training.networks.int8 import Int8Network


@dataclass(frozen=True)
class Score:
    """The student's score of one face."""

    value: float
    """The calibrated score, 0..100, higher is better."""
    raw: float
    """Weighted mean of the labels."""
    labels: dict[str, float]
    """Expectation of each label's bins."""


class Decoder:
    """Turns a student's outputs, in real units, into labels, raw value and score."""

    def __init__(self, quality: manifest.Quality) -> None:
        self._labels = quality.labels
        self._bins = [np.array(label.bins) for label in quality.labels]
        weights = np.array([label.weight for label in quality.labels])
        self._weights = weights / weights.sum()
        self._raw = np.array(quality.calibration.raw)
        self._score = np.array(quality.calibration.score)

    def labels(self, outputs: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
        """Return the expectation of each label's bins."""
        values = []
        for label, bins in zip(self._labels, self._bins, strict=True):
            logits = np.asarray(outputs[label.output], np.float64).ravel()
            parts = np.exp(logits - logits.max())
            values.append(float(parts @ bins / parts.sum()))
        return np.array(values)

    def score(self, outputs: Sequence[NDArray[Any]]) -> Score:
        """Decode one face's outputs."""
        labels = self.labels(outputs)
        raw = float(labels @ self._weights)
        names = [label.name for label in self._labels]
        return Score(self.calibrated(raw), raw, dict(zip(names, labels.tolist(), strict=True)))

    def calibrated(self, raw: float) -> float:
        """Map a raw value to 0..100, clamped at the ends of the calibration."""
        return float(np.interp(raw, self._raw, self._score))


class Scorer:
    """A .tflite file with its manifest beside it, on one thread."""

    def __init__(self, file: Path) -> None:
        """Open the network; its SHA-256 must be that of the manifest."""
        described = file.with_suffix(".json")
        for path in (file, described):
            if not path.is_file():
                raise DataError(f"{path}: no such file; a network needs its .tflite and .json side by side")
        data = file.read_bytes()
        tree = json.loads(described.read_text(encoding="utf-8"))
        if tree["sha256"] != manifest.sha256(data):
            raise DataError(f"{file}: is not the file that {described.name} describes (SHA-256 differs)")
        if tree["task"] != "quality":
            raise DataError(f"{described}: task is {tree['task']}; a scorer needs a quality network")
        self.quality = read_quality(tree["quality"])
        self.network = Int8Network(data)
        self.decoder = Decoder(self.quality)
        self.scale: NDArray[np.float64] | None = None
        """Factor of each value of the embedding, from the output in its real units; None without one."""
        if head := self.quality.embedding:
            self.scale = np.array(head.scale) / self.network.outputs()[head.output]["quantization"][0]

    def score(self, face: Image) -> Score:
        """Score one aligned 112x112 face, BGR."""
        return self.decoder.score(self.network.run(face))

    def embed(self, face: Image) -> NDArray[np.float64]:
        """Embed one aligned 112x112 face, BGR, with Euclidean length 1."""
        if self.quality.embedding is None or self.scale is None:
            raise DataError("the network has no embedding; export it with one")
        values = self.network.run(face)[self.quality.embedding.output].ravel() * self.scale
        return np.asarray(values / np.linalg.norm(values))


def read_quality(tree: dict[str, Any]) -> manifest.Quality:
    """Read the quality part of a manifest."""
    labels = [manifest.Label(**label) for label in tree["labels"]]
    fnmr = manifest.Fnmr(**tree["fnmr"]) if "fnmr" in tree else None
    pose = manifest.Pose(**tree["pose"]) if "pose" in tree else None
    return manifest.Quality(
        labels,
        manifest.Calibration(**tree["calibration"]),
        fnmr,
        _read_embedding(tree.get("embedding")),
        pose,
    )


def _read_embedding(tree: dict[str, Any] | None) -> manifest.Embedding | None:
    if tree is None:
        return None
    thresholds = [manifest.Thresholds(**some) for some in tree["thresholds"]]
    return manifest.Embedding(**{**tree, "thresholds": thresholds})
