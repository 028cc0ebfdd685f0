"""The detector's loss: focal classification, overlap as objectness, box overlap, landmark distance.

All are sums over the cells of all levels divided by the number of positive cells in the batch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras import ops

from facesieve_training.detector.assign import BOX, CHANNELS, POSITIVE, WEIGHT
from facesieve_training.detector.codec import STRIDES

Tensor = Any
"""Of the back end in use, or an array."""
_MAX_LOG_SIZE = 6.0
# Lowest score of the teacher's boxes and landmarks that are distilled.
_SEEN = 0.5
# Error of a landmark, in sizes of the face, from which its loss is linear: 1 % is 2 to 3 % between the eyes.
_KNEE = 0.01


@dataclass(frozen=True)
class LossConfig:
    """Weights of the parts of the loss; focus is the exponent of the focal weighting.

    distil: weight of the distance to the teacher's maps of the image before degradation; 0 omits it.
    """

    cls: float = 1.0
    obj: float = 1.0
    box: float = 2.0
    kps: float = 3.0
    calm: float = 1e-4
    focus: float = 2.0
    distil: float = 0.0


def _corners(box: Tensor) -> tuple[Tensor, Tensor]:
    size = ops.exp(ops.minimum(box[..., 2:], _MAX_LOG_SIZE))
    return box[..., :2] - size / 2, box[..., :2] + size / 2


def overlap(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and EIoU loss of boxes in the network's encoding (center, log size), element-wise.

    EIoU (Zhang et al. 2021, doi:10.1016/j.neucom.2022.07.042): 1 - IoU + distances of centres, widths and
    heights, each relative to the box that encloses both.
    """
    a_low, a_high = _corners(a)
    b_low, b_high = _corners(b)
    shared = ops.prod(ops.maximum(ops.minimum(a_high, b_high) - ops.maximum(a_low, b_low), 0), -1)
    a_size, b_size = a_high - a_low, b_high - b_low
    iou = shared / (ops.prod(a_size, -1) + ops.prod(b_size, -1) - shared + 1e-7)
    hull = ops.maximum(a_high, b_high) - ops.minimum(a_low, b_low) + 1e-7
    apart = ops.square(a[..., :2] - b[..., :2])
    center = ops.sum(apart, -1) / ops.sum(ops.square(hull), -1)
    shape = ops.sum(ops.square(a_size - b_size) / ops.square(hull), -1)
    return iou, 1 - iou + center + shape


def focal(logits: Tensor, target: Tensor, focus: float) -> Tensor:
    """Cross entropy, of background times probability^focus, of faces times target.

    Varifocal loss (Zhang et al. 2021, arXiv:2008.13367): easy background has a small weight and faces their
    full weight, so that a clear face scores near 1.
    """
    entropy = ops.binary_crossentropy(target, logits, from_logits=True)
    return entropy * ops.where(target > 0, target, ops.sigmoid(logits) ** focus)


def landmarks(found: Tensor, wanted: Tensor, box: Tensor) -> Tensor:
    """Huber distance of landmarks [...,10] in sizes of the face (box [...,4]), linear beyond 1 % of it."""
    size = ops.exp(ops.mean(box[..., 2:], -1, keepdims=True))
    error = ops.abs(found - wanted) / size
    return ops.sum(ops.where(error < _KNEE, ops.square(error) / (2 * _KNEE), error - _KNEE / 2), -1)


def _level(outputs: Sequence[Tensor], target: Tensor, config: LossConfig) -> dict[str, Tensor]:
    cls, obj, bbox, kps = outputs
    positive, weight = target[..., POSITIVE], target[..., WEIGHT]
    chosen = positive > 0
    iou, box, points = _compared(bbox, kps, target[..., BOX:CHANNELS])
    quality = ops.where(chosen, ops.stop_gradient(iou), 0.0)
    background = ops.mean(ops.square(bbox), -1) + ops.mean(ops.square(kps), -1)
    parts = {
        "cls": ops.sum(weight * focal(cls[..., 0], positive, config.focus)),
        "obj": ops.sum(weight * focal(obj[..., 0], quality, config.focus)),
        "box": ops.sum(ops.where(chosen, box, 0.0)),
        "kps": ops.sum(ops.where(chosen, points, 0.0)),
        # Keeps the range of the maps small in the background: int8 has 256 levels for the whole range.
        "calm": ops.sum((1 - positive) * background),
    }
    if config.distil > 0:
        parts["distil"] = distil(outputs, target[..., CHANNELS:])
    return parts


def _compared(bbox: Tensor, kps: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """IoU, EIoU loss and distance of landmarks of every cell, with or without a face."""
    iou, box = overlap(bbox, wanted[..., :4])
    return iou, box, landmarks(kps, wanted[..., 4:], wanted[..., :4])


def distil(outputs: Sequence[Tensor], teacher: Tensor) -> Tensor:
    """Distance to the teacher's maps [N,H,W,16]: scores everywhere, boxes and landmarks at its faces.

    The scores' cross entropy is weighted by the squared difference, because almost all cells agree already.
    The teacher's landmarks are wrong on tilted heads, but without them the landmark error of small faces is
    50 % larger, because the labels cover few cells.
    """
    cls, obj, bbox, kps = outputs
    scores = ops.concatenate([cls, obj], -1)
    entropy = ops.binary_crossentropy(teacher[..., :2], scores, from_logits=True)
    total = ops.sum(entropy * ops.square(teacher[..., :2] - ops.sigmoid(scores)))
    chosen = teacher[..., 0] * teacher[..., 1] > _SEEN**2
    _, box, points = _compared(bbox, kps, teacher[..., 2:])
    return total + ops.sum(ops.where(chosen, box + points, 0.0))


def detector_loss(
    outputs: Mapping[str, Tensor], targets: Sequence[Tensor], config: LossConfig
) -> dict[str, Tensor]:
    """The parts of the loss, weighted, with their sum as `loss`.

    Targets are those of assign.targets in batches, followed by the teacher's 16 channels when distilling.
    """
    parts = [
        _level(
            [ops.cast(outputs[f"{head}_{s}"], "float32") for head in ("cls", "obj", "bbox", "kps")],
            target,
            config,
        )
        for s, target in zip(STRIDES, targets, strict=True)
    ]
    count = ops.maximum(sum(ops.sum(target[..., POSITIVE]) for target in targets), 1.0)
    total = {k: getattr(config, k) * sum(part[k] for part in parts) / count for k in parts[0]}
    return {"loss": sum(total.values()), **total}
