from pathlib import Path

import numpy as np
import pytest

from facesieve_training.cli import DataError
from facesieve_training.teacher.verify import Verifier, Verify, accuracy, best_threshold


def balanced(decided: np.ndarray, mated: np.ndarray) -> float:
    return float((decided[mated].mean() + (~decided[~mated]).mean()) / 2)


def test_the_best_threshold_equals_that_of_exhaustive_search() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        mated = rng.random(30) < 0.3
        similarity = np.round(rng.normal(0, 1, 30) + mated, 1)
        tried = [balanced(similarity > t, mated) for t in [-np.inf, *(np.unique(similarity) + 1e-9)]]
        result = best_threshold(similarity, mated)
        assert balanced(similarity > result, mated) == pytest.approx(max(tried))


def test_accuracy_of_separable_pairs_is_one_and_of_noise_about_a_half() -> None:
    rng = np.random.default_rng(1)
    mated = np.tile([True, False], 500)
    assert accuracy(np.where(mated, 0.8, 0.1) + rng.uniform(0, 0.1, 1000), mated) == (1.0, 0.0)
    mean, error = accuracy(rng.random(1000), mated)
    assert mean == pytest.approx(0.5, abs=0.06)
    assert 0 < error < 0.05


@pytest.mark.parametrize("mated", [np.arange(3000) % 300 == 0, np.arange(3000) < 10, np.arange(3000) > 30])
def test_accuracy_of_noise_is_a_half_when_few_pairs_are_of_one_kind(mated: np.ndarray) -> None:
    """The share of correct decisions would be 0.99 and more."""
    mean, error = accuracy(np.random.default_rng(2).random(3000), mated)
    assert mean == pytest.approx(0.5, abs=0.2)
    assert error > 0.02


@pytest.fixture
def lfw(face_directory: Path, tmp_path: Path) -> Verify:
    lines = ["10 11"]
    for person in range(11):
        for number in range(4):
            old = face_directory / f"p{person:02d}" / f"{number}.png"
            old.rename(old.with_name(f"p{person:02d}_{number + 1:04d}.png"))
        lines += [f"p{person:02d} 1 3", f"p{person:02d} 2 p{(person + 1) % 11:02d} 4"]
    pairs = tmp_path / "pairs.txt"
    pairs.write_text("\n".join(lines) + "\n")
    return Verify(face_directory, pairs)


def test_training_separates_people_by_colour(lfw: Verify) -> None:
    def embed(faces: np.ndarray) -> np.ndarray:
        small = faces.reshape(len(faces), 7, 16, 7, 16, 3).mean(axis=(2, 4)).reshape(len(faces), -1)
        return np.asarray(small - 128, np.float32)

    assert Verifier(lfw)(embed)["accuracy_pairs"] == 1.0


def test_pairs_without_faces_are_errors(lfw: Verify, face_directory: Path) -> None:
    assert lfw.pairs is not None
    lfw.pairs.write_text("10 1\np01 1 9\n")
    with pytest.raises(DataError, match=r"pairs.txt:2: must be .*\(p01/p01_0009 is missing\)"):
        Verifier(lfw)
    lfw.pairs.write_text("10 1\np01 1 2\n")
    with pytest.raises(
        DataError,
        match=r"of 1 pairs 1 have their faces .*; at least two mated and two non-mated ones are needed",
    ):
        Verifier(lfw)
    with pytest.raises(DataError, match=r"has no protocol beside its faces; name LFW's pairs\.txt"):
        Verifier(Verify(face_directory))
