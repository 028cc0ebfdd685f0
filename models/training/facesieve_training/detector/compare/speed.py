"""Milliseconds per image on one thread: the shortest of many runs, which is disturbed least."""

import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from facesieve_training.networks.int8 import Int8Network

HEIGHT, WIDTH = 384, 640
"""Size of the image: 640x360 filled up to a multiple of 32."""


def milliseconds(file: Path, rounds: int = 60) -> float | None:
    """Time of the network alone: .tflite on XNNPACK, .onnx in OpenCV's DNN module; None for other files."""
    image = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    if file.suffix == ".tflite":
        network = Int8Network(file.read_bytes())
        network.set_image(image)
        return _shortest(network.invoke, rounds)
    if file.suffix != ".onnx":
        return None
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        peer = cv2.dnn.readNetFromONNX(str(file))
        peer.setInput(cv2.dnn.blobFromImage(image))
        names = peer.getUnconnectedOutLayersNames()
        return _shortest(lambda: peer.forward(names), rounds)
    finally:
        cv2.setNumThreads(threads)


def _shortest(work: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1000 * min(times)
