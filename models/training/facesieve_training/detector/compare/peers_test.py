from pathlib import Path

import numpy as np
import pytest

from facesieve_training.detector.codec import FloatArray
from facesieve_training.detector.compare.conftest import face
from facesieve_training.detector.compare.peers import Peer, on_views, once, twice
from facesieve_training.detector.compare.views import View
from facesieve_training.detector.evaluate import Detect
from facesieve_training.detector.network import NetworkConfig


def test_peers_of_one_file_look_at_a_view_once(views: list[View], monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []

    def opened(file: Path) -> Detect:
        def detect(_picture: np.ndarray, _threshold: float) -> FloatArray:
            looks.append(file.name)
            return views[0].faces

        return detect

    monkeypatch.setattr(Peer, "_open", lambda _peer, file, _nms, _network: opened(file))
    both = [Peer("a", Path("a.tflite")), Peer("b", Path("a.tflite"), second_look=Path("marks.tflite"))]
    detectors = on_views(both, 0.4, NetworkConfig())
    for view in views[:2]:
        for detector in detectors.values():
            np.testing.assert_array_equal(detector.find(view), views[0].faces)
    assert looks == ["a.tflite"] * 2
    np.testing.assert_array_equal(detectors["a"].mark(views[0], views[0].faces[1]), views[0].faces[1])
    detectors["b"].mark(views[0], views[0].faces[1])
    assert looks[2:] == ["marks.tflite"]


def test_a_second_look_changes_the_landmarks_alone() -> None:
    full = np.zeros((256, 384, 3), np.uint8)
    view = View(full[::2, ::2], np.zeros((0, 15), np.float32), full, 0.5)
    inside = face(18, 18, 60, score=0.8)  # in the square of 96 pixels, the face nearly in the middle
    marks = twice(once(lambda _picture, _threshold: face(40, 30, 40)[None]), lambda *_: inside[None])
    found = marks.find(view)[0]
    marked = marks.mark(view, found)
    np.testing.assert_array_equal(marked[[0, 1, 2, 3, 14]], found[[0, 1, 2, 3, 14]])
    # 40 pixels of the view are 80 of the full picture, whose square of 128 around (120, 100) is shown as 96.
    wanted = (inside[4:14].reshape(5, 2) * 128 / 96 + [120 - 64, 100 - 64]) * 0.5
    np.testing.assert_allclose(marked[4:14].reshape(5, 2), wanted, atol=1e-4)
