"""The trained detector as int8 TFLite of any input size, and its manifest."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from facesieve_training.detector.codec import STRIDES
from facesieve_training.detector.network import HEADS, OUTPUTS
from facesieve_training.export import manifest, tflite
from facesieve_training.networks.int8 import Int8Network

SELF_TEST_SIZE = 64
MULTIPLE = STRIDES[-1]
_WEAK = 0.55
"""Of the score that begins a track, what continues one."""


@dataclasses.dataclass(frozen=True)
class Texts:
    """What the manifest says in words."""

    name: str = "facesieve-detector"
    version: str = "1"
    description: str = "Face detector with five landmarks, anchor-free at strides 8, 16 and 32"
    license: str = "Apache-2.0"
    trained_on: str = ""


def convert(model: keras.Model, pictures: Iterable[npt.NDArray[np.uint8]]) -> bytes:
    """Int8 TFLite of the network, maps in the order of OUTPUTS, for any size that is a multiple of 32."""

    def maps(image: tf.Tensor) -> list[tf.Tensor]:
        outputs = model(image, training=False)
        return [outputs[name] for name in OUTPUTS]

    return tflite.convert_int8(maps, None, None, pictures)


def layout(score: float) -> manifest.Detector:
    """Which scores to take, and where each head's maps are among the outputs."""
    index = {head: [OUTPUTS.index(f"{head}_{stride}") for stride in STRIDES] for head in HEADS}
    return manifest.Detector(score, round(_WEAK * score, 2), list(STRIDES), **index)


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
    data: bytes,
    training: manifest.Training,
    texts: Texts,
    head: manifest.Detector,
    measured: dict[str, Any],
) -> manifest.Manifest:
    """Write detector.tflite and detector.json."""
    network = Int8Network(data)
    made = manifest.Manifest(
        task="detector",
        file="detector.tflite",
        sha256=manifest.sha256(data),
        training=training,
        input=manifest.Input(0, 0, MULTIPLE),
        outputs=outputs(network),
        self_test=tflite.self_test(data, SELF_TEST_SIZE, SELF_TEST_SIZE),
        detector=head,
        measured=measured,
        **dataclasses.asdict(texts),
    )
    directory.mkdir(parents=True, exist_ok=True)
    (directory / made.file).write_bytes(data)
    made.write(directory / "detector.json")
    return made
