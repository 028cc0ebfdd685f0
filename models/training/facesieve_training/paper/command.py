"""`facesieve-train paper DATA --size tiny|full` (./reproduce): every step of the paper, then its page."""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from facesieve_training import cli
from facesieve_training.paper.plan import Plan, Step, plan
from facesieve_training.run import write_atomic

log = logging.getLogger(__name__)


def main(arguments: Sequence[str]) -> int:
    """Run what is not done yet, and write report.html; returns the status of the first step that fails."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s", stream=sys.stderr)
    runs = (options.run or Path("runs") / f"paper-{options.size}").resolve()
    try:
        planned = plan(options.data.resolve(), runs, options.size, options.values)
    except cli.DataError as error:
        print(error, file=sys.stderr)
        return 1
    for name, path in planned.missing.items():
        log.warning("%s is missing (%s): it is left out", name, path)
    for number, step in enumerate(planned.steps, 1):
        status = _run(step, runs, f"step {number} of {len(planned.steps)}")
        if status:
            print(f"step {step.name} failed; the same command resumes there", file=sys.stderr)
            return status
    return _page(planned, runs)


def _run(step: Step, runs: Path, place: str) -> int:
    """Run a step, or resume it; a finished one is skipped."""
    run, config = runs / step.name, runs / "configs" / f"{step.name}.yaml"
    if not finished(run):
        log.info("%s: %s, %s", place, step.name, run)
        write_atomic(config, yaml.safe_dump(step.config, sort_keys=False))
        if step.before is not None:
            step.before(run)
        resume = ["--resume"] if (run / "config.yaml").exists() else []
        status = cli.main([step.stage, "--config", str(config), "--run", str(run), *resume])
        if status:
            return status
    if step.after is not None:
        step.after(run)
    return 0


def finished(run: Path) -> bool:
    """Whether a run is complete."""
    meta = run / "meta.json"
    return meta.is_file() and "finished" in json.loads(meta.read_text(encoding="utf-8"))


def _page(planned: Plan, runs: Path) -> int:
    from facesieve_training.paper import page

    drawn = page.figure(runs)
    for suffix, data in ((".png", drawn.png), (".svg", drawn.svg)):
        write_atomic(runs / f"figure1{suffix}", data)
    write_atomic(runs / "report.html", page.write(planned, runs, drawn))
    print(f"wrote {runs / 'report.html'} and {runs / 'figure1.png'}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="facesieve-train paper",
        description="Reproduce the paper: teacher, labels, student, evaluation, Figure 1 and Table 1. "
        "A killed command resumes. The configurations are in configs/paper.",
    )
    add = parser.add_argument
    add("data", type=Path, metavar="DATA",
        help="directory with faces/train, faces/lfw, faces/adience, faces/ijbc (aligned faces by person, or "
             "the published sets; a set that is not there is left out) and "
             "models/matcher_mobilefacenet.onnx")  # fmt: skip
    add("--size", choices=("tiny", "full"), required=True,
        help="tiny: minutes on two cores, to try it; full: the paper's networks and schedule")  # fmt: skip
    add("--run", type=Path, metavar="DIR", help="directory of all runs; default runs/paper-SIZE")
    add("--values", type=Path, metavar="FILE",
        help="YAML of values to put over those of configs/paper, like configs/paper/tiny.yaml")  # fmt: skip
    return parser
