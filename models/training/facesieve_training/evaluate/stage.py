"""The stage `evaluate`: compares faces by matchers and evaluates any number of quality scores on them.

One set and one matcher make a column, whose tables, curves and report are in the run's directory. With
several of either, each column has a directory of its own in it, and the run's report has the mean over all
columns.
"""

import hashlib
import logging
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from facesieve_training.cli import DataError
from facesieve_training.distribute import Distribute
from facesieve_training.evaluate import figures, report, tables
from facesieve_training.evaluate.cached import Cache
from facesieve_training.evaluate.edc import Floats
from facesieve_training.evaluate.evaluator import Evaluator, Rules
from facesieve_training.evaluate.gallery import file_digest
from facesieve_training.evaluate.network import Embedder, Network
from facesieve_training.evaluate.results import Result, Results
from facesieve_training.evaluate.scorers.base import Scorer
from facesieve_training.evaluate.scorers.registry import ScoreConfig, build, default_scores
from facesieve_training.evaluate.sets import Drawn, EvaluationSet, Kind
from facesieve_training.run import Run, write_atomic
from facesieve_training.teacher.source import TeacherSource

log = logging.getLogger(__name__)

# Independent streams of random numbers.
_PAIRS, _DRAWS = 1, 2


@dataclass(frozen=True)
class Config:
    """Configuration of the stage."""

    faces: Path | None = None
    """Faces to evaluate: a directory of aligned images for each identity, or the shards of `prepare`."""
    matcher: Network | None = None
    """Recognition network that compares them; must not be the teacher."""
    sets: list[EvaluationSet] = field(default_factory=list)
    """Several sets, instead of `faces`."""
    matchers: list[Network] = field(default_factory=list)
    """Several matchers, instead of `matcher`."""
    scores: list[ScoreConfig] = field(default_factory=default_scores)
    """Scores to evaluate; differences are relative to the first."""
    teacher: TeacherSource | None = None
    """Teacher of the scores that need one."""
    seed: int = 1
    limit: int | None = None
    """Number of identities of `faces`, the first ones; null for all."""
    title: str = "Error versus discard"
    pairs: Kind | None = None
    """Pairs of `faces`: all or protocol, as of a set."""
    cap: int = 200
    """Largest number of mated pairs of an identity; more are sampled at random."""
    nonmated: int = 1_000_000
    """Non-mated pairs of a set, drawn at random."""
    rules: Rules = field(default_factory=Rules)
    images: int = 14
    """Faces in each strip of the report; 0 omits the images."""
    cache: Path | None = None
    """Directory of embeddings and scores, which runs may share; null stores them in the run's directory."""
    distribute: Distribute = field(default_factory=Distribute)

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        faults = []
        for one, several in (("faces", "sets"), ("matcher", "matchers")):
            if (getattr(self, one) is None) == (not getattr(self, several)):
                faults.append(f"{one}: is required, or {several} instead of it")
        for i, score in enumerate(self.scores):
            if score.needs_teacher() and self.teacher is None:
                faults.append(f"scores[{i}]: {score.kind} needs the key teacher")
        if not self.scores:
            faults.append("scores: needs at least one")
        for name in ("cap", "nonmated"):
            if getattr(self, name) < 1:
                faults.append(f"{name}: must be 1 or more, not {getattr(self, name)}")
        return faults

    def all_sets(self) -> list[EvaluationSet]:
        """The sets, whether one or several are given."""
        one = [EvaluationSet(self.faces, None, self.limit, self.pairs)] if self.faces else []
        return one or self.sets

    def all_matchers(self) -> list[Network]:
        """The matchers, whether one or several are given."""
        return [self.matcher] if self.matcher else self.matchers


def run(config: Config, run: Run) -> None:
    """Write scores.parquet, table.csv, table.md, curves (PNG, SVG) and report.html of every column."""
    drawn = [Drawn.of(one, config.cap, config.nonmated, [config.seed, _PAIRS]) for one in config.all_sets()]
    run.set_data_hash(_digest([one.gallery.digest for one in drawn]))
    matchers = config.all_matchers()
    _check_names("sets", [one.name for one in drawn])
    _check_names("matchers", [matcher.title for matcher in matchers])
    scorers = _scorers(config)
    cache = Cache(config.cache or run.checkpoint, config.distribute)
    if run.resumed:
        run.rewind(-1)
    columns = []
    for number, one in enumerate(drawn):
        qualities = [(scorer, scorer.scores(one.gallery, cache)) for scorer in scorers]
        for matcher in matchers:  # the bootstrap draws the same people for all of them
            rng = np.random.default_rng([config.seed, _DRAWS, *([number] if number else [])])
            columns.append(_column(config, one, matcher, cache, qualities, rng))
    for at, (column, row) in enumerate((c, r) for c in columns for r in c.rows):
        for curve in row.curves:
            where = {} if len(columns) == 1 else {"column": column.name}
            run.log(at, **where, score=row.name, convention=curve.convention, fmr=curve.fmr, pauc=curve.area)
    _write(config, run, columns)


def _digest(digests: list[str]) -> str:
    both = hashlib.sha256(" ".join(digests).encode()).hexdigest()[:16]
    return digests[0] if len(digests) == 1 else both


def _column(
    config: Config,
    drawn: Drawn,
    matcher: Network,
    cache: Cache,
    qualities: list[tuple[Scorer, Floats]],
    rng: np.random.Generator,
) -> Results:
    embeddings = cache.every(drawn.gallery, Embedder(matcher, "matcher"))
    comparisons = drawn.compare(embeddings, matcher)
    evaluator = Evaluator(comparisons, config.rules, rng)
    results = Results(
        drawn.name,
        matcher.title,
        drawn.gallery,
        drawn.templates,
        comparisons,
        evaluator.thresholds,
        config.rules,
        evaluator.best(),
        [],
    )
    for scorer, quality in tqdm(qualities, desc=results.name, unit="score", disable=None):
        row = Result(scorer.name, scorer.about, quality, [])
        row.curves.extend(evaluator.curves(results.compared(row)))
        results.rows.append(row)
    return results


def _scorers(config: Config) -> list[Scorer]:
    teacher = file_digest(config.teacher.as_onnx().onnx) if config.teacher else None
    for matcher in config.all_matchers():
        if teacher and teacher == file_digest(matcher.file):
            raise DataError(
                f"{matcher.file}: is the teacher too, which would evaluate itself; give another matcher"
            )
    scorers = [build(score, config.teacher, config.seed) for score in config.scores]
    _check_names("scores", [scorer.name for scorer in scorers])
    for scorer in scorers:
        scorer.digest()  # raises DataError for a missing file before the long part
    return scorers


def _check_names(key: str, names: list[str]) -> None:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(f"{key}: {', '.join(repeated)} named more than once; give each a different name")


def _write(config: Config, run: Run, columns: list[Results]) -> None:
    several = len(columns) > 1
    for column in columns:
        directory = run.dir / _file_name(column.name) if several else run.dir
        title = f"{config.title}: {column.name}" if several else config.title
        _write_column(directory, title, config.images, run, column)
    if several:
        links = [(column, _file_name(column.name)) for column in columns]
        write_atomic(run.dir / "table.csv", tables.csv(columns))
        write_atomic(run.dir / "curves.csv", tables.curves(columns))
        write_atomic(run.dir / "table.md", tables.means_markdown(columns))
        write_atomic(run.dir / "report.html", report.overview(config.title, run, links))
    lead = report.summary(columns)
    first = columns[0].ranked("fixed", config.rules.fmrs[0])[0]
    run.finish(best=first.name, pauc=first.main.area, summary=lead)
    log.info("%s; see %s", lead, run.dir / "report.html")


def _write_column(directory: Path, title: str, images: int, run: Run, results: Results) -> None:
    table = pd.DataFrame({"key": results.gallery.keys, "identity": results.gallery.people})
    for result in results.rows:
        table[result.name] = result.quality
    write_atomic(directory / "scores.parquet", table.to_parquet(index=False))
    write_atomic(directory / "table.csv", tables.csv([results]))
    write_atomic(directory / "curves.csv", tables.curves([results]))
    write_atomic(directory / "table.md", tables.markdown(results))
    drawn = figures.draw(results)
    for name, figure in drawn.items():
        write_atomic(directory / f"{name}.png", figure.png)
        write_atomic(directory / f"{name}.svg", figure.svg)
    write_atomic(directory / "report.html", report.page(title, images, run, results, drawn))


def _file_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-._" else "_" for c in name.replace(", ", "-"))
