"""A configuration file as a tree of values with the line of every key, and overrides on top of it."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

Location = tuple[str | int, ...]
"""Keys and list indices from the top of a tree to a value."""

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
    """The file, for messages."""
    values: dict[str, Any]
    origins: dict[Location, int] = field(default_factory=dict)
    """Line of each key and list item; 0 for one that an override set."""
    repeated: list[Location] = field(default_factory=list)
    """Keys that the file gives twice."""

    def origin(self, location: Location) -> tuple[int, str]:
        """Line (for sorting) and printed origin of a value, or of the innermost value around it."""
        for length in range(len(location), 0, -1):
            line = self.origins.get(location[:length])
            if line is not None:
                return line, f"{self.source}:{line}" if line else "--set"
        return 0, self.source


def read(path: Path | None, overrides: list[str] | tuple[str, ...] = ()) -> Tree:
    """Read a YAML file (None: an empty one) and apply overrides of the form `a.b=value`."""
    tree = _file(path) if path else Tree("configuration", {})
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
            tree.origins[place] = key.start_mark.line + 1
            _note(value, place, tree)
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            tree.origins[(*where, number)] = item.start_mark.line + 1
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
    tree.origins = {place: line for place, line in tree.origins.items() if place[: len(keys)] != keys}
    tree.origins[keys] = 0
