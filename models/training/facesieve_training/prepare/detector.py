"""The face detector of `prepare`: a .tflite with its manifest, or any ONNX network with YuNet's heads."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facesieve_training.cli import DataError
from facesieve_training.faces import Image

Faces = NDArray[np.float32]
"""One row per face, best first: x, y, width, height, five landmarks (x, y), score; pixels of the image."""
Detect = Callable[[Image, float], Faces]

_OVERLAP = 0.4


def open_detector(file: Path) -> Detect:
    """Open a detector and return its function of a BGR image and the lowest score wanted."""
    if not file.is_file():
        raise DataError(f"{file}: no such file; give a detector, .onnx or .tflite")
    if file.suffix == ".tflite":
        return _ours(file)
    from facesieve_training.detector.yunet import YuNet

    try:
        network = YuNet(file)
    except DataError:
        raise
    except Exception as error:  # onnxruntime's faults have no common base
        raise DataError(f"{file}: is not a detector with YuNet's heads: {error}") from error
    return lambda image, threshold: network.detect(image, threshold, overlap=_OVERLAP)


def _ours(file: Path) -> Detect:
    from facesieve_training.detector.int8 import Int8Detector

    heads = _heads(file.with_suffix(".json"))
    try:
        return Int8Detector(file.read_bytes(), _OVERLAP, heads)
    except ValueError as error:
        raise DataError(f"{file}: is not a TFLite file: {error}") from error


def _heads(manifest: Path) -> dict[str, list[int]]:
    try:
        detector = json.loads(manifest.read_text(encoding="utf-8"))["detector"]
        return {name: [int(i) for i in detector[name]] for name in ("cls", "obj", "bbox", "kps")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{manifest}: is not a detector's manifest: {error!r}") from error
