"""Each kind of set that `prepare` reads, evaluated with two commands: prepare, then evaluate."""

import itertools
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from facesieve_training import cli
from facesieve_training.prepare.readers.readers_test import HEADING

Make = Callable[[str, int, int | str], Path]


def evaluated(tmp_path: Path, matcher: Path, *prepare: str, more: tuple[str, ...] = ()) -> str:
    """The basis of the table after both commands."""
    shards, run = tmp_path / "shards", tmp_path / "evaluated"
    quick = ("rules.replicates=5", "rules.recomputed_replicates=2", "rules.fmrs=[0.05]", "images=0")
    given = (f"faces={shards}", f"matcher.file={matcher}", *quick, *more)
    for command in (
        ["prepare", "--run", str(shards), *_set(prepare)],
        ["evaluate", "--run", str(run), *_set(given)],
    ):
        assert cli.main(command) == 0
    return (run / "table.md").read_text().splitlines()[0]


def _set(values: tuple[str, ...]) -> list[str]:
    return [part for value in values for part in ("--set", value)]


def faces_of(people: Path) -> list[list[Path]]:
    return [sorted(directory.iterdir()) for directory in sorted(people.iterdir())]


def test_verification(tmp_path: Path, people: Path, network: Make) -> None:
    """An image of several pairs is an entry in each, and only the pairs are compared."""
    files = faces_of(people)
    mated = [(person[0], other) for person in files for other in person[1:]]
    others = [(one[0], two[0]) for one, two in itertools.combinations(files, 2)]
    encoded = [path.read_bytes() for pair in mated + others for path in pair]
    (tmp_path / "set.bin").write_bytes(pickle.dumps((encoded, [True] * len(mated) + [False] * len(others))))
    result = evaluated(
        tmp_path, network("matcher", 2, 1), "source.kind=verification", f"source.path={tmp_path}/set.bin"
    )
    assert f"{len(mated)} mated and {len(others)} non-mated pairs" in result
    assert f"{2 * len(mated + others)} faces" in result
    counts = json.loads((tmp_path / "shards" / "meta.json").read_text())
    assert counts["duplicate"] == counts["duplicate_other"] == 0


def test_cfp(tmp_path: Path, people: Path, network: Make) -> None:
    root = tmp_path / "cfp"
    lists: dict[str, list[str]] = {"F": [], "P": []}
    for person, files in enumerate(faces_of(people)):
        for kind, some in (("frontal", files[:4]), ("profile", files[4:])):
            for i, file in enumerate(some):
                path = root / "Data" / "Images" / f"{person:03d}" / kind / f"{i:02d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(file.read_bytes())
                lists[kind[0].upper()].append(f"../{path.relative_to(root)}")
    for kind, paths in lists.items():
        text = "".join(f"{i} {path}\n" for i, path in enumerate(paths, 1))
        (root / "Protocol").mkdir(exist_ok=True)
        (root / "Protocol" / f"Pair_list_{kind}.txt").write_text(text)
    for split, (same, diff) in {"FF": ("1,2\n5,6\n", "1,5\n"), "FP": ("1,1\n", "1,3\n5,1\n")}.items():
        directory = root / "Protocol" / "Split" / split / "01"
        directory.mkdir(parents=True)
        (directory / "same.txt").write_text(same)
        (directory / "diff.txt").write_text(diff)
    given = ("source.kind=cfp", f"source.path={root}", "align=none")
    result = evaluated(tmp_path / "all", network("matcher", 2, 1), *given)
    assert f"{12 * 15} mated and {66 * 36:,} non-mated pairs" in result
    own = evaluated(tmp_path / "own", network("matcher", 2, 1), *given, more=("pairs=protocol",))
    assert "3 mated and 3 non-mated pairs" in own


def test_lfw(tmp_path: Path, people: Path, network: Make) -> None:
    root = tmp_path / "lfw"
    for person, files in enumerate(faces_of(people)):
        for i, file in enumerate(files, 1):
            path = root / f"Ann_{person}" / f"Ann_{person}_{i:04d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.read_bytes())
    (tmp_path / "pairs.txt").write_text("10\t300\nAnn_0\t1\t2\nAnn_1\t1\tAnn_2\t3\n")
    given = ("source.kind=lfw", f"source.path={root}", f"source.protocol={tmp_path}/pairs.txt", "align=none")
    result = evaluated(tmp_path / "all", network("matcher", 2, 1), *given)
    assert f"{12 * 15} mated and {66 * 36:,} non-mated pairs" in result
    own = evaluated(tmp_path / "own", network("matcher", 2, 1), *given, more=("pairs=protocol",))
    assert "1 mated and 1 non-mated pairs" in own


def test_adience(tmp_path: Path, people: Path, network: Make, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "adience"
    rows = [HEADING]
    for person, files in enumerate(faces_of(people)):
        for file in files:
            path = root / "aligned" / "7@N0" / f"landmark_aligned_face.{person}.{file.name}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.read_bytes())
            rows.append("\t".join(["7@N0", file.name, str(person), *"ABCDEFGHI"]))
    (root / "fold_0_data.txt").write_text("\n".join(rows) + "\n")
    given = ("source.kind=adience", f"source.path={root}")
    result = evaluated(tmp_path, network("matcher", 2, 1), *given, "align=none")
    assert f"{12 * 15} mated and {66 * 36:,} non-mated pairs" in result
    assert cli.main(["prepare", "--run", str(tmp_path / "none"), *_set(given)]) == 2
    assert "detector: align: detect needs one, an ONNX or .tflite file" in capsys.readouterr().err
