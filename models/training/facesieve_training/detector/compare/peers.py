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
from facesieve_training.detector.refine import Refiner, read_rule
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
    replaces the landmarks and may raise the score. The manifest beside it defines the squares."""

    def recommended(self) -> float | None:
        """The default threshold; None when neither the configuration nor a manifest gives one."""
        try:
            return _recommended(self.file, "score") if self.score is None else self.score
        except DataError as error:
            raise DataError(f"{error}; give one in peers ({self.name})") from error

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

    def open_refiner(self, nms: float, network: NetworkConfig) -> Refiner | None:
        """The refiner; None without one."""
        if self.refiner is None:
            return None
        return Refiner(self._open(self.refiner, nms, network), *read_rule(_manifest(self.refiner)))


def lowest_refined(file: Path) -> float:
    """Lowest score of a detection that the daemon refines: the low score of the detector's manifest; without
    a manifest the lowest score of a detection.
    """
    recommended = _recommended(file, "low_score")
    return LOWEST if recommended is None else recommended


def _manifest(file: Path) -> Path:
    """The manifest beside a network."""
    return file.with_name(file.stem.removesuffix(".weights") + ".json")


def _recommended(file: Path, key: str) -> float | None:
    """A score that the manifest beside a detector recommends; None without a manifest."""
    manifest = _manifest(file)
    if not manifest.is_file():
        return None
    try:
        return float(json.loads(manifest.read_text(encoding="utf-8"))["detector"][key])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{manifest}: recommends no {key}") from error


def on_views(peers: Sequence[Peer], nms: float, network: NetworkConfig) -> dict[str, OnView]:
    """The peers on views, refined where they have a refiner; peers of one file share their detections."""
    first: dict[Path, OnView] = {}
    detectors = {}
    for peer in peers:
        if peer.file not in first:
            first[peer.file] = detected(peer.open(nms, network))
        detectors[peer.name] = first[peer.file]
        if refiner := peer.open_refiner(nms, network):
            detectors[peer.name] = refined(first[peer.file], refiner, lowest_refined(peer.file))
    return detectors


def detected(detect: Detect) -> OnView:
    """A detector on views, without refinement."""
    return _Cached(lambda view: detect(view.image, LOWEST))


def refined(first: OnView, refiner: Refiner, lowest: float) -> OnView:
    """A detector on views; the refiner refines the faces with at least the lowest score, as in the daemon."""

    def on_view(view: View) -> FloatArray:
        faces = first(view)
        for face in faces:
            if face[14] >= lowest:
                inside = face.copy()
                inside[:14] /= view.scale
                face[4:] = refiner(view.full, inside)[4:]
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
