"""Verdicts over columns whose curves are made for them."""

from pathlib import Path

import numpy as np
import pytest

from facesieve_training.evaluate import edc, report
from facesieve_training.evaluate.evaluator import Comparisons, Curve, Rules
from facesieve_training.evaluate.gallery import DirectoryGallery
from facesieve_training.evaluate.means import Means
from facesieve_training.evaluate.pairs import Pairs
from facesieve_training.evaluate.results import Result, Results

RULES = Rules(fmrs=[0.01], points=[0.0, 0.3])
NOISE = np.random.default_rng(0).normal(0, 0.1, 400)


def curve(area: float, spread: float) -> Curve:
    """A curve whose replicates share noise with all others, and have some of their own."""
    own = np.random.default_rng(int(1000 * np.nan_to_num(area))).normal(0, spread, len(NOISE))
    two = np.array([0.2, 0.1])
    draws = area + NOISE + own
    low, high = np.quantile(draws, [0.025, 0.975])
    return Curve(edc.FIXED, 0.01, 0.0, two, two, two, two, two, area, float(low), float(high), draws)


def column(people: Path, name: str, areas: dict[str, float], spread: float) -> Results:
    none = Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64))
    compared = Comparisons(np.zeros(0, np.int64), none, none, np.zeros(0), np.zeros(0))
    rows = [Result(score, "", np.zeros(72), [curve(area, spread)]) for score, area in areas.items()]
    return Results(name, "m", DirectoryGallery(people, None), None, compared, [0.0], RULES, [], rows)


AREAS = {"ours": 0.52, "theirs": 0.5, "poor": 0.9}


def test_a_lead_within_the_interval_is_no_lead(people: Path) -> None:
    text = report.summary([column(people, "a", AREAS, 0.05)])
    assert text.startswith(
        "theirs has the lowest area of 3, but is not distinguishable from ours: the paired 95 % interval of "
        "the difference includes 0."
    )
    assert "ours is number 2 with 0.520" in text


def test_a_clear_lead_is_one(people: Path) -> None:
    # The intervals of the areas overlap; those of the paired differences exclude 0.
    text = report.summary([column(people, "a", AREAS, 0.001)])
    assert text.startswith("theirs is best of 3: every paired 95 % interval of its difference excludes 0.")


def test_the_mean_over_columns_decides_what_one_column_cannot(people: Path) -> None:
    columns = [column(people, str(i), {k: v + 0.01 * i for k, v in AREAS.items()}, 0.02) for i in range(9)]
    assert [row.name for row in columns[0].undecided(0.01)] == ["ours"]
    means = Means.of(columns, edc.FIXED, 0.01)
    assert means is not None
    assert [row.name for row in means.rows] == ["theirs", "ours", "poor"]
    assert means.rows[0].value == pytest.approx(0.54)
    assert means.rows[0].low < 0.54 < means.rows[0].high
    assert not means.undecided()
    assert report.summary(columns).startswith("theirs is best of 3")


def test_a_column_without_errors_is_left_out(people: Path) -> None:
    columns = [column(people, "a", AREAS, 0.05), column(people, "b", dict.fromkeys(AREAS, np.nan), 0.05)]
    means = Means.of(columns, edc.FIXED, 0.01)
    assert means is not None
    assert [c.set for c in means.left_out] == ["b"]
    assert Means.of(columns[1:], edc.FIXED, 0.01) is None
