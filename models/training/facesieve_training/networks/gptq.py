"""GPTQ (Frantar et al. 2022, arXiv:2210.17323): rounds weights to int8 with the least change of each layer's
output on real images. The error of one weight is compensated by the weights that are rounded after it.

The converter rounds every weight to the nearest step without compensation. Weights that are on its steps
already stay unchanged.
"""

import logging
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import layers
from tqdm import tqdm

from facesieve_training.faces import Image
from facesieve_training.networks.pixels import scaled

log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]
LAST = 127
"""Steps on either side of 0; the largest weight of an output is on the last one."""
_SHARES = (1.0, 0.9, 0.8, 0.7, 0.6)  # candidates of the last step, as shares of an output's largest weight
_DAMPING = 0.01  # of the mean square of the inputs, added to each: the images are a small sample
_BATCH, _PLACES = 8, 4000  # images in a batch (without their mirror images); sampled positions of a map


def round_weights(model: keras.Model, images: Image) -> None:
    """Round the weights of all convolutions and dense layers, in place.

    Inputs are those of these images, N x height x width x 3 BGR, and of their mirror images. Batch norms must
    be folded before.
    """
    weighted_layers = weighted(model)
    log.info("rounding the weights of %d layers on %d images", len(weighted_layers), len(images))
    with_products = zip(weighted_layers, _products(model, weighted_layers, images), strict=True)
    for layer, products in tqdm(
        with_products, total=len(weighted_layers), desc="GPTQ", unit="layer", disable=None
    ):
        kernel, *bias = layer.get_weights()
        if isinstance(layer, layers.DepthwiseConv2D):
            flat = kernel.reshape(-1, kernel.shape[2])
            each = [rounded(flat[:, [c]], product) for c, product in enumerate(products)]
            result = np.concatenate(each, axis=1)
        else:
            result = rounded(kernel.reshape(-1, kernel.shape[-1]), products)
        layer.set_weights([result.reshape(kernel.shape), *bias])


def weighted(model: keras.Model) -> list[Any]:
    """The convolutions and dense layers of a network."""
    kinds = layers.Conv2D | layers.DepthwiseConv2D | layers.Dense
    return [layer for layer in model.layers if isinstance(layer, kinds)]


def rounded(weights: npt.NDArray[Any], products: npt.NDArray[Any]) -> Floats:
    """Round weights, inputs x outputs, for inputs with these mean products, inputs x inputs.

    The largest weight of each output stays on the last step, because the converter derives its steps from it.
    """
    weights = weights.astype(np.float64)
    damping = _DAMPING * np.trace(products) / len(products) + 1e-12
    square = products.astype(np.float64) + damping * np.eye(len(products))
    order = np.argsort(-np.diag(square))  # weights of the largest inputs first
    following = np.linalg.cholesky(np.linalg.inv(square[np.ix_(order, order)])).T
    largest = np.maximum(np.abs(weights).max(axis=0), 1e-12)
    best, least = np.zeros_like(weights), np.full(len(largest), np.inf)
    for share in _SHARES:
        result = _in_turn(weights[order], following, share * largest / LAST)[np.argsort(order)]
        change = result - weights
        error = np.einsum("io,io->o", change, square @ change)
        best, least = np.where(error < least, result, best), np.minimum(error, least)
    return best


def _in_turn(left: Floats, following: Floats, step: Floats) -> Floats:
    """Round the rows in order; each error is distributed over the later rows by the Cholesky factor."""
    left = left.copy()
    largest = np.abs(left).argmax(axis=0)
    result = np.empty_like(left)
    for k in range(len(left)):
        steps = np.clip(np.round(left[k] / step), -LAST, LAST)
        result[k] = np.where(largest == k, np.where(left[k] < 0, -LAST, LAST), steps) * step
        left[k + 1 :] -= np.outer(following[k, k + 1 :], (left[k] - result[k]) / following[k, k])
    return result


def _products(model: keras.Model, weighted_layers: list[Any], images: Image) -> list[npt.NDArray[np.float32]]:
    """Mean products of the inputs of each layer; for a depthwise convolution, per channel."""
    inputs = keras.Model(model.input, [layer.input for layer in weighted_layers])
    rng = np.random.default_rng(0)
    sums: list[Any] = [0] * len(weighted_layers)
    counts = [0] * len(weighted_layers)
    starts = range(0, len(images), _BATCH)
    for first in tqdm(starts, desc="inputs", unit="batch", disable=None):
        some = images[first : first + _BATCH]
        result = inputs.predict_on_batch(scaled(np.concatenate([some, some[:, :, ::-1]])))
        for k, (layer, values) in enumerate(zip(weighted_layers, result, strict=True)):
            rows = _rows(layer, values)
            rows = rows if len(rows) <= _PLACES else rows[rng.choice(len(rows), _PLACES, replace=False)]
            apart = rows.transpose(2, 1, 0) if isinstance(layer, layers.DepthwiseConv2D) else rows.T
            sums[k] = sums[k] + apart @ np.swapaxes(apart, -1, -2)
            counts[k] += len(rows)
    return [total / count for total, count in zip(sums, counts, strict=True)]


def _rows(layer: Any, values: Any) -> Any:
    """Inputs of an output's weights at each position: positions x inputs; of a depthwise convolution
    positions x inputs x channels.
    """
    if isinstance(layer, layers.Dense):
        return np.asarray(values)
    channels, side = values.shape[-1], layer.kernel_size
    if side == (1, 1):
        return np.asarray(values).reshape(-1, channels)
    cut = keras.ops.image.extract_patches(values, side, layer.strides, padding=layer.padding)
    rows = keras.ops.convert_to_numpy(cut).reshape(-1, side[0] * side[1], channels)
    return rows if isinstance(layer, layers.DepthwiseConv2D) else rows.reshape(len(rows), -1)
