from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from facesieve_training import degrade
from facesieve_training.degrade import Degradation, Jitter, Span, Tone
from facesieve_training.faces import Image, centre

NONE = Span(0, 1, 1)


def image() -> Image:
    coarse = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    return np.kron(coarse, np.ones((8, 8, 1), np.uint8))


def only(**spans: Any) -> Degradation:
    """Only these effects, with exact alignment."""
    return replace(degrade.NOTHING, **spans)


def test_the_same_seed_face_and_variant_give_the_same_image() -> None:
    made = [
        degrade.degrade(image(), Degradation(), degrade.generator(*key))
        for key in [(1, "a/b", 1), (1, "a/b", 1), (2, "a/b", 1), (1, "a/c", 1), (1, "a/b", 2)]
    ]
    assert made[0].shape == (112, 112, 3)
    np.testing.assert_array_equal(made[0], made[1])
    assert all(not np.array_equal(made[0], other) for other in made[2:])


def test_no_effect_gives_the_clean_centre() -> None:
    made = degrade.degrade(image(), only(), degrade.generator(1, "a", 1))
    np.testing.assert_array_equal(made, centre(image()))


@pytest.mark.parametrize(
    "effect",
    [
        {"pixels": Span(1, 20, 20)},
        {"motion": Span(1, 9, 9)},
        {"defocus": Span(1, 2, 2)},
        {"noise": Span(1, 10, 10)},
        {"jpeg": Span(1, 10, 10)},
        {"h264": Span(1, 36, 36)},
        {"occlusion": Span(1, 0.4, 0.4)},
    ],
    ids=lambda effect: next(iter(effect)),
)
def test_each_effect_changes_the_face_but_keeps_its_brightness(effect: dict[str, Span]) -> None:
    made = degrade.degrade(image(), only(**effect), degrade.generator(1, "a", 1)).astype(float)
    clean = centre(image()).astype(float)
    assert np.abs(made - clean).mean() > 1
    assert abs(made.mean() - clean.mean()) < 25


def test_exposure_moves_the_brightness() -> None:
    clean = centre(image()).mean()
    dark = degrade.degrade(image(), only(dark=Span(1, 0.3, 0.3)), degrade.generator(1, "a", 1))
    bright = degrade.degrade(image(), only(bright=Span(1, 2, 2)), degrade.generator(1, "a", 1))
    assert dark.mean() < 0.6 * clean < clean < bright.mean()


def test_a_grey_image_has_one_colour_and_a_tone_changes_it() -> None:
    rng = degrade.generator(1, "a", 1)
    grey = degrade.degrade(image(), only(grey=1.0), rng)
    assert (np.ptp(grey, axis=-1) == 0).all()
    toned = degrade.degrade(image(), only(tone=Tone(1, exposure=0.2, colour=0.2, lift=0.1)), rng)
    assert np.abs(toned.astype(float) - centre(image())).mean() > 2


def test_every_effect_has_its_share() -> None:
    numbers = np.random.default_rng(0).random((4000, degrade.NUMBERS), np.float32)
    config = Degradation(grey=0.2, tone=Tone(0.3), h264=Span(0.4, 24, 40))
    drawn = degrade.strengths(numbers, config)
    spans = {"occlusion": config.occlusion, "motion": config.motion, "defocus": config.defocus,
             "pixels": config.pixels, "noise": config.noise, "quality": config.jpeg,
             "qp": config.h264}  # fmt: skip
    for name, span in spans.items():
        strengths = getattr(drawn, name)
        there = strengths[strengths > 0]
        assert len(there) / 4000 == pytest.approx(0.75 * span.chance, abs=0.03), name
        assert span.low - 0.5 <= there.min() < there.max() <= span.high + 0.5
    assert np.mean(drawn.grey) == pytest.approx(0.75 * 0.2, abs=0.03)
    assert np.std(drawn.shift) == pytest.approx(1.5 * np.sqrt(1 + 0.12 * (3.25**2 + 1 - 1)), rel=0.1)


def test_jitter_has_the_configured_deviation() -> None:
    dot = np.zeros((128, 128, 3), np.uint8)
    dot[62:66, 62:66] = 255
    found = []
    for variant in range(200):
        rng = degrade.generator(1, "a", variant)
        moved = degrade.align(dot, Jitter(3, 0, 0), rng)[..., 0].astype(float)
        found.append(np.array(np.nonzero(moved > 60)).mean(axis=1) - 55.5)
    assert np.abs(np.mean(found, axis=0)).max() < 0.7
    assert np.std(found, axis=0) == pytest.approx([3, 3], abs=0.5)


def test_a_spared_face_is_only_misaligned() -> None:
    harsh = replace(only(noise=Span(1, 20, 20)), spared=0.5)
    made = [degrade.degrade(image(), harsh, degrade.generator(1, "a", v)) for v in range(200)]
    clean = sum(np.array_equal(some, centre(image())) for some in made)
    assert 70 < clean < 130


def test_guessed_landmarks_move_the_face_further() -> None:
    def spread(wide: Span) -> float:
        config = replace(only(misaligned=wide), jitter=Jitter(1, 0, 0))
        dot = np.zeros((128, 128, 3), np.uint8)
        dot[62:66, 62:66] = 255
        made = [degrade.degrade(dot, config, degrade.generator(1, "a", v))[..., 0] for v in range(100)]
        return float(np.std([np.argwhere(some == some.max()).mean(axis=0) for some in made]))

    assert 3 < spread(Span(1, 4, 4)) / spread(NONE) < 5


def test_videos_leave_the_other_strengths_of_a_seed() -> None:
    numbers = np.random.default_rng(0).random((50, degrade.NUMBERS), np.float32)
    without, drawn = (degrade.strengths(numbers, Degradation(h264=Span(c, 24, 40))) for c in (0, 0.5))
    assert without.qp is None
    assert 10 < np.count_nonzero(drawn.qp) < 30
    for name in set(drawn._fields) - {"qp"}:
        np.testing.assert_array_equal(getattr(drawn, name), getattr(without, name), err_msg=name)


def test_a_qp_that_h264_lacks_is_a_fault() -> None:
    assert Degradation(h264=Span(0.5, 1, 51)).faults() == []
    for low, high in ((0, 30), (30, 52)):
        assert Degradation(h264=Span(0.5, low, high)).faults() == [
            f"h264: {low} to {high} are not QPs of 1 to 51"
        ]
