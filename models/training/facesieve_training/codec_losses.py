"""The losses of JPEG and H.264 for batches, on any back end of Keras: transform, quantisation, loop filter.

Images are float32, BGR 0..255, N x H x W x 3. The entropy coding of both loses nothing and is left out.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

Array = Any
"""Of the back end in use."""
GREY = np.array([0.114, 0.587, 0.299], np.float32)
"""Luma weights of blue, green and red."""
_MACRO = 16


def _cosines(side: int) -> np.ndarray:
    frequency, place = np.ogrid[:side, :side]
    cosines = np.cos(frequency * (2 * place + 1) * np.pi / (2 * side)) * np.sqrt(2 / side)
    cosines[0] /= np.sqrt(2)
    return np.asarray(cosines, np.float32)


_COSINES_8, _COSINES_4 = _cosines(8), _cosines(4)
# ITU-T T.81, tables K.1 and K.2: quantisation of luma and chroma at quality 50.
_LUMA = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    np.float32,
)
_CHROMA = np.full((8, 8), 99, np.float32)
_CHROMA[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
# ITU-T H.264, table 8-15: QP of chroma for that of luma, 30..51.
_CHROMA_QP = np.array(
    [*range(30), 29, 30, 31, 32, 32, 33, 34, 34, 35, 35, 36, 36, 37, 37, 37, 38, 38, 38, 39, 39, 39, 39],
    np.float32,
)
_LUMA_RANGE, _CHROMA_RANGE = 255 / 219, 255 / 224
"""Grey levels of an image in one level of a video."""
_KEY_QP = 3
"""By which libx264 lowers the QP of a key frame."""
_KEY_ROUNDING, _ROUNDING = 21 / 64, 11 / 64
"""Of coefficients by libx264, in key frames and in predicted ones: less than 1/2 is a dead zone around 0."""


def compress(images: Array, quality: Array) -> Array:
    """JPEG at a quality, [N], 1..100, with chroma at half size."""

    def coded(plane: Array, table: np.ndarray) -> Array:
        steps = _steps(table, quality)
        return _coded(plane, _COSINES_8, lambda c: ops.round(c / steps) * steps)

    luma, blueness, redness = _planes(images)
    kept = coded(luma - 128, _LUMA) + 128
    blueness, redness = (_doubled(coded(_halved(plane), _CHROMA)) for plane in (blueness, redness))
    return _images(kept, blueness, redness, images.shape)


def encode_video(images: Array, qp: Array, movement: Array, angle: Array) -> Array:
    """H.264: predict from a key frame in which all was `movement` pixels behind; see `degrade.encode_video`.

    Each of [N]. All transforms are of 4x4 pixels, there is no intra prediction, and all blocks move alike.
    """
    moved = movement * ops.sin(angle), movement * ops.cos(angle)
    now, before = _planes(images), _planes(shift(images, *moved))
    luma = _predicted(now[0] - 128, before[0] - 128, qp, moved, _LUMA_RANGE) + 128
    lower = ops.take(_CHROMA_QP, ops.cast(ops.clip(qp, 0, len(_CHROMA_QP) - 1), "int32"))
    half = moved[0] / 2, moved[1] / 2
    blueness, redness = (
        _doubled(_predicted(_halved(now[k]), _halved(before[k]), lower, half, _CHROMA_RANGE)) for k in (1, 2)
    )
    return _images(luma, blueness, redness, images.shape)


def shift(images: Array, down: Array, across: Array) -> Array:
    """Take each pixel from so many pixels, [N], below and to the right, by OpenCV's cubic interpolation."""
    return resampled(images, *(_shifting(*o) for o in zip(images.shape[1:3], (down, across), strict=True)))


def resampled(images: Array, rows: Array, columns: Array) -> Array:
    """Multiply the columns of pixels by matrices `rows`, N x h x H, and the rows by `columns`, N x w x W."""
    count, height, width, channels = images.shape
    images = ops.matmul(rows, ops.reshape(images, (count, height, width * channels)))
    images = ops.transpose(ops.reshape(images, (count, height, width, channels)), (0, 2, 1, 3))
    images = ops.matmul(columns, ops.reshape(images, (count, width, height * channels)))
    return ops.transpose(ops.reshape(images, (count, width, height, channels)), (0, 2, 1, 3))


def _predicted(plane: Array, before: Array, qp: Array, moved: tuple[Array, Array], levels: float) -> Array:
    """A plane predicted from the key frame `before`; `levels`: grey levels in one of the video."""
    key_qp = ops.maximum(qp - _KEY_QP, 0.0)
    key = _deblocked(_coded(before, _COSINES_4, _dead_zone(key_qp, levels, _KEY_ROUNDING)), key_qp, levels)
    predicted = shift(key[..., None], -moved[0], -moved[1])[..., 0]
    return predicted + _coded(plane - predicted, _COSINES_4, _dead_zone(qp, levels, _ROUNDING))


def _dead_zone(qp: Array, levels: float, rounding: float) -> Callable[[Array], Array]:
    step = levels * _step(qp)[:, None, None, None, None]
    return lambda c: ops.sign(c) * ops.floor(ops.abs(c) / step + rounding) * step


def _step(qp: Array) -> Array:
    """Quantisation step of H.264, [N]: twice as large for each 6."""
    return 0.625 * 2 ** (qp / 6)


def _deblocked(plane: Array, qp: Array, levels: float) -> Array:
    """Smooth the edges of 4x4 blocks: the filter of H.264 for edges of intra blocks (8.7.2.3)."""
    # Close to the tables of the standard (List et al. 2003, doi:10.1109/TCSVT.2003.815175).
    far = levels * _row(ops.maximum(0.8 * (2 ** (qp / 6) - 1), 0.0))
    near = levels * _row(ops.maximum(0.5 * qp - 7, 0.0))
    limit = levels * _row(ops.floor(_step(qp) / 9) + 1)
    for _ in range(2):
        count, length, width = plane.shape
        edges = ops.reshape(plane[:, 2:-2], (count, length // 4 - 1, 4, width))
        p1, p0, q0, q1 = (edges[:, :, k] for k in range(4))
        smooth = (ops.abs(p0 - q0) < far) & (ops.abs(p1 - p0) < near) & (ops.abs(q1 - q0) < near)
        change = ops.where(smooth, ops.clip((4 * (q0 - p0) + p1 - q1) / 8, -limit, limit), 0.0)
        edges = ops.reshape(ops.stack([p1, p0 + change, q0 - change, q1], axis=2), (count, -1, width))
        plane = ops.concatenate([plane[:, :2], edges, plane[:, -2:]], axis=1)
        plane = ops.transpose(plane, (0, 2, 1))
    return plane


def _shifting(side: int, by: Array) -> Array:
    """Matrices N x side x side that shift a row of pixels; outside, the nearest pixel."""
    place = np.arange(side, dtype=np.float32)
    source = ops.clip(place[None, :, None] + by[:, None, None], 0.0, side - 1.0)
    apart = ops.abs(source - place)
    inner = (1.25 * apart - 2.25) * apart**2 + 1
    outer = ((-0.75 * apart + 3.75) * apart - 6) * apart + 3
    weights = ops.where(apart <= 1, inner, ops.where(apart < 2, outer, 0.0))
    return weights / ops.sum(weights, axis=-1, keepdims=True)


def _planes(images: Array) -> tuple[Array, Array, Array]:
    """Luma and both chroma planes of the images, which are padded to whole macroblocks."""
    _, height, width, _ = images.shape
    below, beside = -height % _MACRO, -width % _MACRO
    if below or beside:
        images = ops.pad(images, ((0, 0), (0, below), (0, beside), (0, 0)), "symmetric")
    luma = ops.sum(images * GREY, axis=-1)
    return luma, (images[..., 0] - luma) / 1.772, (images[..., 2] - luma) / 1.402


def _images(luma: Array, blueness: Array, redness: Array, shape: tuple[int, ...]) -> Array:
    """Images of this shape of their planes."""
    red, blue = luma + 1.402 * redness, luma + 1.772 * blueness
    green = (luma - GREY[2] * red - GREY[0] * blue) / GREY[1]
    images = ops.stack([blue, green, red], axis=-1)
    return ops.clip(ops.round(images), 0.0, 255.0)[:, : shape[1], : shape[2]]


def _steps(table: np.ndarray, quality: Array) -> Array:
    """Quantisation steps at a quality, [N,1,8,1,8]."""
    safe = ops.maximum(quality, 1.0)
    share = _row(ops.where(safe < 50, 5000 / safe, 200 - 2 * safe))
    return ops.clip(ops.floor((table * share + 50) / 100), 1.0, 255.0)[:, None, :, None, :]


def _halved(plane: Array) -> Array:
    count, height, width = plane.shape
    return ops.mean(ops.reshape(plane, (count, height // 2, 2, width // 2, 2)), axis=(2, 4))


def _doubled(plane: Array) -> Array:
    return ops.repeat(ops.repeat(plane, 2, axis=1), 2, axis=2)


def _coded(plane: Array, cosines: np.ndarray, quantise: Callable[[Array], Array]) -> Array:
    """A plane N x H x W after quantisation of the cosine transform of its blocks."""
    (count, height, width), side = plane.shape, len(cosines)
    blocks = ops.reshape(plane, (count, height // side, side, width // side, side))
    quantised = quantise(ops.einsum("ua,nyaxb,vb->nyuxv", cosines, blocks, cosines))
    return ops.reshape(ops.einsum("ua,nyuxv,vb->nyaxb", cosines, quantised, cosines), (count, height, width))


def _row(values: Array) -> Array:
    return values[:, None, None]
