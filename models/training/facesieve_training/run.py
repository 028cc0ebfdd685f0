"""A run's directory: resolved configuration, provenance, metrics, checkpoint; safe to kill at any moment.

config.yaml   the configuration with all defaults and overrides
meta.json     stage, seed, commit, data hash, versions, command, start, and "finished" when complete
metrics.csv   one row per logged step
checkpoint/   the stage's state for resuming
"""

import contextlib
import csv
import datetime
import io
import json
import math
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, BinaryIO

import yaml

from facesieve_training import config as configuration

_PACKAGES = (
    "facesieve-training",
    "numpy",
    "keras",
    "tensorflow-cpu",
    "tensorflow",
    "onnxruntime",
    "opencv-python-headless",
)


class RunError(RuntimeError):
    """A run's directory cannot be used as requested."""


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
    """Open a file that replaces `path` at the end of the block, and is deleted if the block fails.

    A reader, or a kill at any moment, finds either the old or the new file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_atomic(path: Path, data: bytes | str) -> None:
    """Write a file atomically, see `atomic`."""
    with atomic(path) as file:
        file.write(data.encode() if isinstance(data, str) else data)


def json_text(tree: Any) -> str:
    """Indented JSON; a figure without a value (NaN, infinity) is null, because JSON has no such numbers."""
    return json.dumps(_finite(tree), indent=2, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Run:
    """One execution of a stage in a directory; create with `Run.open`."""

    def __init__(self, directory: Path, meta: dict[str, Any], resumed: bool) -> None:
        self.dir = directory
        self.meta = meta
        self.resumed = resumed
        self._rows: list[dict[str, str]] = self._read_metrics() if resumed else []
        self._columns: list[str] = list(self._rows[0]) if self._rows else []

    @classmethod
    def open(cls, directory: Path, stage: str, config: Any, resume: bool) -> "Run":
        """Start a run in an unused directory, or resume the unfinished one in it when resume is set.

        A directory whose run failed before it wrote a result counts as unused. Raises RunError when the
        directory holds a run and resume is not set, when there is no run to resume, and when the
        configuration differs from that of the run: the result would belong to neither.
        """
        config_file = directory / "config.yaml"
        begun = config_file.exists() and _has_results(directory)
        if resume and not config_file.exists():
            raise RunError(f"{directory} holds no run to resume; start it without --resume")
        if resume and begun:
            cls._check_same(config_file, config)
            meta = json.loads((directory / "meta.json").read_text(encoding="utf-8"))
            return cls(directory, meta, True)
        if begun:
            raise RunError(
                f"{directory} already holds a run; resume it (--resume) or choose another directory (--run)"
            )
        directory.mkdir(parents=True, exist_ok=True)
        run = cls(directory, _provenance(stage, config), False)
        run.save_meta()
        write_atomic(config_file, configuration.dump(config))
        return run

    @staticmethod
    def _check_same(config_file: Path, config: Any) -> None:
        old, new = yaml.safe_load(config_file.read_text(encoding="utf-8")), configuration.plain(config)
        different = sorted(_differences(old, new, ""))
        if different:
            raise RunError(
                f"{config_file.parent} was started with other values; differing: {', '.join(different)}"
            )

    @property
    def checkpoint(self) -> Path:
        """Directory for the stage's checkpoint, created on first access."""
        path = self.dir / "checkpoint"
        path.mkdir(exist_ok=True)
        return path

    def set_data_hash(self, digest: str) -> None:
        """Record which data the run uses; resuming with other data is an error."""
        before = self.meta.get("data_hash")
        if before not in (None, digest):
            raise RunError(
                f"{self.dir} was started with other data (hash {before}, now {digest}); start a new run"
            )
        self.meta["data_hash"] = digest
        self.save_meta()

    def save_meta(self, **values: Any) -> None:
        """Write meta.json, with values added to it."""
        self.meta.update(values)
        write_atomic(self.dir / "meta.json", json_text(self.meta))

    def finish(self, **values: Any) -> None:
        """Record that the run is complete, with its closing figures."""
        self.save_meta(**values, finished=_now())

    def log(self, step: int, **values: float | int | str) -> None:
        """Append a row to metrics.csv; new names become new columns."""
        row = {"step": str(step), **{name: _text(value) for name, value in values.items()}}
        self._rows.append(row)
        missing = [name for name in row if name not in self._columns]
        if missing:
            self._columns += missing
            self._write_metrics()
            return
        with (self.dir / "metrics.csv").open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self._columns).writerow(row)

    def rewind(self, step: int) -> None:
        """Delete the rows after this step, which a resumed stage writes again."""
        self._rows = [row for row in self._rows if int(row["step"]) <= step]
        if self._columns:
            self._write_metrics()

    def _read_metrics(self) -> list[dict[str, str]]:
        path = self.dir / "metrics.csv"
        if not path.exists():
            return []
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        # A kill may have truncated the last row; all others are complete.
        return [row for row in rows if None not in row.values() and row["step"].isdecimal()]

    def _write_metrics(self) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, self._columns)
        writer.writeheader()
        writer.writerows(self._rows)
        write_atomic(self.dir / "metrics.csv", text.getvalue())


def _has_results(directory: Path) -> bool:
    """Whether a run's directory holds more than what `Run.open` writes, or the run is finished."""
    if '"finished"' in (directory / "meta.json").read_text(encoding="utf-8"):
        return True
    others = [
        p for p in directory.iterdir() if p.name not in ("config.yaml", "meta.json") and p.name[0] != "."
    ]
    return any(path.is_file() or any(path.iterdir()) for path in others)


def _differences(old: Any, new: Any, where: str) -> Iterable[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            yield from _differences(old.get(key), new.get(key), f"{where}.{key}" if where else str(key))
    elif old != new:
        yield where


def _provenance(stage: str, config: Any) -> dict[str, Any]:
    return {
        "stage": stage,
        "seed": getattr(config, "seed", None),
        "commit": _commit(),
        "data_hash": None,
        "command": shlex.join(["facesieve-train", *sys.argv[1:]]),
        "versions": {"python": platform.python_version(), **_versions()},
        "started": _now(),
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _commit() -> str | None:
    """Commit of the running source, with -dirty when tracked files differ; None outside a repository."""
    here = Path(__file__).parent
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],  # noqa: S607
            cwd=here, capture_output=True, text=True, check=True, timeout=30,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip()


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _text(value: float | int | str) -> str:
    return f"{value:.7g}" if isinstance(value, float) else str(value)
