"""Strict YAML configuration into dataclasses: unknown keys are errors, and all faults are reported at once.

A stage's Config is a plain dataclass whose fields are bool, int, float, str, Path, Literal, tuple[X, ...],
list[X], dict[str, X], X | None, or another such dataclass. pydantic checks types and the limits of
Annotated[int, Field(ge=1)] and the like. A dataclass may have a method `faults(self) -> list[str]` for what
depends on several values; each text starts with the name of the key. A value that starts with ~/ is a path in
the home directory.
"""

import dataclasses
import difflib
import json
import os
import re
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

import yaml
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from facesieve_training import config_schema as schema
from facesieve_training import config_tree
from facesieve_training.config_tree import ConfigError, Location

__all__ = ["ConfigError", "Count", "Share", "dump", "load", "plain"]

T = TypeVar("T")
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, lt=1)]

STRICT = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)
# A repair of one pass can uncover faults of a level below; configurations have three levels.
_PASSES = 8
_RENAMED = (
    ("pictures", "images"),
    ("looks", "crops"),
    ("second_look", "refiner"),
    ("follow", "distillation"),
    ("device_distillation", "distillation"),
    ("matching", "distillation"),
    ("heads", "head_fine_tuning"),
    ("mistakes", "hard_negatives"),
    ("mistaken", "hard_negatives"),
    ("erase", "erased_faces"),
    ("erased", "erased_faces"),
    ("grow", "scale"),
    ("near", "near_duplicates"),
    ("doubles", "duplicates"),
    ("shows", "repetitions"),
    ("colour", "color"),
)
"""Keys of earlier versions with their names in this one."""
_TEXTS = {
    "missing": "is required",
    "bool_type": "must be true or false, not {value!r}",
    "int_type": "must be a whole number, not {value!r}",
    "float_type": "must be a number, not {value!r}",
    "string_type": "must be text, not {value!r}",
    "list_type": "must be a list, not {value!r}",
    "tuple_type": "must be a list, not {value!r}",
    "dict_type": "must hold keys and values, not {value!r}",
    "dataclass_type": "must hold keys and values, not {value!r}",
    "literal_error": "{value!r} is none of {expected}",
    "greater_than": "must be above {gt}, not {value!r}",
    "greater_than_equal": "must be {ge} or more, not {value!r}",
    "less_than": "must be below {lt}, not {value!r}",
    "less_than_equal": "must be {le} or less, not {value!r}",
}
"""Messages by pydantic's type of an error."""


@dataclasses.dataclass(frozen=True)
class _Fault:
    location: Location
    text: str

    def about(self, other: Location) -> bool:
        """Whether one of the two values contains the other."""
        length = min(len(self.location), len(other))
        return self.location[:length] == other[:length]


def load(path: Path | Sequence[Path] | None, cls: type[T], overrides: Sequence[str] = ()) -> T:
    """Read YAML files into cls, later ones over earlier ones, with `a.b=value` overrides on top.

    None: defaults only.
    """
    tree = config_tree.read([path] if isinstance(path, Path) else path or (), overrides)
    adapter = adapter_of(cls)
    wrong = [_Fault(place, "is given twice") for place in tree.repeated]
    made, found = _validated(adapter, tree.values)
    wrong += found
    if made is not None:
        wrong += [f for f in _inconsistent(made, ()) if not any(f.about(w.location) for w in found)]
    if wrong or made is None:
        placed = [(*tree.origin(fault.location), _named(fault)) for fault in wrong]
        placed.sort(key=lambda one: one[0])
        raise ConfigError(None, [f"{origin}: {text}" for _, origin, text in placed])
    return cast(T, made)


def adapter_of(cls: type[Any]) -> TypeAdapter[Any]:
    """pydantic's validator of a tuple of one dataclass, which gives the dataclass its configuration."""
    one: Any = types.GenericAlias(tuple, (cls,))
    return TypeAdapter(one, config=STRICT)


def describe(cls: type[Any]) -> str:
    """List the keys of a configuration with type, default and description."""
    return _schema(adapter_of(cls)).help(_made_defaults(cls))


def dump(config: Any) -> str:
    """Write the resolved configuration as YAML that `load` reads back to an equal object."""
    return yaml.dump(plain(config), Dumper=config_tree.Dumper, sort_keys=False, allow_unicode=True)


def plain(value: Any) -> Any:
    """Convert dataclasses, tuples and paths to types of YAML and JSON."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def _validated(adapter: TypeAdapter[Any], values: Any) -> tuple[Any, list[_Fault]]:
    """Make the object. Bad values are replaced by defaults or samples, so that the others can be checked."""
    found: list[_Fault] = []
    tree = _home(values)
    for _ in range(_PASSES):
        try:
            # JSON, because strict pydantic takes text for a path and a list for a tuple only there.
            return adapter.validate_json(json.dumps([tree], default=str))[0], found
        except ValidationError as error:
            wrong, described = [(e["loc"][1:], e) for e in error.errors()], _schema(adapter)
        found += [_Fault(at, _text(e, described)) for at, e in wrong if not any(f.about(at) for f in found)]
        try:
            for at, e in sorted(wrong, key=lambda one: len(one[0]), reverse=True):
                sampled = e["type"] == "missing" or isinstance(at[-1], int)
                schema.repair(tree, at, described.sample(at) if sampled else None)
        except (LookupError, TypeError):  # a location inside a union, which is not a key
            break
    return None, found


def _schema(adapter: TypeAdapter[Any]) -> "schema.Schema":
    tree = adapter.json_schema()
    return schema.Schema(tree["prefixItems"][0], tree.get("$defs", {}))


def _made_defaults(cls: type[Any]) -> dict[str, Any]:
    """Defaults that a factory makes, by the names of keys and of the keys below them."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(cls):
        if field.default_factory is not dataclasses.MISSING:
            found |= _leaves(plain(field.default_factory()), field.name)
    return found


def _leaves(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {name: value}
    return {k: v for key, item in value.items() for k, v in _leaves(item, f"{name}.{key}").items()}


def _home(value: Any) -> Any:
    """Copy a tree, with ~ replaced by the home directory."""
    if isinstance(value, dict):
        return {str(key): _home(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_home(item) for item in value]
    return os.path.expanduser(value) if isinstance(value, str) and value.startswith("~/") else value  # noqa: PTH111


def _text(error: Any, described: "schema.Schema") -> str:
    kind, at = error["type"], error["loc"][1:]
    if kind == "unexpected_keyword_argument":
        return f"unknown key{_hint(str(at[-1]), described.keys(at[:-1]))}"
    if kind not in _TEXTS:
        return f"{error['msg']}, not {error['input']!r}"
    about = dict(error.get("ctx", {}))
    if "expected" in about:
        about["expected"] = about["expected"].replace("'", "").replace(" or ", ", ")
    return _TEXTS[kind].format(value=error["input"], **about)


def _hint(key: str, fields: list[str]) -> str:
    for old, new in _RENAMED:
        if old == key and new in fields:
            return f"; it is now {new}"
    close = difflib.get_close_matches(key, fields, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _inconsistent(value: Any, where: Location) -> Iterator[_Fault]:
    """Results of `faults()` of every dataclass in a value, outer ones first."""
    if isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _inconsistent(item, (*where, number))
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return
    for text in getattr(value, "faults", list)():
        key, _, rest = text.partition(": ")
        steps = re.findall(r"[^.\[\]]+", key)
        yield _Fault((*where, *(int(s) if s.isdecimal() else s for s in steps)), rest)
    for field in dataclasses.fields(value):
        yield from _inconsistent(getattr(value, field.name), (*where, field.name))


def _named(fault: _Fault) -> str:
    name = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in fault.location)
    return f"{name.lstrip('.')}: {fault.text}"
