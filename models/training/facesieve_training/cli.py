"""The command `facesieve-train STAGE --config FILE`: configuration in, one stage run in its directory."""

import argparse
import errno
import importlib
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from facesieve_training.config import ConfigError, describe, load
from facesieve_training.quiet import without_notes
from facesieve_training.run import Run, RunError

STAGES = {
    "prepare": "facesieve_training.prepare.stage",
    "teacher": "facesieve_training.teacher.stage",
    "label": "facesieve_training.label.stage",
    "student": "facesieve_training.student.stage",
    "export": "facesieve_training.export.stage",
    "embedding": "facesieve_training.export.embedding_stage",
    "pose": "facesieve_training.pose.stage",
    "evaluate": "facesieve_training.evaluate.stage",
    "detector": "facesieve_training.detector.stage",
    "landmarks": "facesieve_training.detector.landmarks.stage",
    "compare": "facesieve_training.detector.compare.stage",
    "visits": "facesieve_training.visits.stage",
    "feedback": "facesieve_training.feedback.stage",
}
"""Module of each stage, imported when it is run: most of them load TensorFlow."""

_RESULTS = {
    "prepare": (
        "the faces, report.md, rejected.csv and faces.jpg",
        "label --config configs/label.yaml --set faces={run} --set 'teacher={{run: TEACHER}}'",
    ),
    "teacher": (
        "metrics.csv and the teacher",
        "label --config configs/label.yaml --set faces=FACES --set 'teacher={{run: {run}}}'",
    ),
    "label": (
        "labels.parquet, metrics.csv and sheet_*.png; look at the sheets",
        "student --config configs/student.yaml --set labels={run}",
    ),
    "student": (
        "student.weights.h5 and metrics.csv",
        "export --config configs/export.yaml --set student={run} --set matcher.file=MATCHER --set name=NAME",
    ),
    "export": (
        "the network, its manifest, parity.md and fnmr.png",
        "evaluate --config configs/evaluate_lfw.yaml --set faces=FACES --set matcher.file=MATCHER "
        "--set 'scores=[{{kind: student, file: {run}/quality.tflite}}]'",
    ),
    "embedding": ("the network, its manifest and embedding.md", ""),
    "pose": ("the network, its manifest, pose.md and views.png; look at the views", ""),
    "evaluate": ("report.html, table.md and the curves", ""),
    "detector": (
        "detector.tflite, its manifest, detector.md and the weights",
        "compare --config configs/compare.yaml --set 'peers=[{{name: mine, file: {run}/detector.tflite}}, "
        "{{name: shipped, file: ../detector.tflite}}]'",
    ),
    "landmarks": ("landmarks.tflite, its manifest and the weights", ""),
    "compare": ("report.html, figures.json and contact sheets", ""),
    "visits": ("table.md, results.json and the program's output", ""),
    "feedback": ("CAMERA.csv for each camera", ""),
}
"""Results of a stage in its run's directory, and the command that usually follows."""

COMMANDS = {"score": "facesieve_training.score.command", "paper": "facesieve_training.paper.command"}
"""Module of each command with its own arguments: `main(arguments) -> int`."""

# Errors of the system when the disk is full.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DataError(ValueError):
    """The data given to a stage are unusable; the text names the file or directory, the fault and the fix."""


class Stage(Protocol):
    """Interface of a stage's module."""

    Config: type[Any]

    def run(self, config: Any, run: Run) -> None:
        """Run the stage; results are written to run.dir."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its status: 0, 1 for a failed stage, 2 for wrong usage or configuration."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] in COMMANDS:
        return int(importlib.import_module(COMMANDS[given[0]]).main(given[1:]))
    options = _parser().parse_args(given)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("absl").setLevel(logging.ERROR)  # TensorFlow's converter warns about its own calls
    try:
        stage = _stage(options.stage)
        config = load(options.config, stage.Config, options.set)
        directory = options.run or Path("runs") / (
            options.config[-1].stem if options.config else options.stage
        )
        run = Run.open(directory, options.stage, config, options.resume)
    except (ConfigError, RunError) as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(
            f"{directory}: cannot be the run's directory: {error.strerror}; choose another (--run)",
            file=sys.stderr,
        )
        return 2
    try:
        stage.run(config, run)
    except (ConfigError, DataError, RunError) as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno not in _FULL:
            raise
        detail = f"{error.strerror}; free disk space and resume with --run {run.dir} --resume"
        print(f"{error.filename or run.dir}: {detail}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"interrupted; resume with --run {run.dir} --resume", file=sys.stderr)
        return 130
    print(_closing(options.stage, run.dir), file=sys.stderr)
    return 0


def _stage(name: str) -> Stage:
    with without_notes():
        return cast(Stage, importlib.import_module(STAGES[name]))


def _closing(stage: str, directory: Path) -> str:
    """Where the results are, and what comes next."""
    results, following = _RESULTS[stage]
    command = f"\nnext: facesieve-train {following.format(run=directory)}" if following else ""
    return f"{directory}: finished; it holds {results}{command}"


class _Help(argparse.Action):
    """--help, after a stage with the stage's keys."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, *_: Any) -> None:
        """Print the help and exit."""
        print(parser.format_help())
        if name := getattr(namespace, "stage", None):
            stage = _stage(name)
            print(f"{(stage.__doc__ or '').strip()}\n\nKeys, for the file and for --set:\n")
            print(describe(stage.Config))
        else:
            print("facesieve-train STAGE --help lists the keys of a stage.")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="facesieve-train",
        description="Train and evaluate the networks of facesieve.",
        add_help=False,
    )
    parser.add_argument("stage", choices=STAGES, metavar="STAGE", help=", ".join((*STAGES, *COMMANDS)))
    parser.add_argument(
        "--config",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="YAML configuration of the stage; of several, the values of a later one replace those before it",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override one value (outer.key=value); repeatable",
    )
    parser.add_argument(
        "--run",
        type=Path,
        metavar="DIR",
        help="the run's directory (default: runs/ and the last file's name)",
    )
    parser.add_argument("--resume", action="store_true", help="resume the run in that directory")
    parser.add_argument("-h", "--help", nargs=0, action=_Help, help="this text; after STAGE: also its keys")
    return parser
