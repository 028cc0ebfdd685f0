"""Messages of the command for faults of its environment."""

import resource
from pathlib import Path

import pytest

from facesieve_training import cli
from facesieve_training.prepare import shards


@pytest.fixture
def command(tmp_path: Path, face_directory: Path) -> list[str]:
    given = [f"source.path={face_directory}", "align=none"]
    return ["prepare", "--run", str(tmp_path / "run"), *(part for g in given for part in ("--set", g))]


def test_a_full_disk_is_reported_and_the_run_can_be_resumed(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))  # the shard has 2 MB
    try:
        assert cli.main(command) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert f"{run}: File too large; free disk space and resume with --run {run}" in capsys.readouterr().err
    assert not list(run.rglob("*.tmp"))
    assert cli.main([*command, "--resume"]) == 0
    assert len(shards.Shards(run)) == 45
    assert "next: facesieve-train label --config configs/label.yaml --set faces=" in capsys.readouterr().err


def test_the_help_of_a_stage_lists_its_keys(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["prepare", "--help"])
    printed = capsys.readouterr().out
    assert "The stage `prepare`: images of people to aligned faces" in printed
    assert "  threshold: number > 0, < 1, default 0.5\n      Lowest score of an accepted face" in printed


def test_every_stage_names_its_results() -> None:
    assert set(cli._RESULTS) == set(cli.STAGES)
    closing = cli._closing("detector", Path("runs/mine"))
    assert closing.startswith("runs/mine: finished; it holds detector.tflite, ")
    assert "peers=[{name: mine, file: runs/mine/detector.tflite}, {name: shipped" in closing


def test_a_run_directory_that_cannot_be_created_is_an_error(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").write_text("a file")
    assert cli.main(command) == 2
    assert f"{tmp_path / 'run'}: cannot be the run's directory: " in capsys.readouterr().err


def test_a_directory_without_a_run_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The configuration of another stage's run, which only that stage reads."""
    (tmp_path / "config.yaml").write_text("nothing: 1\n")
    given = ["name=trial", f"student={tmp_path}", f"matcher.file={tmp_path / 'config.yaml'}"]
    arguments = ["export", "--run", str(tmp_path / "run"), *(p for g in given for p in ("--set", g))]
    assert cli.main(arguments) == 1
    assert "config.yaml:1: nothing: unknown key" in capsys.readouterr().err
