import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facesieve_training.student import classes, data, network
from facesieve_training.teacher.source import TeacherSource

NAMES = ["ann", "bob", "cid"]


@pytest.fixture
def labels() -> data.Labels:
    rng = np.random.default_rng(0)
    identity = np.repeat(np.arange(3, dtype=np.int32), 4)
    embedding = rng.normal(0, 2, (12, 5)).astype(np.float16)
    return data.Labels(
        identity, NAMES, None, np.zeros(12, np.int8), rng.random((12, 1), np.float32), embedding
    )


def _run(tmp_path: Path, names: list[str], head: str, **arrays: np.ndarray) -> TeacherSource:
    """The run of a teacher that was trained on these people."""
    (tmp_path / "config.yaml").write_text(
        f"faces: {tmp_path}\nnetwork: {{head: {{kind: {head}, scale: 10}}}}\n"
    )
    buffer = io.BytesIO()
    stored: dict[str, Any] = {"names": np.array(names), **arrays}
    np.savez(buffer, **stored)
    (tmp_path / "classes.npz").write_bytes(buffer.getvalue())
    return TeacherSource(run=tmp_path)


def _teacher_term(found: classes.Classifier, embedding: np.ndarray, logits: np.ndarray) -> np.ndarray:
    ones, zeros = np.ones((len(embedding), 1)), np.zeros((len(embedding), 1))
    truth = np.concatenate([embedding, zeros, ones, zeros], axis=1).astype(np.float32)
    return np.asarray(
        network.ClassLoss(found.kernel, found.bias, found.unit)(truth, logits.astype(np.float32))
    )


def _entropy(teacher_logits: np.ndarray, logits: np.ndarray) -> np.ndarray:
    def softmax(values: np.ndarray) -> np.ndarray:
        powers = np.exp(values - values.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))

    return np.asarray(-(softmax(teacher_logits) * np.log(softmax(logits))).sum(axis=1))


def test_a_trained_teachers_own_classifier_is_used(labels: data.Labels, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    kernel, bias = rng.normal(size=(5, 4)), rng.normal(size=4)
    source = _run(tmp_path, ["cid", "dan", "ann", "bob"], "softmax", kernel=kernel, bias=bias)
    found = classes.classifier(source, labels, np.arange(12), 32.0)
    assert "classes.npz" in found.origin
    embedding, logits = labels.embedding.astype(np.float64), rng.normal(size=(12, 3))
    wanted = _entropy((embedding @ kernel + bias)[:, [2, 3, 0]], logits)
    np.testing.assert_allclose(_teacher_term(found, embedding, logits), wanted, rtol=1e-4)


def test_the_classifier_of_arcface_is_scaled_cosines(labels: data.Labels, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    kernel = rng.normal(size=(5, 3))
    found = classes.classifier(_run(tmp_path, NAMES, "arcface", kernel=kernel), labels, np.arange(12), 32.0)
    embedding, logits = labels.embedding.astype(np.float64), rng.normal(size=(12, 3))
    unit = embedding / np.linalg.norm(embedding, axis=1, keepdims=True)
    wanted = _entropy(10 * unit @ (kernel / np.linalg.norm(kernel, axis=0)), logits)
    np.testing.assert_allclose(_teacher_term(found, embedding, logits), wanted, rtol=1e-3)


def test_other_people_or_another_teacher_take_the_means(labels: data.Labels, tmp_path: Path) -> None:
    source = _run(tmp_path, ["ann", "bob"], "softmax", kernel=np.ones((5, 2)), bias=np.ones(2))
    found = classes.classifier(source, labels, np.arange(12), 32.0)
    assert "no class for 1 of 3 people, such as cid" in found.origin
    imported = TeacherSource(onnx=tmp_path / "teacher.onnx", cut="a", low="b")
    found = classes.classifier(imported, labels, np.arange(12), 32.0)
    assert "was not trained here" in found.origin
    np.testing.assert_allclose(found.kernel, 32 * classes.prototypes(labels, np.arange(12)).T)
