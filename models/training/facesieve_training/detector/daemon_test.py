"""The daemon and the training tool find the same faces at the same positions, within 0.1 pixels."""

import json
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from facesieve_training.detector import codec
from facesieve_training.detector.codec import FloatArray
from facesieve_training.detector.int8 import Int8Detector
from facesieve_training.detector.refine import Refiner, read_rule
from facesieve_training.detector.warp import resized

TOLERANCE = 0.1
"""Pixels; both run the same kernels and round sums in a different order."""
_BORDER = 8
"""Pixels from the frame's border within which the daemon may not refine a face."""
_CONFIG = """
detect: {min_face: 1}
quality: {gates: {min_eye_distance: 0}}
cameras: [{name: test, url: test.mp4}]
"""


@pytest.mark.parametrize(("scale", "count", "doubted"), [(1.0, 24, 0), (0.2, 240, 12)])
def test_faces_are_where_the_daemon_finds_them(
    shared_data: Path, daemon: Path, models: Path, tmp_path: Path, scale: float, count: int, doubted: int
) -> None:
    """Some of the small faces reach the threshold by refinement only."""
    scenes = shared_data / "scenes"
    every = sorted(path for path in scenes.iterdir() if path.suffix in (".jpg", ".webp"))
    images: dict[str, np.ndarray] = {}
    for chosen in (every[i] for i in np.linspace(0, len(every) - 1, count).astype(int)):
        image = resized(np.asarray(cv2.imread(str(chosen), cv2.IMREAD_COLOR)), scale)
        images[str(tmp_path / f"{chosen.stem}.png")] = image
        cv2.imwrite(str(tmp_path / f"{chosen.stem}.png"), image)
    (tmp_path / "facesieve.yaml").write_text(_CONFIG)
    result = subprocess.run(
        [daemon, "score", "--json", "--config", tmp_path / "facesieve.yaml", *images],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    lines = [line for line in map(json.loads, result.stdout.splitlines()) if "box" in line]
    recommended = json.loads((models / "detector.json").read_text())["detector"]
    score = recommended["score"]
    detect = Int8Detector((models / "detector.tflite").read_bytes(), 0.4)
    network = Int8Detector((models / "landmarks.tflite").read_bytes(), 0.4)
    refiner = Refiner(network, *read_rule(models / "landmarks.json"))
    apart, by_refinement = list[float](), 0
    for file, image in images.items():
        first = detect(image, recommended["low_score"])
        found = np.array([refiner(image, face) for face in first], np.float32)
        found = found.reshape(-1, codec.COLUMNS)
        here = [line for line in lines if line["file"] == file]
        reported = np.array([[*line["box"], *np.ravel(line["landmarks"])] for line in here], np.float32)
        apart += [_nearest(face, found) for face in reported]
        wanted = _inside(found, image) & (found[:, 14] >= score + 0.01)
        for face in found[wanted]:
            assert _nearest(face[:14], reported) <= TOLERANCE, f"{file}: the daemon misses {face}"
        by_refinement += int((wanted & (first[:, 14] < score)).sum())
    print(f"{len(apart)} faces, {by_refinement} by refinement; at most {max(apart):.4f} pixels apart")
    assert max(apart) <= TOLERANCE
    assert len(apart) >= count * 3 // 4
    assert by_refinement >= doubted


def _nearest(face: FloatArray, faces: FloatArray) -> float:
    """Largest distance of a face's box and landmarks [14] from those of the nearest face."""
    return float(np.abs(faces[:, :14] - face).max(axis=1).min()) if len(faces) else np.inf


def _inside(faces: FloatArray, image: np.ndarray) -> np.ndarray:
    """Which faces are far from the border."""
    low, high = faces[:, :2], faces[:, :2] + faces[:, 2:4]
    inside = (low > _BORDER).all(axis=1) & (high < np.array(image.shape[1::-1]) - _BORDER).all(axis=1)
    return np.asarray(inside)
