"""The camera of `degrade` for batches on the device that trains: the same effects on any back end of Keras.

Images are float32, BGR 0..255, N x H x W x 3. A graphics processor computes every effect for all images. A
processor is 8 to 15 times slower with these functions than with OpenCV, hence the ones in `degrade`; tests
compare both.
"""

from typing import NamedTuple

import numpy as np
from keras import ops

from facesieve_training.codec_losses import GREY, Array, compress, encode_video, resampled
from facesieve_training.degrade import ORDER, Strengths
from facesieve_training.faces import SIZE


class Recorded(NamedTuple):
    """Images of a camera: each fills the upper left of its canvas, and its edge pixels the rest."""

    images: Array
    height: Array
    """Rows in use, [N], float32."""
    width: Array


def record(images: Array, strengths: Strengths, noise: Array) -> Recorded:
    """Apply all effects before the alignment; noise is normal, of the images' shape."""
    count, height, width, _ = images.shape
    rows, columns = (side * ops.ones((count,)) for side in (height, width))
    for strength, name, arguments in ORDER:
        chosen = getattr(strengths, strength)
        if chosen is None:
            continue
        there = ops.cast(chosen, "bool")
        if name == "reduce":
            share = ops.where(there, strengths.pixels / SIZE, 1.0)
            rows, columns = (ops.maximum(ops.round(side * share), 4.0) for side in (rows, columns))
            changed = reduce(images, rows, columns)
        else:
            more = (noise,) if name == "add_noise" else ()
            changed = _EFFECTS[name](images, *(getattr(strengths, a) for a in arguments), *more)
        images = ops.where(_pixel(there), changed, images)
    return Recorded(images, rows, columns)


def align(recorded: Recorded, strengths: Strengths, full: float) -> Array:
    """Cut the face out of each image, misaligned, N x 112 x 112 x 3; `full`: the image's width in template
    pixels.
    """
    s, middle = strengths, (SIZE - 1) / 2
    zoom = recorded.width / full / (1 + s.scale)
    cos, sin = (_column(zoom * f(s.turn)) for f in (ops.cos, ops.sin))
    v, u = np.mgrid[:SIZE, :SIZE].astype(np.float32) - np.float32(middle)
    centre = [
        (side - 1) / 2 + zoom * s.shift[:, k] for k, side in enumerate((recorded.width, recorded.height))
    ]
    x = cos * u - sin * v + _column(centre[0])
    y = sin * u + cos * v + _column(centre[1])
    return ops.round(sample(recorded, y, x))


def sample(recorded: Recorded, y: Array, x: Array) -> Array:
    """Bilinear interpolation at positions N x H x W; outside, the nearest pixel."""
    high, wide = _column(recorded.height) - 1, _column(recorded.width) - 1
    y, x = ops.clip(y, 0.0, high), ops.clip(x, 0.0, wide)
    top, left = ops.floor(y), ops.floor(x)
    low, right = ops.minimum(top + 1, high), ops.minimum(left + 1, wide)
    down, across = (y - top)[..., None], (x - left)[..., None]
    corners = [at(recorded.images, rows, columns) for rows in (top, low) for columns in (left, right)]
    upper = corners[0] * (1 - across) + corners[1] * across
    lower = corners[2] * (1 - across) + corners[3] * across
    return upper * (1 - down) + lower * down


def occlude(images: Array, size: Array, cover: Array) -> Array:
    """Put a rectangle in front of each face, about `size` of its width, [N]; cover [N,7]: see Strengths."""
    _, height, width, _ = images.shape

    def inside(side: int, length: Array, place: Array) -> Array:
        length = ops.maximum(ops.round(size * SIZE * (0.7 + 0.6 * length)), 1.0)
        first = ops.round(place * ops.maximum(side - length, 0.0))
        position = ops.arange(side, dtype="float32")[None]
        return ops.logical_and(position >= first[:, None], position < (first + length)[:, None])

    rows, columns = inside(height, cover[:, 1], cover[:, 3]), inside(width, cover[:, 0], cover[:, 2])
    behind = ops.logical_and(rows[:, :, None], columns[:, None, :])[..., None]
    return ops.where(behind, ops.round(255 * cover[:, None, None, 4:7]), images)


def motion_blur(images: Array, length: Array, angle: Array) -> Array:
    """Motion blur along a line; length in pixels and angle in radians, [N]."""
    _, height, width, _ = images.shape
    rows = ops.arange(height, dtype="float32")[None, :, None]
    columns = ops.arange(width, dtype="float32")[None, None, :]
    blank = ops.zeros((1, height, width))
    down, across = _column(length * ops.sin(angle)), _column(length * ops.cos(angle))
    # Averaging two shifted copies four times gives the mean of sixteen positions along the line.
    for part in (4, 8, 16, 32):
        dy, dx = ops.round(down / part), ops.round(across / part)
        one = at(images, rows + dy + blank, columns + dx + blank)
        images = (one + at(images, rows - dy + blank, columns - dx + blank)) / 2
    return ops.round(images)


def defocus(images: Array, sigma: Array) -> Array:
    """Gaussian blur; sigma in pixels, [N]."""
    return ops.round(resampled(images, *(_gaussian(side, sigma) for side in images.shape[1:3])))


def tone(images: Array, gain: Array, gamma: Array, contrast: Array, lift: Array, grey: Array) -> Array:
    """Colour, exposure, tone curve, contrast and brightness."""
    luma = ops.sum(images * GREY, axis=-1, keepdims=True)
    images = ops.where(_pixel(grey), luma, images) / 255
    exposed = ops.clip(images * gain[:, None, None, :], 0.0, 1.0)
    curved = (ops.power(exposed, _pixel(gamma)) - 0.5) * _pixel(contrast) + 0.5 + _pixel(lift)
    return ops.round(255 * ops.clip(curved, 0.0, 1.0))


def reduce(images: Array, height: Array, width: Array) -> Array:
    """Reduce each image by averaging to these numbers of rows and columns, [N], in its upper left."""
    _, rows, columns, _ = images.shape
    return ops.round(resampled(images, _averaging(rows, height), _averaging(columns, width)))


def add_noise(images: Array, sigma: Array, noise: Array) -> Array:
    """Noise of a deviation in grey levels, [N]."""
    return ops.clip(ops.round(images + _pixel(sigma) * noise), 0.0, 255.0)


def _gaussian(side: int, sigma: Array) -> Array:
    """Blur of a row of pixels, N x side x side."""
    place = np.arange(side, dtype=np.float32)
    apart = (place[:, None] - place[None]) ** 2
    weights = ops.exp(-apart[None] / (2 * _column(ops.maximum(sigma, 1e-2)) ** 2))
    return weights / ops.sum(weights, axis=-1, keepdims=True)


def _averaging(side: int, count: Array) -> Array:
    """Reduction of a row of pixels to its first `count` ones, of which the others repeat the last."""
    place = np.arange(side, dtype=np.float32)
    step = _column(side / count)
    first = ops.minimum(place[None, :, None], _column(count) - 1) * step
    shared = ops.minimum(first + step, place[None, None] + 1) - ops.maximum(first, place[None, None])
    return ops.maximum(shared, 0.0) / step


def at(images: Array, rows: Array, columns: Array) -> Array:
    """Pixels at whole positions N x h x w; outside, the nearest ones."""
    count, height, width, channels = images.shape
    rows = ops.clip(ops.cast(rows, "int32"), 0, height - 1)
    columns = ops.clip(ops.cast(columns, "int32"), 0, width - 1)
    first = (height * width * np.arange(count, dtype=np.int32))[:, None, None]
    return ops.take(ops.reshape(images, (-1, channels)), first + rows * width + columns, axis=0)


def _pixel(values: Array) -> Array:
    return values[:, None, None, None]


def _column(values: Array) -> Array:
    return values[:, None, None]


_EFFECTS = {
    effect.__name__: effect
    for effect in (occlude, motion_blur, defocus, tone, add_noise, encode_video, compress)
}
