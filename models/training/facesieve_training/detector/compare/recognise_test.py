from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from facesieve_training.detector.codec import FloatArray
from facesieve_training.detector.compare.recognise import RecogniseConfig, recognise
from facesieve_training.detector.compare.views import OnView, View
from facesieve_training.evaluate.network import Network
from facesieve_training.prepare.align import TEMPLATE

_BORDER = 20


@pytest.fixture(name="config")
def _config(tmp_path: Path) -> RecogniseConfig:
    """Six people with two images each; a person is a pattern of squares, an image the pattern with noise.

    The matcher's embedding is the reduced image.
    """
    rng = np.random.default_rng(1)
    for person in range(6):
        directory = tmp_path / "faces" / f"p{person}"
        directory.mkdir(parents=True)
        pattern = cv2.resize(
            rng.integers(0, 256, (14, 14, 3), np.uint8), (112, 112), interpolation=cv2.INTER_NEAREST
        )
        for number in range(2):
            noisy = pattern + rng.normal(0, 20, pattern.shape)
            cv2.imwrite(str(directory / f"{number}.png"), np.clip(noisy, 0, 255).astype(np.uint8))
    pool = helper.make_node("AveragePool", ["in"], ["out"], kernel_shape=[8, 8], strides=[8, 8])
    entry, exit_ = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 3, side, side])
        for name, side in (("in", 112), ("out", 14))
    )
    graph = helper.make_graph([pool], "matcher", [entry], [exit_])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(tmp_path / "matcher.onnx"))
    matcher = Network(tmp_path / "matcher.onnx", mean=[128.0])
    return RecogniseConfig(
        tmp_path / "faces", matcher, border=_BORDER, scales=(1.0, 0.5), nonmated=60, fmr=0.02
    )


def detector(off: float, seed: int = 3) -> OnView:
    """Finds the face with a random shift of about `off` pixels, and another far from the centre."""
    rng = np.random.default_rng(seed)

    def detect(view: View) -> FloatArray:
        points = TEMPLATE + _BORDER + off * rng.normal(0, 1, 2)
        face = np.array([_BORDER, _BORDER, 112, 112, *points.ravel(), 0.9], np.float32)
        aside = face.copy()
        aside[:2] -= 60
        aside[4:14] += 30
        faces = np.stack([aside, face])
        faces[:, :14] *= view.scale
        return faces

    return detect


def test_exact_landmarks_separate_people_better(config: RecogniseConfig) -> None:
    whole, half = recognise({"exact": detector(0), "sloppy": detector(6)}, config, 1)
    assert (whole["scale"], half["scale"], whole["faces"]) == (1.0, 0.5, 12)
    for result in (whole["detectors"], half["detectors"]):
        assert result["exact"]["pairs"] == 6
        assert result["exact"]["fnmr"] == 0
        assert result["exact"]["separation"] > 2 * result["sloppy"]["separation"]
    assert whole["detectors"]["exact"] == half["detectors"]["exact"], (
        "faces are cut out of the image as it is"
    )


def test_a_face_that_one_detector_misses_counts_for_none(config: RecogniseConfig) -> None:
    calls = []

    def misses_the_first(view: View) -> FloatArray:
        calls.append(1)
        faces = detector(0)(view)
        faces[:, 14] = 0.3 if len(calls) % 12 == 1 else 0.9
        return faces

    whole, _ = recognise({"exact": detector(0), "other": misses_the_first}, config, 1)
    assert whole["faces"] == 11
    assert whole["detectors"]["exact"] == whole["detectors"]["other"]
    assert whole["detectors"]["exact"]["pairs"] == 5


def test_invalid_values_are_faults() -> None:
    assert RecogniseConfig(scales=(2.0,), fmr=0).faults() == [
        "scales: 2 is outside 0 to 1",
        "fmr: 0 is outside 0 to 1",
    ]
