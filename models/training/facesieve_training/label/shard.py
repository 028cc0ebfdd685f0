"""Labels the faces of some identities, streaming: in memory are a few batches and one identity."""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from facesieve_training import degrade, faces
from facesieve_training.faces import Face, FaceSet, Picture
from facesieve_training.label import formulas
from facesieve_training.label.table import SHARD
from facesieve_training.teacher.features import Features, Teacher


@dataclass(frozen=True)
class Seen:
    """One picture's features on their way to its labels; low is float16 to halve what is held."""

    face: Face
    variant: int
    embedding: NDArray[np.float32]
    robustness: float
    low: NDArray[np.float16]


@dataclass(frozen=True)
class Recipe:
    """What is done to each face and how it is labelled."""

    seed: int
    variants: int
    degradation: degrade.Degradation
    masks: NDArray[np.float32]
    normalise: bool
    batch: int


def label_identities(source: FaceSet, identities: list[str], teacher: Teacher, recipe: Recipe) -> pa.Table:
    """Label every picture of these identities."""
    pieces = []
    work = ((f, v) for i in identities for f in source.faces(i) for v in range(recipe.variants + 1))
    for _, group in itertools.groupby(_features(work, teacher, recipe), key=lambda seen: seen.face.identity):
        pieces.append(label_identity(list(group)))
    return pa.concat_tables(pieces) if pieces else SHARD.empty_table()


def label_identity(seen: list[Seen]) -> pa.Table:
    """Label the pictures of one identity."""
    clean = np.array([s.variant == 0 for s in seen])
    names = {name: i for i, name in enumerate(dict.fromkeys(s.face.path.name for s in seen))}
    picture = np.array([names[s.face.path.name] for s in seen], np.int64)
    embedding = np.stack([s.embedding for s in seen])
    d = formulas.distance(np.stack([s.low for s in seen]), clean)
    columns = {
        "identity": [s.face.identity for s in seen],
        "file": [s.face.path.name for s in seen],
        "variant": [s.variant for s in seen],
        "distance": d,
        "visual_printed": formulas.visual_printed(d),
        "visual_identity": formulas.visual_identity(d),
        "robustness": [s.robustness for s in seen],
        "agreement": formulas.agreement(embedding, picture, clean),
        "norm": np.linalg.norm(embedding, axis=1),
        "embedding": list(embedding.astype(np.float16)),
    }
    return pa.table(columns, schema=SHARD)


def _features(work: Iterator[tuple[Face, int]], teacher: Teacher, recipe: Recipe) -> Iterator[Seen]:
    """Run the teacher batch by batch, the pictures of the next batches being read meanwhile."""

    def prepare(jobs: list[tuple[Face, int]]) -> Picture:
        return np.stack([picture(face, variant, recipe.seed, recipe.degradation) for face, variant in jobs])

    chunks = iter(lambda: list(itertools.islice(work, recipe.batch)), [])
    with ThreadPoolExecutor(1) as pool:
        ahead = [(jobs, pool.submit(prepare, jobs)) for jobs in itertools.islice(chunks, 2)]
        while ahead:
            jobs, pictures = ahead.pop(0)
            features = teacher(pictures.result())
            ahead += [(jobs, pool.submit(prepare, jobs)) for jobs in itertools.islice(chunks, 1)]
            robust = robustness(features, teacher, recipe)
            low = features.low.astype(np.float16)
            for i, (face, variant) in enumerate(jobs):
                yield Seen(face, variant, features.embedding[i], float(robust[i]), low[i])


def picture(face: Face, variant: int, seed: int, degradation: degrade.Degradation) -> Picture:
    """Read a face, 112x112 BGR: the clean middle for variant 0, else the degraded version of that number."""
    clean = faces.read_face(face.path)
    if variant == 0:
        return faces.centre(clean)
    return degrade.degrade(clean, degradation, degrade.generator(seed, face.key, variant))


def robustness(features: Features, teacher: Teacher, recipe: Recipe) -> NDArray[np.float32]:
    """S_r of a batch: the last layer on every mask of the values before it."""
    count, width = recipe.masks.shape
    dropped = (features.cut[:, None, :] * recipe.masks).reshape(-1, width)
    embedded = teacher.embed_cut(dropped)
    if recipe.normalise:
        embedded = formulas.unit_rows(embedded)
    return formulas.robustness(embedded.reshape(len(features.cut), count, -1))
