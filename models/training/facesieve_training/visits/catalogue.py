"""The catalogue of generated recordings.

Nothing is tuned on the held-out ones, which have other people, sizes and times.
"""

from collections.abc import Callable, Sequence

import numpy as np

from facesieve_training.visits.scenario import WIDTH, Actor, Key, Pillar, Scenario

Rng = np.random.Generator
Make = Callable[[str, int, Rng], Scenario]

_OUT = 120
"""Distance from the frame's edge of a person who has left, pixels."""


def generated() -> list[Scenario]:
    """Recordings for tuning."""
    return _make(_KINDS, "", 1000)


def held_out() -> list[Scenario]:
    """Recordings that are measured only."""
    return _make({name: _KINDS[name] for name in _HELD_OUT}, "_held_out", 2000)


def _make(kinds: dict[str, Make], suffix: str, first: int) -> list[Scenario]:
    seeds = {name: first + k for k, name in enumerate(_KINDS)}
    return [
        make(name + suffix, seeds[name], np.random.default_rng(seeds[name])) for name, make in kinds.items()
    ]


def _path(points: Sequence[tuple[float, float]], y: float, eyes: float) -> tuple[Key, ...]:
    """Keys of a walk: times with positions."""
    return tuple(Key(time, x, y, eyes) for time, x in points)


def _near(rng: Rng) -> tuple[float, float]:
    """Height and size of a face nearby."""
    return float(rng.uniform(230, 330)), float(rng.uniform(32, 48))


def _single(eyes: float, blur: float = 0.0, light: float = 1.0, noise: float = 2.0) -> Make:
    def make(name: str, seed: int, rng: Rng) -> Scenario:
        y, size = float(rng.uniform(240, 320)), eyes * float(rng.uniform(0.94, 1.06))
        ends = (200.0, 1080.0) if rng.random() < 0.5 else (1080.0, 200.0)
        keys = _path([(0.4, ends[0]), (7.6, ends[1])], y, size)
        return Scenario(name, seed, 8, (Actor(0, keys, blur=blur),), light=((0.0, light),), noise=noise)

    return make


def _approach(name: str, seed: int, rng: Rng) -> Scenario:
    x = float(rng.uniform(400, 900))
    keys = (Key(0.3, x, 210, 14), Key(5, x + 60, 270, 36), Key(8, x + 90, 340, 58))
    return Scenario(name, seed, 8, (Actor(0, keys),), fps=20)


def _cross(speed: float, far: float = 1.0, back: bool = False) -> Make:
    """Two walk towards each other at a speed in pixels a second, the second of `far` times the size."""

    def make(name: str, seed: int, rng: Rng) -> Scenario:
        y, eyes = _near(rng)
        seconds, middle = 880 / speed, float(rng.uniform(600, 680))
        ends = [(200.0, 1080.0), (1080.0, 200.0)]
        actors = []
        for person, (start, end) in enumerate(ends):
            points = [(0.3, start), (1.0, start), (1.0 + seconds, end), (2.0 + seconds, end)]
            if back:
                turn = middle + (-30 if start < end else 30)
                points[2:] = [(1.0 + seconds / 2, turn), (1.4 + seconds / 2, turn), (1.4 + seconds, start)]
            scale = far if person else 1.0
            keys = _path(points, y - 40 * (1 - scale), eyes * scale)
            actors.append(Actor(person, keys, depth=float(person == 0)))
        return Scenario(name, seed, 2.4 + seconds, tuple(actors), fps=25 if speed > 250 else 15)

    return make


def _passes(seconds: float) -> Make:
    """One person stands, and another passes in front."""

    def make(name: str, seed: int, rng: Rng) -> Scenario:
        y, eyes = _near(rng)
        x = float(rng.uniform(500, 780))
        walk = _path([(2.5, 100), (2.5 + seconds, 1180)], y + 15, eyes * 1.1)
        actors = (Actor(0, _path([(0, x), (8, x)], y, eyes)), Actor(1, walk, depth=1))
        return Scenario(name, seed, 8, actors)

    return make


def _follow(name: str, seed: int, rng: Rng) -> Scenario:
    y, eyes = _near(rng)
    gap = float(rng.uniform(0.7, 1.0))
    actors = [
        Actor(k, _path([(0.3 + k * gap, 150), (6 + k * gap, 1130)], y, eyes), depth=float(k))
        for k in range(3)
    ]
    return Scenario(name, seed, 8.5, tuple(actors))


def _behind_pillar(hidden: float) -> Make:
    """One walks behind a pillar and is hidden for some seconds."""

    def make(name: str, seed: int, rng: Rng) -> Scenario:
        y, eyes = _near(rng)
        left = float(rng.uniform(500, 600))
        width = 3.2 * eyes
        crossing = min(hidden, 1.0)
        speed, middle, before = width / crossing, left + width / 2, 2.5
        behind = before + width / speed
        leaves = behind + (hidden - crossing)
        out = leaves + width / speed
        points = [(0.2, middle - before * min(speed, 150)), (before, middle - width), (behind, middle)]
        points += [(leaves, middle), (out, middle + width), (out + 2.5, middle + 420)]
        keys = _path(points, y, eyes)
        pillar = Pillar(left, left + width)
        return Scenario(name, seed, keys[-1].time + 0.3, (Actor(0, keys),), pillars=(pillar,))

    return make


def _two_at_pillar(name: str, seed: int, rng: Rng) -> Scenario:
    """One walks behind the pillar and stays there; another comes out on the other side."""
    y, eyes = _near(rng)
    left, width = 560.0, 4.0 * eyes
    middle = left + width / 2
    first = _path([(0.2, 150), (3.5, middle), (9, middle)], y, eyes)
    second = _path([(0.0, middle), (4.6, middle), (8.0, 1100)], y, eyes)
    pillar = Pillar(left, left + width)
    return Scenario(name, seed, 9, (Actor(0, first), Actor(1, second)), pillars=(pillar,))


def _returns(away: float) -> Make:
    """One leaves by the edge and returns, on another photograph."""

    def make(name: str, seed: int, rng: Rng) -> Scenario:
        y, eyes = _near(rng)
        left = rng.random() < 0.5
        out, inside = (
            (-_OUT, float(rng.uniform(350, 500))) if left else (WIDTH + _OUT, float(rng.uniform(780, 930)))
        )
        gone = 0.4  # from half hidden by the edge to the end of the walk, seconds
        first = _path([(0.2, inside), (3.0, inside), (5.0, out)], y, eyes)
        back = 5.0 + max(0.1, away - 2 * gone)
        second = _path([(back, out), (back + 2, inside), (back + 4.5, inside + 40)], y, eyes)
        actors = (Actor(0, first), Actor(0, second, photo=1))
        return Scenario(name, seed, back + 4.8, actors, fps=12 if away < 30 else 5)

    return make


def _replaced(gap: float) -> Make:
    """One person stands, vanishes, and another is at the same place after a gap in seconds."""

    def make(name: str, seed: int, rng: Rng) -> Scenario:
        y, eyes = _near(rng)
        x, change = float(rng.uniform(400, 880)), float(rng.uniform(3.5, 4.5))
        actors = (
            Actor(0, _path([(0.2, x), (change, x + 10)], y, eyes)),
            Actor(1, _path([(change + gap + 0.04, x + 12), (change + gap + 4, x + 20)], y, eyes * 1.03)),
        )
        return Scenario(name, seed, change + gap + 4.3, actors, fps=25)

    return make


def _slides(name: str, seed: int, rng: Rng) -> Scenario:
    """A second person stops in front of the first one, who leaves unseen."""
    y, eyes = _near(rng)
    x = float(rng.uniform(500, 780))
    first = _path([(0.2, x), (4.4, x)], y, eyes)
    second = _path([(2.5, 100), (4.2, x), (9, x + 30)], y + 6, eyes * 1.05)
    return Scenario(name, seed, 9, (Actor(0, first), Actor(1, second, depth=1)))


def _cuts(length: float, people: int) -> Make:
    """Hard cuts from person to person."""

    def make(name: str, seed: int, rng: Rng) -> Scenario:
        actors, times = [], []
        x, y = 640.0, 300.0
        for person in range(people):
            first, last = person * length, (person + 1) * length
            eyes = float(rng.uniform(38, 60))
            at = x + float(rng.uniform(-15, 15))
            actors.append(Actor(person, _path([(first, at), (last - 0.02, at + 15)], y, eyes)))
            times.append(first)
        return Scenario(name, seed, people * length, tuple(actors), fps=25, cuts=tuple(times[1:]))

    return make


def _group(people: int) -> Make:
    """Several people who change places."""

    def make(name: str, seed: int, rng: Rng) -> Scenario:
        places = np.linspace(200, 1080, people)
        actors = []
        orders = [rng.permutation(people) for _ in range(3)]
        for person in range(people):
            y, eyes = float(rng.uniform(250, 310)), float(rng.uniform(30, 38))
            points = [(0.3, places[person])]
            for k, order in enumerate(orders):
                there = float(places[order[person]])
                points += [(2.0 + 4 * k, points[-1][1]), (4.5 + 4 * k, there)]
            points.append((14.5, points[-1][1]))
            actors.append(Actor(person, _path(points, y, eyes), depth=float(person)))
        return Scenario(name, seed, 15, tuple(actors))

    return make


def _poster(name: str, seed: int, rng: Rng) -> Scenario:
    """A photograph on the wall, and walkers who pass in front of it."""
    x, y = float(rng.uniform(500, 780)), float(rng.uniform(220, 260))
    poster = Actor(0, _path([(0, x), (150, x)], y, 34), alive=0, poster=True, role="may", depth=-1)
    walks = [(12.0, 1), (45.0, 2), (138.0, 3)]
    walkers = [
        Actor(person, _path([(t, 100), (t + 7, 1180)], y + 30, float(rng.uniform(36, 44))), depth=person)
        for t, person in walks
    ]
    return Scenario(name, seed, 150, (poster, *walkers), fps=5)


def _still(name: str, seed: int, rng: Rng) -> Scenario:
    """One who stands nearly still for more than two minutes."""
    y, eyes = _near(rng)
    x = float(rng.uniform(450, 830))
    return Scenario(name, seed, 132, (Actor(0, _path([(0.5, x), (131, x)], y, eyes)),), fps=5)


def _light(name: str, seed: int, rng: Rng) -> Scenario:
    """The light goes down and up."""
    y, eyes = _near(rng)
    keys = _path([(0.2, 400), (9.8, 820)], y, eyes)
    light = ((0.0, 1.0), (3.0, 1.0), (3.4, 0.35), (6.0, 0.35), (6.2, 1.25), (10.0, 1.25))
    return Scenario(name, seed, 10, (Actor(0, keys),), light=light)


def _turns_away(name: str, seed: int, rng: Rng) -> Scenario:
    """One whose face is turned away for four seconds."""
    y, eyes = _near(rng)
    x = float(rng.uniform(450, 830))
    states = [(0.2, 1), (3.5, 1), (3.9, 0), (7.7, 0), (8.1, 1), (11.5, 1)]
    keys = tuple(Key(time, x + 3 * time, y, eyes, face) for time, face in states)
    return Scenario(name, seed, 11.8, (Actor(0, keys),))


def _both_turn_away(name: str, seed: int, rng: Rng) -> Scenario:
    """Two who turn away side by side and change places meanwhile."""
    y, eyes = _near(rng)
    states = [(0.2, 1, 0), (3.5, 1, 0), (3.9, 0, 0), (6.0, 0, 1), (6.4, 1, 1), (10.0, 1, 1)]
    ends = [(480.0, 720.0), (720.0, 480.0)]
    actors = tuple(
        Actor(
            k,
            tuple(Key(t, a + (b - a) * moved, y + 4 * k, eyes, face) for t, face, moved in states),
            depth=float(k),
        )
        for k, (a, b) in enumerate(ends)
    )
    return Scenario(name, seed, 10.2, actors)


def _camera_away(name: str, seed: int, rng: Rng) -> Scenario:
    """The picture is black for two seconds, while two people go on."""
    y, eyes = _near(rng)
    actors = tuple(Actor(k, _path([(0.2, 300 + 400 * k), (9, 500 + 400 * k)], y, eyes)) for k in range(2))
    return Scenario(name, seed, 9.2, actors, black=(4.0, 6.0))


_KINDS: dict[str, Make] = {
    "walker": _single(42),
    "walker_small": _single(25),
    "walker_dark": _single(40, light=0.3, noise=4),
    "walker_blurred": _single(42, blur=0.05),
    "approach": _approach,
    "cross_slow": _cross(110),
    "cross": _cross(200),
    "cross_fast": _cross(350),
    "cross_sizes": _cross(180, far=0.7),
    "cross_similar_sizes": _cross(160, far=0.85),
    "meet_and_return": _cross(160, back=True),
    "passes_slow": _passes(5.0),
    "passes_fast": _passes(2.4),
    "follow": _follow,
    "pillar_0.5": _behind_pillar(0.5),
    "pillar_2": _behind_pillar(2),
    "pillar_5": _behind_pillar(5),
    "pillar_20": _behind_pillar(20),
    "pillar_two": _two_at_pillar,
    "returns_3": _returns(3),
    "returns_20": _returns(20),
    "returns_70": _returns(70),
    "replaced_0": _replaced(0),
    "replaced_0.2": _replaced(0.2),
    "replaced_1": _replaced(1),
    "slides": _slides,
    "cuts": _cuts(3.0, 5),
    "cuts_fast": _cuts(1.5, 6),
    "group": _group(5),
    "group_of_3": _group(3),
    "poster": _poster,
    "still": _still,
    "light": _light,
    "turns_away": _turns_away,
    "both_turn_away": _both_turn_away,
    "camera_away": _camera_away,
}
_HELD_OUT = (
    "walker_small", "walker_dark", "approach", "cross_slow", "cross", "cross_fast", "cross_sizes",
    "passes_slow", "follow", "pillar_2", "pillar_20", "pillar_two", "returns_3", "returns_20", "replaced_0",
    "replaced_0.2", "slides", "cuts_fast", "group", "turns_away", "poster",
)  # fmt: skip
