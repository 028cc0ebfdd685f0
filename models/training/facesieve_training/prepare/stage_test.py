"""The whole stage on small sets: results, reports, kill and resume, shards."""

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from facesieve_training.cli import DataError
from facesieve_training.config import load
from facesieve_training.distribute import Distribute
from facesieve_training.faces import SIZE, Image
from facesieve_training.prepare import cut, shards, stage
from facesieve_training.prepare.align import TEMPLATE
from facesieve_training.prepare.detector import Faces, open_detector
from facesieve_training.prepare.shards import Shards
from facesieve_training.prepare.source import Entry, Source
from facesieve_training.run import Run

Paint = Callable[..., Image]
Encode = Callable[[Image], bytes]


@pytest.fixture
def people(tmp_path: Path, paint: Paint, encode: Encode) -> Path:
    """Six people with five aligned faces each, two of them duplicates, and two files without a face."""
    root = tmp_path / "people"
    for person in range(6):
        (root / f"p{person}").mkdir(parents=True)
        for i in range(5):
            (root / f"p{person}" / f"{i}.png").write_bytes(encode(paint(10 * person + i)))
    (root / "p1" / "7.png").write_bytes(encode(paint(11)))
    (root / "p4" / "7.png").write_bytes(encode(paint(21)))
    (root / "p2" / "8.png").write_bytes(b"no image")
    (root / "p2" / "9.png").write_bytes(encode(paint(99, 50, 60)))
    return root


def config(root: Path, **values: object) -> stage.Config:
    settings = {"align": "none", "shard": 8, **values}
    return stage.Config(stage.SourceConfig(root), **settings)  # type: ignore[arg-type]


def prepared(directory: Path, settings: stage.Config, resume: bool = False) -> Shards:
    stage.run(settings, Run.open(directory, "prepare", settings, resume))
    return Shards(directory)


def test_faces_and_faults(tmp_path: Path, people: Path, paint: Paint) -> None:
    result = prepared(tmp_path / "run", config(people))
    assert len(result) == 30
    assert result.index["key"].is_unique
    image = result.read(np.array([12]))[0]
    assert result.index["key"][12] == "p2/2.png"
    np.testing.assert_array_equal(image[8:-8, 8:-8], paint(22))
    lost = pd.read_csv(tmp_path / "run" / "rejected.csv").set_index("key")
    assert dict(lost["fault"]) == {
        "p1/7.png": "duplicate",
        "p2/8.png": "broken",
        "p2/9.png": "wrong_size",
        "p4/7.png": "duplicate_other",
    }
    assert lost["detail"]["p4/7.png"] == "the same pixels as p2/1.png"
    report = (tmp_path / "run" / "report.md").read_text()
    assert "30 faces of 6 people from 34 entries" in report
    assert (tmp_path / "run" / "faces.jpg").stat().st_size > 1000


def test_an_empty_directory_and_a_truncated_image_are_reported(tmp_path: Path, people: Path) -> None:
    (people / "p9").mkdir()
    whole = cv2.imencode(".jpg", np.zeros((128, 128, 3), np.uint8))[1].tobytes()
    (people / "p3" / "cut.jpg").write_bytes(whole[:-40])
    prepared(tmp_path / "run", config(people))
    lost = pd.read_csv(tmp_path / "run" / "rejected.csv").set_index("key")
    assert (lost["fault"]["p9"], lost["fault"]["p3/cut.jpg"]) == ("empty", "broken")
    assert lost["detail"]["p3/cut.jpg"] == "is a truncated JPEG"
    assert "| empty | 1 |" in (tmp_path / "run" / "report.md").read_text()


@pytest.mark.parametrize("fault", ["pairs", "detector"])
def test_faults_of_the_inputs_are_found_before_faces_are_cut(
    tmp_path: Path, people: Path, fault: str
) -> None:
    pairs = tmp_path / "pairs.txt"
    pairs.write_text("p0 1 p1 1\n" if fault == "pairs" else "")
    source = stage.SourceConfig(people, "lfw", pairs if fault == "pairs" else None)
    settings = stage.Config(source, "none" if fault == "pairs" else "detect", detector=tmp_path / "no.onnx")
    with pytest.raises(DataError, match="is missing" if fault == "pairs" else "no such file"):
        prepared(tmp_path / "run", settings)
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"config.yaml", "meta.json"}


def test_duplicates_can_be_kept(tmp_path: Path, people: Path) -> None:
    assert len(prepared(tmp_path / "run", config(people, duplicates="keep"))) == 32


def test_near_duplicates_are_listed(tmp_path: Path, people: Path, paint: Paint) -> None:
    for person in ("p0", "p3"):  # the same image again, as a JPEG would have it: for p0's 2 only
        cv2.imwrite(str(people / person / "6.jpg"), paint(2), [cv2.IMWRITE_JPEG_QUALITY, 40])
    prepared(tmp_path / "run", config(people, near_duplicates=4, duplicates="keep"))
    listed = pd.read_csv(tmp_path / "run" / "near_duplicates.csv")
    assert ("p0/2.png", "p0/6.jpg") in set(zip(listed["left"], listed["right"], strict=True))
    assert len(listed) == 2
    assert listed["bits"].max() <= 4


class KilledError(Exception):
    """Simulates a kill."""


def test_a_killed_and_resumed_run_writes_the_same_files(
    tmp_path: Path, people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = config(people)
    whole = prepared(tmp_path / "whole", settings)
    written: list[int] = []
    real = shards.write_shard

    def die(root: Path, number: int, images: np.ndarray) -> None:
        if len(written) == 2:
            raise KilledError
        written.append(number)
        real(root, number, images)

    monkeypatch.setattr(shards, "write_shard", die)
    with pytest.raises(KilledError):
        prepared(tmp_path / "killed", settings)
    monkeypatch.setattr(shards, "write_shard", real)
    resumed = prepared(tmp_path / "killed", settings, resume=True)
    pd.testing.assert_frame_equal(whole.index, resumed.index)
    names = sorted(p.name for p in (tmp_path / "whole").iterdir() if p.suffix in (".npy", ".parquet", ".csv"))
    for name in [n for n in names if n != "metrics.csv"]:
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes(), name


def test_workers_give_the_same_shards(tmp_path: Path, people: Path) -> None:
    pytest.importorskip("ray")
    alone = prepared(tmp_path / "alone", config(people))
    shared = prepared(tmp_path / "shared", config(people, distribute=Distribute(workers=2)))
    pd.testing.assert_frame_equal(alone.index, shared.index)
    np.testing.assert_array_equal(alone.read(np.arange(30)), shared.read(np.arange(30)))


def test_nothing_found_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "people" / "a").mkdir(parents=True)
    (tmp_path / "people" / "a" / "1.png").write_bytes(b"x")
    with pytest.raises(DataError, match="gave no face"):
        prepared(tmp_path / "run", config(tmp_path / "people"))


def test_batches_give_every_face_once(tmp_path: Path, people: Path) -> None:
    result = prepared(tmp_path / "run", config(people))
    ordered = list(result.batches(7))
    assert [len(batch.rows) for batch in ordered] == [7, 7, 7, 7, 2]
    everything = np.concatenate([batch.images for batch in ordered])
    assert everything.shape == (30, SIZE + 16, SIZE + 16, 3)
    shuffled = list(result.batches(7, np.random.default_rng(1), ahead=3, readers=2))
    rows = np.concatenate([batch.rows for batch in shuffled])
    assert sorted(rows) == list(range(30))
    assert list(rows) != sorted(rows)
    for batch in shuffled:
        np.testing.assert_array_equal(batch.images, everything[batch.rows])


def test_damaged_shard_is_named(tmp_path: Path, people: Path) -> None:
    prepared(tmp_path / "run", config(people))
    path = tmp_path / "run" / shards.shard_name(1)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"shard-000001.npy: cannot be read"):
        Shards(tmp_path / "run")
    with pytest.raises(DataError, match=r"holds no index.parquet"):
        Shards(tmp_path)


def scene(paint: Paint, scale: float, left: int, top: int) -> tuple[Image, np.ndarray]:
    """Draw a face at a given position and size in an image; returns its landmarks."""
    image = np.zeros((300, 400, 3), np.uint8)
    side = round(SIZE * scale)
    image[top : top + side, left : left + side] = paint(1, side, side)
    points = (TEMPLATE * scale + [left, top]).astype(np.float32)
    return image, points


def face_row(points: np.ndarray, score: float) -> np.ndarray:
    low, high = points.min(axis=0), points.max(axis=0)
    return np.concatenate([low, high - low, points.ravel(), [score]]).astype(np.float32)


def cutter(found: Callable[[Image, float], Faces], data: bytes, **values: object) -> cut.Cutter:
    settings = {
        "how": "detect",
        "detector": None,
        "threshold": 0.5,
        "longest": 640,
        "margin": 8,
        "min_eyes": 0.0,
    }
    made = cut.Cutter(_Bytes(data), cut.Recipe(**{**settings, **values}))  # type: ignore[arg-type]
    made._detect = found
    return made


class _Bytes(Source):
    def __init__(self, data: bytes) -> None:
        super().__init__(Path())
        self._data = data

    def entries(self) -> Iterator[Entry]:
        return iter(())

    def encoded(self, entry: Entry) -> bytes:
        return self._data


def test_largest_face_near_the_middle_is_cut(paint: Paint, encode: Encode) -> None:
    image, points = scene(paint, 1.0, 150, 90)
    _, other = scene(paint, 0.6, 0, 0)
    rows = np.stack([face_row(other, 0.95), face_row(points, 0.8)])
    (out,) = cutter(lambda _view, _threshold: rows.copy(), encode(image))([Entry("a/1", "a", "x", None, 9)])
    assert out.image is not None
    assert np.abs(out.image[8:-8, 8:-8].astype(int) - paint(1)).max() <= 1
    assert out.row["inter_eye"] == pytest.approx(35.24, abs=0.01)
    assert out.row["face_score"] == pytest.approx(0.8)


def test_the_detector_gets_a_reduced_image(paint: Paint, encode: Encode) -> None:
    image, points = scene(paint, 2.0, 100, 40)
    shapes = []

    def found(view: Image, _threshold: float) -> Faces:
        shapes.append(view.shape)
        return face_row(points / 2, 0.9)[None]

    (out,) = cutter(found, encode(image), longest=200)([Entry("a/1", "a", "x", None, 9)])
    assert shapes == [(150, 200, 3)]
    assert out.row["inter_eye"] == pytest.approx(2 * 35.24, abs=0.01)


def test_face_that_fills_the_image_is_found_with_room(paint: Paint, encode: Encode) -> None:
    room = SIZE // 2

    def found(view: Image, _threshold: float) -> Faces:
        if view.shape[0] == SIZE:
            return np.zeros((0, 15), np.float32)
        return face_row((TEMPLATE + room).astype(np.float32), 0.7)[None]

    (out,) = cutter(found, encode(paint(3)))([Entry("a/1", "a", "x", None, 9)])
    assert out.image is not None
    assert out.row["residual"] < 1e-3


def test_the_sources_box_selects_the_face(paint: Paint, encode: Encode) -> None:
    image, points = scene(paint, 1.0, 250, 150)

    def found(view: Image, _threshold: float) -> Faces:
        scale = view.shape[1] / 206
        return face_row(((points - [194, 94]) * scale).astype(np.float32), 0.7)[None]

    entry = Entry("a/1", "a", "x", None, 9, box=(250, 150, SIZE, SIZE))
    (out,) = cutter(found, encode(image))([entry])
    assert out.row["residual"] < 0.05
    (out,) = cutter(found, encode(image))([Entry("a/1", "a", "x", None, 9, box=(5000, 0, 9, 9))])
    assert out.fault == "no_face"


def test_landmarks_of_the_source(paint: Paint, encode: Encode) -> None:
    image, points = scene(paint, 0.5, 30, 40)
    entry = Entry("a/1", "a", "x", None, 9, points=tuple(points.ravel().tolist()))
    work = cutter(lambda *_: np.zeros((0, 15), np.float32), encode(image), how="landmarks", min_eyes=15.0)
    assert work([entry])[0].fault == ""
    work = cutter(lambda *_: np.zeros((0, 15), np.float32), encode(image), how="landmarks", min_eyes=20.0)
    assert work([entry])[0].fault == "too_small"
    assert work([Entry("a/1", "a", "x", None, 9)])[0].fault == "no_face"


def test_the_shipped_configuration_finds_faces_with_the_shipped_detector() -> None:
    directory = Path(__file__).parents[2] / "configs"
    shipped = load(directory / "prepare.yaml", stage.Config)
    assert shipped.how() == "detect"
    assert shipped.detector is not None
    assert (directory.parent / shipped.detector).is_file()
    assert len(open_detector(directory.parent / shipped.detector)(np.zeros((48, 70, 3), np.uint8), 0.5)) == 0
