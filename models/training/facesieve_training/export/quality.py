"""A trained student as int8 TFLite; its outputs are the bins' logits of each label."""

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from facesieve_training.cli import DataError
from facesieve_training.config import plain
from facesieve_training.export import manifest, tflite
from facesieve_training.faces import SIZE, Image
from facesieve_training.networks.int8 import Int8Network
from facesieve_training.run import write_atomic
from facesieve_training.student import network
from facesieve_training.student.stage import Config as StudentRunConfig

log = logging.getLogger(__name__)


def load_student(directory: Path, config: StudentRunConfig, features: int, people: int) -> keras.Model:
    """Open the student of a finished run, always in float32: image to labels' logits."""
    weights = directory / "student.weights.h5"
    if not weights.is_file():
        raise DataError(f"{weights}: is missing; give the directory of a finished run of the stage student")
    with_classes = any(p.classes or p.teacher_classes for p in config.phases)
    model = network.build(config.student, features, people if with_classes else 0)
    model.load_weights(weights)
    return network.inference(model, config.student)


def embedder(model: keras.Model, batch: int = 64) -> Callable[[Sequence[Image] | Image], NDArray[np.float32]]:
    """Return a function of images that embeds them, N x features, with the float network, whose labels must
    read the length of the embedding.
    """
    feature = keras.Model(model.input, model.get_layer(network.FEATURE).output)

    def embed(images: Sequence[Image] | Image) -> NDArray[np.float32]:
        starts = range(0, len(images), batch)
        return np.concatenate([feature.predict_on_batch(to_input(images[k : k + batch])) for k in starts])

    return embed


def convert(model: keras.Model, images: Sequence[Image]) -> bytes:
    """Convert to int8, with images as representative set, and check that the outputs kept their order."""

    def labels(x: tf.Tensor) -> list[tf.Tensor]:
        return list(keras.tree.flatten(model(x, training=False)))  # Keras returns a single output bare

    data = tflite.convert_int8(labels, SIZE, SIZE, with_extremes(images))
    results = Int8Network(data).run(images[0])
    wanted = [np.asarray(output) for output in labels(to_input(images[:1]))]
    for k, result in enumerate(results):
        nearest = int(np.argmin([np.abs(result - other).mean() for other in wanted]))
        if nearest != k:
            raise ValueError(f"output {k} of the int8 network matches output {nearest} of the float network")
    return data


def with_extremes(images: Sequence[Image]) -> Iterable[Image]:
    """Add an image with black and white: the input's scale is 1/128 only if the set contains both."""
    yield from images
    extremes = np.zeros((SIZE, SIZE, 3), np.uint8)
    extremes[:, SIZE // 2 :] = 255
    yield extremes


def to_input(images: Sequence[Image] | Image) -> NDArray[np.float32]:
    """Scale BGR images to the float network's input."""
    return np.asarray((np.asarray(images, np.float32) - 128) / 128, np.float32)


def described_outputs(data: bytes, names: Sequence[str]) -> list[manifest.Output]:
    """Describe the outputs for the manifest."""
    found = []
    for name, details in zip(names, Int8Network(data).outputs(), strict=True):
        scale, zero_point = details["quantization"]
        shape = [int(n) for n in details["shape"]]
        found.append(manifest.Output(name, shape, "int8", float(scale), int(zero_point)))
    return found


def described_labels(bins: int, weights: dict[str, float]) -> list[manifest.Label]:
    """Describe the labels for the manifest."""
    centres = [round(float(c), 7) for c in network.centres(bins)]
    return [manifest.Label(name, k, centres, weights[name]) for k, name in enumerate(weights)]


def write_added(
    path: Path, data: bytes, tree: dict[str, Any], output: int, name: str, described: dict[str, Any],
    figures: dict[str, float],
) -> None:  # fmt: skip
    """Write a network with a new output, and its manifest (the tree of the former one) with what is new.

    `described`: the output's part of the manifest, below its name. The self-test of the others stays.
    """
    place = slice(output, output + 1)  # of a former output of this name, or the end
    names = [former["name"] for former in tree["outputs"]]
    names[place] = [name]
    added, test = tflite.self_test(data, SIZE, SIZE), tree["self_test"]
    tree["sha256"] = manifest.sha256(data)
    tree["outputs"][place] = [plain(described_outputs(data, names)[output])]
    for old, new in zip(test["cases"], added.cases, strict=True):
        old["outputs"][place] = [new.outputs[output]]
    test["tolerance"][place] = [added.tolerance[output]]
    tree["quality"][name] = described
    tree["measured"] |= {f"{name}_{figure}": value for figure, value in figures.items()}
    write_atomic(path, data)
    manifest.write(path.with_suffix(".json"), tree)
    log.info("%s: %d bytes", path, len(data))
