"""Made-up cameras, people with two photographs, outcomes, and the picture."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from facesieve_training.cli import DataError
from facesieve_training.degrade import Span
from facesieve_training.faces import Image
from facesieve_training.feedback import picture, scenes, stage
from facesieve_training.feedback.cameras import Camera
from facesieve_training.visits.events import Face
from facesieve_training.visits.scenario import WIDTH
from facesieve_training.visits.truth import Person, Truth


def _always(value: float) -> Span:
    return Span(1.0, value, value)


def _chequered() -> Image:
    image = np.full((64, 96, 3), 40, np.uint8)
    image[::8] = image[:, ::8] = 200
    return image


def _contrast(image: Image) -> float:
    """Mean step between neighbours in a row."""
    return float(np.abs(np.diff(image.astype(int), axis=1)).mean())


def test_a_camera_without_effects_changes_nothing() -> None:
    frame = _chequered()
    assert np.array_equal(Camera().recorder(1, "a")(0, frame), frame)


def test_lens_and_light_are_those_of_the_recording_and_noise_that_of_the_frame() -> None:
    frame = _chequered()
    blurred = Camera(defocus=Span(1.0, 0.5, 4), motion=Span(1.0, 2, 9)).recorder(1, "a")
    assert np.array_equal(blurred(0, frame), blurred(1, frame))
    assert _contrast(blurred(0, frame)) < 0.5 * _contrast(frame)
    assert not np.array_equal(blurred(0, frame), Camera(defocus=Span(1.0, 0.5, 4)).recorder(1, "b")(0, frame))
    dark = Camera(dark=_always(0.3), noise=_always(4)).recorder(1, "a")
    assert not np.array_equal(dark(0, frame), dark(1, frame))
    assert dark(0, frame).mean() < 0.6 * frame.mean()
    assert dark(1, frame).mean() == pytest.approx(dark(0, frame).mean(), abs=0.3)


def _embed(images: Image) -> NDArray[np.float32]:
    values = images.reshape(len(images), -1, 3).mean(axis=1)
    return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True), np.float32)


def test_the_enrolled_photograph_is_the_most_typical_other_one(tmp_path: Path) -> None:
    colours = [(250, 10, 10), (240, 20, 20), (240, 22, 20), (10, 10, 250)]
    for person in ("a", "b"):
        (tmp_path / person).mkdir()
        for number, colour in enumerate(colours):
            cv2.imwrite(str(tmp_path / person / f"{number}.png"), np.full((128, 128, 3), colour, np.uint8))
    for seed in range(4):
        for who in scenes.subjects(tmp_path, 2, seed, _embed):
            assert who.drawn.parent == who.enrolled.parent
            assert who.enrolled != who.drawn
            assert who.enrolled.name != "3.png"
    with pytest.raises(DataError, match="holds 2 people with three photographs, 3 are needed"):
        scenes.subjects(tmp_path, 3, 1, _embed)


def test_people_approach_side_by_side() -> None:
    scene = scenes.scenario(7, 8, (13, 45), 1)
    assert scene == scenes.scenario(7, 8, (13, 45), 1)
    ends = [actor.keys[-1] for actor in scene.actors]
    assert all(13 <= key.eyes <= 45 and key.time <= scene.seconds for key in ends)
    places = sorted(key.x for key in ends)
    assert places[0] > 0
    assert places[-1] < WIDTH
    assert np.diff(places).min() > 100


def test_the_threshold_is_the_similarity_that_the_rate_of_the_impostors_reaches() -> None:
    rng = np.random.default_rng(1)
    drawn, enrolled = (rng.normal(size=(60, 16)).astype(np.float32) for _ in range(2))
    least = stage._threshold(drawn, enrolled, 0.01)
    impostors = [float(drawn[i] @ enrolled[j]) for i in range(60) for j in range(60) if i != j]
    assert np.mean([s >= least for s in impostors]) == pytest.approx(0.01, abs=0.0005)


def test_a_face_is_compared_with_the_photograph_of_its_person() -> None:
    people = Truth(
        [Person("a", "must", [[(0.0, 0, 0, 50, 50)]]), Person("b", "must", [[(0.0, 200, 0, 50, 50)]])]
    )
    enrolled = _embed(np.array([[[[255, 0, 0]]], [[[0, 0, 255]]]], np.uint8))
    red = np.full((112, 112, 3), (0, 0, 255), np.uint8)
    sent = [Face(0.0, (200, 0, 50, 50), "1", 31.25, red), Face(0.0, (600, 0, 50, 50), "2", 50, red)]
    (found,) = stage._match(sent, people, enrolled, _embed)
    assert (found.score, found.similarity) == pytest.approx((31.25, 1.0))
    assert stage._table([found], 0.5) == "score,similarity,matched\n31.2,1.0000,1\n"
    assert stage._match([], people, enrolled, _embed) == []


def test_the_picture_has_a_step_for_each_move() -> None:
    rows = [
        (name, 300, setting, hour, 20 if setting == "fixed" or hour < 400 else 22, 0.9)
        for name in ("good", "dark", "blurred", "lamp fails")
        for setting in ("fixed", "auto")
        for hour in range(672)
    ]
    columns = ["trial", "visits_a_day", "setting", "hour", "threshold", "expected"]
    trial = pd.DataFrame(rows, columns=columns)
    drawn = picture.picture(trial)
    assert drawn.count('class="auto"') == drawn.count('class="fixed"') == 8
    assert drawn.count("V") == 4
    with pytest.raises(DataError, match="has no trial 'good'"):
        picture.picture(trial[trial.setting == "auto"])
