"""Runs `facesieve replay` on a recording."""

import subprocess
from pathlib import Path
from typing import Any

import yaml

from facesieve_training.cli import DataError
from facesieve_training.run import write_atomic
from facesieve_training.visits import events
from facesieve_training.visits.events import Face


def write_settings(path: Path, base: Path | None, **quality: Any) -> Path:
    """Write a configuration of the program: the given or the default one, with changes below `quality`."""
    tree = {} if base is None else yaml.safe_load(base.read_text(encoding="utf-8")) or {}
    tree["quality"] = {**(tree.get("quality") or {}), **quality}
    tree["cameras"] = [{"name": "replay", "url": "replay.mp4"}]
    write_atomic(path, yaml.safe_dump(tree, sort_keys=False))
    return path


def replay(program: Path, settings: Path, video: Path, out: Path, limit: float) -> list[Face]:
    """Replay a recording into a directory and return its events. It may take limit seconds."""
    paths = ["--config", settings.resolve(), "--out", out.resolve(), video.resolve()]
    command = [str(program.resolve()), "replay", *map(str, paths)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)  # noqa: S603
    except OSError as error:
        raise DataError(f"{program}: cannot be run: {error.strerror}; build it (make build)") from error
    except subprocess.TimeoutExpired as error:
        raise DataError(f"{video}: replay takes longer than {limit:g} s") from error
    if done.returncode:
        raise DataError(f"{video}: replay ended with status {done.returncode}: {done.stderr.strip()[-500:]}")
    return events.read(out / "events.jsonl")
