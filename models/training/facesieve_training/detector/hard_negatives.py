"""Hard-negative mining: false positives of an earlier detector, which training shows more often.

After Sung and Poggio 1998 (doi:10.1109/34.655648): hands, letters and wheels are rare in whole images, and
they determine the lowest usable score of a detector.
"""

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from facesieve_training.cli import DataError
from facesieve_training.detector import codec
from facesieve_training.detector.codec import FloatArray
from facesieve_training.detector.label import Labelled
from facesieve_training.detector.warp import resized
from facesieve_training.prepare.detector import Detect, open_detector

log = logging.getLogger(__name__)

_OVERLAP = 0.4
_AROUND = 0.25
"""Distance from a labelled face, in sizes of the face, within which a detection is not a hard negative."""


@dataclass(frozen=True)
class HardNegativesConfig:
    """detector: .tflite or .onnx as in `prepare`; None disables mining. score: lowest score of a hard
    negative. scales: scales at which the detector runs.
    """

    detector: Path | None = None
    score: float = 0.45
    scales: tuple[float, ...] = (0.5, 1.0, 1.8)


def find(items: Sequence[Labelled], config: HardNegativesConfig) -> list[Labelled]:
    """Add the hard negatives of the detector to the training images."""
    if config.detector is None:
        return list(items)
    try:
        detect = open_detector(config.detector)
    except DataError as error:
        raise DataError(
            f"{config.detector}: is not a detector; fix hard_negatives.detector: {error}"
        ) from error
    bar = tqdm(items, desc="hard negatives", unit="image", disable=None)
    mined = [dataclasses.replace(item, hard_negatives=_hard_negatives(item, detect, config)) for item in bar]
    counts = [len(item.hard_negatives) for item in mined]
    log.info("%d hard negatives in %d images", sum(counts), np.count_nonzero(counts))
    return mined


def _hard_negatives(item: Labelled, detect: Detect, config: HardNegativesConfig) -> FloatArray:
    """Detections far from every label, also from uncertain ones, [N,15]."""
    image = item.image()
    found = []
    for scale in config.scales:
        boxes = detect(resized(image, scale), config.score)
        boxes[:, :14] /= scale
        found.append(boxes)
    boxes = codec.suppress(np.concatenate(found), _OVERLAP)
    center = (boxes[:, None, :2] + boxes[:, None, 2:4] / 2 - item.faces[:, :2]) / item.faces[:, 2:4]
    close = ((center > -_AROUND) & (center < 1 + _AROUND)).all(axis=2) | (codec.iou(boxes, item.faces) > 0.1)
    return np.asarray(boxes[~close.any(axis=1)], np.float32)
