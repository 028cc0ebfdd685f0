"""The degradation of `camera` for whole batches, on the device that trains."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, random

from facesieve_training.detector import camera

_REACH = 3
"""Radius of a blur, pixels."""
GREY = np.array([0.114, 0.587, 0.299], np.float32)
"""Luma weights of blue, green and red."""
_BLOCK = 8
_FREQUENCY, _PLACE = np.ogrid[:_BLOCK, :_BLOCK]
_COSINES = np.cos(_FREQUENCY * (2 * _PLACE + 1) * np.pi / (2 * _BLOCK)) * np.sqrt(2 / _BLOCK)
_COSINES[0] /= np.sqrt(2)
# ITU-T T.81, tables K.1 and K.2: quantisation of luma and chroma at quality 50.
_BRIGHTNESS = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
_COLOUR = np.full((_BLOCK, _BLOCK), 99)
_COLOUR[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]


def take(images: Array, key: Array, clean: float) -> Array:
    """Degrade images [N,H,W,3], BGR 0..255, at random; returns float32.

    `clean` is the share of unchanged images. Height and width are multiples of 16.
    """
    *keys, last = random.split(key, 9)
    keys.extend(random.split(last))
    count = len(images)
    taken = random.uniform(keys[0], (count,)) >= clean

    def chosen(chance: float, which: int) -> Array:
        return (taken & (random.uniform(keys[which], (count,)) < chance))[:, None, None, None]

    recorded = images.astype(jnp.float32)
    recorded = jnp.where(chosen(camera.TONED, 1), _toned(recorded, keys[2]), recorded)
    recorded = jnp.where(chosen(camera.BLURRED, 3), blurred(recorded, _kernels(keys[4], count)), recorded)
    deviation = _drawn(keys[5], count, camera.DEVIATION) * chosen(camera.NOISY, 6)
    recorded = jnp.clip(jnp.round(recorded + deviation * random.normal(keys[7], recorded.shape)), 0, 255)
    quality = random.randint(keys[8], (count,), *camera.QUALITY)
    return jnp.where(chosen(camera.COMPRESSED, 9), compressed(recorded, quality), recorded)


def _drawn(key: Array, count: int, between: tuple[float, float], channels: int = 1) -> Array:
    """A number for each image, or for each of its channels, [N,1,1,C]."""
    return random.uniform(key, (count, 1, 1, channels), minval=between[0], maxval=between[1])


def _toned(images: Array, key: Array) -> Array:
    """Gain a channel, contrast, gamma and darkness; sometimes grey."""
    count = len(images)
    keys = random.split(key, 7)

    def chosen(share: float, which: int) -> Array:
        return _drawn(keys[which], count, (0, 1)) < share

    grey = (images * GREY).sum(-1, keepdims=True)
    x = jnp.where(chosen(camera.GREYED, 0), grey, images) / 255
    gain = _drawn(keys[1], count, camera.GAIN) * _drawn(keys[2], count, camera.CHANNEL, 3)
    gain = gain * jnp.where(chosen(camera.DARKENED, 3), _drawn(keys[4], count, camera.DARKNESS), 1)
    shift = _drawn(keys[5], count, (-camera.SHIFT, camera.SHIFT))
    gamma = jnp.exp(_drawn(keys[6], count, (-camera.GAMMA, camera.GAMMA)))
    return jnp.floor(jnp.clip(gain * x**gamma + shift, 0, 1) * 255)


def _kernels(key: Array, count: int) -> Array:
    """One blur kernel per image, [N,7,7]: half out of focus, half motion blur."""
    keys = random.split(key, 4)
    y, x = jnp.mgrid[-_REACH : _REACH + 1, -_REACH : _REACH + 1]

    def drawn(which: int, between: tuple[float, float]) -> Array:
        return _drawn(keys[which], count, between)[..., 0]

    round_ = jnp.exp(-(x * x + y * y) / (2 * drawn(0, camera.SIGMA) ** 2))
    angle, length = drawn(1, (0, np.pi)), drawn(2, camera.LENGTH)
    along, across = x * jnp.cos(angle) + y * jnp.sin(angle), y * jnp.cos(angle) - x * jnp.sin(angle)
    beyond = jnp.maximum(jnp.abs(along) - length / 2, 0)
    line = jnp.clip(1 - jnp.hypot(across, beyond), 0, 1)
    kernels = jnp.where(drawn(3, (0, 1)) < camera.DEFOCUSED, round_, line)
    return kernels / kernels.sum((1, 2), keepdims=True)


def blurred(images: Array, kernels: Array) -> Array:
    """Convolve each image [N,H,W,3] with its kernel [N,7,7]."""
    height, width = images.shape[1:3]
    edges = [(0, 0), (_REACH, _REACH), (_REACH, _REACH), (0, 0)]
    padded = jnp.pad(images, edges, mode="reflect")
    side = 2 * _REACH + 1
    parts = [
        padded[:, row : row + height, column : column + width] * kernels[:, row, column, None, None, None]
        for row in range(side)
        for column in range(side)
    ]
    return jnp.round(sum(parts[1:], parts[0]))


def compressed(images: Array, quality: Array) -> Array:
    """Each image [N,H,W,3] after JPEG compression at its quality [N], 1..100, with chroma at half size."""
    blue, green, red = (images[..., k] for k in range(3))
    bright = (images * GREY).sum(-1)
    blueness, redness = (blue - bright) / 1.772, (red - bright) / 1.402
    kept = _kept(bright - 128, _table(_BRIGHTNESS, quality)) + 128
    blueness, redness = (_half(colour, _table(_COLOUR, quality)) for colour in (blueness, redness))
    red, blue = kept + 1.402 * redness, kept + 1.772 * blueness
    green = (kept - GREY[2] * red - GREY[0] * blue) / GREY[1]
    return jnp.clip(jnp.round(jnp.stack([blue, green, red], -1)), 0, 255)


def _table(table: np.ndarray, quality: Array) -> Array:
    """Steps of the coefficients at a quality, [N,1,8,1,8]."""
    share = jnp.where(quality < 50, 5000 / quality, 200 - 2 * quality)[:, None, None]
    return jnp.clip(jnp.floor((table * share + 50) / 100), 1, 255)[:, None, :, None, :]


def _half(colour: Array, table: Array) -> Array:
    count, height, width = colour.shape
    small = colour.reshape(count, height // 2, 2, width // 2, 2).mean((2, 4))
    return jnp.repeat(jnp.repeat(_kept(small, table), 2, axis=1), 2, axis=2)


def _kept(plane: Array, table: Array) -> Array:
    """A plane [N,H,W] after quantisation of the cosine transform of its blocks."""
    count, height, width = plane.shape
    blocks = plane.reshape(count, height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK)
    with jax.default_matmul_precision("highest"):
        coefficients = jnp.einsum("ua,nyaxb,vb->nyuxv", _COSINES, blocks, _COSINES)
        back = jnp.einsum("ua,nyuxv,vb->nyaxb", _COSINES, jnp.round(coefficients / table) * table, _COSINES)
    return back.reshape(plane.shape)
