from pathlib import Path

import keras
import numpy as np
import pytest

from facesieve_training import devices
from facesieve_training.config import load
from facesieve_training.networks.resnet import macs
from facesieve_training.student import classes, data, network, stage
from facesieve_training.student.batches import Batches
from facesieve_training.student.views import Views

CONFIG = Path(__file__).parents[2] / "configs" / "paper" / "student.yaml"


def test_the_papers_student_has_its_size_and_takes_a_step() -> None:
    config = load(CONFIG, stage.Config, ["batch=4"])
    rng = np.random.default_rng(0)
    rows = np.arange(8, dtype=np.int32)
    names = [f"p{i}" for i in rows]
    labels = data.Labels(
        rows, names, None, np.zeros(8, np.int8), rng.random((8, 1), np.float32),
        rng.normal(0, 1, (8, 256)).astype(np.float16),
    )  # fmt: skip
    images = rng.integers(0, 256, (8, 112, 112, 3), np.uint8)
    batches = Batches(
        config.phases,
        images,
        labels,
        labels.labels,
        config.student.labels,
        np.arange(8),
        4,
        Views(),
        1,
        devices.Hosts(),
    )
    student = stage.make_student(config, labels, np.arange(8))
    teacher = classes.by_means(labels, np.arange(8), config.class_scale, "test")
    model = stage.in_training(student, config, teacher, batches.epoch)
    shipped = network.inference(student, config.student)
    assert shipped.count_params() == pytest.approx(21.8e6, rel=0.005)
    assert macs(shipped) == pytest.approx(0.97e9, rel=0.01)

    model.run_eagerly = True
    first, last = student.layers[1], student.get_layer(network.CLASSES)
    before = [keras.ops.convert_to_numpy(layer.kernel).copy() for layer in (first, last)]
    result = model.train_on_batch(*batches(0), return_dict=True)
    assert np.isfinite(result["loss"])
    assert result["classes_loss"] > 0
    for layer, old in zip((first, last), before, strict=True):
        assert np.abs(keras.ops.convert_to_numpy(layer.kernel) - old).max() > 0
