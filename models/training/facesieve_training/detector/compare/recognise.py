"""Recognition accuracy on faces that are aligned by each detector's landmarks.

The truth of the other figures comes from a detector. This measure needs no true landmarks: better landmarks
raise the similarity of a person's images relative to that of different people.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from facesieve_training.detector.codec import FloatArray
from facesieve_training.detector.compare.views import OnView, View
from facesieve_training.detector.warp import resized
from facesieve_training.evaluate.edc import threshold_at
from facesieve_training.evaluate.evaluator import similarities
from facesieve_training.evaluate.network import Network, Runner, session
from facesieve_training.evaluate.pairs import mated_pairs, nonmated_pairs
from facesieve_training.faces import FaceSet, Image, read
from facesieve_training.prepare.align import align

_BATCH = 64
_SCORE = 0.4
"""Lowest score of a face that is used."""


@dataclass(frozen=True)
class RecogniseConfig:
    """faces: one directory per identity, one face in the centre of each image. identities: largest number of
    them. border: black border around each image, pixels. scales: scales of the detectors' input; the face is
    cut from the image at full size. cap: largest number of mated pairs of an identity. nonmated: number of
    non-mated pairs.
    """

    faces: Path = Path("faces")
    matcher: Network = field(default_factory=lambda: Network(Path("matcher.onnx")))
    identities: int = 1500
    border: int = 64
    scales: tuple[float, ...] = (1.0, 0.25)
    cap: int = 200
    nonmated: int = 1_000_000
    fmr: float = 1e-3

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        wrong = [f"scales: {scale:g} is outside 0 to 1" for scale in self.scales if not 0 < scale <= 1]
        return wrong + ([] if 0 < self.fmr < 1 else [f"fmr: {self.fmr:g} is outside 0 to 1"])


def recognise(detectors: Mapping[str, OnView], config: RecogniseConfig, seed: int) -> list[dict[str, Any]]:
    """For each scale and detector: FNMR at the FMR, number of pairs, and d', the distance of the means of
    mated and non-mated similarities in standard deviations; over the faces that all detectors find.
    """
    embed = _embedder(config.matcher)
    faces = FaceSet(config.faces, config.identities)
    numbers = {name: k for k, name in enumerate(faces.identities)}
    results = []
    for scale in config.scales:
        people: list[int] = []
        cut: dict[str, list[Image]] = {name: [] for name in detectors}
        embeddings: dict[str, list[FloatArray]] = {name: [] for name in detectors}
        for face in tqdm(list(faces), desc=f"recognise at {scale:g}", unit="face", disable=None):
            aligned = _all_cut(detectors, _view(read(face.path), config.border, scale))
            if aligned is None:
                continue
            people.append(numbers[face.identity])
            for name, image in aligned.items():
                cut[name].append(image)
                if len(cut[name]) == _BATCH:
                    embeddings[name].append(embed(np.stack(cut[name])))
                    cut[name].clear()
        for name, rest in cut.items():
            embeddings[name] += [embed(np.stack(rest))] if rest else []
        figures = {
            name: _figures(np.concatenate(parts), people, config, seed)
            for name, parts in embeddings.items()
            if parts
        }
        results.append({"scale": scale, "faces": len(people), "detectors": figures})
    return results


def _embedder(matcher: Network) -> Any:
    run = Runner(session(matcher.file))
    return lambda aligned: run(matcher.prepared(aligned))


def _view(image: Image, border: int, scale: float) -> View:
    """The image with its border and at its scale, without true faces."""
    sides = (border,) * 4
    full = np.asarray(cv2.copyMakeBorder(image, *sides, cv2.BORDER_CONSTANT), np.uint8)
    return View(resized(full, scale), np.zeros((0, 15), np.float32), full, scale)


def _all_cut(detectors: Mapping[str, OnView], view: View) -> dict[str, Image] | None:
    """The face nearest to the centre, aligned by each detector's landmarks; None when a detector misses
    it.
    """
    middle = np.array(view.image.shape[1::-1]) / 2
    cut = {}
    for name, detect in detectors.items():
        faces = detect(view)
        faces = faces[faces[:, 14] >= _SCORE]
        if not len(faces):
            return None
        away = np.linalg.norm(faces[:, :2] + faces[:, 2:4] / 2 - middle, axis=1)
        points = faces[int(away.argmin()), 4:14].reshape(5, 2) / view.scale
        try:
            cut[name] = align(view.full, points, 0).image
        except ValueError:  # landmarks that are not a face's
            return None
    return cut


def _figures(embeddings: FloatArray, people: list[int], config: RecogniseConfig, seed: int) -> dict[str, Any]:
    identity, rng = np.array(people, np.int64), np.random.default_rng(seed)
    mated = similarities(embeddings, mated_pairs(identity, config.cap, rng))
    nonmated = similarities(embeddings, nonmated_pairs(identity, config.nonmated, rng))
    if not len(mated) or not len(nonmated):
        return {"pairs": len(mated), "fnmr": None, "separation": None}
    errors = mated <= threshold_at(nonmated, config.fmr)
    return {
        "pairs": len(mated),
        "fnmr": round(float(np.mean(errors)), 5),
        "separation": round(_separation(mated, nonmated), 3),
    }


def _separation(mated: NDArray[np.float64], nonmated: NDArray[np.float64]) -> float:
    """Decidability index d' (Daugman 2003, doi:10.1016/S0031-3203(02)00030-4)."""
    return float((mated.mean() - nonmated.mean()) / np.sqrt((mated.var() + nonmated.var()) / 2))
