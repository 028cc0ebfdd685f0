"""Initialises a detector from the weights of another, and averages the weights of two."""

import re
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from facesieve_training.cli import DataError
from facesieve_training.networks import exported
from facesieve_training.networks.pixels import scaled


def load(model: keras.Model, path: Path) -> None:
    """Load weights from a file: .weights.h5 of a run, or an exported .tflite."""
    try:
        if path.suffix == ".tflite":
            load_tflite(model, path)
        else:
            model.load_weights(path)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: holds no weights of this network; fix the configuration: {error}"
        ) from error


def load_tflite(model: keras.Model, path: Path) -> None:
    """Load the weights of an exported network; ValueError when they are not of this architecture."""
    stored = exported.read(path.read_bytes())
    for layer, norm in exported.convolutions(model):
        exported.give(layer, norm, of_layer(stored, layer.name))


def of_layer(stored: Sequence[exported.Weights], name: str) -> exported.Weights:
    """An exported network's weights of the layer of this name; ValueError when it has none."""
    found = [weights for weights in stored if re.fullmatch(rf"{name}(_\d+)?", weights.name)]
    if len(found) != 1:
        raise ValueError(f"it has no convolution {name}")
    return found[0]


def mix(model: keras.Model, other: keras.Model, share: float, batches: Sequence[np.ndarray]) -> None:
    """Move a network's weights this share of the way to another's, from which it was trained.

    Training on harder images reduces the accuracy on the earlier ones; the average of both networks keeps
    most of either (Wortsman et al. 2022, arXiv:2109.01903). The moments of the batch norms are measured on
    these batches.
    """
    for network in (model, other):
        exported.settle(network, batches)
    pairs = zip(model.get_weights(), other.get_weights(), strict=True)
    model.set_weights([(1 - share) * own + share * theirs for own, theirs in pairs])
    measure_moments(model, batches)


def measure_moments(model: keras.Model, batches: Sequence[np.ndarray]) -> None:
    """Set the moments of the batch norms to the means of those of these batches of 8-bit images."""
    norms = [norm for _, norm in exported.convolutions(model) if norm is not None]
    momentum = [norm.momentum for norm in norms]
    moments = [[np.zeros(norm.gamma.shape, np.float32)] * 2 for norm in norms]
    for norm in norms:
        norm.momentum = 0.0  # moments of each batch only; they are averaged below
    for batch in batches:
        model(scaled(batch), training=True)
        for k, norm in enumerate(norms):
            moments[k] = [
                a + b / len(batches) for a, b in zip(moments[k], norm.get_weights()[2:], strict=True)
            ]
    for norm, kept, measured in zip(norms, momentum, moments, strict=True):
        norm.momentum = kept
        norm.set_weights([*norm.get_weights()[:2], *measured])
