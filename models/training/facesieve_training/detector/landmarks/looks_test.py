import dataclasses

import cv2
import numpy as np
import pytest

from facesieve_training.detector import codec, second
from facesieve_training.detector.label import Labelled
from facesieve_training.detector.landmarks.looks import Looks, LooksConfig

POINTS = np.array([[70, 80], [90, 80], [80, 92], [72, 105], [88, 105]], np.float32)
PLAIN = LooksConfig(clean=1, edge=0, smallest=40, largest=90, rotation=30)


def ramps(name: str = "a.png", blue: int | None = None, score: float = 0.9) -> Labelled:
    """A picture whose green and red say where a pixel was, with a face of 60 pixels."""
    rows, columns = np.mgrid[0:200, 0:160]
    picture = np.stack([np.zeros_like(rows) if blue is None else np.full_like(rows, blue), columns, rows], -1)
    face = np.array([[50, 60, 60, 60, *POINTS.ravel(), score]], np.float32)
    data = cv2.imencode(".png", picture.astype(np.uint8))[1].tobytes()
    return Labelled(name, data, 160, 200, face, False)


def test_the_landmarks_are_where_the_picture_went() -> None:
    looks = Looks([ramps()], [], PLAIN)
    for number in range(40):
        drawn = looks.make(np.random.default_rng(number))
        assert drawn.picture.shape == (second.SIDE, second.SIDE, 3)
        (face,) = drawn.faces
        points = face[4:14].reshape(5, 2)
        mirrored = points[0, 0] > points[1, 0]
        assert not mirrored  # the right eye stays on the left of the picture, whichever way it was flipped
        # A pixel is told by its middle, half a pixel from its corner.
        at = (points - 0.5).astype(np.float32)[None]
        told = cv2.remap(drawn.picture.astype(np.float32), at, None, cv2.INTER_LINEAR)[0, :, 1:] + 0.5
        there = min(np.abs(told - POINTS).max(), np.abs(told - POINTS[list(codec.MIRRORED)]).max())
        assert there < 1.2


def test_a_face_is_as_large_as_the_first_look_says_or_nearly() -> None:
    looks = Looks([ramps()], [], LooksConfig())
    faces = np.concatenate([looks.make(np.random.default_rng(k)).faces for k in range(300)])
    sizes = np.sqrt(faces[:, 2] * faces[:, 3])
    assert np.median(sizes) == pytest.approx(second.SIDE / second.LENGTH, rel=0.03)
    assert 0.05 < np.std(np.log(sizes)) < 0.12
    centres = faces[:, :2] + faces[:, 2:4] / 2
    assert np.std(centres, axis=0) == pytest.approx(0.05 * 60, rel=0.3)


def test_small_faces_show_less() -> None:
    noisy = dataclasses.replace(ramps(), data=_noise())
    sharp, coarse = (Looks([noisy], [], dataclasses.replace(PLAIN, smallest=s, largest=s)) for s in (80, 11))
    detail = [
        np.mean(
            [cv2.Laplacian(looks.make(np.random.default_rng(k)).picture, cv2.CV_64F).var() for k in range(9)]
        )
        for looks in (sharp, coarse)
    ]
    assert detail[1] < detail[0] / 20


def _noise() -> bytes:
    picture = np.random.default_rng(1).integers(0, 256, (200, 160, 3), np.uint8)
    return cv2.imencode(".png", picture)[1].tobytes()


def test_cameras_and_edges() -> None:
    looks = Looks([ramps()], [], LooksConfig(clean=0, edge=1))
    drawn = [looks.make(np.random.default_rng(k)) for k in range(30)]
    assert np.mean([(d.picture != d.clean).any() for d in drawn]) > 0.8
    sides = [(d.clean[0], d.clean[-1], d.clean[:, 0], d.clean[:, -1]) for d in drawn]
    assert np.mean([any(not side.any() for side in four) for four in sides]) > 0.8
    clean = looks.make(np.random.default_rng(0), camera=False)
    np.testing.assert_array_equal(clean.picture, clean.clean)


def test_shares_of_aligned_faces_and_of_what_nobody_is_sure_of() -> None:
    looks = Looks([ramps()], [ramps("b.png", blue=200)], dataclasses.replace(PLAIN, aligned=0.6))
    blue = [looks.make(np.random.default_rng(k)).picture[48, 48, 0] > 100 for k in range(200)]
    assert 0.5 < np.mean(blue) < 0.7
    unsure = dataclasses.replace(ramps(), faces=np.concatenate([ramps().faces, ramps(score=0.4).faces]))
    drawn = Looks([unsure], [], PLAIN).make(np.random.default_rng(1))
    assert (len(drawn.faces), len(drawn.ignored)) == (1, 1)
    with pytest.raises(ValueError, match="no face of 14 pixels that the teacher is sure of"):
        Looks([ramps(score=0.4)], [], PLAIN)


def test_the_same_generator_gives_the_same_square() -> None:
    looks = Looks([ramps()], [], LooksConfig())
    one, other = (looks.make(np.random.default_rng(3)) for _ in range(2))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)
