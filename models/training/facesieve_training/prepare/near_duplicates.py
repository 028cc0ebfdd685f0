"""Near-duplicates: images of a person that differ little more than by compression. They are listed, not
removed.

The difference hash (Krawetz 2013) has one bit per pair of horizontal neighbours in an 8 x 9 grey thumbnail: 1
if the right one is brighter. Images whose hashes differ in few of the 64 bits are nearly the same. Only
images of one identity are compared, so the cost is linear in the number of identities.
"""

import itertools

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facesieve_training.prepare.shards import Shards

_CHUNK = 1024


def difference_hash(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the 64 bits of a BGR image."""
    small = cv2.resize(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), (9, 8), interpolation=cv2.INTER_AREA)
    bits: NDArray[np.bool_] = (small[:, 1:] > small[:, :-1]).ravel()
    return bits


def near_duplicates(faces: Shards, bits: int) -> pd.DataFrame:
    """List pairs of faces of one identity whose hashes differ in at most `bits` bits: left, right, bits."""
    hashes = np.zeros((len(faces), 64), np.bool_)
    for batch in faces.batches(_CHUNK):
        hashes[batch.rows] = [difference_hash(image) for image in batch.images]
    found = []
    for rows in faces.index.groupby("identity", sort=False).indices.values():
        for left, right in itertools.combinations(np.asarray(rows), 2):
            differing = int((hashes[left] != hashes[right]).sum())
            if differing <= bits:
                found.append((faces.index["key"].iloc[left], faces.index["key"].iloc[right], differing))
    return pd.DataFrame(found, columns=["left", "right", "bits"])
