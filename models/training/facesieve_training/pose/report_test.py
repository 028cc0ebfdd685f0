import numpy as np
import pytest

from facesieve_training.pose import report


def test_errors_are_counted_by_the_angle_of_the_truth() -> None:
    truth = np.array([[0.0, 0], [10, 40], [20, -20], [-40, 5], [50, 0]])
    found = truth + np.array([1.0, -2])
    result = report.errors(truth, found)
    assert {key: count for key, (_, _, count) in result["yaw"].items()} == {
        "0..15": 2,
        "15..30": 1,
        "30..45": 1,
        "all": 4,
    }
    assert result["yaw"]["all"][0] == pytest.approx(1)
    assert result["pitch"]["30..45"][:2] == pytest.approx((2, 2))


def test_the_table_has_a_column_for_each_method() -> None:
    truth = np.array([[0.0, 0], [10, 40]])
    text = report.table(truth, {"before": truth + 5, "after": truth})
    assert "| yaw 0..15 | 2 | 5.0, 90 % within 5.0 | 0.0, 90 % within 0.0 |" in text


def test_a_sheet_holds_all_images() -> None:
    made = report.sheet(np.full((5, 20, 20, 3), 9, np.uint8), list("abcde"), columns=2)
    assert made.shape == (60, 40, 3)
