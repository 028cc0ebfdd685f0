"""Head maps to faces: the decoding of all detectors with YuNet's head layout.

A face is one row of 15 float32: x, y, width, height, five landmarks (x, y; right eye, left eye, nose, right
and left mouth corner, "right" being the person's own), score 0..1. Coordinates are pixels of the image.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

STRIDES = (8, 16, 32)
COLUMNS = 15
# Index of each landmark in a mirrored image: eyes and mouth corners change sides.
MIRRORED = (1, 0, 2, 4, 3)
_MAX_LOG_SIZE = 8.0


def sigmoid(x: FloatArray) -> FloatArray:
    """Logistic function, safe for large negative values."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)), np.float32)


def grid(height: int, width: int) -> FloatArray:
    """Column and row of every cell of a map, shape [height, width, 2]."""
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([columns, rows], axis=-1).astype(np.float32)


def decode_level(
    score: FloatArray, bbox: FloatArray, kps: FloatArray, stride: int, threshold: float
) -> FloatArray:
    """Faces of one level above a score: score [H,W], bbox [H,W,4], kps [H,W,10] -> [N,15]."""
    rows, columns = np.nonzero(score >= threshold)
    cell = np.stack([columns, rows], axis=-1).astype(np.float32)
    box = bbox[rows, columns]
    center = (cell + box[:, :2]) * stride
    size = np.exp(np.minimum(box[:, 2:], _MAX_LOG_SIZE)) * stride
    points = (kps[rows, columns].reshape(-1, 5, 2) + cell[:, None]) * stride
    return np.concatenate(
        [center - size / 2, size, points.reshape(-1, 10), score[rows, columns, None]], axis=1
    ).astype(np.float32)


def decode(
    scores: Sequence[FloatArray], bboxes: Sequence[FloatArray], kpss: Sequence[FloatArray], threshold: float
) -> FloatArray:
    """Faces of all levels above a score, unsorted and before suppression."""
    levels = zip(scores, bboxes, kpss, STRIDES, strict=True)
    return np.concatenate([decode_level(s, b, k, stride, threshold) for s, b, k, stride in levels])


def padded(image: np.ndarray) -> np.ndarray:
    """An image [H,W,3] with black to its right and below, up to multiples of the largest stride."""
    height, width = image.shape[:2]
    return np.pad(image, [(0, -height % STRIDES[-1]), (0, -width % STRIDES[-1]), (0, 0)])


def faces_of(
    cls: Sequence[FloatArray],
    obj: Sequence[FloatArray],
    bboxes: Sequence[FloatArray],
    kpss: Sequence[FloatArray],
    threshold: float,
    overlap: float,
) -> FloatArray:
    """Faces as in the daemon, best first, [N,15], from the logits cls and obj [H,W,1] and the regressions of
    each stride. Boxes with an IoU above `overlap` are one face.
    """
    pairs = zip(cls, obj, strict=True)
    scores = [np.sqrt(sigmoid(c) * sigmoid(o))[..., 0] for c, o in pairs]
    return vote(decode(scores, bboxes, kpss, threshold), overlap)


def encode(face: FloatArray, cell: FloatArray, stride: int) -> FloatArray:
    """Regression targets [N,14] (bbox 4, kps 10) of faces [N,15] relative to cells [N,2] (column, row)."""
    center = (face[:, :2] + face[:, 2:4] / 2) / stride - cell
    size = np.log(np.maximum(face[:, 2:4], 1e-3) / stride)
    points = face[:, 4:14].reshape(-1, 5, 2) / stride - cell[:, None]
    return np.concatenate([center, size, points.reshape(-1, 10)], axis=1).astype(np.float32)


def iou(a: FloatArray, b: FloatArray) -> FloatArray:
    """Overlap of every box of a [N,>=4] with every box of b [M,>=4] (x, y, width, height): [N,M]."""
    one, other = a[:, None], b[None]
    shared = np.ones((len(a), len(b)), np.float32)
    for low, length in ((0, 2), (1, 3)):
        end = np.minimum(one[..., low] + one[..., length], other[..., low] + other[..., length])
        shared *= np.maximum(end - np.maximum(one[..., low], other[..., low]), 0)
    areas = one[..., 2] * one[..., 3] + other[..., 2] * other[..., 3]
    return np.asarray(shared / np.maximum(areas - shared, 1e-9), np.float32)


def suppress(faces: FloatArray, threshold: float) -> FloatArray:
    """Non-maximum suppression: the faces, best first, whose IoU with every better one is at most this."""
    left = faces[np.argsort(-faces[:, 14], kind="stable")]
    kept = []
    while len(left):
        kept.append(left[0].copy())
        left = left[1:][iou(left[:1], left[1:])[0] <= threshold]
    return np.array(kept, np.float32).reshape(-1, COLUMNS)


def vote(faces: FloatArray, threshold: float, agreement: float = 0.6) -> FloatArray:
    """Suppression as in the daemon: a kept face has the mean box and landmarks of all detections that agree
    with it, weighted by the squares of their scores.
    """
    kept = suppress(faces, threshold)
    for face in kept:  # one by one: a dark image has thousands, and a matrix of pairs would be large
        agreeing = faces[iou(face[None], faces)[0] >= agreement]
        face[:14] = np.average(agreeing[:, :14], axis=0, weights=agreeing[:, 14] ** 2)
    return kept


def merge(
    views: Sequence[FloatArray], threshold: float, agreement: float = 0.6, support: int = 4
) -> FloatArray:
    """Suppression over several views of one image, all in its pixels: [N,15], best first.

    Views (scales, mirrored) have independent errors. A face gets the mean box and landmarks of all detections
    that agree with it, weighted by score, without outliers of the landmarks. Its score is the mean of its
    `support` highest scores over the views, so that a detection in one view only has a low score.
    """
    faces = np.concatenate(views)
    view = np.repeat(np.arange(len(views)), [len(v) for v in views])
    merged = []
    for face in suppress(faces, threshold):
        chosen = iou(face[None], faces)[0] >= agreement
        agreeing, of = faces[chosen], view[chosen]
        best = np.zeros(len(views), np.float32)
        np.maximum.at(best, of, agreeing[:, 14])
        score = np.sort(best)[::-1][:support].mean()
        agreeing = agreeing[_steady(agreeing)]
        mean = np.average(agreeing[:, :14], axis=0, weights=agreeing[:, 14])
        merged.append(np.append(mean, score))
    found = np.array(merged, np.float32).reshape(-1, COLUMNS)
    return found[np.argsort(-found[:, 14], kind="stable")]


def _steady(faces: FloatArray) -> np.ndarray:
    """Which of several detections of one face have landmarks near the median."""
    points = faces[:, 4:14].reshape(-1, 5, 2)
    apart = np.linalg.norm(points - np.median(points, axis=0), axis=2).mean(axis=1)
    return np.asarray(apart <= 2 * np.median(apart) + 1e-6)


TURNED = 0.15
"""Value of `turn` from about 20 degrees of yaw: a third of CelebA's images, most of a camera's."""


def turn(faces: FloatArray) -> FloatArray:
    """Distance [N] of the nose from the centre of eyes and mouth, in inter-eye distances: 0 for a frontal
    face.

    It is measured along the line of the eyes, so that roll does not change it.
    """
    points = faces[:, 4:14].reshape(-1, 5, 2)
    eyes = points[:, 1] - points[:, 0]
    nose = points[:, 2] - points[:, (0, 1, 3, 4)].mean(axis=1)
    return np.asarray(np.abs((nose * eyes).sum(axis=1)) / np.maximum((eyes**2).sum(axis=1), 1e-9), np.float32)


def shifted(faces: FloatArray, pixels: float) -> FloatArray:
    """The faces shifted right and down by `pixels`."""
    moved = faces.copy()
    moved[:, :2] += pixels
    moved[:, 4:14] += pixels
    return moved


def mirror(faces: FloatArray, width: int) -> FloatArray:
    """The faces of an image of this width after it is flipped left to right."""
    flipped = faces.copy()
    flipped[:, 0] = width - faces[:, 0] - faces[:, 2]
    points = faces[:, 4:14].reshape(-1, 5, 2)[:, MIRRORED].copy()
    points[..., 0] = width - points[..., 0]
    flipped[:, 4:14] = points.reshape(-1, 10)
    return flipped
