"""The scores on faces made for them."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from facesieve_training.cli import DataError
from facesieve_training.config import load
from facesieve_training.distribute import Distribute
from facesieve_training.evaluate.cached import Cache
from facesieve_training.evaluate.gallery import Batch, DirectoryGallery
from facesieve_training.evaluate.scorers import faceqnet, icao
from facesieve_training.evaluate.scorers.laplacian import Laplacian
from facesieve_training.evaluate.scorers.lightqnet import LightQNet
from facesieve_training.evaluate.scorers.pose_symmetry import PoseSymmetry, asymmetry
from facesieve_training.evaluate.scorers.quality_onnx import QualityNetwork
from facesieve_training.evaluate.scorers.random_order import RandomOrder
from facesieve_training.evaluate.scorers.registry import ScoreConfig, build
from facesieve_training.evaluate.scorers.size import Size
from facesieve_training.evaluate.scorers.teacher import EmbeddingLength, SerFiq
from facesieve_training.faces import SIZE
from facesieve_training.teacher.source import TeacherSource, open_teacher

Make = Callable[[str, int, int | str], Path]


def batch(*images: NDArray[np.uint8], inter_eye: float = np.nan) -> Batch:
    keys = [f"a/{i}" for i in range(len(images))]
    return Batch(keys, np.stack(images), np.full(len(images), inter_eye, np.float32))


def texture(seed: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    return np.asarray(cv2.resize(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8), (SIZE, SIZE)), np.uint8)


def test_random_depends_on_the_key_alone() -> None:
    score = RandomOrder("random").open()
    both = score(batch(texture(1), texture(2)))
    assert both[0] == score(batch(texture(3)))[0] != both[1]
    assert ((both >= 0) & (both < 1)).all()
    assert RandomOrder("random", seed=2).open()(batch(texture(1)))[0] != both[0]


def test_blur_lowers_the_laplacian() -> None:
    sharp = texture(1)
    scores = Laplacian("l").open()(batch(sharp, cv2.GaussianBlur(sharp, (0, 0), 3)))
    assert scores[0] > 10 * scores[1]


def test_mirror_image_is_symmetric() -> None:
    half = texture(1)[:, : SIZE // 2]
    mirrored = np.ascontiguousarray(np.concatenate([half, half[:, ::-1]], axis=1))
    assert asymmetry(mirrored) == pytest.approx(0, abs=1e-12)
    light = np.clip(mirrored * np.linspace(0.1, 1.0, SIZE)[None, :, None], 0, 255).astype(np.uint8)
    assert 0 < asymmetry(light) < asymmetry(texture(2)) <= 2
    scores = PoseSymmetry("p").open()(batch(mirrored, light, texture(2)))
    assert (np.diff(scores) < 0).all()


def test_size_is_that_of_the_source() -> None:
    assert Size("s").open()(batch(texture(1), inter_eye=42)).tolist() == [42]
    with pytest.raises(DataError, match="come without their size"):
        Size("s").open()(batch(texture(1)))


def test_serfiq_equals_the_formula(network: Make) -> None:
    config = TeacherSource(onnx=network("teacher", 1, "batch"), cut="cut", low="low")
    faces = batch(texture(1), texture(2))
    got = SerFiq("s", config, masks=6, rate=0.5, seed=3).open()(faces)
    teacher = open_teacher(config)
    rng = np.random.default_rng([3, 0x5E2F1])
    keep = (rng.random((6, 32)) >= 0.5) * 2.0
    for i, cut in enumerate(teacher(faces.aligned).cut):
        embedded = teacher.embed_cut((cut * keep).astype(np.float32))
        unit = embedded / np.linalg.norm(embedded, axis=1, keepdims=True)
        total = sum(float(np.linalg.norm(unit[p] - unit[q])) for q in range(6) for p in range(q))
        assert got[i] == pytest.approx(2 / (1 + np.exp(2 / 36 * total)), abs=1e-5)


def test_embedding_length(network: Make) -> None:
    config = TeacherSource(onnx=network("teacher", 1, "batch"), cut="cut", low="low")
    got = EmbeddingLength("e", config).open()(batch(texture(1)))
    expected = np.linalg.norm(open_teacher(config)(texture(1)[None]).embedding)
    assert got[0] == pytest.approx(float(expected), rel=1e-5)


def test_best_image_by_icao_measures() -> None:
    rng = np.random.default_rng(1)
    half = cv2.resize(rng.integers(40, 216, (32, 16, 3), dtype=np.uint8), (SIZE // 2, SIZE))
    good = np.concatenate([half, half[:, ::-1]], axis=1)
    dark = (good * 0.15).astype(np.uint8)
    blurred = cv2.GaussianBlur(good, (0, 0), 4)
    lit = np.clip(good * np.linspace(0.1, 1.6, SIZE)[None, :, None], 0, 255).astype(np.uint8)
    measures = np.stack([icao.measure(np.asarray(face, np.uint8)) for face in (dark, blurred, good, lit)])
    goodness = icao.compliance(measures)
    assert goodness.argmax() == 2
    identity = np.array([5, 5, 5, 9])
    assert faceqnet.references(identity, goodness).tolist() == [2, 2, 2, 3]


def test_faceqnet_head_learns_a_line() -> None:
    rng = np.random.default_rng(2)
    inputs = rng.normal(0, 1, (1500, 8)).astype(np.float32)
    labels = (0.7 + 0.05 * inputs[:, 0]).astype(np.float32)
    weights = faceqnet.train(inputs, labels, hidden=8, epochs=60, seed=1)
    result = faceqnet.predict(weights, inputs)
    assert np.corrcoef(result, labels)[0, 1] > 0.9
    assert result.mean() == pytest.approx(0.7, abs=0.02)


def test_faceqnet_is_trained_once(
    tmp_path: Path, people: Path, network: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faceqnet, "_LEAST", 10)
    teacher = TeacherSource(onnx=network("teacher", 1, "batch"), cut="cut", low="low")
    scorer = faceqnet.FaceQnet("f", teacher, people, epochs=1)
    gallery, cache = DirectoryGallery(people, None), Cache(tmp_path, Distribute())
    first = scorer.scores(gallery, cache)
    heads = list(tmp_path.glob("faceqnet-*.npz"))
    assert len(heads) == 1
    written = heads[0].stat().st_mtime_ns
    np.testing.assert_array_equal(scorer.scores(gallery, cache), first)
    assert heads[0].stat().st_mtime_ns == written


def test_lightqnet_must_be_a_network(tmp_path: Path) -> None:
    path = tmp_path / "light.pb"
    path.write_bytes(b"no network")
    with pytest.raises(DataError, match=r"light.pb: OpenCV cannot open it"):
        LightQNet("l", path).open()


def test_a_networks_length_is_a_score_of_its_own(tmp_path: Path, network: Make) -> None:
    file, description = network("teacher", 1, "batch"), tmp_path / "length.yaml"
    description.write_text("{mean: [0], std: [1], color: RGB, score: norm}\n")
    scorer = build(ScoreConfig("onnx", file=file, description=description), None, 1)
    expected = EmbeddingLength("e", TeacherSource(onnx=file, cut="cut", low="low")).open()(batch(texture(1)))
    np.testing.assert_allclose(scorer.open()(batch(texture(1))), expected, rtol=1e-5)
    assert scorer.name == "teacher"


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[3] / "configs" / "networks").glob("*.yaml")))
def test_the_described_networks_take_a_face(path: Path) -> None:
    described = load(path, QualityNetwork)
    values = described.prepared(np.full((1, SIZE, SIZE, 3), (10, 20, 200), np.uint8))
    assert values.shape == (1, 3, SIZE, SIZE)
    first = {"BGR": 10, "RGB": 200}[described.color]
    assert values[0, 0, 0, 0] == pytest.approx((first - described.mean[0]) / described.std[0])
