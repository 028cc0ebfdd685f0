"""Aligned faces out of held-out pictures must not be trained on: two sets may share photographs."""

from collections.abc import Sequence

import cv2
import numpy as np
from tqdm import tqdm

from facesieve_training.detector.codec import FloatArray
from facesieve_training.detector.label import Labelled
from facesieve_training.prepare.align import align

_ALIKE = 0.85
"""Correlation of the grey levels from which two faces may be of one photograph: a few others go, too."""
_INNER = slice(8, 104)
"""Of the 112 pixels of an aligned face, those that are compared, 24 x 24 of them."""
_THUMB = 24


def without_twins(aligned: Sequence[Labelled], held_out: Sequence[Labelled], sure: float) -> list[Labelled]:
    """The aligned pictures whose face, of that score at least, is like none of the held-out pictures'."""
    known = _thumbs(held_out, sure)
    kept: list[Labelled] = []
    for item in tqdm(aligned, desc="twins", unit="picture", disable=None):
        alike = _thumbs([item], sure) @ known.T
        if len(alike) and alike.max(initial=-1.0) < _ALIKE:
            kept.append(item)
    return kept


def _thumbs(items: Sequence[Labelled], sure: float) -> FloatArray:
    """Grey levels of the faces, aligned, of mean 0 and length 1, [N, 24 * 24]."""
    thumbs = [np.zeros((0, _THUMB * _THUMB), np.float32)]
    for item in items:
        picture = item.picture()
        for face in item.faces[item.faces[:, 14] >= sure]:
            aligned = align(picture, face[4:14].reshape(5, 2), 0).picture[_INNER, _INNER]
            grey = cv2.cvtColor(np.asarray(aligned), cv2.COLOR_BGR2GRAY)
            small = cv2.resize(grey, (_THUMB, _THUMB), interpolation=cv2.INTER_AREA).astype(np.float32)
            small -= small.mean()
            thumbs.append(small.reshape(1, -1) / max(float(np.linalg.norm(small)), 1e-6))
    return np.concatenate(thumbs)
