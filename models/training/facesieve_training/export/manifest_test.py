import dataclasses
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from facesieve_training.cli import DataError
from facesieve_training.config import ConfigError, load
from facesieve_training.detector import stage as detector
from facesieve_training.detector.landmarks import stage as landmarks
from facesieve_training.export import manifest
from facesieve_training.export import stage as export

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


STAGES = [
    ("export", "quality", export),
    ("detector", "detector", detector),
    ("landmarks", "landmarks", landmarks),
]


@pytest.mark.parametrize(("name", "network", "stage"), STAGES, ids=lambda value: str(value)[:9])
def test_a_network_has_the_shipped_texts_by_a_configuration_of_their_own_only(
    name: str, network: str, stage: ModuleType
) -> None:
    file, shipped = (MODELS / "training" / "configs" / f"{name}{end}.yaml" for end in ("", "_shipped"))
    key = "name" if name == "export" else "export.name"

    def texts(*files: Path, overrides: tuple[str, ...] = ()) -> dict[str, Any]:
        config = load(files, stage.Config, overrides)
        given: manifest.Texts = config if name == "export" else config.export
        return dict(given.stated("of the stage", "of the run"))

    with pytest.raises(ConfigError, match=rf"{name}\.yaml.*: {key}: is required"):
        texts(file)
    own = texts(file, overrides=(f"{key}=mine",))
    assert own == {
        "name": "mine", "version": "1", "description": "of the stage", "license": "not stated",
        "trained_on": "of the run",
    }  # fmt: skip
    with pytest.raises(ConfigError, match="trained_on: must not be empty; null names the data of the run"):
        texts(file, overrides=(f"{key}=mine", f"{key.replace('name', 'trained_on')}=''"))
    made = json.loads((MODELS / f"{network}.json").read_text())
    for text in ("name", "version", "license", "trained_on"):
        assert texts(file, shipped)[text] == made[text]
    assert made["license"].startswith("non-commercial research only")
