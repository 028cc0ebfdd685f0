"""Prunes a wide detector to a narrow one: each layer keeps its most important channels.

The importance of a channel is its standard deviation over images times the norm of the weights that read it.
Layers whose maps are added keep the same channels. Early layers that differ from the wide network's are
trained by `feature_imitation`.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from facesieve_training.detector.codec import STRIDES, FloatArray
from facesieve_training.detector.initial import load_tflite, of_layer
from facesieve_training.detector.network import EARLY, PAIRS, NetworkConfig, build
from facesieve_training.networks import exported
from facesieve_training.networks.pixels import scaled

_READS: dict[str, tuple[str, ...]] = {
    "stage8_conv0": (EARLY,),
    "stage8_conv1": ("stage8_conv0",),
    "stage16_conv0": ("stage8_conv1",),
    "stage16_conv1": ("stage16_conv0",),
    "stage32_conv0": ("stage16_conv1",),
    "stage32_conv1": ("stage32_conv0",),
    "neck32": ("stage32_conv1",),
    "neck16": ("stage16_conv1", "neck32"),
    "neck8": ("stage8_conv1", "neck16"),
} | {f"{'_'.join(pair)}_{stride}": (f"neck{stride}",) for stride in STRIDES for pair in PAIRS}
"""Inputs of each layer above the early ones; two inputs are added."""
Channels = npt.NDArray[np.int64]


def widths(path: Path) -> NetworkConfig:
    """The widths of an exported detector (.tflite); ValueError for another file."""
    stored = exported.read(path.read_bytes())
    stem, stage4, width = (len(of_layer(stored, name).bias) for name in ("stem", "stage4_down", EARLY))
    return NetworkConfig(
        stem, stage4, sum(weights.name.startswith("stage4_conv") for weights in stored), width
    )


def wider(initial: Path, network: NetworkConfig) -> bool:
    """Whether the file is an exported detector to be pruned to this network."""
    if initial.suffix != ".tflite":
        return False
    try:
        initial_widths = widths(initial)
    except (OSError, ValueError):
        return False  # loading reports the fault
    return initial_widths != network and initial_widths.width >= network.width


def start(model: keras.Model, path: Path, images: Sequence[np.ndarray]) -> Callable[[np.ndarray], FloatArray]:
    """Initialise a network by pruning a wider exported one; importance is measured on these batches of 8-bit
    images. Returns the target function of its early layers: such batches to maps N x H/8 x W/8 x C.
    """
    wide = build(widths(path))
    load_tflite(wide, path)
    kept = _kept(wide, model.get_layer(EARLY).filters, images)
    norms = {layer.name: norm for layer, norm in exported.convolutions(wide)}
    for layer, norm in exported.convolutions(model):
        if layer.name not in norms:
            continue
        source, *_ = _READS.get(layer.name, ("",))
        rows, columns = kept.get(source, slice(None)), kept.get(layer.name, slice(None))
        kernel, *bias = wide.get_layer(layer.name).get_weights()
        kernel = kernel[:, :, rows][..., columns]
        if kernel.shape == tuple(layer.kernel.shape):  # early layers may have others
            layer.set_weights([kernel, *bias])
            if norm is not None and (theirs := norms[layer.name]) is not None:
                norm.set_weights([values[columns] for values in theirs.get_weights()])
    exported.settle(model, images)  # batch norms need the moments of the early layers' maps
    front = keras.Model(wide.input, wide.get_layer(f"{EARLY}_relu").output)

    def early(batch: np.ndarray) -> FloatArray:
        return np.asarray(tf.gather(front(scaled(batch), training=False), kept[EARLY], axis=-1))

    return early


def _kept(wide: keras.Model, width: int, images: Sequence[np.ndarray]) -> dict[str, Channels]:
    """The most important channels of every layer above the early ones, in their order."""
    names = sorted({name for read in _READS.values() for name in read})
    view = keras.Model(wide.input, [wide.get_layer(f"{name}_relu").output for name in names])
    spread = [[tf.math.reduce_std(maps, [0, 1, 2]) for maps in view(scaled(batch))] for batch in images]
    importance = {}
    for name, deviations in zip(names, zip(*spread, strict=True), strict=True):
        readers = [wide.get_layer(layer).kernel for layer, read in _READS.items() if name in read]
        weights = np.sum([np.square(kernel).sum(axis=(0, 1, 3)) for kernel in readers], axis=0)
        values = np.mean(deviations, axis=0) * np.sqrt(weights)
        importance[name] = values / values.sum()
    alike = {name: read for read in _READS.values() for name in read if len(read) > 1}
    sums = {name: sum(importance[other] for other in alike.get(name, (name,))) for name in names}
    return {name: np.sort(np.argsort(-total, kind="stable")[:width]) for name, total in sums.items()}
