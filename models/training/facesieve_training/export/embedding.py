"""The embedding of an exported student: one more output, its scales, and similarity thresholds by score."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from facesieve_training.cli import DataError
from facesieve_training.export import manifest, quality, similarity
from facesieve_training.faces import Image
from facesieve_training.networks import exposed
from facesieve_training.networks.int8 import Int8Network
from facesieve_training.student.network import FEATURE

NAME = "embedding"
"""Name of the output in the manifest."""
FMRS = (1e-3, 1e-4)


@dataclass(frozen=True)
class Embedding:
    """Configuration of the thresholds."""

    bands: list[float] = field(default_factory=lambda: [0.0, 5, 10, 15, 20, 25, 30, 40, 50, 70])
    """Lowest scores of the bands; a pair is in the band of its lower score."""
    max_fnmr: Annotated[float, Field(gt=0, le=1)] = 0.15
    """A band has thresholds if at most this share of the comparisons of two degraded versions of one
    photograph is missed at FMR 1e-3; so have all bands above it.
    """

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        rising = all(a < b for a, b in zip(self.bands, self.bands[1:], strict=False))
        inside = bool(self.bands) and self.bands[0] == 0 and self.bands[-1] < 100
        return [] if rising and inside else ["bands: must begin at 0 and rise, below 100"]


def expose(data: bytes) -> bytes:
    """Add the embedding to the outputs of an int8 student."""
    try:
        return exposed.expose(data, FEATURE)
    except ValueError as error:
        raise DataError(
            f"embedding: the network {error}: train the student with student.length above 0"
        ) from error


def output_of(data: bytes) -> int:
    """Index of the output."""
    return exposed.output_of(data, FEATURE)


def among(data: bytes, others: NDArray[np.float32], labels: int) -> NDArray[np.float32]:
    """The values of the embedding among those of all outputs after the labels, N x values."""
    sizes = [int(np.prod(output["shape"])) for output in Int8Network(data).outputs()]
    output = output_of(data)
    first = sum(sizes[labels:output])
    return others[:, first : first + sizes[output]]


def scale_of(data: bytes, model: Any, images: Image) -> NDArray[np.float64]:
    """Factor from each value of the output, in its real units, to the float network's, by least squares on
    these images.

    Equalisation has divided each value by a number of its own.
    """
    int8, output = Int8Network(data), output_of(data)
    values = np.array([int8.run(image)[output].ravel() for image in images], np.float64)
    real = quality.embedder(model)(images).astype(np.float64)
    scale = (values * real).sum(axis=0) / np.maximum((values * values).sum(axis=0), 1e-12)
    bad = np.flatnonzero(scale <= 0)
    if len(bad):
        raise DataError(f"embedding: value {bad[0]} of the int8 network does not follow the float network")
    return np.asarray(scale)


def measure(
    data: bytes, scale: NDArray[np.float64], faces: similarity.Faces, config: Embedding
) -> tuple[manifest.Embedding, str]:
    """Choose the thresholds on these faces; the second value is a report with the rates of all bands."""
    bands = similarity.bands(faces, config.bands, FMRS)
    people, photos = len(np.unique(faces.identity)), len(np.unique(faces.photo))
    basis = f"{people} people not trained on, {photos} photographs, each clean and degraded, every pair"
    return described(data, scale, bands, config, basis), markdown(bands, basis)


def described(
    data: bytes, scale: NDArray[np.float64], bands: Sequence[similarity.Band], config: Embedding, basis: str
) -> manifest.Embedding:
    """The part of the manifest."""
    output = output_of(data)
    step = float(Int8Network(data).outputs()[output]["quantization"][0])
    usable = [band.pairs[2] > 0 and band.same_photo[0].rate <= config.max_fnmr for band in bands]
    first = max((k + 1 for k, good in enumerate(usable) if not good), default=0)
    thresholds = [manifest.Thresholds(b.min_score, *b.thresholds) for b in bands[first:]]
    if not thresholds:
        last = bands[-1]
        raise DataError(
            f"embedding: the band from score {last.min_score:g} has {last.pairs[1]:,} pairs of one "
            "photograph and "
            f"{last.pairs[2]:,} of two people; it misses {last.same_photo[0]} of the first (max_fnmr: "
            f"{config.max_fnmr:g}); hold out more people, lower the highest of embedding.bands, or set "
            "embedding to null"
        )
    scales = [float(f"{step * s:.6g}") for s in scale]
    return manifest.Embedding(output, len(scales), scales, thresholds, basis)


def markdown(bands: Sequence[similarity.Band], title: str) -> str:
    """The bands as a Markdown table; brackets hold 95 % intervals."""
    lines = [f"{title}.", "", "| score | pairs: mated, one photograph, non-mated | FMR | threshold | "]
    lines[-1] += "FMR measured | FNMR | FNMR of one photograph |"
    lines.append("| --- " * 7 + "|")
    ends = [*[band.min_score for band in bands[1:]], 100.0]
    for band, end in zip(bands, ends, strict=True):
        for k, fmr in enumerate(FMRS):
            cells: list[Any] = [f"{band.min_score:g} to {end:g}", ", ".join(f"{n:,}" for n in band.pairs)]
            cells = cells if k == 0 else ["", ""]
            cells += [f"{fmr:g}", f"{band.thresholds[k]:.3f}", band.fmr[k], band.fnmr[k], band.same_photo[k]]
            lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"
