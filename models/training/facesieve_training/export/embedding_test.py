"""The embedding of the shipped network."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facesieve_training.cli import DataError
from facesieve_training.config import ConfigError, load
from facesieve_training.export import embedding, quality
from facesieve_training.export.manifest import self_test_image
from facesieve_training.export.scorer import Scorer
from facesieve_training.export.similarity import Band, Rate
from facesieve_training.networks.int8 import Int8Network

TOLERANCE = 1e-4
"""The daemon's test of the same file has it, too."""


def test_the_daemon_tests_the_similarities_of_this_network(models: Path) -> None:
    file = models.parent / "quality" / "testdata" / "similarities.json"
    golden, scorer = json.loads(file.read_text()), Scorer(models / "quality.tflite")
    unit = np.stack([scorer.embed(self_test_image(112, 112, k)) for k in golden["images"]])
    cosine = unit @ unit.T
    wanted = json.dumps({"images": golden["images"], "similarities": cosine.round(6).tolist()})
    assert np.abs(cosine - golden["similarities"]).max() <= TOLERANCE, f"{file} must hold {wanted}"
    assert np.ptp(cosine) > 0.2, "the similarities must differ for the comparison to be meaningful"


def test_exposing_twice_changes_nothing(models: Path) -> None:
    data = (models / "quality.tflite").read_bytes()
    assert embedding.expose(data) == data


def test_outputs_after_the_embedding_are_kept(models: Path, tmp_path: Path) -> None:
    data, path = (models / "quality.tflite").read_bytes(), tmp_path / "quality.tflite"
    tree = json.loads((models / "quality.json").read_text())
    head, count = tree["quality"]["embedding"], len(tree["quality"]["labels"])
    assert tree["outputs"][head["output"] + 1]["name"] == "pose", (
        "an output must follow for the test to be meaningful"
    )
    outputs = Int8Network(data).run(self_test_image(112, 112, 1))
    others = np.concatenate([output.ravel() for output in outputs[count:]])[None]
    np.testing.assert_array_equal(embedding.among(data, others, count)[0], outputs[head["output"]].ravel())
    quality.write_added(path, data, json.loads(json.dumps(tree)), head["output"], embedding.NAME, head, {})
    written = json.loads(path.with_suffix(".json").read_text())
    assert [output["name"] for output in written["outputs"]] == [output["name"] for output in tree["outputs"]]
    assert [case["outputs"][-1] for case in written["self_test"]["cases"]] == [
        case["outputs"][-1] for case in tree["self_test"]["cases"]
    ]


def test_a_network_without_the_layer_is_an_error(models: Path) -> None:
    with pytest.raises(DataError, match=r"has no dense layer feature: train .* with student\.length"):
        embedding.expose((models / "detector.tflite").read_bytes())


def band(start: float, missed: float) -> Band:
    rate = (Rate(missed, 0, 1), Rate(missed, 0, 1))
    return Band(start, (0.3, 0.4), (1, 1, 1), rate, rate, rate)


def test_bands_that_miss_too_much_have_no_thresholds(models: Path) -> None:
    data, scale = (models / "quality.tflite").read_bytes(), np.ones(128)

    def starts(*missed: float) -> list[float]:
        bands = [band(10.0 * k, m) for k, m in enumerate(missed)]
        head = embedding.described(data, scale, bands, embedding.Embedding(max_fnmr=0.1), "")
        return [threshold.min_score for threshold in head.thresholds]

    assert starts(0.9, 0.11, 0.1, 0.01) == [20, 30]
    assert starts(0.05, 0.2, 0.05) == [20], "a good band below a bad one is chance"
    assert starts(float("nan"), 0.05) == [10]
    empty = replace(band(0, 0.05), pairs=(1, 1, 0))
    head = embedding.described(data, scale, [empty, band(10, 0.05)], embedding.Embedding(), "")
    assert head.thresholds[0].min_score == 10, "no pair of two people gives the first a threshold"
    with pytest.raises(
        DataError, match=r"from score 10 has 1 pairs of one .* 1 of two .* it misses 0\.5 .*max_fnmr: 0\.1"
    ):
        starts(0.5, 0.5)


def test_faults_name_the_key() -> None:
    assert embedding.Embedding().faults() == []
    assert embedding.Embedding([0, 20, 20]).faults() == ["bands: must begin at 0 and rise, below 100"]
    assert embedding.Embedding([10, 20]).faults() == ["bands: must begin at 0 and rise, below 100"]
    with pytest.raises(ConfigError, match=r"max_fnmr: must be above 0\.0, not 0"):
        load(None, embedding.Embedding, ["max_fnmr=0"])
