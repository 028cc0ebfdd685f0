"""Where an earlier detector takes for a face what is none, so that training shows these places more often.

Hard examples of background (Sung and Poggio 1998, doi:10.1109/34.655648): hands, letters and wheels are rare
in whole images, and it is they that set the score from which on a detector can be trusted.
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
_NEAR = 0.25
"""Of a labelled face, sizes of it: what lies within is not trusted to be none."""


@dataclass(frozen=True)
class MistakesConfig:
    """A detector, .tflite or .onnx as in `prepare` (none looks for no mistakes), the score from which on it
    is mistaken, and the scales at which it looks.
    """

    detector: Path | None = None
    score: float = 0.45
    scales: tuple[float, ...] = (0.5, 1.0, 1.8)


def find(items: Sequence[Labelled], config: MistakesConfig) -> list[Labelled]:
    """Images to train on, with what the detector mistakes for faces in them."""
    if config.detector is None:
        return list(items)
    try:
        detect = open_detector(config.detector)
    except DataError as error:
        raise DataError(f"{config.detector}: is no detector; fix mistakes.detector: {error}") from error
    bar = tqdm(items, desc="mistakes", unit="image", disable=None)
    known = [dataclasses.replace(item, mistaken=_mistaken(item, detect, config)) for item in bar]
    places = [len(item.mistaken) for item in known]
    log.info("%d places in %d images are mistaken for faces", sum(places), np.count_nonzero(places))
    return known


def _mistaken(item: Labelled, detect: Detect, config: MistakesConfig) -> FloatArray:
    """Boxes far from any label, whether the labels are sure of it or not, [N,15]."""
    image = item.image()
    found = []
    for scale in config.scales:
        boxes = detect(resized(image, scale), config.score)
        boxes[:, :14] /= scale
        found.append(boxes)
    boxes = codec.suppress(np.concatenate(found), _OVERLAP)
    center = (boxes[:, None, :2] + boxes[:, None, 2:4] / 2 - item.faces[:, :2]) / item.faces[:, 2:4]
    near = ((center > -_NEAR) & (center < 1 + _NEAR)).all(axis=2) | (codec.iou(boxes, item.faces) > 0.1)
    return np.asarray(boxes[~near.any(axis=1)], np.float32)
