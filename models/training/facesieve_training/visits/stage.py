"""The stage `visits`: counts the program's visits on recordings with a truth, recorded and generated ones."""

import fnmatch
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tqdm import tqdm

from facesieve_training.cli import DataError
from facesieve_training.evaluate.network import Network, Runner, session
from facesieve_training.run import Run, json_text, write_atomic
from facesieve_training.visits import catalogue, generate, metrics, program, report, truth
from facesieve_training.visits.events import assign
from facesieve_training.visits.generate import Cast
from facesieve_training.visits.metrics import Assigned
from facesieve_training.visits.regret import Embed, Measure
from facesieve_training.visits.report import Result
from facesieve_training.visits.scenario import Scenario

Group = Literal["recorded", "generated", "held_out"]


@dataclass(frozen=True)
class Config:
    """Configuration of the stage."""

    matcher: Network
    """Network for the choice of photographs and for the regret. It must not be the program's teacher."""
    program: Path = Path("../../bin/facesieve")
    settings: Path | None = None
    """Configuration of the program; null: its default. Its cameras are not used."""
    groups: list[Group] = field(default_factory=lambda: ["recorded", "generated", "held_out"])
    """Nothing is tuned on held_out."""
    only: list[str] = field(default_factory=lambda: ["*"])
    """Patterns of the names of recordings."""
    videos: Path = Path("data/videos")
    truth: Path = Path("facesieve_training/visits/truth")
    faces: Path = Path("data/faces/lfw")
    """Photographs by person, aligned, 128x128, of which recordings are generated."""
    room: Path = Path("data/videos/empty_room.mp4")
    """Recording whose first frame is the background of generated ones."""
    cache: Path = Path("runs/visits-recordings")
    """Generated recordings with their truth files; delete it when the matcher, which chooses photographs, is
    another.
    """
    regret: bool = True
    """Measure the best-shot regret."""
    rejoin: float = 60.0
    """A person who was away for more than this many seconds has to be sent again."""
    workers: int = 1
    """Recordings side by side."""
    limit: float = 600.0
    """Longest time of one replay, seconds."""

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        found = [] if self.workers > 0 else [f"workers: {self.workers} is less than 1"]
        return found if self.rejoin >= 0 else [*found, f"rejoin: {self.rejoin} is negative"]


@dataclass(frozen=True)
class Recording:
    """A video with its truth file."""

    video: Path
    truth: Path
    group: Group


def run(config: Config, run: Run) -> None:
    """Print the table; write results.json, table.md and the program's output on each recording."""
    embed = _embedder(config.matcher)
    examiner = _Examiner(config, run.dir, embed)
    with ThreadPoolExecutor(config.workers) as pool:
        recordings = [*_recorded(config), *_generated(config, embed, pool)]
        if not recordings:
            raise DataError(f"only: no recording is named {', '.join(config.only)}")
        done = pool.map(examiner, recordings)
        results = list(tqdm(done, total=len(recordings), desc="replaying", unit="recording", disable=None))
    text, totals = report.table(results), report.totals(results)
    everything = {"totals": totals, "recordings": [result.plain() for result in results]}
    write_atomic(run.dir / "results.json", json_text(everything))
    write_atomic(run.dir / "table.md", text)
    sys.stdout.write(text)
    run.finish(totals=totals)


def _recorded(config: Config) -> list[Recording]:
    if "recorded" not in config.groups:
        return []
    paths = sorted(path for path in config.truth.glob("*.json") if _chosen(path.stem, config))
    return [Recording(config.videos / f"{path.stem}.mp4", path, "recorded") for path in paths]


def _generated(config: Config, embed: Embed, pool: ThreadPoolExecutor) -> list[Recording]:
    """Render the generated recordings that the cache lacks."""
    catalogues: list[tuple[Group, list[Scenario]]] = [
        ("generated", catalogue.generated()),
        ("held_out", catalogue.held_out()),
    ]
    chosen = [
        (group, scenario)
        for group, scenarios in catalogues
        for scenario in scenarios
        if group in config.groups and _chosen(scenario.name, config)
    ]
    if not chosen:
        return []
    cast, room = Cast(config.faces, embed), generate.background(config.room)

    def render(which: tuple[Group, Scenario]) -> Recording:
        group, scenario = which
        video, truth_file = generate.generate(scenario, cast, group == "held_out", room, config.cache)
        return Recording(video, truth_file, group)

    made = pool.map(render, chosen)
    return list(tqdm(made, total=len(chosen), desc="rendering", unit="recording", disable=None))


def _chosen(name: str, config: Config) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in config.only)


class _Examiner:
    """Measures one recording after the other; safe for threads."""

    def __init__(self, config: Config, directory: Path, embed: Embed) -> None:
        self._config, self._directory = config, directory
        self._default = program.write_settings(directory / "default.yaml", config.settings)
        self._all = program.write_settings(directory / "all.yaml", config.settings, policy="all")
        self._measure = Measure(embed, config.faces) if config.regret else None

    def __call__(self, recording: Recording) -> Result:
        """Replay the recording, unless an interrupted run has measured it."""
        name = recording.video.stem
        saved = self._directory / name / "result.json"
        if saved.exists():
            return report.read(json.loads(saved.read_text(encoding="utf-8")))
        people = truth.load(recording.truth)
        sent = self._replay(recording, self._default, "best", people)
        candidates = self._replay(recording, self._all, "all", people)
        counts, notes = metrics.count(people, sent, candidates, self._config.rejoin)
        shots = self._measure.shots(people, sent, candidates) if self._measure else []
        result = Result(name, recording.group, counts, notes, shots)
        write_atomic(saved, json_text(result.plain()))
        return result

    def _replay(self, recording: Recording, settings: Path, kind: str, people: truth.Truth) -> Assigned:
        out = self._directory / recording.video.stem / kind
        faces = program.replay(self._config.program, settings, recording.video, out, self._config.limit)
        return Assigned(faces, assign(faces, people))


def _embedder(matcher: Network) -> Embed:
    network = Runner(session(matcher.file))
    return lambda images: network(matcher.prepared(images))
