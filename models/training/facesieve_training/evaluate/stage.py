"""The stage `evaluate`: embeds faces with a matcher and evaluates any number of quality scores on them."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from tqdm import tqdm

from facesieve_training.cli import DataError
from facesieve_training.distribute import Distribute
from facesieve_training.evaluate import figures, pairs, report, tables
from facesieve_training.evaluate.cached import Cache
from facesieve_training.evaluate.evaluator import Comparisons, Evaluator, Rules, similarities
from facesieve_training.evaluate.gallery import Gallery, file_digest, open_gallery
from facesieve_training.evaluate.network import Embedder, Embeddings, Network
from facesieve_training.evaluate.results import Result, Results
from facesieve_training.evaluate.scorers.base import Scorer
from facesieve_training.evaluate.scorers.registry import ScoreConfig, build, default_scores
from facesieve_training.evaluate.templates import Templates
from facesieve_training.run import Run, write_atomic
from facesieve_training.teacher.source import TeacherSource

log = logging.getLogger(__name__)

# Independent streams of random numbers.
_PAIRS, _DRAWS = 1, 2


@dataclass(frozen=True)
class Config:
    """Configuration of the stage."""

    faces: Path
    """Faces to evaluate: a directory of aligned images for each identity, or the shards of `prepare`."""
    matcher: Network
    """Recognition network that compares them; must not be the teacher."""
    scores: list[ScoreConfig] = field(default_factory=default_scores)
    """Scores to evaluate; differences are relative to the first."""
    teacher: TeacherSource | None = None
    """Teacher of the scores that need one."""
    seed: int = 1
    limit: int | None = None
    """Number of identities, the first ones; null for all."""
    title: str = "Error versus discard"
    pairs: Literal["all", "protocol"] | None = None
    """all: every mated pair and a sample of the others; protocol: the set's own (.bin, IJB-C's of templates,
    CFP, LFW). Default: all; protocol for a .bin, where a person has several names, and for IJB-C."""
    cap: int = 200
    """Largest number of mated pairs of an identity; more are sampled at random."""
    nonmated: int = 1_000_000
    """Non-mated pairs, drawn at random."""
    rules: Rules = field(default_factory=Rules)
    images: int = 14
    """Faces in each strip of the report; 0 omits the images."""
    cache: Path | None = None
    """Directory of embeddings and scores, which runs may share; null stores them in the run's directory."""
    distribute: Distribute = field(default_factory=Distribute)

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        faults = []
        for i, score in enumerate(self.scores):
            if score.needs_teacher() and self.teacher is None:
                faults.append(f"scores[{i}]: {score.kind} needs the key teacher")
        if not self.scores:
            faults.append("scores: needs at least one")
        for name in ("cap", "nonmated"):
            if getattr(self, name) < 1:
                faults.append(f"{name}: must be 1 or more, not {getattr(self, name)}")
        return faults


def run(config: Config, run: Run) -> None:
    """Write scores.parquet, table.csv, table.md, curves (PNG, SVG) and report.html to the run's directory."""
    gallery = open_gallery(config.faces, config.limit)
    run.set_data_hash(gallery.digest)
    scorers = _scorers(config)
    cache = Cache(config.cache or run.checkpoint, config.distribute)
    embeddings = cache.every(gallery, Embedder(config.matcher, "matcher"))
    templates = Templates.by(gallery) if _own(gallery, config) else None
    comparisons = compare(gallery, templates, embeddings, config)
    evaluator = Evaluator(comparisons, config.rules, np.random.default_rng([config.seed, _DRAWS]))
    results = Results(gallery, templates, comparisons, evaluator.thresholds, config.rules, [])
    for scorer in scorers:
        quality = scorer.scores(gallery, cache)
        results.rows.append(Result(scorer.name, scorer.about, quality, []))
    if run.resumed:
        run.rewind(-1)
    for i, result in enumerate(tqdm(results.rows, desc="evaluate", unit="score", disable=None)):
        result.curves.extend(evaluator.curves(results.compared(result)))
        for curve in result.curves:
            run.log(i, score=result.name, convention=curve.convention, fmr=curve.fmr, pauc=curve.area)
    _write(config, run, results)


def _scorers(config: Config) -> list[Scorer]:
    teacher = config.teacher.as_onnx() if config.teacher else None
    if teacher is not None and file_digest(teacher.onnx) == file_digest(config.matcher.file):
        raise DataError(
            f"{config.matcher.file}: is the teacher too, which would evaluate itself; give another matcher"
        )
    scorers = [build(score, teacher, config.seed) for score in config.scores]
    names = [scorer.name for scorer in scorers]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(f"scores: {', '.join(repeated)} named more than once; give each a different name")
    for scorer in scorers:
        scorer.digest()  # raises DataError for a missing file before the long part
    return scorers


def compare(
    gallery: Gallery, templates: Templates | None, embeddings: Embeddings, config: Config
) -> Comparisons:
    """Draw the pairs and compare them; those of a protocol are of templates where the set has them."""
    mated, nonmated = _pairs(gallery, templates, config)
    if not len(mated) or not len(nonmated):
        raise DataError(
            f"{config.faces}: gives {len(mated)} mated and {len(nonmated)} non-mated pairs; at least two "
            "people, and one of them with two images, are needed"
        )
    log.info("%d mated and %d non-mated pairs of %d faces", len(mated), len(nonmated), len(gallery))
    try:
        features = templates.features(embeddings) if templates else embeddings
        return Comparisons(
            templates.identity if templates else gallery.identity,
            mated,
            nonmated,
            similarities(features, mated),
            similarities(features, nonmated),
        )
    except ValueError as error:
        raise DataError(f"{config.matcher.file}: {error}; check its input (color, mean, std)") from error


def _own(gallery: Gallery, config: Config) -> bool:
    """Whether the set's own pairs are compared."""
    return config.pairs == "protocol" or (config.pairs is None and gallery.only_pairs())


def _pairs(gallery: Gallery, templates: Templates | None, config: Config) -> tuple[pairs.Pairs, pairs.Pairs]:
    if not _own(gallery, config):
        rng = np.random.default_rng([config.seed, _PAIRS])
        mated = pairs.mated_pairs(gallery.identity, config.cap, rng)
        return mated, pairs.nonmated_pairs(gallery.identity, config.nonmated, rng)
    table = gallery.protocol()
    if table is None:
        raise DataError(f"{config.faces}: has no pairs of its own; use pairs: all")
    found = pairs.protocol_pairs(templates.names if templates else gallery.keys, table)
    if found.lost:
        what = "template without a face" if templates else "face that is not in the set"
        log.warning("%d of %d pairs are left out: they have a %s", found.lost, len(table), what)
    return found.mated, found.nonmated


def _write(config: Config, run: Run, results: Results) -> None:
    table = pd.DataFrame({"key": results.gallery.keys, "identity": results.gallery.people})
    for result in results.rows:
        table[result.name] = result.quality
    write_atomic(run.dir / "scores.parquet", table.to_parquet(index=False))
    write_atomic(run.dir / "table.csv", tables.csv(results))
    write_atomic(run.dir / "table.md", tables.markdown(results))
    drawn = figures.draw(results)
    for name, figure in drawn.items():
        write_atomic(run.dir / f"{name}.png", figure.png)
        write_atomic(run.dir / f"{name}.svg", figure.svg)
    write_atomic(run.dir / "report.html", report.page(config.title, config.images, run, results, drawn))
    best = min(results.rows, key=lambda row: row.main.area if np.isfinite(row.main.area) else np.inf)
    run.finish(best=best.name, pauc=best.main.area)
    log.info("%s has the lowest pAUC, %.3f; see %s", best.name, best.main.area, run.dir / "report.html")
