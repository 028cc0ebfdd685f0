"""Strict YAML configuration into dataclasses: unknown keys are errors, and all faults are reported at once.

A stage's Config is a plain dataclass whose fields are bool, int, float, str, Path, Literal, tuple[X, ...],
list[X], dict[str, X], X | None, or another such dataclass. A dataclass may have a method
`faults(self) -> list[str]` with what is wrong about its values; each text starts with the name of the key.
"""

import dataclasses
import difflib
import types
import typing
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

import yaml

T = TypeVar("T")

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
)
"""Keys of earlier versions with their names in this one."""


class ConfigError(ValueError):
    """Everything that is wrong with a configuration, one fault a line."""

    def __init__(self, source: str, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("\n".join(f"{source}: {fault}" for fault in faults))


def load(path: Path | None, cls: type[T], overrides: list[str] | tuple[str, ...] = ()) -> T:
    """Read the YAML file at path (None: defaults only) into cls, with `a.b=value` overrides on top."""
    source = str(path) if path else "configuration"
    tree = _read(path) if path else {}
    for override in overrides:
        _override(tree, override)
    faults: list[str] = []
    made = _dataclass(cls, tree, "", faults)
    if faults:
        raise ConfigError(source, faults)
    return typing.cast(T, made)


def dump(config: Any) -> str:
    """Write the resolved configuration as YAML that `load` reads back to an equal object."""
    return yaml.safe_dump(plain(config), sort_keys=False, allow_unicode=True)


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


def _read(path: Path) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(str(path), [f"cannot be read: {error.strerror}"]) from error
    except yaml.YAMLError as error:
        raise ConfigError(str(path), [f"is not YAML: {error}"]) from error
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(str(path), ["must hold keys and values at its top level"])
    return tree


def _override(tree: dict[str, Any], override: str) -> None:
    name, separator, text = override.partition("=")
    if not separator or not name:
        raise ConfigError("--set", [f"{override!r} must have the form key=value or outer.key=value"])
    *outer, last = name.split(".")
    for key in outer:
        below = tree.get(key)
        if below is None:
            below = tree[key] = {}
        if not isinstance(below, dict):
            raise ConfigError("--set", [f"{name}: {key} is a value and has no keys below it"])
        tree = below
    try:
        tree[last] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError("--set", [f"{name}: {text!r} is not a YAML value"]) from error


def _dataclass(cls: type[Any], tree: Any, where: str, faults: list[str]) -> Any:
    if not isinstance(tree, dict):
        faults.append(f"{where.rstrip('.')}: must hold keys and values, not {tree!r}")
        return None
    before = len(faults)
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    for key in tree:
        if key not in fields:
            faults.append(f"{where}{key}: unknown key{_hint(str(key), list(fields))}")
    values = {}
    for name, field in fields.items():
        if name in tree:
            values[name] = _value(hints[name], tree[name], f"{where}{name}", faults)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            faults.append(f"{where}{name}: is required")
    if len(faults) > before:
        return None
    made = cls(**values)
    check = getattr(made, "faults", None)
    if callable(check):
        faults.extend(f"{where}{fault}" for fault in check())
    return made


def _hint(key: str, fields: list[str]) -> str:
    for old, new in _RENAMED:
        if old == key and new in fields:
            return f"; it is now {new}"
    close = difflib.get_close_matches(key, fields, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _value(hint: Any, value: Any, where: str, faults: list[str]) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _value(next(a for a in arguments if a is not type(None)), value, where, faults)
    if dataclasses.is_dataclass(hint):
        return _dataclass(typing.cast(type[Any], hint), value, f"{where}.", faults)
    if origin is Literal:
        if value not in arguments:
            faults.append(f"{where}: {value!r} is none of {', '.join(map(str, arguments))}")
        return value
    if origin in (list, tuple):
        if not isinstance(value, list):
            faults.append(f"{where}: must be a list, not {value!r}")
            return None
        return origin([_value(arguments[0], item, f"{where}[{i}]", faults) for i, item in enumerate(value)])
    if origin is dict:
        if not isinstance(value, dict):
            faults.append(f"{where}: must hold keys and values, not {value!r}")
            return None
        return {str(k): _value(arguments[1], item, f"{where}.{k}", faults) for k, item in value.items()}
    return _scalar(hint, value, where, faults)


def _scalar(hint: Any, value: Any, where: str, faults: list[str]) -> Any:
    if hint is Path and isinstance(value, str):
        return Path(value).expanduser()
    if hint is float and isinstance(value, str):  # YAML 1.1 reads 1e-3 as text
        try:
            return float(value)
        except ValueError:
            pass
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, hint) and not (hint is not bool and isinstance(value, bool)):
        return value
    faults.append(f"{where}: must be {_NAMES.get(hint, hint.__name__)}, not {value!r}")
    return None


_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text", Path: "a path"}
