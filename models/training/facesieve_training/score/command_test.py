"""The command on real photographs and on images made for it."""

import pickle
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper

from facesieve_training import cli


def score(*arguments: object) -> int:
    return cli.main(["score", *map(str, arguments)])


@pytest.fixture
def brightness(tmp_path: Path) -> Path:
    """A network of NHWC input: output 0 has each channel's mean four times, output 1 the first's."""
    nodes = [
        helper.make_node("ReduceMean", ["data"], ["means"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["means", "red"], ["quality"]),
        helper.make_node("Concat", ["means", "means", "means", "means"], ["feature"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "brightness",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, [3, 56, 56, 3])],
        [
            helper.make_tensor_value_info("feature", TensorProto.FLOAT, [3, 12]),
            helper.make_tensor_value_info("quality", TensorProto.FLOAT, [3, 1]),
        ],
        [numpy_helper.from_array(np.array([[1], [0], [0]], np.float32), "red")],
    )
    path = tmp_path / "brightness.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """Four aligned faces of one colour, with and without margin, and two images that are none."""
    root = tmp_path / "images"
    (root / "a").mkdir(parents=True)
    for i, side in enumerate((112, 128, 112, 128)):
        cv2.imwrite(str(root / "a" / f"{i}.png"), np.full((side, side, 3), (10, 20, 40 * (i + 1)), np.uint8))
    (root / "broken.jpg").write_bytes(b"\xff\xd8\xff no image")
    cv2.imwrite(str(root / "wide.png"), np.zeros((80, 200, 3), np.uint8))
    return root


def test_an_onnx_network_by_its_description(
    tmp_path: Path, brightness: Path, plain: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    description = tmp_path / "description.yaml"
    description.write_text("{size: 56, layout: NHWC, color: RGB, mean: [0], std: [10], output: 1}\n")
    given = ("--network", brightness, plain, "--align", "none", "--out")
    assert score(*given, tmp_path / "scores.csv", "--config", description) == 0
    assert "6 images, 4 scored; without a score: 1 unreadable, 1 wrong size" in capsys.readouterr().out
    table = pd.read_csv(tmp_path / "scores.csv").set_index("key")
    np.testing.assert_allclose(table.loc[[f"a/{i}.png" for i in range(4)], "score"], [4, 8, 12, 16])
    assert table.loc["wide.png", "fault"] == "wrong size: 200x80; an aligned face is square, 112 or more"
    pd.testing.assert_series_equal(
        pd.read_parquet(tmp_path / "scores.parquet")["score"], table["score"].reset_index(drop=True)
    )
    # The two formats of published code: path and score, higher is better; discarded first without a score.
    lines = [line.split() for line in (tmp_path / "scores.txt").read_text().splitlines()]
    expected = {str(plain / str(key)): -np.inf if np.isnan(s) else s for key, s in table["score"].items()}
    assert {path: float(value) for path, value in lines} == pytest.approx(expected)
    assert pickle.loads((tmp_path / "scores.pkl").read_bytes()) == pytest.approx(expected)

    norm = ("--set", "output=0", "--set", "score=norm", "--set", "lower_is_better=true")
    assert score(*given, tmp_path / "norm.csv", "--config", description, *norm) == 0
    lengths = pd.read_csv(tmp_path / "norm.csv").set_index("key")["score"]
    assert lengths["a/0.png"] == pytest.approx(-2 * np.hypot(4, np.hypot(2, 1)))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["size=56", "layout=NHWC"], "output 0 has 12 values a face, not one"),
        (["size=56", "layout=NHWC", "output=2"], "has no output 2; it has 0 feature, 1 quality"),
        (["output=1"], "cannot score a face"),
    ],
)
def test_a_wrong_description_is_named(
    brightness: Path,
    plain: Path,
    values: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = [part for value in values for part in ("--set", value)]
    assert (
        score("--network", brightness, plain, "--align", "none", "--out", tmp_path / "x.csv", *options) == 1
    )
    assert message in capsys.readouterr().err


def test_whole_images_with_the_shipped_networks(
    tmp_path: Path, models: Path, shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crowd = shared_data / "scenes" / "000093.jpg"  # two people
    face = next(iter(sorted((shared_data / "faces" / "lfw").glob("*/*.jpg"))))
    listed = tmp_path / "list"
    listed.write_text(f"{crowd}\n\n{face}\n{tmp_path}/missing.jpg\n")
    network = models / "quality.tflite"
    assert score(listed, "--network", network, "--out", tmp_path / "scores", "--batch", 2) == 0
    table = pd.read_csv(tmp_path / "scores.csv")
    assert table["faces"][0] > 1
    assert table["score"][:2].between(0, 100).all()
    assert {"raw", "agreement", "norm"} <= set(table.columns)
    assert np.isnan(table["faces"][1])
    assert table["fault"][2] == "missing"
    assert "1 with several faces, of which the largest is scored" in capsys.readouterr().out
    assert score(listed, "--network", network, "--out", tmp_path / "x.csv", "--set", "size=1") == 2


def test_paths_with_spaces_give_no_text_file(
    tmp_path: Path, brightness: Path, plain: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (plain / "a").rename(plain / "a b")
    options = ("--align", "none", "--set", "size=56", "--set", "layout=NHWC", "--set", "output=1")
    assert score("--network", brightness, plain, "--out", tmp_path / "scores.csv", *options) == 0
    assert "split lines at white space" in caplog.text
    assert not (tmp_path / "scores.txt").exists()


@pytest.mark.parametrize("make", [lambda root: root / "nothing", lambda root: root])
def test_no_image_is_an_error(
    tmp_path: Path, brightness: Path, make: Callable[[Path], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert score("--network", brightness, make(tmp_path / "empty")) == 1
    assert "give a directory of images, or a list of paths" in capsys.readouterr().err
