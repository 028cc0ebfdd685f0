"""The teachers' predictions compared with the label table of the same images."""

from pathlib import Path

import numpy as np

from facesieve_training.label import stage as label_stage
from facesieve_training.networks.mobileface_sample import large, written
from facesieve_training.run import Run
from facesieve_training.student import data
from facesieve_training.student.teachers import Teachers, of_others
from facesieve_training.teacher.source import TeacherSource

NAMES = ("robustness", "agreement", "norm")


def test_predictions_equal_the_label_table(face_directory: Path, tmp_path: Path) -> None:
    source = TeacherSource(**vars(written(large(), tmp_path / "large.onnx")))
    config = label_stage.Config(face_directory, source, masks=label_stage.Masks(6), threads=1, sheet=0)
    label_stage.run(config, Run.open(tmp_path / "label", "label", config, False))
    label_run = data.LabelRun(tmp_path / "label")
    labels = label_run.read(NAMES)
    clean = np.flatnonzero(labels.variant == 0)
    faces = data.Images(label_run, labels, None)[clean]
    others = of_others(labels.embedding[clean], labels.identity[clean])
    embedding, result = Teachers.of(config, large()).predict(faces, others)
    np.testing.assert_allclose(embedding, labels.embedding[clean], rtol=5e-3, atol=5e-3)
    for k, name in enumerate(NAMES):
        np.testing.assert_allclose(
            np.asarray(result[name])[:, 0], labels.labels[clean, k], rtol=2e-3, err_msg=name
        )
        assert np.nanstd(labels.labels[clean, k]) > 1e-4


def test_a_single_image_has_no_others() -> None:
    embeddings = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]] * 5
    means = of_others(embeddings, np.array([0, 0, 1, 0]))
    assert np.isnan(means[2]).all()
    np.testing.assert_allclose(means[0], [0.5, 0.5, 0])
    np.testing.assert_allclose(means[1], [1, 0, 0])
