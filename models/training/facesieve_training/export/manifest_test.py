import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from facesieve_training.cli import DataError
from facesieve_training.export import manifest

MODELS = Path(__file__).parents[3]


def test_self_test_image_is_the_integer_formula() -> None:
    image = manifest.self_test_image(20, 12, 1)
    assert image.shape == (12, 20, 3)
    for x, y, c in [(0, 0, 0), (7, 8, 2), (19, 11, 1), (9, 3, 0)]:
        value = x * 4 + y * 3 + c * 31 + 97 * (((x >> 3) + (y >> 3)) & 1)
        assert image[y, x, c] == value & 255


def test_manifest_round_trip(tmp_path: Path) -> None:
    made = manifest.Manifest(
        name="n",
        version="1",
        task="quality",
        file="n.tflite",
        sha256=manifest.sha256(b""),
        description="d",
        license="l",
        trained_on="t",
        training=manifest.Training("r", "c", "h", 1, "x"),
        input=manifest.Input(112, 112),
        outputs=[manifest.Output("visual", [1, 2], "int8", 0.1, -3)],
        self_test=manifest.SelfTest(8, 8, [manifest.SelfTestCase(0, [[0.5, -0.25]])], [0.4]),
        quality=manifest.Quality(
            [manifest.Label("visual", 0, [0.0, 1.0], 1.0)], manifest.Calibration([0, 1], [0, 100])
        ),
    )
    made.write(tmp_path / "n.json")
    tree = json.loads((tmp_path / "n.json").read_text())
    assert next(iter(tree)) == "schema"
    assert "detector" not in tree
    assert "fnmr" not in tree["quality"]
    assert tree["input"]["scale"] == 1 / 128
    assert np.allclose(tree["self_test"]["cases"][0]["outputs"], [[0.5, -0.25]])

    wrong = dataclasses.replace(made, measured={"pauc": 1.0, "rows": [{"fnmr": float("nan")}]})
    with pytest.raises(DataError, match=r"n\.json: measured\.rows\[0\]\.fnmr has no value"):
        wrong.write(tmp_path / "n.json")
    assert json.loads((tmp_path / "n.json").read_text()) == tree


@pytest.mark.parametrize(
    ("configuration", "network"),
    [("export_shipped", "quality"), ("detector", "detector"), ("landmarks", "landmarks")],
)
def test_configuration_and_manifest_of_a_shipped_network_state_the_same_terms(
    configuration: str, network: str
) -> None:
    tree = yaml.safe_load((MODELS / "training" / "configs" / f"{configuration}.yaml").read_text())
    texts = tree if configuration == "export_shipped" else tree["export"]["texts"]
    made = json.loads((MODELS / f"{network}.json").read_text())
    for key in ("license", "trained_on"):
        assert texts[key] == made[key]
    assert made["license"].startswith("non-commercial research only")
