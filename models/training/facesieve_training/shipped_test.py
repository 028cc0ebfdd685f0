"""Behaviour of the shipped students on images made from real faces."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy.stats import spearmanr

from facesieve_training import degrade
from facesieve_training.degrade import Span
from facesieve_training.export.scorer import Scorer
from facesieve_training.faces import SIZE, FaceSet, Image, centre, read
from facesieve_training.prepare.detector import open_detector
from facesieve_training.student import background

STUDENTS = sorted(Path(__file__).parents[2].glob("quality*.tflite"))
FACES, MORE = 40, 200

pytestmark = pytest.mark.parametrize("scorer", STUDENTS, indirect=True, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def scorer(request: pytest.FixtureRequest) -> Scorer:
    return Scorer(request.param)


def people(data: Path, count: int) -> list[Image]:
    """Images with margin, one per person."""
    face_set = FaceSet(data / "faces" / "lfw")
    chosen = np.linspace(0, len(face_set.identities) - 1, count).astype(int)
    return [read(face_set.faces(face_set.identities[i])[0].path) for i in chosen]


@pytest.fixture(scope="module")
def faces(shared_data: Path) -> list[Image]:
    return people(shared_data, FACES)


def recorded(**effect: Span) -> Callable[[Image, float], Image]:
    """Degrade by one effect of the given strength."""
    ((name, span),) = effect.items()

    def made(image: Image, share: float) -> Image:
        if not share:
            return centre(image)
        strength = span.low * (span.high / span.low) ** share
        this: dict[str, Any] = {name: Span(1, strength, strength)}
        config = replace(degrade.NOTHING, **this)
        return degrade.degrade(image, config, degrade.generator(1, "face", 1))

    return made


def misaligned(image: Image, share: float) -> Image:
    """Rotated, shifted and enlarged in increasing steps: up to 40 degrees, 14 pixels and 25 %."""
    middle = (image.shape[0] - 1) / 2
    turn = cv2.getRotationMatrix2D((middle, middle), 40 * share, 1 + 0.25 * share)
    turn[:, 2] += 14 * share
    warped = cv2.warpAffine(image, turn, image.shape[:2], borderMode=cv2.BORDER_REPLICATE)
    return centre(np.asarray(warped, np.uint8))


def occluded(image: Image, share: float) -> Image:
    """Occluded from below, up to the brows."""
    out = centre(image).copy()
    out[SIZE - round(0.75 * SIZE * share) :] = (90, 120, 60)
    return out


LADDERS = {
    "blur": recorded(defocus=Span(1, 0.7, 6)),
    "motion": recorded(motion=Span(1, 3, 30)),
    "noise": recorded(noise=Span(1, 5, 60)),
    "darkness": recorded(dark=Span(1, 0.6, 0.03)),
    "compression": recorded(jpeg=Span(1, 60, 3)),
    "downscaling": recorded(pixels=Span(1, 60, 9)),
    "occlusion": occluded,
    "misalignment": misaligned,
}


@pytest.mark.parametrize("kind", LADDERS)
def test_the_score_falls_as_a_face_gets_worse(scorer: Scorer, faces: list[Image], kind: str) -> None:
    steps = np.linspace(0, 1, 8)
    result = [[scorer.score(LADDERS[kind](face, s)).value for s in steps] for face in faces]
    order = [spearmanr(steps, row).statistic if np.ptp(row) else 0 for row in result]
    print(f"{kind}: Spearman {-np.mean(order):.3f}; {np.mean(result, axis=0).round(1)}")
    assert np.mean(order) <= -0.95


def test_the_score_of_a_good_face_is_stable_under_mirroring_and_a_shift_of_one_pixel(
    scorer: Scorer, shared_data: Path
) -> None:
    changes: dict[str, list[float]] = {"mirrored": [], "a pixel away": []}
    for face in people(shared_data, MORE):
        score = scorer.score(centre(face)).value
        if score < 50:
            continue
        mirrored = np.ascontiguousarray(centre(face)[:, ::-1])
        changes["mirrored"].append(abs(scorer.score(mirrored).value - score))
        moved = [np.roll(face, shift, (0, 1)) for shift in ((1, 0), (-1, 0), (0, 1), (0, -1))]
        changes["a pixel away"] += [
            abs(scorer.score(centre(np.ascontiguousarray(m))).value - score) for m in moved
        ]
    for how, by in changes.items():
        print(f"{how}: mean {np.mean(by):.2f}, largest {np.max(by):.2f} of {len(by)}")
        assert np.mean(by) <= 2, how


def test_images_without_a_face_score_below_ten(scorer: Scorer, shared_data: Path) -> None:
    detect = open_detector(shared_data / "models" / "yunet_s.onnx")
    rng = np.random.default_rng(0)
    scenes = sorted((shared_data / "scenes").glob("*.jpg"))[::40]
    images = [some for scene in scenes for some in background.cuts(read(scene), detect, 1, rng)]
    images += [background.plain(rng) for _ in range(50)]
    images += [np.full((SIZE, SIZE, 3), grey, np.uint8) for grey in (0, 64, 128, 192, 255)]
    images += heads_from_behind(shared_data)
    result = np.array([scorer.score(some).value for some in images])
    print(
        f"{len(result)} images without a face: {np.mean(result < 10):.3f} below 10, "
        f"highest {result.max():.1f}"
    )
    assert result.max() < 10


def heads_from_behind(data: Path) -> list[Image]:
    """Squares around the heads of two people seen from behind."""
    video = cv2.VideoCapture(str(data / "videos" / "empty_room.mp4"))
    made = []
    for frame, x, y, side in ((119, 408, 14, 96), (179, 415, 14, 96), (239, 396, 32, 80), (299, 421, 4, 80)):
        video.set(cv2.CAP_PROP_POS_FRAMES, frame)
        _, image = video.read()
        made.append(cv2.resize(image[y : y + side, x : x + side], (SIZE, SIZE)))
    return [np.asarray(head, np.uint8) for head in made]


def test_ties_are_rare(scorer: Scorer, shared_data: Path) -> None:
    some = list(FaceSet(shared_data / "faces" / "lfw"))[::4]
    result = {scorer.score(centre(read(face.path))).raw for face in some}
    print(f"{len(result)} different values of {len(some)}")
    assert len(result) >= 2000
