"""The whole stage on generated faces and networks."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from facesieve_training.cli import DataError
from facesieve_training.config import ConfigError, load
from facesieve_training.distribute import Distribute
from facesieve_training.evaluate import cached, stage
from facesieve_training.evaluate.evaluator import Rules
from facesieve_training.evaluate.network import Network
from facesieve_training.evaluate.scorers.registry import ScoreConfig
from facesieve_training.evaluate.sets import EvaluationSet
from facesieve_training.prepare import stage as prepare
from facesieve_training.run import Run
from facesieve_training.teacher.source import TeacherSource

Make = Callable[[str, int, int | str], Path]
RULES = Rules(fmrs=[0.05, 0.01], replicates=20, recomputed_replicates=5)
QUICK: dict[str, object] = {
    "rules": Rules(fmrs=[0.05], replicates=10, recomputed_replicates=2),
    "scores": [ScoreConfig("serfiq", masks=10), ScoreConfig("random")],
    "images": 0,
}


def config(people: Path, network: Make, **values: object) -> stage.Config:
    settings: dict[str, object] = {
        "teacher": TeacherSource(onnx=network("teacher", 1, "batch"), cut="cut", low="low"),
        "scores": [
            ScoreConfig("laplacian"), ScoreConfig("serfiq", masks=10), ScoreConfig("embedding_length"),
            ScoreConfig("pose_symmetry"), ScoreConfig("random"),
        ],
        "rules": RULES,
        "images": 4,
        **values,
    }  # fmt: skip
    settings = {"faces": people, "matcher": Network(network("matcher", 2, 1)), **settings}
    return stage.Config(**settings)  # type: ignore[arg-type]


def evaluated(directory: Path, settings: stage.Config) -> Path:
    stage.run(settings, Run.open(directory, "evaluate", settings, False))
    return directory


@pytest.mark.real_figures
def test_all_files_are_written(tmp_path: Path, people: Path, network: Make) -> None:
    run = evaluated(tmp_path / "run", config(people, network))
    with (run / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 5 * 2 * 2
    assert {row["convention"] for row in rows} == {"fixed", "recomputed"}
    for row in rows:
        assert float(row["pauc_low"]) <= float(row["pauc_high"])
        assert float(row["fnmr_0"]) == float(rows[0]["fnmr_0"]) or row["fmr"] != rows[0]["fmr"]
    scores = pd.read_parquet(run / "scores.parquet")
    assert list(scores.columns[:3]) == ["key", "identity", "Laplacian variance"]
    assert len(scores) == 72
    for name in ("edc-fixed-0.05", "edc-recomputed-0.01", "pauc", "similarity"):
        assert (run / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert b"<svg" in (run / f"{name}.svg").read_bytes()
    page = (run / "report.html").read_text()
    assert page.count("data:image/jpeg") >= 5 * (4 + 2)
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "fixed threshold" in (run / "table.md").read_text()


def test_several_sets_and_matchers_have_a_mean(tmp_path: Path, people: Path, network: Make) -> None:
    sets = [EvaluationSet(people, "all"), EvaluationSet(people, "few", limit=7)]
    matchers = [Network(network("matcher", 2, 1)), Network(network("other", 3, "batch"), "second")]
    several = config(people, network, **QUICK, faces=None, matcher=None, sets=sets, matchers=matchers)
    run = evaluated(tmp_path / "run", several)
    names = ["all-matcher", "all-second", "few-matcher", "few-second"]
    assert sorted(path.parent.name for path in run.glob("*/report.html")) == names
    table = pd.read_csv(run / "table.csv")
    fixed = table[table["convention"] == "fixed"].set_index(["score", "set", "matcher"])["pauc"]
    means = {cells[0]: cells for cells in grid(run / "table.md")}
    assert means["score"][1:6] == ["all, matcher", "all, second", "few, matcher", "few, second", "mean pAUC"]
    for score in ("SER-FIQ", "random"):
        assert float(means[score][5]) == pytest.approx(fixed[score].mean(), abs=1e-3)
    assert float(means["best possible"][5]) < min(fixed)
    # Each column is what it is alone.
    alone = evaluated(tmp_path / "alone", config(people, network, **QUICK))
    for file in ("table.csv", "scores.parquet", "report.html"):
        assert (run / "all-matcher" / file).exists()
    expected = pd.read_csv(alone / "table.csv").drop(columns=["set", "matcher"])
    pd.testing.assert_frame_equal(table.iloc[: len(expected)].drop(columns=["set", "matcher"]), expected)
    page = (run / "report.html").read_text()
    assert all(f'href="{name}/report.html"' in page for name in names)


def grid(path: Path) -> list[list[str]]:
    """Cells of the first table of a Markdown file."""
    lines = [line for line in path.read_text().split("###")[1].splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_one_of_faces_and_sets_is_required(people: Path, network: Make) -> None:
    both = config(people, network, sets=[EvaluationSet(people)], matcher=None)
    assert both.faults() == [
        "faces: is required, or sets instead of it", "matcher: is required, or matchers instead of it"
    ]  # fmt: skip


def test_a_killed_run_reuses_the_cached_scores(
    tmp_path: Path, people: Path, network: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cached, "CHUNK", 20)
    settings = config(people, network, cache=tmp_path / "cache", **QUICK)
    whole = evaluated(tmp_path / "whole", settings)
    chunks = sorted((tmp_path / "cache").glob("*/*.npy"))
    assert len(chunks) == 3 * 4
    kept = {path: path.stat().st_mtime_ns for path in chunks[::2]}
    for path in chunks[1::2]:
        path.unlink()
    again = evaluated(tmp_path / "again", settings)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert (whole / "table.csv").read_bytes() == (again / "table.csv").read_bytes()


def test_faceqnet_needs_enough_images(tmp_path: Path, people: Path, network: Make) -> None:
    scores = [ScoreConfig("faceqnet", faces=people, epochs=3)]
    with pytest.raises(DataError, match="has 60 images beside each person's best"):
        evaluated(tmp_path / "run", config(people, network, scores=scores))


def test_shards_give_the_same_as_the_directory(tmp_path: Path, people: Path, network: Make) -> None:
    settings = prepare.Config(prepare.SourceConfig(people), align="none", shard=25)
    prepare.run(settings, Run.open(tmp_path / "shards", "prepare", settings, False))
    from_directory = evaluated(tmp_path / "one", config(people, network, **QUICK))
    from_shards = evaluated(tmp_path / "two", config(tmp_path / "shards", network, **QUICK))
    tables = [pd.read_csv(run / "table.csv").drop(columns="set") for run in (from_directory, from_shards)]
    pd.testing.assert_frame_equal(tables[0], tables[1])


def test_a_directory_has_no_pairs_of_its_own(tmp_path: Path, people: Path, network: Make) -> None:
    with pytest.raises(DataError, match="has no pairs of its own"):
        evaluated(tmp_path / "none", config(people, network, pairs="protocol", **QUICK))


def test_the_run_of_a_teacher_serves_as_its_file(tmp_path: Path, people: Path, network: Make) -> None:
    given = TeacherSource(onnx=network("teacher", 1, "batch"), cut="cut", low="low")
    by_file = evaluated(tmp_path / "file", config(people, network, teacher=given, **QUICK))
    content = {"teacher": {"onnx": str(given.onnx), "cut": "cut", "low": "low"}}
    (tmp_path / "teacher").mkdir()
    (tmp_path / "teacher" / "config.yaml").write_text(yaml.safe_dump(content))
    source = TeacherSource(run=tmp_path / "teacher")
    by_run = evaluated(tmp_path / "run", config(people, network, teacher=source, **QUICK))
    assert (by_file / "table.csv").read_bytes() == (by_run / "table.csv").read_bytes()
    (tmp_path / "teacher" / "config.yaml").write_text("faces: somewhere\n")
    with pytest.raises(DataError, match=r"teacher.onnx: is missing; give the directory of a finished run"):
        evaluated(tmp_path / "unfinished", config(people, network, teacher=source, **QUICK))
    (tmp_path / "teacher" / "config.yaml").write_text(
        "faces: somewhere\nteacher: {onnx: gone, cut: a, low: b}"
    )
    with pytest.raises(DataError, match=r"is not a usable run of the stage teacher: .*gone is not a file"):
        evaluated(tmp_path / "gone", config(people, network, teacher=source, **QUICK))
    with pytest.raises(DataError, match="holds no run"):
        evaluated(
            tmp_path / "no", config(people, network, teacher=TeacherSource(run=tmp_path / "x"), **QUICK)
        )


def test_column_of_a_table(tmp_path: Path, people: Path, network: Make) -> None:
    keys = [f"{p.parent.name}/{p.name}" for p in sorted(people.glob("*/*"))]
    quality = [-int(key[-5]) for key in keys]
    table = pd.DataFrame({"key": keys, "q": quality})
    table.to_csv(tmp_path / "q.csv", index=False)
    labels = pd.DataFrame(
        {
            "identity": [k[:3] for k in keys] * 2,
            "file": [k[4:] for k in keys] * 2,
            "variant": [0] * 72 + [1] * 72,
        }
    )
    labels["S"] = quality + [0] * 72
    labels.to_parquet(tmp_path / "labels.parquet")
    scores = [
        ScoreConfig("column", "csv", file=tmp_path / "q.csv", column="q"),
        ScoreConfig("column", "parquet", file=tmp_path / "labels.parquet", column="S"),
    ]
    run = evaluated(tmp_path / "run", config(people, network, **{**QUICK, "scores": scores}))
    content = pd.read_parquet(run / "scores.parquet")
    assert list(content["csv"]) == list(content["parquet"]) == quality
    table.iloc[1:].to_csv(tmp_path / "q.csv", index=False)
    with pytest.raises(DataError, match=r"q.csv: has no row for p00/0.png"):
        evaluated(tmp_path / "missing", config(people, network, scores=scores))


def test_faults_are_named(tmp_path: Path, people: Path, network: Make) -> None:
    settings = config(people, network)
    matcher = settings.all_matchers()[0].file
    same = config(people, network, teacher=TeacherSource(onnx=matcher, cut="cut", low="low"))
    with pytest.raises(DataError, match="is the teacher too"):
        evaluated(tmp_path / "teacher", same)
    twice = config(people, network, scores=[ScoreConfig("random"), ScoreConfig("random")])
    with pytest.raises(DataError, match="random named more than once"):
        evaluated(tmp_path / "twice", twice)
    sized = config(people, network, scores=[ScoreConfig("size")])
    with pytest.raises(DataError, match="come without their size"):
        evaluated(tmp_path / "size", sized)
    (tmp_path / "few" / "a").mkdir(parents=True)
    (tmp_path / "few" / "a" / "1.png").write_bytes((people / "p00" / "0.png").read_bytes())
    with pytest.raises(DataError, match="gives 0 mated and 0 non-mated pairs"):
        evaluated(tmp_path / "pairs", config(tmp_path / "few", network))
    (tmp_path / "few" / "b").mkdir()
    (tmp_path / "few" / "b" / "1.png").write_bytes((people / "p01" / "0.png").read_bytes())
    (tmp_path / "few" / "a" / "2.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"2.png: is not a readable image"):
        evaluated(tmp_path / "broken", config(tmp_path / "few", network))


def test_configuration_faults_come_all_at_once(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(
        "faces: f\nmatcher: {file: m, mean: [1, 2]}\nscores: [{kind: lightqnet}, {kind: serfiq}]\ncap: 0\n"
    )
    with pytest.raises(ConfigError) as caught:
        load(path, stage.Config)
    text = str(caught.value)
    assert "matcher.mean: must have one value or three" in text
    assert "scores[0].file: lightqnet needs one" in text


def test_workers_give_the_same_table(
    tmp_path: Path, people: Path, network: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    alone = evaluated(tmp_path / "alone", config(people, network, **QUICK))
    monkeypatch.setattr(cached, "CHUNK", 20)
    shared = evaluated(
        tmp_path / "shared", config(people, network, distribute=Distribute(workers=2), **QUICK)
    )
    assert (alone / "table.csv").read_bytes() == (shared / "table.csv").read_bytes()
    np.testing.assert_array_equal(
        pd.read_parquet(alone / "scores.parquet").iloc[:, 2:],
        pd.read_parquet(shared / "scores.parquet").iloc[:, 2:],
    )
