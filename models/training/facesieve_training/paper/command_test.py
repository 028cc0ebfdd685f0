"""The whole path with the smallest networks, on LFW's faces as training set, as LFW and as Adience."""

import json
import shutil
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from facesieve_training import cli
from facesieve_training.evaluate import figures
from facesieve_training.evaluate.conftest import network  # noqa: F401 (a fixture)
from facesieve_training.paper import page
from facesieve_training.prepare.readers.readers_test import HEADING

VALUES = """
teacher:
  network: {backbone: {depth: 10, width: 0.125}, feature: 8}
  epochs: 1
  batch: 40
  precision: float32
label: {masks: {count: 4}}
student:
  student: {network: {depth: 10, width: 0.125}, hidden: 8, bins: 4}
  phases: [{epochs: 1, feature: 0.4, teacher_classes: 0.2, classes: 0.4}, {epochs: 1, labels: 1.0}]
  batch: 40
  held_out: 0.2
evaluate:
  rules: {fmrs: [0.05], points: [0, 0.1, 0.3], limit: 0.3, replicates: 20, recomputed_replicates: 2}
  images: 0
"""


@pytest.fixture
def data(tmp_path: Path, shared_data: Path, network: Callable[[str, int, int | str], Path]) -> Path:  # noqa: F811
    people = sorted(p for p in (shared_data / "faces" / "lfw").iterdir() if len(list(p.iterdir())) >= 10)[:18]
    root, rows = tmp_path / "data", [HEADING]
    for number, person in enumerate(people):
        place = root / "faces" / ("train" if number < 12 else "lfw") / person.name
        place.mkdir(parents=True)
        for file in sorted(person.iterdir())[:10]:
            shutil.copy(file, place)
        if number < 4:  # Adience, from the faces' own pixels: the detector finds and aligns them again
            kept = root / "faces" / "adience" / "aligned" / "7@N0"
            kept.mkdir(parents=True, exist_ok=True)
            for file in sorted(person.iterdir())[:4]:
                shutil.copy(file, kept / f"landmark_aligned_face.{number}.{file.name}")
                rows.append("\t".join(["7@N0", file.name, str(number), *"ABCDEFGHI"]))
    (root / "faces" / "adience" / "fold_0_data.txt").write_text("\n".join(rows) + "\n")
    (root / "models").mkdir()
    shutil.copy(network("matcher", 2, 1), root / "models" / "matcher_mobilefacenet.onnx")
    return root


@pytest.mark.usefixtures("eager")
def test_one_command_from_faces_to_the_page(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The figures of the evaluation have their own test.
    monkeypatch.setattr(figures, "draw", lambda _: defaultdict(lambda: figures.Drawn("", b"", b"")))
    (tmp_path / "values.yaml").write_text(VALUES)
    runs = tmp_path / "runs"
    values = ["--values", str(tmp_path / "values.yaml")]
    command = ["paper", str(data), "--size", "tiny", "--run", str(runs), *values]
    assert cli.main(command) == 0
    text = (runs / "report.html").read_text()
    assert f"IJB-C is missing and not drawn: {data}/faces/ijbc does not exist" in text
    assert (runs / "figure1.png").read_bytes().startswith(b"\x89PNG")
    for cells in (
        ["FaceQnet&#39;s recipe", "44.5", "42.7"], ["SER-FIQ", "44.5", "43.1"], ["ours", "21.8", "21.8"]
    ):  # fmt: skip
        assert "".join(f"<td>{cell}</td>" for cell in cells) in text
    assert "<td>network.backbone.depth</td><td>101</td><td>10</td>" in text
    table = pd.read_csv(runs / "evaluate" / "table.csv")
    assert set(table["set"]) == {"LFW", "Adience"}
    assert len(set(table["score"])) == 5
    printed = pd.read_parquet(runs / "label-printed" / "labels.parquet")
    pd.testing.assert_series_equal(printed["visual"], printed["visual_printed"], check_names=False)
    parameters = json.loads((runs / "student" / "meta.json").read_text())["parameters"]
    assert f"<td>{parameters / 1e6:.2f}</td>" in text

    # Finished steps are not run again; the page is written again.
    monkeypatch.setattr(page, "write", lambda *_: "again")
    written = {path: path.stat().st_mtime_ns for path in runs.glob("*/meta.json")}
    assert len(written) == 8
    assert cli.main(command) == 0
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert (runs / "report.html").read_text() == "again"
