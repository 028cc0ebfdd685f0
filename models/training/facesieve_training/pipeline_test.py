"""The complete pipeline, with the commands of README.md, from 240 generated images to an evaluated student.

It takes 22 seconds of processor time.
"""

import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from facesieve_training import cli
from facesieve_training.teacher.imported import OnnxTeacher

PEOPLE, IMAGES = 48, 5


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """People are patterns; later images of a person have more noise."""
    root, rng = tmp_path / "images", np.random.default_rng(0)
    for person in range(PEOPLE):
        (root / f"p{person:02d}").mkdir(parents=True)
        pattern = cv2.resize(rng.integers(0, 256, (8, 8, 3), np.uint8), (128, 128)).astype(np.float64)
        for number in range(IMAGES):
            noisy = pattern + rng.normal(0, 8 + 15 * number, pattern.shape)
            image = np.clip(noisy, 0, 255).astype(np.uint8)
            cv2.imwrite(str(root / f"p{person:02d}" / f"{number}.png"), image)
    return root


def test_commands_from_images_to_an_evaluated_student(
    images: Path, teacher_config: OnnxTeacher, tmp_path: Path
) -> None:
    runs, matcher = tmp_path / "runs", f"matcher={{file: {teacher_config.onnx}, mean: [127.5], std: [128]}}"

    def stage(name: str, *values: str) -> Path:
        given = [part for value in values for part in ("--set", value)]
        assert cli.main([name, "--run", str(runs / name), *given]) == 0, name
        meta = json.loads((runs / name / "meta.json").read_text())
        assert {"seed", "commit", "versions", "command", "finished"} <= set(meta)
        assert meta["data_hash"]
        assert (runs / name / "config.yaml").stat().st_size > 0
        assert (runs / name / "metrics.csv").stat().st_size > 0
        return runs / name

    faces = stage("prepare", f"source.path={images}", "align=none")
    teacher = stage(
        "teacher", f"faces={faces}", "network.backbone={depth: 10, width: 0.125}", "network.feature=8",
        "epochs=1", "batch=48",
    )  # fmt: skip
    label = stage("label", f"faces={faces}", f"teacher={{run: {teacher}}}", "masks.count=8", "sheet=4")
    student = stage(
        "student", f"labels={label}", "student={network: {depth: 10, width: 0.125}, bins: 8, hidden: 16}",
        "phases=[{epochs: 1, labels: 1.0}]", "batch=48", "held_out=0.3",
    )  # fmt: skip
    export = stage("export", f"student={student}", matcher, "name=trial", "representative=40", "knots=5")
    evaluated = stage(
        "evaluate", f"faces={faces}", matcher, f"teacher={{run: {teacher}}}", "rules.fmrs=[0.01]",
        "rules.replicates=20", "rules.recomputed_replicates=3", "images=3",
        f"scores=[{{kind: student, file: {export}/quality.tflite}}, {{kind: serfiq}}, {{kind: random}}]",
    )  # fmt: skip
    scores = pd.read_parquet(evaluated / "scores.parquet")
    assert len(scores) == PEOPLE * IMAGES
    assert scores["student"].between(0, 100).all()
    assert len(set(pd.read_csv(evaluated / "table.csv")["score"])) == 3
    assert "<h2>What is dropped first</h2>" in (evaluated / "report.html").read_text()
