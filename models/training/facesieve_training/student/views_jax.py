"""Images for distillation, drawn in whole batches on the device that trains: as `views.draw`
makes them.
"""

import math
from functools import lru_cache

import cv2
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, random

from facesieve_training.detector.camera_jax import GREY, take
from facesieve_training.faces import SIZE
from facesieve_training.student.distillation import COARSE, COVERED, SMEARED, Change
from facesieve_training.student.views import Views


def blends(
    faces: Array, others: Array, plain: Array, key: Array, config: Change, clean: float
) -> tuple[Array, Array]:
    """Blend, augment and degrade faces [N,H,H,3], BGR 0..255, of any margin.

    Returns [N,112,112,3], float32, and which images show one face only, [N]. The share `clean` is not
    degraded. Faces that are `plain` [N] are only cropped.
    """
    keys = random.split(key, 12)
    count, margin = len(faces), (faces.shape[1] - SIZE) / 2

    def drawn(which: int, low: float, high: float, *shape: int) -> Array:
        return random.uniform(keys[which], (count, *(shape or (1, 1, 1))), minval=low, maxval=high)

    weight = jnp.where(drawn(0, 0, 1) < config.two, drawn(1, 0.1, 0.9), 1.0)
    mixed = faces * weight + others * (1 - weight)
    mixed = jnp.where(drawn(9, 0, 1) < config.covered, _covered(mixed, random.fold_in(keys[9], 1)), mixed)
    turn = jnp.deg2rad(drawn(2, -config.rotation, config.rotation, 1))
    zoom = jnp.exp(drawn(3, -config.scale, config.scale, 1))
    move = drawn(4, -config.shift, config.shift, 2)
    pixels = _warped(mixed, turn, zoom, move, margin)
    gain = jnp.exp(drawn(5, -config.contrast, config.contrast))
    pixels = (pixels - 128) * gain + 128 + drawn(6, -config.brightness, config.brightness)
    grey = (pixels * GREY).sum(-1, keepdims=True)
    pixels = jnp.clip(jnp.where(drawn(7, 0, 1) < config.grey, grey, pixels), 0, 255)
    smeared = _smeared(
        pixels,
        drawn(10, *SMEARED, 1),
        random.uniform(random.fold_in(keys[10], 1), (count, 1), maxval=jnp.pi),
    )
    pixels = jnp.where(
        random.uniform(random.fold_in(keys[10], 2), (count, 1, 1, 1)) < config.smeared, smeared, pixels
    )
    sides = jnp.exp(drawn(8, *np.log(COARSE), 1)[:, 0]).astype(jnp.int32)
    coarse = random.uniform(random.fold_in(keys[8], 1), (count,)) < config.coarse
    shrink = jnp.asarray(_shrinking())[jnp.where(coarse, sides, SIZE)]
    pixels = jnp.round(jnp.einsum("nij,njkc,nlk->nilc", shrink, pixels, shrink))
    pixels = take(pixels, keys[11], clean)
    edge = round(margin)
    whole = faces[:, edge : edge + SIZE, edge : edge + SIZE].astype(jnp.float32)
    return jnp.where(plain[:, None, None, None], whole, pixels), plain | (weight[:, 0, 0, 0] == 1)


@lru_cache(1)
def _shrinking() -> np.ndarray:
    """Matrices that reduce a row of 112 pixels to `side` pixels and enlarge it again, for each side
    0..112.
    """
    found = np.zeros((SIZE + 1, SIZE, SIZE), np.float32)
    for side in range(1, SIZE + 1):
        few = cv2.resize(np.eye(SIZE, dtype=np.float32), (SIZE, side), interpolation=cv2.INTER_AREA)
        found[side] = cv2.resize(few, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
    return found


def _covered(images: Array, key: Array) -> Array:
    """Occlude each image by a rectangle, as `degrade.occlude` does."""
    count, side = images.shape[:2]
    keys = random.split(key, 4)
    size = random.uniform(keys[0], (count, 1), minval=COVERED[0], maxval=COVERED[1]) * SIZE
    sides = jnp.maximum(jnp.round(size * random.uniform(keys[1], (count, 2), minval=0.7, maxval=1.3)), 1)
    first = jnp.round(random.uniform(keys[2], (count, 2)) * (side - sides))
    position = jnp.arange(side)
    inside = (position >= first[..., None]) & (position < (first + sides)[..., None])
    behind = (inside[:, 0, :, None] & inside[:, 1, None, :])[..., None]
    return jnp.where(behind, jnp.round(random.uniform(keys[3], (count, 1, 1, 3), maxval=255)), images)


def _smeared(images: Array, length: Array, angle: Array) -> Array:
    """Motion blur of each image [N,H,W,3]; length in pixels and angle in radians, [N,1]."""
    side, reach = images.shape[1], math.ceil(SMEARED[1] / 4)
    line = length * jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], axis=1)
    cut = jax.vmap(lambda one, at: jax.lax.dynamic_slice(one, (at[0], at[1], 0), (side, side, 3)))
    # Averaging two shifted copies four times gives the mean of sixteen positions along the line.
    for part in (4, 8, 16, 32):
        move = jnp.round(line / part).astype(jnp.int32)
        padded = jnp.pad(images, ((0, 0), (reach, reach), (reach, reach), (0, 0)), "edge")
        images = (cut(padded, reach + move) + cut(padded, reach - move)) / 2
    return jnp.round(images)


def _warped(images: Array, turn: Array, zoom: Array, move: Array, margin: float) -> Array:
    """The centre of each image, shifted (pixels), rotated (radians, counter-clockwise) and scaled.

    Returns [N,112,112,3]; edge pixels are repeated outside the image.
    """
    side, middle = images.shape[1], (SIZE - 1) / 2
    y, x = jnp.mgrid[:SIZE, :SIZE] - middle
    cos, sin = (jnp.cos(turn) / zoom)[..., None], (jnp.sin(turn) / zoom)[..., None]
    x, y = cos * x - sin * y, cos * y + sin * x
    x, y = (t + middle + margin + move[:, k, None, None] for k, t in enumerate((x, y)))
    x, y = jnp.clip(x, 0, side - 1), jnp.clip(y, 0, side - 1)
    left, top = (jnp.minimum(jnp.floor(t), side - 2) for t in (x, y))
    right_share, low_share = (x - left)[..., None], (y - top)[..., None]
    rows = images.reshape(len(images), -1, 3)

    def at(dy: int, dx: int) -> Array:
        positions = ((top + dy) * side + left + dx).astype(jnp.int32).reshape(len(images), -1, 1)
        return jnp.take_along_axis(rows, positions, axis=1).reshape(-1, SIZE, SIZE, 3)

    upper = at(0, 0) * (1 - right_share) + at(0, 1) * right_share
    lower = at(1, 0) * (1 - right_share) + at(1, 1) * right_share
    return upper * (1 - low_share) + lower * low_share


def draw(images: Array, key: Array, views: Views) -> Array:
    """Views of each image [N,112,112,3], mirrored, shifted and brightened: [N count,112,112,3].

    The views of an image are adjacent; every other one is mirrored.
    """
    keys = random.split(key, 4)
    pixels = jnp.repeat(images, views.count, axis=0)
    count, shift = len(pixels), views.shift
    padded = jnp.pad(pixels, ((0, 0), (shift, shift), (shift, shift), (0, 0)), "edge")
    positions = random.randint(keys[0], (count, 2), 0, 2 * shift + 1)
    cut = jax.vmap(lambda one, at: jax.lax.dynamic_slice(one, (at[0], at[1], 0), (SIZE, SIZE, 3)))
    pixels = cut(padded, positions)
    flips = random.bernoulli(keys[1], shape=(len(images), 1)) ^ (jnp.arange(views.count) % 2 == 1)
    pixels = jnp.where(flips.reshape(-1, 1, 1, 1), pixels[:, :, ::-1], pixels)
    whole = random.uniform(keys[2], (count, 1, 1, 1), minval=-1)
    colours = random.uniform(keys[3], (count, 1, 1, 3), minval=-1)
    gains = jnp.exp(views.light * (whole + colours / 2))
    return jnp.clip(jnp.round(pixels * gains), 0, 255)
