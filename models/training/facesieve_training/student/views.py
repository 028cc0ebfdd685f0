"""Views of an image: random mirroring, shift and brightness, several views per batch."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from keras import ops

from facesieve_training import camera
from facesieve_training.faces import Image

VIEW_NUMBERS = 7
"""Numbers 0..1 of which `draw_batch` makes a view."""


@dataclass(frozen=True)
class Views:
    """Random augmentation of each view of an image."""

    count: int = 1
    """Views of each image in a batch."""
    shift: int = 2
    """Largest shift, pixels."""
    light: float = 0.0
    """Largest change of brightness, natural logarithm; each channel changes by half as much in addition."""
    consistency: float = 0.0
    """Weight of the squared distance of a view's prediction from the mean over all views."""

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        found = [] if self.count >= 1 else [f"count: {self.count} is below 1"]
        found += [] if self.shift >= 0 else [f"shift: {self.shift} is below 0"]
        return found if 0 <= self.light < 1 else [*found, f"light: {self.light} is not in 0..1"]


def draw(images: Image, views: Views, rng: np.random.Generator) -> Image:
    """Mirror, shift and brighten each of N images.

    The views of an image are adjacent; every other view is mirrored relative to the first.
    """
    out = np.empty_like(images)
    shift, size = views.shift, images.shape[1]
    positions = rng.integers(0, 2 * shift + 1, (len(images), 2))
    flips = (rng.random(len(images)) < 0.5).reshape(-1, views.count)
    flips = (flips[:, :1] ^ (np.arange(views.count) % 2 == 1)).ravel()
    whole, colours = rng.uniform(-1, 1, (len(out), 1)), rng.uniform(-1, 1, (len(out), 3))
    gains = np.exp(views.light * (whole + colours / 2))
    padded = np.pad(images, ((0, 0), (shift, shift), (shift, shift), (0, 0)), "edge")
    for i, (y, x) in enumerate(positions):
        moved = padded[i, y : y + size, x : x + size]
        if flips[i]:
            cv2.flip(moved, 1, out[i])  # four times as fast as a mirrored copy
        else:
            out[i] = moved
        if views.light:
            cv2.multiply(out[i], (*gains[i], 0), out[i])
    return out


def draw_batch(images: Any, numbers: Any, views: Views) -> Any:
    """`draw` on the device that trains: N images, 0..255, to N count views; VIEW_NUMBERS each."""
    pixels = ops.repeat(images, views.count, axis=0)
    count, height, width, _ = pixels.shape
    dy, dx = (ops.floor(numbers[:, k] * (2 * views.shift + 1))[:, None, None] - views.shift for k in (0, 1))
    first = ops.reshape(numbers[:, 2] < 0.5, (-1, views.count))[:, :1]
    flips = ops.reshape(ops.not_equal(first, np.arange(views.count) % 2 == 1), (count, 1, 1))
    row, column = np.mgrid[:height, :width].astype(np.float32)
    columns = ops.where(flips, width - 1 - column[None], column[None])
    pixels = camera.at(pixels, row[None] + dy + 0 * columns, columns + dx)
    gains = ops.exp(views.light * (2 * numbers[:, 3:4] - 1 + (numbers[:, 4:7] - 0.5)))
    return ops.clip(ops.round(pixels * gains[:, None, None, :]), 0, 255)
