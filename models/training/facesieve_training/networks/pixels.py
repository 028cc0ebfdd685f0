"""Scaling of pixels to the networks' input."""

from typing import Any

from keras import ops


def scaled(images: Any) -> Any:
    """Images of 0..255, array or tensor, as -1..1 in float32, which is the scale in a manifest."""
    return ops.cast(images, "float32") / 128 - 1
