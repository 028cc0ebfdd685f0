from pathlib import Path

import cv2
import numpy as np
import pytest

from facesieve_training.cli import DataError
from facesieve_training.degrade import Degradation, generator
from facesieve_training.faces import Image
from facesieve_training.prepare.align import TEMPLATE
from facesieve_training.student import background
from facesieve_training.student.background import Background

FACE = np.array([[60, 40, 80, 100, *(TEMPLATE + np.array([44, 34])).ravel(), 0.9]], np.float32)


def scene() -> Image:
    """A face of noise on black; areas beside it are black."""
    image = np.zeros((240, 320, 3), np.uint8)
    image[40:140, 60:140] = np.random.default_rng(0).integers(1, 256, (100, 80, 3))
    return image


def test_cuts_beside_a_face_hold_little_of_it_and_the_face_is_painted_over() -> None:
    beside, inside = 0, 0
    for seed in range(20):
        found = background.cuts(scene(), lambda *_: FACE, 2, generator(seed, "a", 0))
        assert all(some.shape == (112, 112, 3) for some in found)
        beside += sum((some > 0).mean() < 0.25 for some in found[:-1])
        inside += len(found[:-1])
        steps = np.abs(np.diff(found[-1][40:80, 40:75].astype(float), axis=1))
        assert steps.mean() < 15  # of noise it would be above 40
    assert beside == inside >= 30


def test_an_uncertain_face_is_avoided_but_not_painted_over() -> None:
    unsure = FACE.copy()
    unsure[0, 14] = 0.3
    assert len(background.cuts(scene(), lambda *_: unsure, 1, generator(0, "a", 0))) == 1


def test_plain_images_differ() -> None:
    made = [background.plain(generator(1, "a", v)) for v in range(40)]
    assert len({some.tobytes() for some in made}) == 40
    assert any(some.std() == 0 for some in made) or any(
        (np.ptp(some, axis=(0, 1)) == 0).all() for some in made
    )


def test_the_same_directory_gives_the_same_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "open_detector", lambda _: lambda *_: FACE)
    cv2.imwrite(str(tmp_path / "a.png"), scene())
    config = Background(tmp_path, tmp_path / "none.onnx", degradation=Degradation(spared=0))
    made = [background.gather(config, 1) for _ in range(2)]
    np.testing.assert_array_equal(made[0].images, made[1].images)
    assert made[0].images.shape == (4, 112, 112, 3)


def test_an_empty_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no image"):
        background.gather(Background(tmp_path, tmp_path / "none.onnx"), 1)
