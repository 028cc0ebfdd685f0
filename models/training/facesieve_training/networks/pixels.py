"""Pixels as the networks take them."""

from typing import Any

from keras import ops


def scaled(images: Any) -> Any:
    """Images of 0..255, array or tensor, as -1..1 in float32: what the scale in a manifest says."""
    return ops.cast(images, "float32") / 128 - 1
