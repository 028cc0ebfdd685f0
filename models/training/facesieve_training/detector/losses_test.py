import numpy as np
import pytest
import tensorflow as tf

from facesieve_training.detector.assign import BOX, CHANNELS, POSITIVE, WEIGHT
from facesieve_training.detector.losses import LossConfig, detector_loss, distil, focal, landmarks, overlap


def test_overlap_by_hand() -> None:
    same = tf.constant([[0.5, 0.5, 0.0, 0.0]])
    shifted = tf.constant([[1.0, 0.5, 0.0, 0.0]])
    iou, loss = overlap(same, same)
    assert float(iou[0]) == pytest.approx(1, abs=1e-5)
    assert float(loss[0]) == pytest.approx(0, abs=1e-5)
    iou, loss = overlap(same, shifted)
    assert float(iou[0]) == pytest.approx(1 / 3, abs=1e-5)
    assert float(loss[0]) == pytest.approx(2 / 3 + 0.25 / (1.5**2 + 1), abs=1e-4)


def test_focal_loss_keeps_faces_and_reduces_easy_background() -> None:
    loss = focal(tf.constant([3.0, 3.0, -3.0]), tf.constant([1.0, 0.0, 0.0]), 2.0).numpy()
    probability = 1 / (1 + np.exp(-3))
    assert loss[0] == pytest.approx(-np.log(probability), rel=1e-4)
    assert loss[1] == pytest.approx(-np.log(1 - probability) * probability**2, rel=1e-4)
    assert loss[2] < 0.001


def test_landmarks_are_measured_in_sizes_of_the_face() -> None:
    box = tf.constant([[0.0, 0.0, np.log(2.0), np.log(2.0)]], tf.float32)
    found = tf.constant([[0.4] + [0.0] * 9])
    assert float(landmarks(found, tf.zeros((1, 10)), box)[0]) == pytest.approx(0.2 - 0.005, abs=1e-6)


def _outputs(cells: int = 4) -> list[tf.Tensor]:
    rng = np.random.default_rng(2)
    return [tf.constant(rng.normal(0, 1, (1, cells, cells, c)), tf.float32) for c in (1, 1, 4, 10)]


def test_the_distillation_loss_of_the_teacher_itself_is_zero() -> None:
    outputs = _outputs()
    maps = tf.concat([tf.sigmoid(outputs[0]), tf.sigmoid(outputs[1]), *outputs[2:]], -1)
    assert float(distil(outputs, maps)) == pytest.approx(0, abs=1e-4)
    for first, last in ((2, 6), (6, 16)):
        moved = tf.concat([maps[..., :first], maps[..., first:last] + 0.3, maps[..., last:]], -1)
        assert float(distil(outputs, moved)) > 0.1


def test_parts_sum_to_the_loss_and_need_no_face() -> None:
    outputs = {}
    targets = []
    for stride, cells in zip((8, 16, 32), (8, 4, 2), strict=True):
        for head, values in zip(("cls", "obj", "bbox", "kps"), _outputs(cells), strict=True):
            outputs[f"{head}_{stride}"] = values
        target = np.zeros((1, cells, cells, CHANNELS), np.float32)
        target[..., WEIGHT] = 1
        targets.append(target)
    parts = detector_loss(outputs, [tf.constant(t) for t in targets], LossConfig())
    assert float(parts["box"]) == 0
    assert float(parts["loss"]) == pytest.approx(
        sum(float(v) for k, v in parts.items() if k != "loss"), rel=1e-5
    )
    targets[0][0, 2, 3, POSITIVE], targets[0][0, 2, 3, BOX + 2 : BOX + 4] = 1, 0.5
    assert float(detector_loss(outputs, [tf.constant(t) for t in targets], LossConfig())["box"]) > 0
