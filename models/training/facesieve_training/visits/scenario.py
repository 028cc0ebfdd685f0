"""Scenarios of generated recordings: who is where at which time, before what."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

WIDTH, HEIGHT = 1280, 720


@dataclass(frozen=True)
class Key:
    """State of an actor at one time; states between two keys are interpolated linearly."""

    time: float
    x: float
    """Centre between eyes and mouth, pixels of the frame."""
    y: float
    eyes: float
    """Distance of the eyes, pixels."""
    face: float = 1.0
    """1: turned to the camera, 0: the head without its face."""


@dataclass(frozen=True)
class Actor:
    """One appearance of a person, from its first key to its last."""

    person: int
    """Index in the cast of the scenario."""
    keys: tuple[Key, ...]
    photo: int = 0
    """Which photograph of the person."""
    depth: float = 0.0
    """An actor of a higher depth is drawn over the others, and over a pillar of lower depth."""
    alive: float = 1.0
    """Amount of small motion, 0 for none."""
    blur: float = 0.0
    """Blur out of focus, standard deviation in distances of the eyes."""
    poster: bool = False
    """A photograph on the wall."""
    role: Literal["must", "may"] = "must"

    def at(self, time: float) -> Key | None:
        """State at a time; None before the first key and after the last."""
        times = [key.time for key in self.keys]
        if not times[0] <= time <= times[-1]:
            return None
        values = [(key.x, key.y, key.eyes, key.face) for key in self.keys]
        return Key(time, *(float(np.interp(time, times, column)) for column in zip(*values, strict=True)))


@dataclass(frozen=True)
class Pillar:
    """A pillar from the floor to the ceiling."""

    left: float
    right: float
    depth: float = 50.0


@dataclass(frozen=True)
class Scenario:
    """One generated recording."""

    name: str
    seed: int
    seconds: float
    actors: tuple[Actor, ...]
    fps: int = 15
    pillars: tuple[Pillar, ...] = ()
    light: tuple[tuple[float, float], ...] = ((0.0, 1.0),)
    """Brightness at some times, 1: as the background; linear between them."""
    cuts: tuple[float, ...] = ()
    """Times at which the whole picture changes."""
    black: tuple[float, float] | None = None
    """First and last time without a picture."""
    noise: float = 2.0
    """Standard deviation, grey levels."""

    @property
    def people(self) -> int:
        """Size of the cast."""
        return 1 + max(actor.person for actor in self.actors)

    @property
    def photos(self) -> int:
        """Photographs needed of each person."""
        return 1 + max(actor.photo for actor in self.actors)
