"""The usual way in Python, to compare with: YuNet at 640 on every frame, alignment by landmarks, LightQNet.

usage: peer.py VIDEO DIRECTORY_OF_NETWORKS

It prints one JSON object: the CPU seconds of this process for decoding alone and for all with decoding.
All libraries have one thread. YuNet runs in ONNX Runtime, which takes half the time of cv2.FaceDetectorYN.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

INPUT = 640
MIN_SCORE, MAX_OVERLAP = 0.6, 0.3
# The places of eyes, nose and corners of the mouth in an aligned face of 112x112 pixels.
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]],
    np.float32,
)


class Peer:
    """Detector and quality network."""

    def __init__(self, networks: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.detector = onnxruntime.InferenceSession(
            str(networks / "yunet_s.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self.quality = cv2.dnn.readNetFromTensorflow(str(networks / "lightqnet-dm100.pb"))

    def scores(self, frame: np.ndarray) -> list[float]:
        """Return the quality, 0..1, of each face in a frame, BGR."""
        return [self.score(self.align(frame, points)) for points in self.detect(frame)]

    def detect(self, frame: np.ndarray) -> np.ndarray:
        """Return the landmarks of each face, Nx5x2, pixels of the frame."""
        scale = min(1.0, INPUT / max(frame.shape[:2]))
        small = cv2.resize(frame, None, fx=scale, fy=scale)
        bottom, right = -small.shape[0] % 32, -small.shape[1] % 32
        padded = cv2.copyMakeBorder(small, 0, bottom, 0, right, cv2.BORDER_CONSTANT)
        outputs = self.detector.run(None, {"input": cv2.dnn.blobFromImage(padded)})
        boxes, scores, points = [], [], []
        for level, stride in enumerate((8, 16, 32)):
            cls, obj, box, kps = (outputs[level + 3 * kind][0] for kind in range(4))
            score = np.sqrt(cls[:, 0] * obj[:, 0])
            found = np.flatnonzero(score >= MIN_SCORE)
            cells = np.stack([found % (padded.shape[1] // stride), found // (padded.shape[1] // stride)], 1)
            size = np.exp(box[found, 2:]) * stride
            boxes.append(np.hstack([(cells + box[found, :2]) * stride - size / 2, size]))
            scores.append(score[found])
            points.append((cells[:, None] + kps[found].reshape(-1, 5, 2)) * stride)
        kept = cv2.dnn.NMSBoxes(np.vstack(boxes), np.hstack(scores), MIN_SCORE, MAX_OVERLAP)
        return np.vstack(points)[np.asarray(kept, int).ravel()].astype(np.float32) / scale

    def align(self, frame: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Return the aligned face, 112x112 BGR."""
        transform, _ = cv2.estimateAffinePartial2D(points, TEMPLATE, method=cv2.LMEDS)
        return cv2.warpAffine(frame, transform, (112, 112))

    def score(self, face: np.ndarray) -> float:
        """Return the quality of an aligned face, 0..1."""
        small = cv2.resize(face, (96, 96), interpolation=cv2.INTER_AREA)
        self.quality.setInput(cv2.dnn.blobFromImage(small, 1 / 128, (96, 96), (128, 128, 128)))
        return float(self.quality.forward().ravel()[0])


def frames(video: str) -> Iterator[np.ndarray]:
    """Yield each frame of a recording."""
    capture = cv2.VideoCapture(video, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    if not capture.isOpened():
        sys.exit(f"{video}: OpenCV cannot open it")
    while True:
        read, frame = capture.read()
        if not read:
            return
        yield frame


def main() -> None:
    """Measure decoding alone, and then everything."""
    video, networks = sys.argv[1], Path(sys.argv[2])
    cv2.setNumThreads(1)
    start = time.process_time()
    count = sum(1 for _ in frames(video))
    decoding = time.process_time() - start
    start = time.process_time()
    peer = Peer(networks)
    faces = sum(len(peer.scores(frame)) for frame in frames(video))
    whole = time.process_time() - start
    print(json.dumps({"frames": count, "faces": faces, "decoding_s": decoding, "whole_s": whole}))


if __name__ == "__main__":
    main()
