from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from facesieve_training.config import ConfigError, Count, Share, describe, dump, load


@dataclass(frozen=True)
class Inner:
    rate: float = 0.1
    kind: Literal["a", "b"] = "a"

    def faults(self) -> list[str]:
        return [] if self.rate > 0 else [f"rate: {self.rate} must be above 0"]


@dataclass(frozen=True)
class Outer:
    directory: Path
    """Where the faces are."""
    count: int = 3
    flag: bool = False
    inner: Inner = field(default_factory=Inner)
    many: tuple[Inner, ...] = ()
    sizes: list[int] = field(default_factory=list)
    limit: int | None = None
    made: Inner = field(default_factory=lambda: Inner(7.0))
    parts: Count = 1
    share: Share = 0.5

    def faults(self) -> list[str]:
        return [f"limit: {self.limit} must be 0 or more"] if (self.limit or 0) < 0 else []


def test_a_dumped_configuration_loads_unchanged(tmp_path: Path) -> None:
    config = Outer(Path("x"), 5, True, Inner(1e-3, "b"), (Inner(), Inner(2.0)), [1, 2], 7)
    file = tmp_path / "c.yaml"
    file.write_text(dump(config))
    assert load(file, Outer) == config


def test_overrides_apply_on_top_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("directory: x\ninner: {kind: b}\n")
    config = load(file, Outer, ["inner.rate=1e-3", "limit=null", "count=9"])
    assert (config.inner, config.count, config.limit) == (Inner(1e-3, "b"), 9, None)


def test_later_files_replace_values_of_earlier_ones(tmp_path: Path) -> None:
    files = first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text("directory: x\ninner: {kind: b, rate: 0.5}\nsizes: [1, 2]\n")
    second.write_text("# later\ninner: {rate: 0.25}\nsizes: [3]\n")
    made = load(files, Outer)
    assert (made.directory, made.inner, made.sizes) == (Path("x"), Inner(0.25, "b"), [3])
    second.write_text("# later\ninner: {rate: -1}\nsizes: {a: 1}\ncuont: 1\n")
    first.write_text("\n\ndirectory: 7\ninner: {kind: c}\n")
    with pytest.raises(ConfigError) as raised:
        load(files, Outer)
    found = [fault.removeprefix(f"{tmp_path}/") for fault in str(raised.value).splitlines()]
    assert [": ".join(fault.split(": ")[:2]) for fault in found] == [
        "a.yaml:3: directory", "a.yaml:4: inner.kind", "b.yaml:2: inner.rate", "b.yaml:3: sizes",
        "b.yaml:4: cuont",
    ]  # fmt: skip


def faults(text: str, directory: Path, *overrides: str) -> list[str]:
    file = directory / "c.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as raised:
        load(file, Outer, overrides)
    return [fault.removeprefix(str(file)) for fault in str(raised.value).splitlines()]


def test_faults_of_all_levels_are_reported_at_once_with_their_lines(tmp_path: Path) -> None:
    text = """cuont: 1
flag: 1
inner: {rate: -1}
many:
- {kind: c, rate: -2}
- 5
- rate: x
sizes: 3
limit: -4
"""
    assert faults(text, tmp_path, "count=1.5") == [
        ": directory: is required",
        "--set: count: must be a whole number, not 1.5",
        ":1: cuont: unknown key; did you mean count?",
        ":2: flag: must be true or false, not 1",
        ":3: inner.rate: -1.0 must be above 0",
        ":5: many[0].kind: 'c' is none of a, b",
        ":5: many[0].rate: -2.0 must be above 0",
        ":6: many[1]: must hold keys and values, not 5",
        ":7: many[2].rate: must be a number, not 'x'",
        ":8: sizes: must be a list, not 3",
        ":9: limit: -4 must be 0 or more",
    ]


def test_a_key_that_is_given_twice_is_an_error(tmp_path: Path) -> None:
    assert faults("directory: x\ninner:\n  rate: 1\n  rate: 2\n", tmp_path) == [
        ":4: inner.rate: is given twice"
    ]


def test_limits_of_a_value(tmp_path: Path) -> None:
    text = "directory: x\nparts: 0\nshare: 1\n"
    assert faults(text, tmp_path) == [
        ":2: parts: must be 1 or more, not 0",
        ":3: share: must be below 1.0, not 1",
    ]


def test_numbers_with_an_exponent_and_the_home_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    file = tmp_path / "c.yaml"
    file.write_text("directory: ~/faces\ninner: {rate: 1e-3}\nlimit: null\n")
    assert load(file, Outer) == Outer(tmp_path / "faces", inner=Inner(1e-3))


def test_a_file_that_is_not_utf_8_or_not_yaml_is_an_error_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    for data, text in (
        (b"count: 1\n# caf\xe9\n", r"c.yaml:2: is not UTF-8 text: byte 0xe9; save it as UTF-8"),
        (b"count: 1\nflag: [\n", r"c.yaml:3: is not YAML: "),
        (b"count: 1\0\n", r"c.yaml: is not YAML: "),
        (b"- 1\n", r"c.yaml: must hold keys and values"),
    ):
        file.write_bytes(data)
        with pytest.raises(ConfigError, match=text):
            load(file, Outer)


def test_the_keys_are_described_with_type_default_and_text() -> None:
    lines = describe(Outer).splitlines()
    assert lines[:2] == ["  directory: path, required", "      Where the faces are."]
    for line in (
        '  inner.kind: a|b, default "a"',
        "  many[].rate: number, default 0.1",
        "  made.rate: number, default 7.0",
        "  limit: whole number or null, default null",
        "  parts: whole number >= 1, default 1",
    ):
        assert line in lines


@pytest.mark.parametrize(
    ("override", "text"),
    [("count", "must have the form key=value"), ("count.x=1", "count is a value and has no keys below it")],
)
def test_overrides_of_unknown_keys_are_refused(tmp_path: Path, override: str, text: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("directory: x\ncount: 1\n")
    with pytest.raises(ConfigError, match=text):
        load(file, Outer, [override])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.yaml: cannot be read"):
        load(tmp_path / "nothing.yaml", Outer)


def test_an_old_key_is_an_error_with_its_new_name(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Labels:
        images: Path = Path("data")

    with pytest.raises(ConfigError, match=r"pictures: unknown key; it is now images"):
        load(None, Labels, ["pictures=x"])


def test_text_that_looks_like_a_number_is_dumped_as_text(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Named:
        name: str

    file = tmp_path / "c.yaml"
    file.write_text(dump(Named("12e5")))
    assert load(file, Named).name == "12e5"
