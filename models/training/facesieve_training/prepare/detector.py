"""The face detector of `prepare`: ours (.tflite with its manifest) or any ONNX network with YuNet's heads."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesieve_training.cli import DataError
from facesieve_training.faces import Picture

Faces = NDArray[np.float32]
"""A row a face, best first: x, y, width, height, five landmarks (x, y), score; pixels of the picture."""
Detect = Callable[[Picture, float], Faces]

_OVERLAP = 0.4


def open_detector(file: Path) -> Detect:
    """Open a detector and return its function of a BGR picture and the lowest score wanted."""
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
        raise DataError(f"{file}: is no detector with YuNet's heads: {error}") from error
    return lambda picture, threshold: network.detect(picture, threshold, overlap=_OVERLAP)


def _ours(file: Path) -> Detect:
    from ai_edge_litert.interpreter import Interpreter

    heads = _heads(file.with_suffix(".json"))
    interpreter = Interpreter(model_path=str(file), num_threads=1)
    return lambda picture, threshold: _run(interpreter, heads, picture, threshold)


def _heads(manifest: Path) -> dict[str, list[int]]:
    try:
        detector = json.loads(manifest.read_text(encoding="utf-8"))["detector"]
        return {name: [int(i) for i in detector[name]] for name in ("cls", "obj", "bbox", "kps", "strides")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{manifest}: is no detector's manifest: {error!r}") from error


def _run(interpreter: Any, heads: dict[str, list[int]], picture: Picture, threshold: float) -> Faces:
    from facesieve_training.detector import codec

    height, width = picture.shape[:2]
    multiple = max(heads["strides"])
    padded = np.pad(picture, [(0, -height % multiple), (0, -width % multiple), (0, 0)])
    entry = interpreter.get_input_details()[0]
    interpreter.resize_tensor_input(entry["index"], [1, *padded.shape])
    interpreter.allocate_tensors()
    interpreter.set_tensor(entry["index"], (padded ^ 0x80).view(np.int8)[None])
    interpreter.invoke()
    details = interpreter.get_output_details()

    def maps(name: str) -> list[Faces]:
        return [_dequantised(interpreter, details[i])[0] for i in heads[name]]

    classes, objects = maps("cls"), maps("obj")
    scores = [
        np.sqrt(codec.sigmoid(c) * codec.sigmoid(o))[..., 0] for c, o in zip(classes, objects, strict=True)
    ]
    return codec.vote(codec.decode(scores, maps("bbox"), maps("kps"), threshold), _OVERLAP)


def _dequantised(interpreter: Any, details: dict[str, Any]) -> Faces:
    scale, zero_point = details["quantization"]
    values = interpreter.get_tensor(details["index"]).astype(np.float32)
    return np.asarray((values - zero_point) * scale if scale else values, np.float32)
