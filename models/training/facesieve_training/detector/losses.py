"""What the detector minimises: focal classification, overlap as objectness, box overlap, landmark distance.

All are sums over the cells of all levels divided by the number of positive cells in the batch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import tensorflow as tf

from facesieve_training.detector.assign import BOX, CHANNELS, POSITIVE, WEIGHT
from facesieve_training.detector.codec import STRIDES

_MAX_LOG_SIZE = 6.0
# Score from which the teacher's boxes and landmarks are worth following.
_SEEN = 0.5
# Error of a landmark, in sizes of the face, from which its loss is linear: 1 % is 2 to 3 % between the eyes.
_KNEE = 0.01


@dataclass(frozen=True)
class LossConfig:
    """Weights of the parts of the loss; focus is the exponent of the focal weighting.

    Distil is the weight of agreeing with the teacher's own maps of the picture before it was degraded; 0
    leaves them out.
    """

    cls: float = 1.0
    obj: float = 1.0
    box: float = 2.0
    kps: float = 3.0
    calm: float = 1e-4
    focus: float = 2.0
    distil: float = 0.0


def _corners(box: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    size = tf.exp(tf.minimum(box[..., 2:], _MAX_LOG_SIZE))
    return box[..., :2] - size / 2, box[..., :2] + size / 2


def overlap(a: tf.Tensor, b: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """IoU and EIoU loss of boxes as the network puts them out (center, log size), one by one.

    EIoU (Zhang et al. 2021, doi:10.1016/j.neucom.2022.07.042): 1 - IoU + distances of centres, widths and
    heights, each relative to the box that encloses both.
    """
    a_low, a_high = _corners(a)
    b_low, b_high = _corners(b)
    shared = tf.reduce_prod(tf.maximum(tf.minimum(a_high, b_high) - tf.maximum(a_low, b_low), 0), -1)
    a_size, b_size = a_high - a_low, b_high - b_low
    iou = shared / (tf.reduce_prod(a_size, -1) + tf.reduce_prod(b_size, -1) - shared + 1e-7)
    hull = tf.maximum(a_high, b_high) - tf.minimum(a_low, b_low) + 1e-7
    apart = tf.square(a[..., :2] - b[..., :2])
    center = tf.reduce_sum(apart, -1) / tf.reduce_sum(tf.square(hull), -1)
    shape = tf.reduce_sum(tf.square(a_size - b_size) / tf.square(hull), -1)
    return iou, 1 - iou + center + shape


def focal(logits: tf.Tensor, target: tf.Tensor, focus: float) -> tf.Tensor:
    """Cross entropy, of background times probability^focus, of faces times target.

    Varifocal loss (Zhang et al. 2021, arXiv:2008.13367): easy background counts little, and faces keep their
    full weight, so that a sure face scores near 1.
    """
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(target, logits)
    return entropy * tf.where(target > 0, target, tf.sigmoid(logits) ** focus)


def landmarks(found: tf.Tensor, wanted: tf.Tensor, box: tf.Tensor) -> tf.Tensor:
    """Huber distance of landmarks [N,10] in sizes of the face (box [N,4]), linear beyond 1 % of it: [N]."""
    size = tf.exp(tf.reduce_mean(box[:, 2:], -1, keepdims=True))
    error = tf.abs(found - wanted) / size
    return tf.reduce_sum(tf.where(error < _KNEE, tf.square(error) / (2 * _KNEE), error - _KNEE / 2), -1)


def _level(outputs: Sequence[tf.Tensor], target: tf.Tensor, config: LossConfig) -> dict[str, tf.Tensor]:
    cls, obj, bbox, kps = outputs
    positive, weight = target[..., POSITIVE], target[..., WEIGHT]
    chosen = positive > 0
    wanted = tf.boolean_mask(target[..., BOX:CHANNELS], chosen)
    iou, box = overlap(tf.boolean_mask(bbox, chosen), wanted[:, :4])
    points = landmarks(tf.boolean_mask(kps, chosen), wanted[:, 4:], wanted[:, :4])
    quality = tf.scatter_nd(tf.where(chosen), tf.stop_gradient(iou), tf.shape(positive, tf.int64))
    background = tf.reduce_mean(tf.square(bbox), -1) + tf.reduce_mean(tf.square(kps), -1)
    parts = {
        "cls": tf.reduce_sum(weight * focal(cls[..., 0], positive, config.focus)),
        "obj": tf.reduce_sum(weight * focal(obj[..., 0], quality, config.focus)),
        "box": tf.reduce_sum(box),
        "kps": tf.reduce_sum(points),
        # Keeps the range of the maps small where nothing is to be found: int8 has 256 levels for all of it.
        "calm": tf.reduce_sum((1 - positive) * background),
    }
    if config.distil > 0:
        parts["distil"] = distil(outputs, target[..., CHANNELS:])
    return parts


def distil(outputs: Sequence[tf.Tensor], teacher: tf.Tensor) -> tf.Tensor:
    """Distance to the teacher's maps [N,H,W,16]: scores everywhere, boxes and landmarks where it sees faces.

    The scores' cross entropy is weighted by the squared difference, for almost all cells agree already. Its
    landmarks are wrong on heads on one side, but the labels reach few cells: without them small faces' are
    half as far off again.
    """
    cls, obj, bbox, kps = outputs
    scores = tf.concat([cls, obj], -1)
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(teacher[..., :2], scores)
    total = tf.reduce_sum(entropy * tf.square(teacher[..., :2] - tf.sigmoid(scores)))
    chosen = teacher[..., 0] * teacher[..., 1] > _SEEN**2
    wanted = tf.boolean_mask(teacher[..., 2:], chosen)
    _, box = overlap(tf.boolean_mask(bbox, chosen), wanted[:, :4])
    points = landmarks(tf.boolean_mask(kps, chosen), wanted[:, 4:], wanted[:, :4])
    return total + tf.reduce_sum(box) + tf.reduce_sum(points)


def detector_loss(
    outputs: Mapping[str, tf.Tensor], targets: Sequence[tf.Tensor], config: LossConfig
) -> dict[str, tf.Tensor]:
    """The parts of the loss, weighted, with their sum as `loss`.

    Targets are those of assign.targets in batches, followed by the teacher's 16 channels when distilling.
    """
    parts = [
        _level(
            [tf.cast(outputs[f"{head}_{s}"], tf.float32) for head in ("cls", "obj", "bbox", "kps")],
            target,
            config,
        )
        for s, target in zip(STRIDES, targets, strict=True)
    ]
    count = tf.maximum(tf.add_n([tf.reduce_sum(target[..., POSITIVE]) for target in targets]), 1.0)
    total = {k: getattr(config, k) * tf.add_n([part[k] for part in parts]) / count for k in parts[0]}
    return {"loss": tf.add_n(list(total.values())), **total}
