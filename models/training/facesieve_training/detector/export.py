"""The trained detector as int8 TFLite of any input size, and its manifest."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from facesieve_training.detector.batches import Source
from facesieve_training.detector.codec import STRIDES
from facesieve_training.detector.network import HEADS, OUTPUTS
from facesieve_training.export import manifest, tflite
from facesieve_training.networks import exported
from facesieve_training.networks.gptq import round_weights
from facesieve_training.networks.int8 import Int8Network

MULTIPLE = STRIDES[-1]


@dataclasses.dataclass(frozen=True)
class Kind:
    """A network's task, which is also the name of its files, and the side of its self-test's images."""

    task: Literal["detector", "landmarks"]
    self_test: int


DETECTOR = Kind("detector", 64)


def trained_on(images: Path, count: int, teacher: Path, *initial: Path | None) -> str:
    """The images, the detector that labelled them, and the initial weights of a network."""
    labelled = f"{count:,} images of {manifest.short(images)}, labelled by {manifest.short(teacher)}"
    return f"{labelled}; {manifest.started_from(*initial)}"


def representative(source: Source, seed: int, count: int) -> list[npt.NDArray[np.uint8]]:
    """Training images from a separate generator; the first has a black and a white pixel."""
    images = [source.make(np.random.default_rng([seed, 1, k])).image for k in range(count)]
    images[0][0, 0], images[0][0, 1] = 0, 255
    return images


def convert(model: keras.Model, images: Sequence[npt.NDArray[np.uint8]]) -> bytes:
    """Int8 TFLite of the network, maps in the order of OUTPUTS, for any size that is a multiple of 32.

    Weights are rounded by GPTQ on the images, all of one size. The network is left unchanged.
    """
    kept = model.get_weights()
    exported.fold(model)
    round_weights(model, np.stack(images))

    def maps(image: tf.Tensor) -> list[tf.Tensor]:
        outputs = model(image, training=False)
        return [outputs[name] for name in OUTPUTS]

    data = tflite.convert_int8(maps, None, None, images)
    model.set_weights(kept)
    return data


def layout(score: float, low_score: float) -> manifest.Detector:
    """The recommended scores, and the indices of each head's maps among the outputs."""
    index = {head: [OUTPUTS.index(f"{head}_{stride}") for stride in STRIDES] for head in HEADS}
    return manifest.Detector(score, low_score, list(STRIDES), **index)


def outputs(network: Int8Network) -> list[manifest.Output]:
    """The outputs as the manifest names them."""
    found = []
    for name, details in zip(OUTPUTS, network.outputs(), strict=True):
        scale, zero_point = details["quantization"]
        channels = int(details["shape"][-1])
        if channels != HEADS[name.split("_")[0]]:
            raise ValueError(f"output {name} has {channels} channels: the converter changed the order")
        found.append(manifest.Output(name, [1, -1, -1, channels], "int8", float(scale), int(zero_point)))
    return found


def write(
    directory: Path,
    kind: Kind,
    data: bytes,
    training: manifest.Training,
    texts: manifest.Stated,
    head: manifest.Detector,
    measured: dict[str, Any],
    refinement: manifest.Refinement | None = None,
) -> manifest.Manifest:
    """Write the network, named after its task, and its manifest (.json)."""
    network = Int8Network(data)
    made = manifest.Manifest(
        task=kind.task,
        file=f"{kind.task}.tflite",
        sha256=manifest.sha256(data),
        training=training,
        input=manifest.Input(0, 0, MULTIPLE),
        outputs=outputs(network),
        self_test=tflite.self_test(data, kind.self_test, kind.self_test),
        detector=head,
        refinement=refinement,
        measured=measured,
        **texts,
    )
    directory.mkdir(parents=True, exist_ok=True)
    (directory / made.file).write_bytes(data)
    made.write(directory / f"{kind.task}.json")
    return made
