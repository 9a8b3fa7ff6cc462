"""One parameter of a parameter node: its type, default, checks, and how it is stored in the node."""

from __future__ import annotations

import enum
import pathlib

from ..toolkit import NotModelled
from .annotations import (
    Default,
    FloatRange,
    IsInstance,
    NotNone,
    Validator,
    findFirstAnnotation,
    node_types,
    splitAnnotations,
)

PATHS = (pathlib.Path, pathlib.PosixPath, pathlib.PurePath, pathlib.PurePosixPath)
EMPTY = {bool: False, int: 0, float: 0.0, str: "", FloatRange: FloatRange()}


class Parameter:
    """Supported: bool, int, float, str, paths, enums, FloatRange, nodes and unions of nodes."""

    def __init__(self, owner: type, name: str, hint) -> None:
        self.name, self.hint = name, hint
        self.kind, annotations = splitAnnotations(hint)
        self.nodes = node_types(self.kind)
        if self.nodes:
            checks, empty = [IsInstance(self.nodes)], None
        else:
            checks, empty = [NotNone(), IsInstance((int, float) if self.kind is float else self.kind)], self._empty()
        for item in annotations:
            item = item() if isinstance(item, type) and issubclass(item, Validator) else item
            checks += [item] if isinstance(item, Validator) else []
        self.checks = checks
        given = Default(getattr(owner, name)) if hasattr(owner, name) else None
        self.default = given or findFirstAnnotation(annotations, Default) or Default(empty)

    def _empty(self):
        if self.kind in EMPTY:
            return EMPTY[self.kind]
        if self.kind in PATHS:
            return self.kind()
        if isinstance(self.kind, type) and issubclass(self.kind, enum.Enum):
            return next(iter(self.kind))
        raise NotModelled(f"parameter {self.name} of type {self.kind!r}: the substitute knows flat types only")

    def is_in(self, node, prefix: str) -> bool:
        return bool(node.HasParameter(prefix + self.name + (".minimum" if self.kind is FloatRange else "")))

    def write(self, node, value, prefix: str) -> None:
        """Check and store; one Modified event."""
        for check in self.checks:
            check.validate(value)
        key, modifying = prefix + self.name, node.StartModify()
        try:
            if self.nodes:
                node.SetParameter(key, "")
                node.SetNodeReferenceID(key, value.GetID() if value is not None else None)
            elif self.kind is FloatRange:
                node.SetParameter(key + ".minimum", str(value.minimum))
                node.SetParameter(key + ".maximum", str(value.maximum))
            else:
                node.SetParameter(key, value.name if isinstance(value, enum.Enum) else str(value))
        finally:
            node.EndModify(modifying)

    def read(self, node, prefix: str):
        if not self.is_in(node, prefix):
            self.write(node, self.default.value, prefix)
        key = prefix + self.name
        if self.nodes:
            return node.GetNodeReference(key)
        if self.kind is FloatRange:
            found = FloatRange(*(float(node.GetParameter(f"{key}.{end}")) for end in ("minimum", "maximum")))
            found.changed = lambda changed: self.write(node, changed, prefix)
            return found
        text = node.GetParameter(key)
        if self.kind is bool:
            return text == "True"
        return self.kind[text] if issubclass(self.kind, enum.Enum) else self.kind(text)
