import numpy as np

from facesieve_training.detector.augment_test import labelled
from facesieve_training.detector.face_erasing import erase_face, isolated


def test_a_face_is_painted_over_and_nothing_else() -> None:
    item = labelled()
    image = item.image()
    before = image.copy()
    assert erase_face(image, item.faces[0], np.random.default_rng(1))
    changed = (image.astype(int) - before).any(axis=2)
    assert changed[60:120, 50:110].mean() > 0.5
    assert not changed[:50].any()
    assert not changed[130:].any()
    red = before[80:100, 70:90, 2].astype(int) - before[80:100, 70:90, 0]
    left = image[80:100, 70:90, 2].astype(int) - image[80:100, 70:90, 0]
    assert left.mean() < 0.9 * red.mean()


def test_a_box_that_is_too_small_is_unchanged() -> None:
    image = np.zeros((40, 40, 3), np.uint8)
    face = labelled().faces[0].copy()
    face[:4] = [37, 0, 20, 20]
    assert not erase_face(image, face, np.random.default_rng(1))
    assert not image.any()


def test_only_isolated_faces_are_painted_over() -> None:
    faces = np.repeat(labelled().faces, 3, axis=0)
    faces[:, 0] = [0, 30, 200]
    assert isolated(faces).tolist() == [False, False, True]
    assert isolated(faces[:0]).tolist() == []
