"""Runs an exported detector with YuNet's heads: images to faces, as in the daemon."""

from collections.abc import Mapping, Sequence

import numpy as np

from facesieve_training.detector import codec
from facesieve_training.detector.codec import STRIDES, FloatArray
from facesieve_training.networks.int8 import Int8Network

_HEADS = ("cls", "obj", "bbox", "kps")
_EXPORTED = {head: range(k * len(STRIDES), (k + 1) * len(STRIDES)) for k, head in enumerate(_HEADS)}
"""The outputs in the order of `network.OUTPUTS`."""


class Int8Detector:
    """An int8 detector on 8-bit BGR images of any size."""

    def __init__(self, data: bytes, overlap: float, heads: Mapping[str, Sequence[int]] = _EXPORTED) -> None:
        """Open a network's bytes.

        overlap: IoU above which two boxes are one face. heads: indices of the outputs of cls, obj, bbox and
        kps, one per stride, as in the manifest.
        """
        self._network = Int8Network(data)
        self._heads = heads
        self._overlap = overlap

    def __call__(self, image: np.ndarray, threshold: float) -> FloatArray:
        """Faces of an image at its own size, best first, [N,15]."""
        maps = [m[0] for m in self._network.run(codec.padded(image))]
        cls, obj, bbox, kps = ([maps[k] for k in self._heads[head]] for head in _HEADS)
        return codec.faces_of(cls, obj, bbox, kps, threshold, self._overlap)
