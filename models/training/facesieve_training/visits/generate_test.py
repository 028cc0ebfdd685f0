"""Generated recordings: the truth against the drawing, the cast, the encoded file, the catalogue."""

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from facesieve_training.faces import Image
from facesieve_training.visits import catalogue, generate, truth
from facesieve_training.visits.generate import Cast, Drawing
from facesieve_training.visits.scenario import HEIGHT, WIDTH, Actor, Key, Pillar, Scenario

_ROOM = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)


def _embed(images: Image) -> NDArray[np.float32]:
    return np.asarray(images.astype(np.float32).mean(axis=(1, 2)), np.float32)


def _walk(person: int, *points: tuple[float, float], depth: float = 0, photo: int = 0) -> Actor:
    return Actor(person, tuple(Key(time, x, 300, 40) for time, x in points), photo=photo, depth=depth)


def _draw(scenario: Scenario, photographs: Path) -> tuple[list[Image], truth.Truth]:
    cast = Cast(photographs, _embed)
    drawing = Drawing(scenario, cast.members(cast.choose(scenario, False), scenario.photos), _ROOM)
    return list(drawing), drawing.truth()


def _red(frame: Image) -> tuple[float, float, float, float]:
    """Box of the pixels with the colour of the photographs."""
    pixels = frame.astype(int)
    mask = (pixels[..., 2] > 200) & (pixels[..., 0] < 60)
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return x, y, width, height


def test_the_truth_is_where_the_face_is_drawn(photographs: Path) -> None:
    scenario = Scenario("a", 1, 1.0, (_walk(0, (0.2, 300), (0.8, 420)),), fps=10)
    frames, found = _draw(scenario, photographs)
    (person,) = found.people
    ((*_, last),) = person.faces
    assert (person.faces[0][0][0], last[0]) == pytest.approx((0.2, 0.8))
    assert len(frames) == 10
    for number in range(2, 9):
        box = person.box(0, number / 10, 0.01)
        assert box
        x, _, width, height = _red(frames[number])
        assert x + width / 2 == pytest.approx(box[0] + box[2] / 2, abs=3)
        assert 0.8 < width / box[2] < 1.6
        assert 0.8 < height / box[3] < 1.6
    assert _red(frames[0])[2] == 0


def test_a_covered_face_is_in_no_span(photographs: Path) -> None:
    walk = _walk(0, (0.0, 200), (2.0, 800))
    scenario = Scenario("a", 1, 2.1, (walk,), fps=10, pillars=(Pillar(400, 600),))
    _, found = _draw(scenario, photographs)
    first, second = found.people[0].faces
    # Half of the face is covered while its centre is behind the pillar.
    assert first[-1][0] == pytest.approx(0.65, abs=0.11)
    assert second[0][0] == pytest.approx(1.35, abs=0.11)


def test_the_nearer_of_two_who_cross_covers_the_other(photographs: Path) -> None:
    walkers = (_walk(0, (0.0, 300), (2.0, 700)), _walk(1, (0.0, 700), (2.0, 300), depth=1))
    _, found = _draw(Scenario("a", 1, 2.1, walkers, fps=10), photographs)
    assert [len(person.faces) for person in found.people] == [2, 1]


def test_a_face_that_is_turned_away_or_outside_is_in_no_span(photographs: Path) -> None:
    turned = tuple(Key(t, 300, 300, 40, face) for t, face in ((0.0, 1), (0.5, 1), (0.6, 0), (1.0, 0)))
    leaving = _walk(1, (0.0, 1200), (1.0, 1400))
    _, found = _draw(Scenario("a", 1, 1.1, (Actor(0, turned), leaving), fps=10), photographs)
    first, second = found.people
    assert first.faces[0][-1][0] == pytest.approx(0.5)
    assert second.faces[0][-1][0] == pytest.approx(0.4, abs=0.11)


def test_the_same_scenario_gives_the_same_frames(photographs: Path) -> None:
    scenario = Scenario("a", 1, 0.3, (_walk(0, (0.0, 300), (0.3, 400)),), fps=10)
    first, second = _draw(scenario, photographs), _draw(scenario, photographs)
    assert all(np.array_equal(a, b) for a, b in zip(first[0], second[0], strict=True))
    assert first[1] == second[1]


def test_held_out_recordings_have_other_people(photographs: Path) -> None:
    cast = Cast(photographs, _embed)
    names: list[set[str]] = [set(), set()]
    for seed, held_out in itertools.product(range(20), (False, True)):
        actors = tuple(_walk(k, (0, 0), (1, 1), photo=1) for k in range(3))
        chosen = cast.choose(Scenario("a", seed, 1, actors), held_out)
        members = cast.members(chosen, 2)
        assert all(len(member.photos) == 2 and len(member.references) == 6 for member in members)
        assert not {f"{p.parent.name}/{p.name}" for m in members for p in m.photos} & set(
            members[0].references
        )
        names[held_out] |= set(chosen)
    assert not names[0] & names[1]


def test_a_recording_is_encoded_once(photographs: Path, tmp_path: Path) -> None:
    scenario = Scenario("a", 1, 0.5, (_walk(0, (0.0, 300), (0.5, 400)),), fps=10)
    cast = Cast(photographs, _embed)
    video, truth_file = generate.generate(scenario, cast, False, _ROOM, tmp_path / "cache")
    capture = cv2.VideoCapture(str(video))
    size = [capture.get(p) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FPS)]
    assert size == [WIDTH, HEIGHT, 10]
    frames = 0
    while capture.read()[0]:
        frames += 1
    assert frames == 5
    who = cast.choose(scenario, False)[0]
    assert truth.load(truth_file).people[0].references == [f"{who}/{k}.png" for k in range(1, 8)]
    made = video.stat().st_mtime_ns
    generate.generate(scenario, cast, False, _ROOM, tmp_path / "cache")
    assert video.stat().st_mtime_ns == made
    generate.generate(scenario, cast, False, _ROOM // 2, tmp_path / "cache")
    assert video.stat().st_mtime_ns > made


def test_the_catalogue_has_enough_recordings_and_a_third_is_held_out() -> None:
    given, held_out = catalogue.generated(), catalogue.held_out()
    assert len(given) >= 30
    assert len(held_out) * 2 >= len(given)
    everything = [*given, *held_out]
    assert len({scenario.name for scenario in everything}) == len(everything)
    for scenario in everything:
        for actor in scenario.actors:
            times = [key.time for key in actor.keys]
            assert times == sorted(times), scenario.name
            assert times[-1] <= scenario.seconds, scenario.name
