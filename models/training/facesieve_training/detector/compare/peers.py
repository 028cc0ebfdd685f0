"""The detectors under comparison, each as one function of a BGR image."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from facesieve_training.cli import DataError
from facesieve_training.detector import codec
from facesieve_training.detector.codec import STRIDES, FloatArray
from facesieve_training.detector.compare.views import OnView, View
from facesieve_training.detector.evaluate import LOWEST, Detect
from facesieve_training.detector.int8 import Int8Detector
from facesieve_training.detector.network import HEADS, NetworkConfig, build
from facesieve_training.detector.refine import REFINED_FROM, refine
from facesieve_training.detector.yunet import YuNet
from facesieve_training.networks.pixels import scaled


@dataclass(frozen=True)
class Peer:
    """A detector by file: .tflite (ours), .weights.h5 (ours in floating point), .onnx (YuNet's heads)."""

    name: str
    file: Path
    score: float | None = None
    """Default threshold, at which false positives on backgrounds are counted; null: the score that the
    manifest beside the file recommends. Without a manifest the peer has no such figures."""
    refiner: Path | None = None
    """A network of landmarks (.tflite, .weights.h5) that refines each face, as in the daemon: refinement
    replaces the landmarks and may raise the score."""

    def recommended(self) -> float | None:
        """The default threshold; None when neither the configuration nor a manifest gives one."""
        manifest = self.file.with_suffix(".json")
        if self.score is not None or not manifest.is_file():
            return self.score
        try:
            return float(json.loads(manifest.read_text(encoding="utf-8"))["detector"]["score"])
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{manifest}: recommends no score; give one in peers ({self.name})") from error

    def open(self, nms: float, network: NetworkConfig) -> Detect:
        """The detector's function; every one suppresses with the same overlap."""
        return self._open(self.file, nms, network)

    def _open(self, file: Path, nms: float, network: NetworkConfig) -> Detect:
        if not file.is_file():
            raise DataError(f"{file}: no such file; fix peers ({self.name})")
        if file.suffix == ".tflite":
            return Int8Detector(file.read_bytes(), nms)
        if file.suffix == ".h5":
            return _float(file, network, nms)
        yunet = YuNet(file)
        return lambda image, threshold: yunet.detect(image, threshold, overlap=nms)

    def refiner_function(self, nms: float, network: NetworkConfig) -> Detect | None:
        """The function of the refiner; None without one."""
        return None if self.refiner is None else self._open(self.refiner, nms, network)


def on_views(peers: Sequence[Peer], nms: float, network: NetworkConfig) -> dict[str, OnView]:
    """The peers on views, refined where they have a refiner; peers of one file share their detections."""
    first: dict[Path, OnView] = {}
    detectors = {}
    for peer in peers:
        if peer.file not in first:
            first[peer.file] = detected(peer.open(nms, network))
        refiner = peer.refiner_function(nms, network)
        detectors[peer.name] = first[peer.file] if refiner is None else refined(first[peer.file], refiner)
    return detectors


def detected(detect: Detect) -> OnView:
    """A detector on views, without refinement."""
    return _Cached(lambda view: detect(view.image, LOWEST))


def refined(first: OnView, refiner: Detect) -> OnView:
    """A detector on views; a second network refines the faces that the daemon would refine."""

    def on_view(view: View) -> FloatArray:
        faces = first(view)
        for face in faces:
            if face[14] >= REFINED_FROM:
                inside = face.copy()
                inside[:14] /= view.scale
                face[4:] = refine(refiner, view.full, inside)[4:]
                face[4:14] *= view.scale
        return faces[np.argsort(-faces[:, 14], kind="stable")]

    return on_view


class _Cached:
    """Runs a detector once per view and caches the faces of the last view."""

    def __init__(self, detect: OnView) -> None:
        self._detect = detect
        self._last: tuple[View, FloatArray] | None = None

    def __call__(self, view: View) -> FloatArray:
        if self._last is None or self._last[0] is not view:
            self._last = view, self._detect(view)
        return self._last[1].copy()


def _float(file: Path, config: NetworkConfig, nms: float) -> Detect:
    model: keras.Model = build(config)
    try:
        model.load_weights(file)
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: holds no weights of this network; fix network: {error}") from error
    run = tf.function(
        lambda batch: model(batch, training=False),
        input_signature=[tf.TensorSpec([1, None, None, 3], tf.float32)],
    )

    def detect(image: np.ndarray, threshold: float) -> FloatArray:
        batch = scaled(codec.padded(image)[None])
        maps = {name: values.numpy()[0] for name, values in run(batch).items()}
        cls, obj, bbox, kps = ([maps[f"{head}_{s}"] for s in STRIDES] for head in HEADS)
        return codec.faces_of(cls, obj, bbox, kps, threshold, nms)

    return detect
