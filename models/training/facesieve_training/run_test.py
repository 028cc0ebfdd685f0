import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from facesieve_training.run import Run, RunError, atomic, json_text, write_atomic


@dataclass(frozen=True)
class Config:
    seed: int = 1
    rate: float = 0.5


def begun(directory: Path) -> Run:
    """A run with a first result."""
    run = Run.open(directory, "label", Config(), resume=False)
    run.log(1, loss=0.5)
    return run


def test_a_used_directory_needs_resume(tmp_path: Path) -> None:
    begun(tmp_path / "run")
    with pytest.raises(RunError, match="already holds a run"):
        Run.open(tmp_path / "run", "label", Config(), resume=False)
    assert Run.open(tmp_path / "run", "label", Config(), resume=True).resumed


def test_resume_needs_a_run_with_the_same_values(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no run to resume"):
        Run.open(tmp_path / "run", "label", Config(), resume=True)
    begun(tmp_path / "run")
    with pytest.raises(RunError, match="differing: rate"):
        Run.open(tmp_path / "run", "label", Config(rate=0.6), resume=True)


def test_other_data_are_refused(tmp_path: Path) -> None:
    run = begun(tmp_path / "run")
    run.set_data_hash("abc")
    again = Run.open(tmp_path / "run", "label", Config(), resume=True)
    with pytest.raises(RunError, match="started with other data"):
        again.set_data_hash("def")


def test_metrics_survive_new_columns_resume_and_a_truncated_last_row(tmp_path: Path) -> None:
    run = Run.open(tmp_path / "run", "label", Config(), resume=False)
    run.log(1, loss=0.5)
    run.log(2, loss=0.25, evaluated=0.9)
    run.log(3, loss=0.125, evaluated=0.95)
    file = tmp_path / "run" / "metrics.csv"
    file.write_text(file.read_text() + "4,0.1")
    again = Run.open(tmp_path / "run", "label", Config(), resume=True)
    again.rewind(2)
    again.log(3, loss=0.2, evaluated=0.8)
    assert file.read_text().split() == ["step,loss,evaluated", "1,0.5,", "2,0.25,0.9", "3,0.2,0.8"]


@pytest.mark.parametrize("resume", [False, True])
def test_a_run_that_failed_before_its_first_result_does_not_block_its_directory(
    tmp_path: Path, resume: bool
) -> None:
    failed = Run.open(tmp_path / "run", "label", Config(), resume=False)
    failed.set_data_hash("abc")
    failed.rewind(-1)
    assert list(failed.checkpoint.iterdir()) == []
    corrected = Run.open(tmp_path / "run", "label", Config(rate=0.6), resume)
    corrected.set_data_hash("def")
    assert not corrected.resumed
    assert "rate: 0.6" in (tmp_path / "run" / "config.yaml").read_text()


def test_a_finished_run_without_other_files_is_kept(tmp_path: Path) -> None:
    Run.open(tmp_path / "run", "teacher", Config(), resume=False).finish()
    with pytest.raises(RunError, match="already holds a run"):
        Run.open(tmp_path / "run", "teacher", Config(), resume=False)


def test_figures_without_a_value_are_null() -> None:
    tree = {"area": float("nan"), "rates": [0.5, float("inf")], "pair": (1, "x")}
    assert json.loads(json_text(tree)) == {"area": None, "rates": [0.5, None], "pair": [1, "x"]}


def test_a_failed_write_leaves_the_old_file_and_no_temporary_one(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a", "old")
    with pytest.raises(TypeError), atomic(tmp_path / "a") as file:
        file.writelines([b"new", None])  # type: ignore[list-item]
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "old")]
