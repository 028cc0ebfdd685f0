import dataclasses

import cv2
import numpy as np
import pytest

from facesieve_training.detector import augment, codec
from facesieve_training.detector.augment import AugmentConfig, Mosaic
from facesieve_training.detector.label import Labelled


def labelled(name: str = "a.jpg", sure: bool = True, nose: float = 80) -> Labelled:
    image = np.full((200, 160, 3), 128, np.uint8)
    cv2.circle(image, (80, 90), 30, (40, 90, 220), -1)
    points = [70, 80, 90, 80, nose, 92, 72, 105, 88, 105]
    face = np.array([[50, 60, 60, 60, *points, 0.9 if sure else 0.4]], np.float32)
    data = cv2.imencode(".jpg", image)[1].tobytes()
    return Labelled(name, data, 160, 200, face, False)


def test_the_same_generator_gives_the_same_image() -> None:
    mosaic = Mosaic([labelled()], AugmentConfig(size=128))
    one, other = (mosaic.make(np.random.default_rng(3)) for _ in range(2))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def test_faces_have_all_sizes_and_lie_in_the_image() -> None:
    mosaic = Mosaic([labelled()], AugmentConfig(size=192, enlarge=4))
    made = [mosaic.make(np.random.default_rng(k)) for k in range(60)]
    faces = np.concatenate([drawn.faces for drawn in made])
    sizes = np.sqrt(faces[:, 2] * faces[:, 3])
    assert sizes.min() < 12
    assert sizes.max() > 90
    center = faces[:, :2] + faces[:, 2:4] / 2
    assert ((center > 0) & (center < 192)).all()
    assert all(drawn.image.shape == (192, 192, 3) and drawn.image.dtype == np.uint8 for drawn in made)


def test_an_image_of_small_faces_is_full_of_them() -> None:
    config = AugmentConfig(size=192, negative=0.3, erased_faces=0, smallest_face=12, largest_face=12.1)
    mosaic = Mosaic([labelled()], config)
    counts = np.array([len(mosaic.make(np.random.default_rng(k)).faces) for k in range(40)])
    assert 0.02 < (counts == 0).mean() < 0.35  # half of the negatives are whole images
    assert np.median(counts) > 15


def test_backgrounds_show_no_face_and_are_not_empty() -> None:
    mosaic = Mosaic([labelled()], AugmentConfig(size=48, negative=1))
    drawn = [mosaic.make(np.random.default_rng(k)) for k in range(30)]
    assert not any(len(d.faces) or len(d.ignored) for d in drawn)
    colours = [np.unique(d.clean.reshape(-1, 3), axis=0) for d in drawn]
    assert np.mean([len(c) > 1 for c in colours]) > 0.3  # the image is grey around the face


def test_backgrounds_show_hard_negatives_at_the_size_of_a_face() -> None:
    image = np.full((200, 160, 3), 128, np.uint8)
    image[20:40, 20:40] = (0, 255, 0)
    box = np.zeros((1, codec.COLUMNS), np.float32)
    box[0, :4] = 20, 20, 20, 20
    data = cv2.imencode(".png", image)[1].tobytes()
    item = dataclasses.replace(labelled(), data=data, hard_negatives=box)

    def marked_areas(hard_negatives: float) -> np.ndarray:
        config = AugmentConfig(size=64, negative=1, hard_negatives=hard_negatives, rotation=0)
        made = [Mosaic([item], config).make(np.random.default_rng(k), camera=False) for k in range(40)]
        return np.array([((d.image[..., 1] > 230) & (d.image[..., 0] < 30)).sum() for d in made])

    sides = np.sqrt(marked_areas(1.0))
    assert (sides > 5).mean() > 0.9
    assert sides.max() < 64
    assert (marked_areas(0.0) > 25).mean() < (sides > 5).mean() - 0.2


def test_labels_stay_on_the_face() -> None:
    mosaic = Mosaic([labelled()], AugmentConfig(size=128, negative=0))
    hits = []
    for k in range(40):
        image, _, faces, _ = mosaic.make(np.random.default_rng(k))
        for face in faces[np.sqrt(faces[:, 2] * faces[:, 3]) > 20]:
            x, y = (face[:2] + face[2:4] / 2).astype(int)
            patch = image[y - 2 : y + 3, x - 2 : x + 3].reshape(-1, 3).astype(int)
            hits.append((patch[:, 2] >= patch[:, 0]).mean() > 0.5)
    assert np.mean(hits) > 0.8


def test_the_share_of_clean_images_is_the_configured_one() -> None:
    mosaic = Mosaic([labelled()], AugmentConfig(size=128, clean=0.4))
    drawn = [mosaic.make(np.random.default_rng(k)) for k in range(100)]
    share = np.mean([(d.image == d.clean).all() for d in drawn])
    assert 0.35 < share < 0.65  # the degradation leaves some images unchanged


@pytest.mark.parametrize("size", [14.0, 30.0, 90.0, 130.0])
def test_landmarks_are_transformed_with_their_image(size: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the image is decoded smaller, turned, mirrored or enlarged: within a tenth of a pixel."""
    monkeypatch.setattr(augment, "record", lambda image, config, rng: image)
    image = np.zeros((400, 320, 3), np.uint8)
    cv2.circle(image, (160, 200), 24, (255, 255, 255), -1)
    middle = np.tile([160.5, 200.5], 5)  # pixel 160 reaches from 160 to 161
    face = np.array([[100.5, 140.5, 120, 120, *middle, 0.9]], np.float32)
    item = Labelled("a.png", cv2.imencode(".jpg", image)[1].tobytes(), 320, 400, face, False)
    config = AugmentConfig(size=320, negative=0, erased_faces=0, smallest_face=size, largest_face=size * 1.01)
    mosaic = Mosaic([item], config)
    errors = []
    for k in range(12):
        made, _, faces, _ = mosaic.make(np.random.default_rng(k))
        for found in faces:
            low, high = found[:2].astype(int), (found[:2] + found[2:4]).astype(int) + 1
            if (low < 0).any() or (high > 320).any():
                continue
            patch = np.clip(made[low[1] : high[1], low[0] : high[0], 0].astype(float) - 20, 0, None)
            rows, columns = np.mgrid[low[1] : high[1], low[0] : high[0]] + 0.5
            centre = np.array([(columns * patch).sum(), (rows * patch).sum()]) / patch.sum()
            errors.append(centre - found[4:6])
    assert len(errors) > 3
    assert np.abs(np.median(errors, axis=0)).max() < 0.1
    assert np.median(np.linalg.norm(errors, axis=1)) < 0.1 + 0.002 * size


def test_unsure_faces_are_ignored() -> None:
    mosaic = Mosaic([labelled(), labelled("b.jpg", sure=False)], AugmentConfig(size=128))
    faces = np.concatenate([mosaic.make(np.random.default_rng(k)).faces for k in range(20)])
    assert (faces[:, 14] > 0.5).all()


def test_turned_heads_have_the_configured_share() -> None:
    items = [labelled(f"{k}.jpg") for k in range(19)] + [labelled("turned.jpg", nose=87)]

    def share(turned: float) -> float:
        config = AugmentConfig(size=128, negative=0, erased_faces=0, turned=turned)
        mosaic = Mosaic(items, config)
        faces = np.concatenate([mosaic.make(np.random.default_rng(k)).faces for k in range(60)])
        return float((codec.turn(faces) > 0.2).mean())

    assert share(0) < 0.12
    assert 0.4 < share(0.5) < 0.65


def test_no_sure_face_at_all_is_an_error() -> None:
    with pytest.raises(ValueError, match="no image with a face"):
        Mosaic([labelled(sure=False)], AugmentConfig())
