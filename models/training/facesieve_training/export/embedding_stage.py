"""The stage `embedding`: adds the embedding to an exported student; its other outputs keep every bit.

The stage `export` does the same for a new student. Both choose the thresholds on the people that the
student's run held out; this one makes their images again and needs no run of the stage `label`.
"""

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facesieve_training import faces
from facesieve_training.config import load, plain
from facesieve_training.degrade import Degradation
from facesieve_training.evaluate.gallery import open_gallery
from facesieve_training.export import embedding, held_out, manifest, quality, similarity, weighting
from facesieve_training.export.embedding import Embedding
from facesieve_training.export.scorer import Scorer
from facesieve_training.label.source import image, open_source
from facesieve_training.networks.int8 import Int8Network
from facesieve_training.run import Run, write_atomic
from facesieve_training.student import data, initial, network
from facesieve_training.student.stage import Config as StudentRunConfig
from facesieve_training.teacher.verify import Verifier, Verify

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Config:
    """Configuration of the stage."""

    network: Path
    """The exported student, with its manifest beside it."""
    weights: Path
    """The same student in floating point (.weights.h5). The layers of its labels may differ."""
    faces: Path
    """The faces of the stage label."""
    student: Path = Path("configs/student.yaml")
    """Configuration of the stage student, for its architecture and the held-out people."""
    variants: int = 3
    """Degraded versions of each image; as in the stage label, and the two keys below."""
    degradation: Degradation = field(default_factory=Degradation)
    seed: int = 1
    embedding: Embedding = field(default_factory=Embedding)
    representative: int = 2000
    """Training images, clean and degraded, for the scale of each value."""
    verify: Verify | None = None
    """Pairs of other people, on which accuracy and the thresholds are tested; null omits it."""


def run(config: Config, run: Run) -> None:
    """Write the network, its manifest and embedding.md into the run's directory."""
    student = load(config.student, StudentRunConfig)
    before = Scorer(config.network)
    tree = json.loads(config.network.with_suffix(".json").read_text(encoding="utf-8"))
    exposed = embedding.expose(config.network.read_bytes())
    source = Versions(config)
    run.set_data_hash(source.hash)
    test = source.held_out(student.held_out, student.seed)
    chosen = np.random.default_rng([config.seed, 4]).permutation(np.flatnonzero(~test))
    representative = source[np.sort(chosen[: config.representative])]
    model = network.build(student.student, _features(exposed))
    initial.load_same(model, config.weights)
    model = network.inference(model, student.student)
    scale = embedding.scale_of(exposed, model, representative)
    rows = np.flatnonzero(test)
    score, values = _score(exposed, before.quality, source, rows)
    compared = similarity.Faces(source.identity[rows], source.photo[rows], score, values * scale)
    log.info("%d faces of held-out people are embedded", len(rows))
    head, text = embedding.measure(exposed, scale, compared, config.embedding)
    figures: dict[str, float] = {}
    if config.verify:
        log.info("thresholds are chosen; testing them on %s", config.verify.faces)
        figures, tested = _verify(config.verify, exposed, before.quality, model, scale, head)
        text += tested
    write_atomic(run.dir / "embedding.md", text)
    quality.write_added(
        run.dir / config.network.name, exposed, tree, head.output, embedding.NAME, plain(head), figures
    )
    run.rewind(-1)
    run.log(0, **figures)
    run.finish(**figures)


class Versions:
    """The images of the label table, made again: each face clean and in its degraded versions."""

    def __init__(self, config: Config) -> None:
        """List the faces, without reading them."""
        self._source = open_source(config.faces)
        self._config, self._pool = config, ThreadPoolExecutor(2)
        self.hash = self._source.hash()
        """Digest of the faces."""
        photos = [(k, n) for k, who in enumerate(self._source.identities) for n in self._source.names(who)]
        self._names = [name for _, name in photos]
        versions = config.variants + 1
        self.identity = np.repeat([k for k, _ in photos], versions).astype(np.int64)
        self.photo = np.repeat(np.arange(len(photos)), versions)
        self._variant = np.tile(np.arange(versions), len(photos))

    def held_out(self, share: float, seed: int) -> NDArray[np.bool_]:
        """Rows of the held-out people."""
        kept = [data.is_held_out(name, share, seed) for name in self._source.identities]
        return np.array(kept)[self.identity]

    def __getitem__(self, rows: NDArray[np.int64]) -> faces.Image:
        """Make N x 112 x 112 x 3 images, BGR."""
        return np.stack(list(self._pool.map(self._make, rows.tolist())))

    def _make(self, row: int) -> faces.Image:
        who, name = self._source.identities[self.identity[row]], self._names[self.photo[row]]
        c = self._config
        return image(self._source, who, name, int(self._variant[row]), c.degradation, c.seed)


def _features(exposed: bytes) -> int:
    shape = Int8Network(exposed).outputs()[embedding.output_of(exposed)]["shape"]
    return int(shape[-1])


def _score(
    exposed: bytes, described: manifest.Quality, images: data.Rows, rows: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Scores and embeddings' values of some images, with the int8 network."""
    count = len(described.labels)
    labels, others = held_out.int8_outputs(Int8Network(exposed), images, rows, count)
    values = embedding.among(exposed, others, count)
    raw = weighting.raw(labels, {label.name: label.weight for label in described.labels})
    return np.interp(raw, described.calibration.raw, described.calibration.score), values


def _verify(
    config: Verify, exposed: bytes, described: manifest.Quality, model: Any,
    scale: NDArray[np.float64], head: manifest.Embedding,
) -> tuple[dict[str, float], str]:  # fmt: skip
    """Accuracy of int8 and float network on the pairs, and the rates of the thresholds on all faces."""
    int8 = Int8Network(exposed)

    def embed(some: faces.Image) -> NDArray[np.float32]:
        values = np.array([int8.run(face)[head.output].ravel() for face in some])
        return np.asarray(values * scale, np.float32)

    verifier = Verifier(config)
    figures: dict[str, float] = {}
    for name, function in (("int8", embed), ("float", quality.embedder(model))):
        figures |= {f"{key}_{name}": round(v, 5) for key, v in verifier(function).items()}
    gallery = open_gallery(config.faces)
    score, values = _score(exposed, described, _Aligned(gallery), np.arange(len(gallery)))
    good = score >= head.thresholds[0].min_score
    tested = similarity.Faces(
        gallery.identity[good], np.arange(len(gallery))[good], score[good], (values * scale)[good]
    )
    starts = [some.min_score for some in head.thresholds]
    given = [(some.fmr_1e3, some.fmr_1e4) for some in head.thresholds]
    bands = similarity.bands(tested, starts, embedding.FMRS, given)
    text = "\n| figure | value |\n| --- | --- |\n"
    text += "".join(f"| {name} | {value} |\n" for name, value in figures.items())
    title = f"The same thresholds on {len(gallery)} faces of {len(gallery.names)} people of {config.faces}"
    return figures, f"{text}\n{embedding.markdown(bands, title)}"


class _Aligned:
    """The aligned faces of a gallery."""

    def __init__(self, gallery: Any) -> None:
        self._gallery = gallery

    def __getitem__(self, rows: NDArray[np.int64]) -> faces.Image:
        return np.asarray(self._gallery.read(rows).aligned)
