"""Errors of yaw and pitch by angle, before and after the pose head, and a contact sheet of views."""

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from facesieve_training.faces import Image

Array = NDArray[np.float64]
BINS = ((0, 15), (15, 30), (30, 45))
AXES = ("yaw", "pitch")


def errors(truth: Array, found: Array) -> dict[str, dict[str, tuple[float, float, int]]]:
    """Mean, 90 % quantile and number of absolute errors, degrees, of yaw and pitch in each bin of the angle.

    Only views whose other angle is within the bins count.
    """
    error, size = np.abs(found - truth), np.abs(truth)
    inside = (size <= BINS[-1][1]).all(axis=1)
    result: dict[str, dict[str, tuple[float, float, int]]] = {}
    for axis, name in enumerate(AXES):
        rows: dict[str, NDArray[np.bool_]] = {
            f"{low}..{high}": inside & (size[:, axis] >= low) & (size[:, axis] <= high) for low, high in BINS
        }
        rows["all"] = np.asarray(inside)
        result[name] = {
            key: (float(error[at, axis].mean()), float(np.quantile(error[at, axis], 0.9)), int(at.sum()))
            for key, at in rows.items()
            if at.any()
        }
    return result


def table(truth: Array, methods: Mapping[str, Array]) -> str:
    """A Markdown table: one row for each angle and bin, mean and 90 % quantile of each method."""
    found = {name: errors(truth, angles) for name, angles in methods.items()}
    text = f"| angle, degrees | views | {' | '.join(methods)} |\n| --- | ---: |{' --- |' * len(methods)}\n"
    first = next(iter(found.values()))
    for axis in AXES:
        for key, (_, _, count) in first[axis].items():
            cells = " | ".join("{:.1f}, 90 % within {:.1f}".format(*f[axis][key][:2]) for f in found.values())
            text += f"| {axis} {key} | {count} | {cells} |\n"
    return text


def sheet(images: Image, captions: list[str], columns: int = 16) -> Image:
    """Images beside each other, N x H x W x 3, with captions."""
    cells = [np.asarray(cell).copy() for cell in images]
    for cell, caption in zip(cells, captions, strict=True):
        cv2.putText(cell, caption, (2, 10), cv2.FONT_HERSHEY_SIMPLEX, 0.35, (0, 255, 255), 1)
    cells += [np.zeros_like(cells[0])] * (-len(cells) % columns)
    rows = [np.hstack(cells[k : k + columns]) for k in range(0, len(cells), columns)]
    return np.asarray(np.vstack(rows), np.uint8)
