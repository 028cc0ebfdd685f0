"""The JSON schema of a configuration: keys for messages and help, samples in place of missing values."""

import json
import textwrap
from collections.abc import Iterator
from typing import Any

from facesieve_training.config_tree import Location

Node = dict[str, Any]
_TYPES = {"boolean": "true or false", "integer": "whole number", "number": "number", "string": "text"}
_LIMITS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
_WIDTH = 100


class Schema:
    """pydantic's schema of a dataclass."""

    def __init__(self, root: Node, definitions: dict[str, Node]) -> None:
        self._root, self._definitions = root, definitions

    def keys(self, location: Location) -> list[str]:
        """Keys of the mapping at a location."""
        return list(self._at(location).get("properties", {}))

    def sample(self, location: Location) -> Any:
        """A valid value for a location."""
        return self._sample(self._at(location))

    def help(self, made: dict[str, Any]) -> str:
        """List all keys with type, default and description; made: defaults that only the class can make."""
        lines: list[str] = []
        for name, node, required in self._listed(self._root, ""):
            default = made.get(name, node.get("default", self))
            ending = f", default {json.dumps(default)}" if default is not self else ""
            lines.append(f"  {name}: {self._type(node)}{ending or (', required' if required else '')}")
            doc = " ".join(str(node.get("description", "")).split())
            lines += textwrap.wrap(doc, _WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)
        return "\n".join(lines)

    def _at(self, location: Location) -> Node:
        node = self._resolved(self._root)
        for step in location:
            if isinstance(step, int):
                items = node.get("prefixItems")
                node = self._resolved(items[step] if items else node["items"])
            else:
                inner = node.get("properties", {}).get(step) or node.get("additionalProperties")
                if not isinstance(inner, dict):
                    raise LookupError(step)
                node = self._resolved(inner)
        return node

    def _resolved(self, node: Node) -> Node:
        """Follow references, and take the first of several types: the one that is not null."""
        if "anyOf" in node:
            return self._resolved({**node["anyOf"][0], **_about(node)})
        if "$ref" in node:
            return {**self._definitions[node["$ref"].rpartition("/")[2]], **_about(node)}
        return node

    def _sample(self, node: Node) -> Any:
        node = self._resolved(node)
        if "enum" in node or "const" in node:
            return node.get("const", node.get("enum", [None])[0])
        kind = node.get("type")
        if kind == "object":
            return {key: self._sample(node["properties"][key]) for key in node.get("required", [])}
        if kind == "array":
            return [self._sample(item) for item in node.get("prefixItems", [])]
        if kind in ("integer", "number"):
            low: float = node.get("exclusiveMinimum", node.get("minimum", 0))  # type: ignore[assignment]
            high: float = node.get("exclusiveMaximum", low + 2)
            return max(int(low), 1) if kind == "integer" else (low + high) / 2
        return kind != "boolean" and "sample"

    def _listed(self, node: Node, outer: str) -> Iterator[tuple[str, Node, bool]]:
        """Name, node and whether it is required, of every key below a node."""
        node = self._resolved(node)
        for key, inner in node.get("properties", {}).items():
            name, found = f"{outer}{key}", self._resolved(inner)
            yield name, {**found, **inner} if "anyOf" not in inner else inner, key in node.get("required", [])
            yield from self._listed(found, f"{name}.")
            yield from self._listed(found.get("items", {}), f"{name}[].")

    def _type(self, node: Node) -> str:
        if "anyOf" in node:
            return " or ".join(self._type(one) for one in node["anyOf"])
        node = self._resolved(node)
        if "enum" in node or "const" in node:
            return "|".join(map(str, node.get("enum", [node.get("const")])))
        if node.get("format") == "path":
            return "path"
        kind = str(node.get("type"))
        if kind == "array":
            inner = [self._type(one) for one in node.get("prefixItems", [])]
            return f"list of {self._type(node['items'])}" if "items" in node else f"[{', '.join(inner)}]"
        if kind == "object":
            values = node.get("additionalProperties")
            return f"keys with {self._type(values)}" if isinstance(values, dict) else "keys"
        limits = [f" {sign} {node[name]:g}" for name, sign in _LIMITS.items() if name in node]
        return _TYPES.get(kind, kind) + ",".join(limits)


def repair(tree: Any, location: Location, sample: Any) -> None:
    """Set a missing value, or delete a bad one so that its default applies; list items are replaced."""
    *outer, last = location
    for step in outer:
        tree = tree[step]
    if sample is not None:
        tree[last] = sample
    else:
        del tree[last]


def _about(node: Node) -> Node:
    return {key: node[key] for key in ("description", "default") if key in node}
