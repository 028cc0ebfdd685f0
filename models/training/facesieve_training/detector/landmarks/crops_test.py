import dataclasses

import cv2
import numpy as np
import pytest

from facesieve_training.detector import codec
from facesieve_training.detector.label import Labelled
from facesieve_training.detector.landmarks.crops import Crops, CropsConfig
from facesieve_training.export.manifest import Refinement

RULE = Refinement(side=96, crop_scale=1.6, min_crop=8, min_iou=0.4)
POINTS = np.array([[70, 80], [90, 80], [80, 92], [72, 105], [88, 105]], np.float32)
PLAIN = CropsConfig(clean=1, edge=0, erased_faces=0, smallest=40, largest=90, rotation=30)


def ramps(name: str = "a.png", blue: int = 0, score: float = 0.9, points: np.ndarray = POINTS) -> Labelled:
    """An image whose green and red encode a pixel's position, six levels each; the face has 60 pixels."""
    rows, columns = np.mgrid[0:200, 0:160]
    result = [np.clip((positions - first) * 6, 0, 255) for positions, first in ((columns, 60), (rows, 72))]
    image = np.stack([np.full_like(rows, blue), *result], -1).astype(np.uint8)
    face = np.array([[50, 60, 60, 60, *points.ravel(), score]], np.float32)
    data = cv2.imencode(".png", image)[1].tobytes()
    return Labelled(name, data, 160, 200, face, False)


@pytest.mark.parametrize(("smallest", "largest"), [(20, 30), (40, 60), (80, 120)])
def test_landmarks_are_transformed_with_the_image(smallest: float, largest: float) -> None:
    config = dataclasses.replace(PLAIN, smallest=smallest, largest=largest, enlarge=2)
    crops = Crops([ramps()], config, RULE)
    off = []
    for number in range(60):
        drawn = crops.make(np.random.default_rng(number))
        assert drawn.image.shape == (RULE.side, RULE.side, 3)
        points = drawn.faces[0, 4:14].reshape(5, 2)
        # Positions count from the corner of a pixel, which has the colour of its middle.
        sampled = cv2.remap(drawn.image.astype(np.float32), (points - 0.5)[None], None, cv2.INTER_LINEAR)
        result = sampled[0, :, 1:] / 6 + 0.5 + [60, 72]
        ways = [result - POINTS, result - POINTS[list(codec.MIRRORED)]]
        off.append(min(ways, key=lambda way: float(np.abs(way).max())))
    assert np.abs(np.mean(off, axis=0)).max() < 0.06
    assert np.abs(off).max() < 0.6


def test_a_face_has_the_detected_size_within_its_error() -> None:
    crops = Crops([ramps()], CropsConfig(), RULE)
    faces = np.concatenate([crops.make(np.random.default_rng(k)).faces for k in range(300)])
    sizes = np.sqrt(faces[:, 2] * faces[:, 3])
    assert np.median(sizes) == pytest.approx(RULE.side / RULE.crop_scale, rel=0.03)
    assert 0.05 < np.std(np.log(sizes)) < 0.12
    centres = faces[:, :2] + faces[:, 2:4] / 2
    assert np.std(centres, axis=0) == pytest.approx(0.05 * 60, rel=0.3)


def test_small_faces_have_less_detail() -> None:
    noisy = dataclasses.replace(ramps(), data=_noise())
    sharp, coarse = (
        Crops([noisy], dataclasses.replace(PLAIN, smallest=s, largest=s), RULE) for s in (80, 11)
    )
    detail = [
        np.mean(
            [cv2.Laplacian(crops.make(np.random.default_rng(k)).image, cv2.CV_64F).var() for k in range(9)]
        )
        for crops in (sharp, coarse)
    ]
    assert detail[1] < detail[0] / 20


def _noise() -> bytes:
    image = np.random.default_rng(1).integers(0, 256, (200, 160, 3), np.uint8)
    return cv2.imencode(".png", image)[1].tobytes()


def test_cameras_and_edges() -> None:
    crops = Crops([ramps()], CropsConfig(clean=0, edge=1), RULE)
    drawn = [crops.make(np.random.default_rng(k)) for k in range(30)]
    assert np.mean([(d.image != d.clean).any() for d in drawn]) > 0.8
    sides = [(d.clean[0], d.clean[-1], d.clean[:, 0], d.clean[:, -1]) for d in drawn]
    assert np.mean([any(not side.any() for side in four) for four in sides]) > 0.8
    clean = crops.make(np.random.default_rng(0), camera=False)
    np.testing.assert_array_equal(clean.image, clean.clean)


def test_turned_heads_have_their_share() -> None:
    aside = POINTS + np.array([[0, 0], [0, 0], [8, 0], [0, 0], [0, 0]], np.float32)
    looking = ramps("b.png", blue=200, points=aside)
    crops = Crops([ramps()] * 9 + [looking], dataclasses.replace(PLAIN, turned=0.6), RULE)
    blue = [crops.make(np.random.default_rng(k)).image[48, 48, 0] > 100 for k in range(200)]
    assert 0.54 < np.mean(blue) < 0.74


def test_hard_negatives_have_their_share() -> None:
    box = ramps().faces.copy()
    box[:, :4] = [90, 140, 40, 40]  # beside the face
    crops = Crops(
        [dataclasses.replace(ramps(), hard_negatives=box)], dataclasses.replace(PLAIN, empty=0.3), RULE
    )
    drawn = [crops.make(np.random.default_rng(k)) for k in range(200)]
    assert 0.22 < np.mean([not len(d.faces) for d in drawn]) < 0.38
    assert all(
        len(d.faces)
        for d in (Crops([ramps()], PLAIN, RULE).make(np.random.default_rng(k)) for k in range(20))
    )


def test_an_erased_face_is_no_longer_a_label() -> None:
    """But one that another touches stays."""
    beside = ramps().faces.copy()
    beside[:, 0] += 20
    both = dataclasses.replace(ramps(), faces=np.concatenate([ramps().faces, beside]))
    erased = dataclasses.replace(PLAIN, erased_faces=1)
    for seed in range(20):
        kept, gone = (Crops([ramps()], c, RULE).make(np.random.default_rng(seed)) for c in (PLAIN, erased))
        assert (len(kept.faces), len(gone.faces)) == (1, 0)
        inside = kept.faces[0, 4:14].reshape(5, 2).mean(axis=0).astype(int)
        assert (kept.image[inside[1], inside[0]] != gone.image[inside[1], inside[0]]).any()
        assert len(Crops([both], erased, RULE).make(np.random.default_rng(seed)).faces) == 2


def test_unsure_faces_are_ignored() -> None:
    unsure = dataclasses.replace(ramps(), faces=np.concatenate([ramps().faces, ramps(score=0.4).faces]))
    drawn = Crops([unsure], PLAIN, RULE).make(np.random.default_rng(1))
    assert (len(drawn.faces), len(drawn.ignored)) == (1, 1)
    with pytest.raises(ValueError, match="no face of 14 pixels or more with a teacher score"):
        Crops([ramps(score=0.4)], PLAIN, RULE)


def test_the_same_generator_gives_the_same_square() -> None:
    crops = Crops([ramps()], CropsConfig(), RULE)
    one, other = (crops.make(np.random.default_rng(3)) for _ in range(2))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)
