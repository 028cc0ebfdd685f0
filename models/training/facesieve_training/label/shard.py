"""Labels the faces of some identities as a stream: memory holds a few batches and one identity."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from facesieve_training.degrade import Degradation
from facesieve_training.faces import Image
from facesieve_training.label import formulas
from facesieve_training.label.source import Source, image
from facesieve_training.label.table import LIGHTQNET, SHARD
from facesieve_training.teacher.features import Features, Teacher


@dataclass(frozen=True)
class Job:
    """One image to label: a face, clean (variant 0) or its degraded version of that number."""

    identity: str
    name: str
    variant: int


@dataclass(frozen=True)
class ImageFeatures:
    """One image's features before labelling; low is float16 to halve the memory."""

    job: Job
    embedding: NDArray[np.float32]
    robustness: float
    low: NDArray[np.float16]
    lightqnet: float | None = None


@dataclass(frozen=True)
class Recipe:
    """How each face is degraded and labelled."""

    seed: int
    variants: int
    degradation: Degradation
    masks: NDArray[np.float32]
    normalise: bool
    batch: int
    lightqnet: Callable[[Image], float] | None = None
    """The second teacher."""


def label_identities(source: Source, identities: list[str], teacher: Teacher, recipe: Recipe) -> pa.Table:
    """Label every image of these identities."""
    variants = range(recipe.variants + 1)
    jobs = (Job(i, name, v) for i in identities for name in source.names(i) for v in variants)
    return label_stream(_features(jobs, source, teacher, recipe))


def label_stream(features: Iterable[ImageFeatures]) -> pa.Table:
    """Label images that come identity by identity."""
    by_identity = itertools.groupby(features, key=lambda one: one.job.identity)
    pieces = [label_identity(list(group)) for _, group in by_identity]
    return pa.concat_tables(pieces) if pieces else SHARD.empty_table()


def label_identity(features: list[ImageFeatures]) -> pa.Table:
    """Label the images of one identity."""
    clean = np.array([s.job.variant == 0 for s in features])
    names = {name: i for i, name in enumerate(dict.fromkeys(s.job.name for s in features))}
    number = np.array([names[s.job.name] for s in features], np.int64)
    embedding = np.stack([s.embedding for s in features])
    d = formulas.distance([s.low for s in features], clean)
    columns = {
        "identity": [s.job.identity for s in features],
        "file": [s.job.name for s in features],
        "variant": [s.job.variant for s in features],
        "distance": d,
        "visual_printed": formulas.visual_printed(d),
        "visual_identity": formulas.visual_identity(d),
        "robustness": [s.robustness for s in features],
        "agreement": formulas.agreement(embedding, number, clean),
        "norm": np.linalg.norm(embedding, axis=1),
        "embedding": list(embedding.astype(np.float16)),
    }
    table = pa.table(columns, schema=SHARD)
    if features[0].lightqnet is None:
        return table
    return table.append_column(LIGHTQNET, pa.array([s.lightqnet for s in features], LIGHTQNET.type))


def _features(
    jobs: Iterator[Job], source: Source, teacher: Teacher, recipe: Recipe
) -> Iterator[ImageFeatures]:
    """Run the teacher batch by batch, reading the next batches meanwhile."""

    def prepare(some: list[Job]) -> Image:
        made = [image(source, j.identity, j.name, j.variant, recipe.degradation, recipe.seed) for j in some]
        return np.stack(made)

    chunks = iter(lambda: list(itertools.islice(jobs, recipe.batch)), [])
    with ThreadPoolExecutor(1) as pool:
        ahead = [(some, pool.submit(prepare, some)) for some in itertools.islice(chunks, 2)]
        while ahead:
            some, coming = ahead.pop(0)
            images = coming.result()
            features = teacher(images)
            ahead += [(later, pool.submit(prepare, later)) for later in itertools.islice(chunks, 1)]
            robust = robustness(features, teacher, recipe)
            low = features.low.astype(np.float16)
            for i, job in enumerate(some):
                second = recipe.lightqnet(images[i]) if recipe.lightqnet else None
                yield ImageFeatures(job, features.embedding[i], float(robust[i]), low[i], second)


def robustness(features: Features, teacher: Teacher, recipe: Recipe) -> NDArray[np.float32]:
    """S_r of a batch: the last layer on every mask of the values before it."""
    count, width = recipe.masks.shape
    dropped = (features.cut[:, None, :] * recipe.masks).reshape(-1, width)
    embedded = teacher.embed_cut(dropped)
    if recipe.normalise:
        embedded = formulas.unit_rows(embedded)
    return formulas.robustness(embedded.reshape(len(features.cut), count, -1))
