from dataclasses import dataclass
from pathlib import Path

import pytest

from facesieve_training.run import Run, RunError


@dataclass(frozen=True)
class Config:
    seed: int = 1
    rate: float = 0.5


def test_a_used_directory_needs_resume(tmp_path: Path) -> None:
    Run.open(tmp_path / "run", "label", Config(), resume=False)
    with pytest.raises(RunError, match="already holds a run"):
        Run.open(tmp_path / "run", "label", Config(), resume=False)
    assert Run.open(tmp_path / "run", "label", Config(), resume=True).resumed


def test_resume_needs_a_run_with_the_same_values(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no run to resume"):
        Run.open(tmp_path / "run", "label", Config(), resume=True)
    Run.open(tmp_path / "run", "label", Config(), resume=False)
    with pytest.raises(RunError, match="differing: rate"):
        Run.open(tmp_path / "run", "label", Config(rate=0.6), resume=True)


def test_other_data_are_refused(tmp_path: Path) -> None:
    run = Run.open(tmp_path / "run", "label", Config(), resume=False)
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
