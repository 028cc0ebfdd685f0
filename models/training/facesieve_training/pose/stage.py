"""The stage `pose`: adds a pose head to an exported student; its other outputs keep every bit.

It renders photographs of near-frontal faces under known rotations, trains the head on the network's values
for them, and measures it on other photographs, people and head shapes.
"""

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facesieve_training.cli import DataError
from facesieve_training.config import plain
from facesieve_training.export import manifest, quality
from facesieve_training.faces import read
from facesieve_training.networks import grafted
from facesieve_training.networks.int8 import Int8Network
from facesieve_training.pose import fit, head, report, starts, views
from facesieve_training.pose.head import Head
from facesieve_training.pose.shape import Shape
from facesieve_training.pose.views import Views
from facesieve_training.prepare.align import align
from facesieve_training.run import Run, write_atomic

log = logging.getLogger(__name__)

NAME = "pose"
"""Name of the output in the manifest: yaw and pitch, degrees."""
_TEST_SHAPES = {
    "flat": Shape(
        depth=1.05, nose=0.31, lips=0.15, chin_height=0.18, brow=0.08, sockets=0.08, half_width=1.15
    ),
    "deep": Shape(depth=1.45, nose=0.44, lips=0.21, chin_height=0.28, brow=0.13, nasion=0.13, half_width=1.3),
}
"""Heads with proportions that training does not draw around."""


@dataclass(frozen=True)
class Config:
    """Configuration of the stage."""

    network: Path
    """The exported student, with its manifest beside it."""
    photographs: Path
    """Images of whole scenes; those with one near-frontal face are used."""
    finder: Path
    """A detector that finds these faces: .tflite with its manifest, or ONNX with YuNet's heads."""
    detector: Path = Path("../detector.tflite")
    """The daemon's detector and landmarks network, which see the views."""
    landmarks: Path = Path("../landmarks.tflite")
    layer: str = "stream9"
    """Layer whose map the head reads."""
    eyes: float = 32
    """Least distance between the eyes in a photograph, pixels."""
    limit: int | None = None
    """At most this many photographs."""
    held_out: float = 0.2
    """Share of the photographs that only measure."""
    same: float = 0.42
    """A held-out photograph is left out if its embedding is as similar as this to one of training: the
    threshold of one false match in ten thousand, because each is compared with all.
    """
    views: Views = field(default_factory=Views)
    test_views: int = 3
    """Views of each held-out photograph on each held-out shape."""
    rounds: int = 2
    """Rounds that estimate the poses of the photographs."""
    head: Head = field(default_factory=Head)
    workers: int = 2
    seed: int = 1

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        found = [] if 0 < self.held_out < 1 else [f"held_out: {self.held_out} is not between 0 and 1"]
        return found if self.workers >= 1 else [*found, f"workers: {self.workers} is below 1"]


def run(config: Config, run: Run) -> None:
    """Write the network, its manifest, pose.md and views.png into the run's directory."""
    data, tree = _without_pose(config.network)
    try:
        size, scale, zero = grafted.value_of(data, config.layer)
    except ValueError as error:
        raise DataError(f"layer: {config.network} {error}; name a layer of the student") from error
    sources = views.frontal(config.photographs, config.finder, config.eyes, config.limit)
    if len(sources) < 2 / config.held_out:
        raise DataError(
            f"{config.photographs}: has {len(sources)} near-frontal faces, too few to hold some out"
        )
    run.set_data_hash(manifest.sha256("\n".join(s.path.name for s in sources).encode())[:16])
    order = np.random.default_rng(config.seed).permutation(len(sources))
    cut = round(len(sources) * (1 - config.held_out))
    log.info("%d near-frontal photographs, %d of them to train on", len(sources), cut)
    used = [sources[k] for k in order[:cut]]
    others = _others([sources[k] for k in order[cut:]], used, data, tree, config.same)
    training = _made(run, "training", config, data, used, config.views, Shape())
    test = views.Rows.joined(
        [_made(run, name, config, data, others, _few(config), shape) for name, shape in _TEST_SHAPES.items()]
    )
    own = starts.estimate(
        training.values, training.photo, training.mirrored, training.rotation, config.rounds, config.seed
    )
    truth = starts.of_views(own, training.photo, training.mirrored, training.rotation)
    maps = _maps(training.values, size, scale, zero)
    log.info("training on %d views", len(maps))
    model = head.train(config.head, maps, truth, run, config.seed)
    made = grafted.graft(data, config.layer, head.grafts(model, maps))
    figures = _measure(config, run, made, training, test)
    output = len(tree["outputs"])
    quality.write_added(
        run.dir / config.network.name, made, tree, output, NAME, plain(manifest.Pose(output)), figures
    )
    picked = np.linspace(0, len(test.image) - 1, min(len(test.image), 96)).astype(int)
    captions = ["{:.0f} {:.0f}".format(*test.rotation[k]) for k in picked]
    cv2.imwrite(str(run.dir / "views.png"), report.sheet(test.image[picked], captions))
    run.finish(**figures)


def _without_pose(network: Path) -> tuple[bytes, dict[str, Any]]:
    """A network and its manifest, without the pose head that it may have already."""
    data, tree = network.read_bytes(), json.loads(network.with_suffix(".json").read_text(encoding="utf-8"))
    if "embedding" not in tree.get("quality", {}):
        raise DataError(f"{network}: has no embedding, which tells held-out people apart; export it with one")
    if tree["quality"].pop("pose", None) is None:
        return data, tree
    for outputs in (tree["outputs"], tree["self_test"]["tolerance"]):
        outputs.pop()
    for case in tree["self_test"]["cases"]:
        case["outputs"].pop()
    return grafted.ungraft(data, head.TENSORS), tree


def _few(config: Config) -> Views:
    kept = {name: getattr(config.views, name) for name in vars(config.views)}
    return Views(**{**kept, "count": config.test_views, "angle": 45.0, "small": 0.0})


def _made(
    run: Run, name: str, config: Config, data: bytes, sources: list[views.Source], wanted: Views, shape: Shape
) -> views.Rows:
    """Views of a set, from the checkpoint where a run was interrupted after them."""
    file = run.checkpoint / f"{name}.npz"
    if file.is_file():
        with np.load(file) as stored:
            return views.Rows(**dict(stored))
    networks = views.Networks(config.detector, config.landmarks, grafted.graft(data, config.layer, []))
    seed = config.seed + sum(name.encode())
    rows = views.make(sources, networks, wanted, shape, seed, config.workers)
    if shape == Shape():
        rows.image = rows.image[:, :0]  # only those of the test are shown, and they are large
    partial = file.with_name(f"partial-{name}.npz")
    np.savez(partial, **vars(rows))
    partial.replace(file)
    log.info("%s: %d views are found of %d", name, len(rows.photo), 2 * wanted.count * len(sources))
    return rows


def _others(
    held: list[views.Source], training: list[views.Source], data: bytes, tree: dict[str, Any], same: float
) -> list[views.Source]:
    """The held-out photographs of people who are not in the training photographs."""
    head, network = tree["quality"]["embedding"], Int8Network(data)

    def embed(source: views.Source) -> NDArray[np.float64]:
        stored = views.see(network, align(read(source.path), source.landmarks.astype(np.float32), 0).image)[
            head["output"]
        ]
        values = (stored - float(tree["outputs"][head["output"]]["zero_point"])) * np.array(head["scale"])
        return np.asarray(values / np.linalg.norm(values))

    known = np.array([embed(source) for source in training])
    kept = [source for source in held if (known @ embed(source)).max() < same]
    log.info("%d held-out photographs, %d may show a person of training", len(held), len(held) - len(kept))
    return kept


def _maps(values: NDArray[np.int8], size: tuple[int, ...], scale: float, zero: int) -> NDArray[np.float32]:
    return ((values.astype(np.float32) - zero) * np.float32(scale)).reshape(-1, *size[1:])


def _measure(
    config: Config, run: Run, made: bytes, training: views.Rows, test: views.Rows
) -> dict[str, float]:
    """Write pose.md, and return the figures for the manifest."""
    network = Int8Network(made)
    found = np.array([network.run(face)[-1].ravel() for face in test.image], np.float64)
    fitted = fit.fit(test.landmarks)
    both = [
        np.concatenate([getattr(r, n) for r in (training, test)]) for n in ("values", "mirrored", "rotation")
    ]
    photo = np.concatenate([training.photo, test.photo + training.photo.max() + 1]).astype(np.int32)
    own = starts.estimate(both[0], photo, both[1], both[2], config.rounds, config.seed)
    truth = starts.of_views(own, photo, both[1], both[2])[len(training.photo) :]
    methods = {"five landmarks": fitted, "pose head": found}
    text = f"# Pose of {len(np.unique(test.photo))} held-out photographs, {len(test.photo)} views\n\n"
    text += "Mean absolute error in degrees; the photographs' own poses are estimated.\n\n"
    text += report.table(truth, methods)
    text += "\nThe same, with 0 for the photographs' own poses.\n\n" + report.table(test.rotation, methods)
    for low, high in ((0, 12), (12, 20), (20, 1000)):
        some = (test.eyes >= low) & (test.eyes < high)
        if some.sum() > 50:
            text += f"\n{low} to {high} pixels between the eyes\n\n"
            text += report.table(truth[some], {name: value[some] for name, value in methods.items()})
    write_atomic(run.dir / "pose.md", text)
    figures: dict[str, float] = {}
    for axis, values in report.errors(truth, found).items():
        figures |= {
            f"{axis}_error": round(values["all"][0], 2),
            f"{axis}_error_90": round(values["all"][1], 2),
        }
    return figures
