from pathlib import Path

import numpy as np
import pytest

from facesieve_training.cli import DataError
from facesieve_training.student import data


def test_ranks_are_spread_evenly_and_unknown_stays_unknown() -> None:
    labels = np.random.default_rng(0).normal(0, 1, (5000, 3)).astype(np.float32) ** 3
    labels[7, 2] = np.nan
    scaled = data.Scale.fit(labels, ("a", "b", "c")).apply(labels)
    assert np.isnan(scaled[7, 2])
    assert np.isfinite(scaled[:, :2]).all()
    shares = np.histogram(scaled[:, 0], 10, (0, 1))[0] / len(scaled)
    np.testing.assert_allclose(shares, 0.1, atol=0.01)
    assert (np.argsort(scaled[:, 1]) == np.argsort(labels[:, 1])).mean() > 0.99


def test_held_out_people_are_the_same_in_a_larger_set() -> None:
    small = [f"p{i}" for i in range(50)]
    large = [f"p{i}" for i in range(200)]
    kept = [_held(names) for names in (small, large)]
    assert kept[0] == kept[1] & set(small)
    assert 0.1 < len(kept[1]) / 200 < 0.3


def _labels(names: list[str], variant: list[int]) -> data.Labels:
    rows = np.arange(len(names), dtype=np.int32)
    nothing = np.zeros((0, 3), np.float32), np.zeros((0, 1), np.float16)
    return data.Labels(rows, names, names, np.array(variant, np.int8), *nothing)


def _held(names: list[str]) -> set[str]:
    labels = _labels(names, [0] * len(names))
    return {names[i] for i in np.flatnonzero(data.held_out(labels, 0.2, 1))}


def test_clean_rows_are_repeated_and_held_out_rows_excluded() -> None:
    labels = _labels(["a", "b", "c", "d", "e"], [0, 1, 2, 0, 1])
    test = np.array([False, False, False, True, True])
    assert data.training_rows(labels, test, 3).tolist() == [0, 0, 0, 1, 2]


def test_a_directory_without_labels_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"labels\.parquet: is missing"):
        data.LabelRun(tmp_path)
