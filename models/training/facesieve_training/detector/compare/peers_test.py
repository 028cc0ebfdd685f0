from pathlib import Path

import numpy as np
import pytest

from facesieve_training.detector.codec import FloatArray
from facesieve_training.detector.compare.conftest import face
from facesieve_training.detector.compare.peers import Peer, detected, on_views, refined
from facesieve_training.detector.compare.views import View
from facesieve_training.detector.evaluate import Detect
from facesieve_training.detector.network import NetworkConfig
from facesieve_training.detector.refine import Refiner
from facesieve_training.export.manifest import Refinement

RULE = Refinement(side=96, crop_scale=1.6, min_crop=8, min_iou=0.4)


def test_peers_of_one_file_run_the_detector_once_per_view(
    views: list[View], monkeypatch: pytest.MonkeyPatch, models: Path, tmp_path: Path
) -> None:
    calls: list[str] = []

    def opened(file: Path) -> Detect:
        def detect(_image: np.ndarray, _threshold: float) -> FloatArray:
            calls.append(file.name)
            return views[0].faces

        return detect

    monkeypatch.setattr(Peer, "_open", lambda _peer, file, _nms, _network: opened(file))
    (tmp_path / "marks.json").write_bytes((models / "landmarks.json").read_bytes())
    (tmp_path / "a.json").write_bytes((models / "detector.json").read_bytes())
    file, refiner = tmp_path / "a.tflite", tmp_path / "marks.weights.h5"
    both = [Peer("a", file), Peer("b", file, refiner=refiner)]
    detectors = on_views(both, 0.4, NetworkConfig())
    for view in views[:2]:
        for detector in detectors.values():
            np.testing.assert_array_equal(detector(view), views[0].faces)
    assert calls.count("a.tflite") == 2
    assert calls.count("marks.weights.h5") == 2 * len(views[0].faces), "all are refined: 0.4 and above"


@pytest.mark.parametrize(("first", "second", "raised"), [(0.4, 0.9, 0.65), (0.8, 0.5, 0.8)])
def test_refinement_changes_landmarks_and_raises_the_score(
    first: float, second: float, raised: float
) -> None:
    full = np.zeros((256, 384, 3), np.uint8)
    view = View(full[::2, ::2], np.zeros((0, 15), np.float32), full, 0.5)
    found = np.stack([face(40, 30, 40, score=first), face(90, 30, 20, score=0.3)])
    inside = face(18, 18, 60, score=second)  # in the square of 96 pixels, the face nearly in the middle
    marked = refined(
        detected(lambda _image, _threshold: found), Refiner(lambda *_: inside[None], 0.4, RULE), lowest=0.4
    )(view)
    np.testing.assert_array_equal(marked[:, :4], found[:, :4])
    np.testing.assert_array_equal(
        marked[1], found[1], "a face below the threshold of refinement is unchanged"
    )
    assert marked[0, 14] == pytest.approx(raised)
    # 40 pixels of the view are 80 of the full image, whose square of 128 around (120, 100) is shown as 96.
    wanted = (inside[4:14].reshape(5, 2) * 128 / 96 + [120 - 64, 100 - 64]) * 0.5
    np.testing.assert_allclose(marked[0, 4:14].reshape(5, 2), wanted, atol=1e-4)


def test_faces_are_in_the_order_of_their_refined_scores() -> None:
    image = np.zeros((128, 192, 3), np.uint8)
    view = View(image, np.zeros((0, 15), np.float32), image, 1.0)
    found = np.stack([face(20, 20, 60, score=0.7), face(100, 20, 60, score=0.6)])
    calls: list[int] = []

    def refiner(_image: np.ndarray, _threshold: float) -> FloatArray:
        calls.append(1)
        return face(18, 18, 60, score=0.5 if len(calls) == 1 else 0.98)[None]

    on_view = refined(detected(lambda *_: found), Refiner(refiner, 0.4, RULE), lowest=0.4)
    np.testing.assert_array_equal(on_view(view)[:, 0], [100, 20])
