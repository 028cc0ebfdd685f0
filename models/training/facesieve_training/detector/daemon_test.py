"""The daemon and the training tool find the same faces at the same places, within a tenth of a pixel."""

import json
import subprocess
from pathlib import Path

import cv2
import numpy as np

from facesieve_training.detector import codec
from facesieve_training.detector.codec import FloatArray
from facesieve_training.detector.int8 import Int8Detector
from facesieve_training.detector.second import refine

PICTURES = 24
TOLERANCE = 0.1
"""Pixels; the two run the same kernels, and round sums in another order."""


def test_faces_are_where_the_daemon_finds_them(shared_data: Path, daemon: Path, models: Path) -> None:
    scenes = shared_data / "scenes"
    every = sorted(path for path in scenes.iterdir() if path.suffix in (".jpg", ".webp"))
    chosen = [every[i] for i in np.linspace(0, len(every) - 1, PICTURES).astype(int)]
    told = subprocess.run(
        [daemon, "score", "--json", *chosen], capture_output=True, text=True, check=False, timeout=120
    )
    detect = Int8Detector((models / "detector.tflite").read_bytes(), 0.4)
    again = Int8Detector((models / "landmarks.tflite").read_bytes(), 0.4)
    found: dict[str, FloatArray] = {}
    for path in chosen:
        picture = np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR))
        found[str(path)] = np.array([refine(again, picture, face) for face in detect(picture, 0.4)])
    apart = [_apart(line, found[line["file"]]) for line in map(json.loads, told.stdout.splitlines())
             if "box" in line]  # fmt: skip
    print(f"{len(apart)} faces, largest difference {max(apart):.4f} pixels")
    assert len(apart) >= PICTURES * 3 // 4
    assert max(apart) <= TOLERANCE


def _apart(line: dict[str, list[list[float]]], faces: FloatArray) -> float:
    """Largest distance of the daemon's box and landmarks from those of the face here that is it."""
    box = np.array(line["box"], np.float32).reshape(1, 4)
    face = faces[int(codec.iou(box, faces)[0].argmax())]
    points = np.array(line["landmarks"], np.float32).ravel()
    return float(np.abs(np.concatenate([box[0], points]) - face[:14]).max())
