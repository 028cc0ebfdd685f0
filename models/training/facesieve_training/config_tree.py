"""Configuration files as one tree of values with the origin of every key, and overrides on top of it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

Location = tuple[str | int, ...]
"""Keys and list indices from the top of a tree to a value."""

OVERRIDE = ("--set", 0)
# A node that contains itself by an alias has no end.
_DEEPEST = 20
# Numbers of YAML 1.2 that YAML 1.1, and therefore PyYAML, takes for text: 1e-3.
_FLOAT = re.compile(r"[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?[eE][-+]?[0-9]+\Z")
_SIGNS = list("-+0123456789")


class Loader(yaml.SafeLoader):
    """YAML with 1e-3 as a number."""


class Dumper(yaml.SafeDumper):
    """YAML that `Loader` reads back."""


Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, _SIGNS)
Dumper.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, _SIGNS)


class ConfigError(ValueError):
    """Everything that is wrong with a configuration, one fault a line."""

    def __init__(self, source: str | None, faults: list[str]) -> None:
        """Take the faults of one source; with None each fault starts with a source of its own."""
        self.faults = faults
        super().__init__("\n".join(f"{source}: {fault}" if source else fault for fault in faults))


@dataclass
class Tree:
    """Values of a configuration, with their origin."""

    source: str
    """The first file, for messages."""
    values: dict[str, Any]
    origins: dict[Location, tuple[str, int]] = field(default_factory=dict)
    """File and line of each key and list item; OVERRIDE for one that an override set."""
    repeated: list[Location] = field(default_factory=list)
    """Keys that a file gives twice."""

    def origin(self, location: Location) -> tuple[tuple[str, int], str]:
        """File with line (for sorting) and printed origin of a value, or of the innermost value around it."""
        for length in range(len(location), 0, -1):
            if at := self.origins.get(location[:length]):
                return at, at[0] if at == OVERRIDE else f"{at[0]}:{at[1]}"
        return ("", 0), self.source


def read(paths: Sequence[Path], overrides: Sequence[str] = ()) -> Tree:
    """Read YAML files, each key by key over those before it, and apply overrides of the form `a.b=value`."""
    tree = _file(paths[0]) if paths else Tree("configuration", {})
    for path in paths[1:]:
        over = _file(path)
        _lay(over, over.values, tree, tree.values, ())
        tree.repeated += over.repeated
    for override in overrides:
        _override(tree, override)
    return tree


def _file(path: Path) -> Tree:
    try:
        text = path.read_bytes().decode("utf-8")
        loader = Loader(text)
        node = loader.get_single_node()
        tree = Tree(str(path), {})
        if node is not None:
            _note(node, (), tree)
            values = loader.construct_document(node)
            if not isinstance(values, dict):
                raise ConfigError(str(path), ["must hold keys and values at its top level"])
            tree.values = values
        return tree
    except OSError as error:
        raise ConfigError(str(path), [f"cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        fault = f"is not UTF-8 text: byte 0x{error.object[error.start]:02x}; save it as UTF-8"
        raise ConfigError(f"{path}:{line}", [fault]) from error
    except yaml.MarkedYAMLError as error:
        where = f"{path}:{error.problem_mark.line + 1}" if error.problem_mark else path
        raise ConfigError(str(where), [f"is not YAML: {error.problem}"]) from error
    except yaml.YAMLError as error:
        raise ConfigError(str(path), [f"is not YAML: {error}"]) from error


def _note(node: yaml.Node, where: Location, tree: Tree) -> None:
    """Record the lines of the keys and items below a node."""
    if len(where) > _DEEPEST:
        raise ConfigError(tree.source, [f"{where[0]}: has more than {_DEEPEST} levels"])
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            place = (*where, str(key.value))
            if place in tree.origins:
                tree.repeated.append(place)
            tree.origins[place] = tree.source, key.start_mark.line + 1
            _note(value, place, tree)
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            tree.origins[(*where, number)] = tree.source, item.start_mark.line + 1
            _note(item, (*where, number), tree)


def _override(tree: Tree, override: str) -> None:
    name, separator, text = override.partition("=")
    if not separator or not name:
        raise ConfigError("--set", [f"{override!r} must have the form key=value or outer.key=value"])
    keys = tuple(name.split("."))
    below: Any = tree.values
    for key in keys[:-1]:
        if below.get(key) is None:
            below[key] = {}
        below = below[key]
        if not isinstance(below, dict):
            raise ConfigError("--set", [f"{name}: {key} is a value and has no keys below it"])
    try:
        below[keys[-1]] = yaml.load(text, Loader)  # noqa: S506 (a SafeLoader)
    except yaml.YAMLError as error:
        raise ConfigError("--set", [f"{name}: {text!r} is not a YAML value"]) from error
    _forget(tree, keys)
    tree.origins[keys] = OVERRIDE


def _lay(over: Tree, values: dict[str, Any], tree: Tree, below: dict[str, Any], where: Location) -> None:
    """Put values of one tree over those of another; a list or a single value replaces what was there."""
    for key, value in values.items():
        place = (*where, str(key))
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            _lay(over, value, tree, below[key], place)
            continue
        below[key] = value
        _forget(tree, place)
        tree.origins |= {at: o for at, o in over.origins.items() if at[: len(place)] == place}


def _forget(tree: Tree, place: Location) -> None:
    """Delete the origins of a key and of those below it."""
    tree.origins = {at: origin for at, origin in tree.origins.items() if at[: len(place)] != place}
