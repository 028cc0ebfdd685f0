"""IJB-C by its template protocol, from NIST's tables or from InsightFace's.

NIST's, `protocols/` with `images/` beside it:
    *.csv with TEMPLATE_ID, SUBJECT_ID, FILENAME, FACE_X, FACE_Y, FACE_WIDTH, FACE_HEIGHT    a row a face;
                                   MEDIA_ID or SIGHTING_ID, if present, identifies the video
    *matches*.csv                                              TEMPLATE,TEMPLATE: the comparisons of 1:1
    verification
InsightFace's, `meta/` with `loose_crop/` beside it:
    ijbc_face_tid_mid.txt           NAME TEMPLATE MEDIA
    ijbc_name_5pts_score.txt        NAME x y x y x y x y x y SCORE: landmarks in the loose crop
    ijbc_template_pair_label.txt    TEMPLATE TEMPLATE 1|0
They do not name the people; templates that mated pairs connect are one person.

A face in several templates gives several entries. The pairs are of templates, not of images.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

from facesieve_training.cli import DataError
from facesieve_training.prepare.source import Entry, Pair, Source, bad_line, directory, lines

_COLUMNS = ("TEMPLATE_ID", "SUBJECT_ID", "FILENAME", "FACE_X", "FACE_Y", "FACE_WIDTH", "FACE_HEIGHT")


def ijbc(root: Path) -> Source:
    """Open the set with NIST's or InsightFace's tables."""
    directory(root, "give IJB-C's directory")
    if (root / "meta").is_dir():
        return InsightFaceIjbc(root)
    if (root / "protocols").is_dir():
        return NistIjbc(root)
    raise DataError(f"{root}: holds neither protocols/ (NIST's tables) nor meta/ (InsightFace's)")


class NistIjbc(Source):
    """The faces of NIST's tables, sorted by subject and template."""

    only_pairs = True

    def entries(self) -> Iterator[Entry]:
        """All faces; the box comes from the table."""
        found: dict[tuple[str, str, str], Entry] = {}
        for path in self._tables(matches=False):
            for number, row in _rows(path):
                entry = self._entry(path, number, row)
                found.setdefault((entry.identity, entry.template, entry.key), entry)
        if not found:
            raise DataError(f"{self.root / 'protocols'}: holds no table with {', '.join(_COLUMNS)}")
        for key in sorted(found):
            yield found[key]

    def pairs(self) -> Iterator[Pair]:
        """Comparisons of templates; mated when their subjects are the same."""
        subjects = {entry.template: entry.identity for entry in self.entries()}
        for path in self._tables(matches=True):
            for number, line in lines(path, "the file has disappeared"):
                parts = [part.strip() for part in line.split(",")]
                if len(parts) != 2 or not all(part in subjects for part in parts):
                    raise bad_line(path, number, "TEMPLATE,TEMPLATE of the tables", line)
                yield Pair(parts[0], parts[1], subjects[parts[0]] == subjects[parts[1]])

    def _tables(self, matches: bool) -> list[Path]:
        return [p for p in sorted((self.root / "protocols").glob("*.csv")) if ("match" in p.name) == matches]

    def _entry(self, path: Path, number: int, row: dict[str, str]) -> Entry:
        try:
            x, y, width, height = (float(row[name]) for name in _COLUMNS[3:])
        except (TypeError, ValueError) as error:
            raise bad_line(path, number, "numbers for the face's box", str(row)) from error
        name, template, subject = row["FILENAME"], row["TEMPLATE_ID"], row["SUBJECT_ID"]
        file = self.root / "images" / name
        size = file.stat().st_size if file.is_file() else 0
        key = f"{subject}/{template}-{name.replace('/', '-')}-{x:g}-{y:g}"
        media = row.get("MEDIA_ID") or row.get("SIGHTING_ID") or ""
        return Entry(key, subject, name, file, size, (x, y, width, height), template=template, media=media)


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    with path.open(newline="", encoding="utf-8") as file:
        table = csv.DictReader(file)
        if set(_COLUMNS) <= set(table.fieldnames or ()):
            yield from enumerate(table, 2)


class InsightFaceIjbc(Source):
    """The faces of InsightFace's tables, sorted by person and template, with their landmarks."""

    only_pairs = True

    def entries(self) -> Iterator[Entry]:
        """All faces of all templates."""
        points = self._points()
        people = self._people()
        path = self.root / "meta" / "ijbc_face_tid_mid.txt"
        rows = []
        for number, line in lines(path, "InsightFace's IJB-C has it"):
            parts = line.split()
            if len(parts) != 3 or parts[0] not in points:
                raise bad_line(path, number, "NAME TEMPLATE MEDIA with a name that has landmarks", line)
            rows.append((people.get(parts[1], f"t{parts[1]}"), parts[1], parts[0], parts[2]))
        for person, template, name, media in sorted(set(rows)):
            file = self.root / "loose_crop" / name
            size = file.stat().st_size if file.is_file() else 0
            yield Entry(
                f"{person}/{template}-{name}",
                person,
                name,
                file,
                size,
                points=points[name],
                template=template,
                media=media,
            )

    def pairs(self) -> Iterator[Pair]:
        """Comparisons of templates."""
        for left, right, mated in self._labels():
            yield Pair(left, right, mated)

    def _labels(self) -> Iterator[tuple[str, str, bool]]:
        path = self.root / "meta" / "ijbc_template_pair_label.txt"
        for number, line in lines(path, "InsightFace's IJB-C has it"):
            parts = line.split()
            if len(parts) != 3 or parts[2] not in ("0", "1"):
                raise bad_line(path, number, "TEMPLATE TEMPLATE 1|0", line)
            yield parts[0], parts[1], parts[2] == "1"

    def _people(self) -> dict[str, str]:
        """Person of each template: the first of the templates that mated pairs connect."""
        leader: dict[str, str] = {}

        def find(template: str) -> str:
            while leader.setdefault(template, template) != template:
                leader[template] = leader[leader[template]]
                template = leader[template]
            return template

        for left, right, mated in self._labels():
            one, other = find(left), find(right)
            if mated:
                low, high = sorted((one, other), key=lambda t: (len(t), t))
                leader[high] = low
        return {template: f"t{find(template)}" for template in list(leader)}

    def _points(self) -> dict[str, tuple[float, ...]]:
        path = self.root / "meta" / "ijbc_name_5pts_score.txt"
        points = {}
        for number, line in lines(path, "InsightFace's IJB-C has it"):
            name, *values = line.split()
            try:
                numbers = tuple(float(value) for value in values[:10])
            except ValueError as error:
                raise bad_line(path, number, "NAME, ten coordinates and a score", line) from error
            if len(values) != 11:
                raise bad_line(path, number, "NAME, ten coordinates and a score", line)
            points[name] = numbers
        return points
