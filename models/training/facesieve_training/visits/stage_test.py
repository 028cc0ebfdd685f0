"""The stage with the built program on one recording."""

import json
from pathlib import Path

import pytest

from facesieve_training import cli


def test_the_stage_counts_the_people_of_a_recording(
    tmp_path: Path, daemon: Path, shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    matcher = shared_data / "models" / "matcher_mobilefacenet.onnx"
    given = [
        f"program={daemon}", f"videos={shared_data / 'videos'}", f"matcher={{file: {matcher}}}",
        "groups=[recorded]", "only=[two_heads]", f"truth={Path(__file__).parent / 'truth'}",
    ]  # fmt: skip
    run = tmp_path / "run"
    assert cli.main(["visits", "--run", str(run), *(p for g in given for p in ("--set", g))]) == 0
    results = json.loads((run / "results.json").read_text())
    totals = results["totals"]["recorded"]
    assert [totals[name] for name in ("people", "sent", "missed", "doubled", "switches", "false")] == [
        2,
        2,
        0,
        0,
        0,
        0,
    ]
    table = capsys.readouterr().out
    assert table == (run / "table.md").read_text()
    assert [line.split("|")[1].strip() for line in table.splitlines()] == [
        "recording", "---", "two_heads", "**recorded**: 1",
    ]  # fmt: skip
    (run / "results.json").unlink()
    assert cli.main(["visits", "--run", str(run), "--resume", *(p for g in given for p in ("--set", g))]) == 0
    assert json.loads((run / "results.json").read_text()) == results


def test_a_name_that_no_recording_has_is_an_error(
    tmp_path: Path, shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    matcher = shared_data / "models" / "matcher_mobilefacenet.onnx"
    given = [f"matcher={{file: {matcher}}}", "only=[nothing]"]
    assert cli.main(["visits", "--run", str(tmp_path), *(p for g in given for p in ("--set", g))]) == 1
    assert "only: no recording is named nothing" in capsys.readouterr().err
