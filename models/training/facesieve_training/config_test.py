from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from facesieve_training.config import ConfigError, dump, load


@dataclass(frozen=True)
class Inner:
    rate: float = 0.1
    kind: Literal["a", "b"] = "a"

    def faults(self) -> list[str]:
        return [] if self.rate > 0 else [f"rate: {self.rate} must be above 0"]


@dataclass(frozen=True)
class Outer:
    directory: Path
    count: int = 3
    flag: bool = False
    inner: Inner = field(default_factory=Inner)
    many: tuple[Inner, ...] = ()
    sizes: list[int] = field(default_factory=list)
    limit: int | None = None


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


def test_every_fault_is_reported_at_once(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("cuont: 1\nflag: 1\ninner: {rate: -1}\nmany: [{kind: c}]\nsizes: 3\n")
    with pytest.raises(ConfigError) as raised:
        load(file, Outer)
    assert str(raised.value).splitlines() == [
        f"{file}: cuont: unknown key; did you mean count?",
        f"{file}: directory: is required",
        f"{file}: flag: must be true or false, not 1",
        f"{file}: inner.rate: -1.0 must be above 0",
        f"{file}: many[0].kind: 'c' is none of a, b",
        f"{file}: sizes: must be a list, not 3",
    ]


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
