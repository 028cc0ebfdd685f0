"""IJB-C's protocol on a small set in InsightFace's layout, compared with a direct computation."""

import csv
import itertools
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from facesieve_training.cli import DataError
from facesieve_training.evaluate import edc, stage
from facesieve_training.evaluate.conftest import PEOPLE, face
from facesieve_training.evaluate.evaluator import Rules
from facesieve_training.evaluate.gallery import Batch, Gallery, open_gallery
from facesieve_training.evaluate.network import Embedder, Network
from facesieve_training.evaluate.scorers.registry import ScoreConfig
from facesieve_training.evaluate.sets import Drawn, EvaluationSet
from facesieve_training.evaluate.templates import Templates
from facesieve_training.prepare import stage as prepare
from facesieve_training.prepare.align import TEMPLATE
from facesieve_training.run import Run

FMR, POINTS = 0.05, [0.0, 0.1, 0.2, 0.3]
NAMES = "abc"


def layout(person: int) -> dict[str, dict[int, str]]:
    """Medium of the images of a person's three templates; every third person's last template is bad."""
    spoilt = {5: "y", 4: "w"} if person % 3 == 0 else {0: "x", 1: "z"}
    return {"a": {0: "x", 3: "v"}, "b": {1: "z", 2: "v", 3: "v"}, "c": spoilt}


@pytest.fixture
def ijbc(tmp_path: Path, people: Path, network: Callable[[str, int, int | str], Path]) -> Path:
    """The output directory of `prepare` with only the kind configured."""
    root = tmp_path / "ijbc"
    (root / "meta").mkdir(parents=True)
    (root / "loose_crop").mkdir()
    points = " ".join(f"{v:.3f}" for v in (TEMPLATE + 8).ravel())
    faces, landmarks, pairs = [], [], []
    for person in range(PEOPLE):
        for file in sorted((people / f"p{person:02d}").iterdir()):
            image = face(person, int(file.stem)) if file.stem != "5" else face(person + PEOPLE, 5)
            cv2.imwrite(str(root / "loose_crop" / f"{person}-{file.name}"), image)
            landmarks.append(f"{person}-{file.name} {points} 0.9")
        for template, images in layout(person).items():
            faces += [f"{person}-{i}.png {person}{template} {person}{m}" for i, m in images.items()]
        pairs += [f"{person}{one} {person}{two} 1" for one, two in itertools.combinations(NAMES, 2)]
        pairs += [f"{person}a {other}b 0" for other in range(PEOPLE) if other != person]
    (root / "meta" / "ijbc_face_tid_mid.txt").write_text("\n".join(faces))
    (root / "meta" / "ijbc_name_5pts_score.txt").write_text("\n".join(landmarks))
    (root / "meta" / "ijbc_template_pair_label.txt").write_text("\n".join(pairs))
    settings = prepare.Config(prepare.SourceConfig(root, "ijbc"))
    assert settings.faults() == []
    prepare.run(settings, Run.open(tmp_path / "shards", "prepare", settings, False))
    return tmp_path / "shards"


def evaluated(
    directory: Path, shards: Path, matcher: Network, columns: dict[str, np.ndarray]
) -> dict[str, dict[str, str]]:
    """Rows of the table with a fixed threshold, by score."""
    table = directory.with_suffix(".csv")
    pd.DataFrame({"key": open_gallery(shards).keys, **columns}).to_csv(table, index=False)
    scores = [ScoreConfig("column", name, file=table, column=name) for name in columns]
    rules = Rules(fmrs=[FMR], points=POINTS, replicates=20, recomputed_replicates=3)
    settings = stage.Config(shards, matcher, scores=scores, rules=rules, images=3)
    stage.run(settings, Run.open(directory, "evaluate", settings, False))
    with (directory / "table.csv").open() as file:
        return {row["score"]: row for row in csv.DictReader(file) if row["convention"] == "fixed"}


def noise(gallery: Gallery) -> np.ndarray:
    """Number of each image, which is its noise level; keys end in PERSON-NUMBER.png."""
    return np.array([int(key[-5]) for key in gallery.keys], np.float64)


def test_template_results_equal_a_calculation_by_hand(
    tmp_path: Path, ijbc: Path, network: Callable[[str, int, int | str], Path]
) -> None:
    matcher, gallery = Network(network("matcher", 2, 1)), open_gallery(ijbc)
    assert len(gallery) == 7 * PEOPLE, "images of several templates are there in each"
    quality = np.random.default_rng(5).random(len(gallery))
    quality[::9] = np.nan
    row = evaluated(tmp_path / "run", ijbc, matcher, {"drawn": quality})["drawn"]

    embeddings = Embedder(matcher, "m").open()(gallery.read(np.arange(len(gallery))))
    feature: dict[str, np.ndarray] = {}
    of_template: dict[str, float] = {}
    for name in {key.split("/")[1].split("-")[0] for key in gallery.keys}:
        media: dict[str, list[np.ndarray]] = {}
        finite = []
        for i, key in enumerate(gallery.keys):
            if key.split("/")[1].startswith(f"{name}-"):
                medium = layout(int(name[:-1]))[name[-1]][int(key[-5])]
                media.setdefault(medium, []).append(embeddings[i] / np.linalg.norm(embeddings[i]))
                finite += [] if np.isnan(quality[i]) else [quality[i]]
        mean = np.mean([np.mean(frames, axis=0) for frames in media.values()], axis=0)
        feature[name] = mean / np.linalg.norm(mean)
        of_template[name] = float(np.mean(finite)) if finite else -np.inf
    mated = [(f"{p}{a}", f"{p}{b}") for p in range(PEOPLE) for a, b in itertools.combinations(NAMES, 2)]
    others = [(f"{p}a", f"{q}b") for p in range(PEOPLE) for q in range(PEOPLE) if p != q]
    result = (tmp_path / "run" / "table.md").read_text()
    assert f"{3 * PEOPLE} templates; {len(mated)} mated and {len(others)} non-mated pairs" in result
    similarity = np.array([feature[a] @ feature[b] for a, b in mated])
    threshold = sorted((feature[a] @ feature[b] for a, b in others), reverse=True)[int(FMR * len(others))]
    discard = edc.Discard.by(np.array([min(of_template[a], of_template[b]) for a, b in mated]))
    wrong = similarity <= threshold
    assert 0 < wrong.mean() < 1
    np.testing.assert_allclose(
        [float(row[f"fnmr_{100 * point:g}"]) for point in POINTS],
        discard.fnmr(wrong, np.array(POINTS)), atol=1e-6,
    )  # fmt: skip
    assert float(row["pauc"]) == pytest.approx(discard.area(wrong, 0.3), abs=1e-4)
    assert "Errors that remain" in (tmp_path / "run" / "report.html").read_text()


def test_a_score_from_the_noise_level_is_better(
    tmp_path: Path, ijbc: Path, network: Callable[[str, int, int | str], Path]
) -> None:
    """A score that marks the bad templates drops the pairs that fail; the opposite score keeps them."""
    gallery = open_gallery(ijbc)
    good = -noise(gallery)
    rows = evaluated(tmp_path / "run", ijbc, Network(network("matcher", 2, 1)), {"good": good, "bad": -good})
    assert float(rows["good"]["pauc"]) < 0.8
    assert float(rows["bad"]["pauc"]) > 1
    assert float(rows["good"]["fnmr_30"]) < float(rows["bad"]["fnmr_30"])


def test_a_template_without_faces_costs_its_pairs(
    tmp_path: Path,
    ijbc: Path,
    network: Callable[[str, int, int | str], Path],
    caplog: pytest.LogCaptureFixture,
) -> None:
    gallery = open_gallery(ijbc)
    table = gallery.protocol()
    assert table is not None
    table.loc[0, "left"] = "nobody"
    table.to_parquet(ijbc / "pairs.parquet")
    assert not open_gallery(ijbc).only_pairs()
    embeddings = np.random.default_rng(0).normal(size=(len(gallery), 4)).astype(np.float32)
    drawn = Drawn.of(EvaluationSet(ijbc, pairs="protocol"), 200, 100, [1])
    found = drawn.compare(embeddings, Network(network("matcher", 2, 1)))
    assert len(found.mated) + len(found.nonmated) == len(table) - 1
    assert "1 of 168 pairs are left out: they have a template without a face" in caplog.text


class Two(Gallery):
    def read(self, rows: np.ndarray) -> Batch:
        raise NotImplementedError


def test_a_template_of_two_people_is_refused() -> None:
    gallery = Two(["a/1", "b/1"], ["a", "b"], "")
    gallery.templates, gallery.media = ["7", "7"], ["", ""]
    with pytest.raises(DataError, match="template 7 holds faces of two people"):
        Templates.by(gallery)


def test_images_of_unknown_media_count_separately() -> None:
    gallery = Two(["a/1", "a/2", "a/3"], ["a"] * 3, "")
    gallery.templates, gallery.media = ["7"] * 3, ["", "", ""]
    templates = Templates.by(gallery)
    assert templates is not None
    vectors = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    np.testing.assert_allclose(templates.features(vectors), [[2 / 5**0.5, 1 / 5**0.5]], rtol=1e-6)
    gallery.media = ["v", "v", "w"]
    again = Templates.by(gallery)
    assert again is not None
    np.testing.assert_allclose(again.features(vectors), [[0.5**0.5, 0.5**0.5]], rtol=1e-6)
