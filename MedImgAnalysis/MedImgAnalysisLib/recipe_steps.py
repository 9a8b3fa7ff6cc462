"""A step of a recipe, and everything that can be wrong with steps in a row."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import catalog
from .errors import MedImgError
from .operation import Operation

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,79}")
KINDS = ("image", "mask", "labels", "transform", "landmarks", "table", "curves", "surface", "frames")


@dataclass(frozen=True)
class Step:
    """One operation with its bindings: role to name for inputs, role to name for outputs."""

    id: str
    operation: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    enabled: bool = True

    @property
    def sources(self) -> list[str]:
        """Names of all values that the step takes, in the order of its inputs."""
        return [name for bound in self.inputs.values() for name in names_of(bound)]

    def build(self) -> Operation:
        """The operation with its parameters; raises `ParameterError`."""
        return catalog.find(self.operation).from_parameters(self.parameters)


Makers = Mapping[str, tuple[int, Step]]
"""The first step that makes a value, and its place, by the name of the value."""


def names_of(bound: Any) -> list[str]:
    """The names that a role is bound to: one, or several for a role that takes several values."""
    return [bound] if isinstance(bound, str) else [str(name) for name in bound]


def fits(have: str, want: str) -> bool:
    """Equal kinds fit; a mask can stand for labels, labels of one segment for a mask, frames for images."""
    return have == want or {have, want} in ({"labels", "mask"}, {"frames", "image"}, {"frames", "mask"})


def complaints(inputs: Mapping[str, str], steps: Sequence[Step], outputs: Sequence[str]) -> list[tuple[str, str]]:
    """All that is wrong: (step id, sentence); the id is empty for the recipe as a whole.

    A step with a wrong parameter still makes what it is to make, so one mistake is told once, at its step.
    """
    found: list[tuple[str, str]] = []
    kinds: dict[str, str] = dict(inputs)
    makers: dict[str, tuple[int, Step]] = {}
    for number, step in enumerate(steps):
        for name in step.outputs.values():
            makers.setdefault(name, (number, step))
    ids: set[str] = set()
    for name, kind in inputs.items():
        if not NAME.fullmatch(name) or kind not in KINDS:
            found.append(
                (
                    "",
                    f"Input {name!r} of kind {kind!r}: the name may have letters, digits, '_', '-', '.' "
                    f"and the kind is one of {', '.join(KINDS)}.",
                )
            )
    for number, step in enumerate(steps):
        if not NAME.fullmatch(step.id) or step.id in ids:
            found.append(
                (
                    step.id,
                    f"The id {step.id!r} is used twice or has characters other than letters, digits, '_', '-' and '.'.",
                )
            )
        ids.add(step.id)
        if step.enabled:
            found += [(step.id, sentence) for sentence in _step(step, number, makers, kinds)]
    if not steps:
        found.append(("", "The recipe has no steps."))
    for name in outputs:
        if name not in kinds or name in inputs:
            off = name in makers and not makers[name][1].enabled
            why = f": step {makers[name][1].id!r} is switched off" if off else ""
            found.append(("", f"Output {name!r} is not made by any step{why}."))
    if len({name.casefold() for name in outputs}) != len(outputs):
        found.append(("", "Two outputs have the same name."))
    return found


def _step(step: Step, number: int, makers: Makers, kinds: dict[str, str]) -> Iterator[str]:
    """What is wrong with one step; adds what it makes to `kinds` (an empty kind where it is not known)."""
    try:
        operation = catalog.find(step.operation)
    except MedImgError as error:
        yield str(error)
        kinds.update(dict.fromkeys(step.outputs.values(), ""))
        return
    try:
        step.build()
    except MedImgError as error:
        yield str(error)
    yield from _inputs(step, number, makers, kinds, operation)
    made = {role.name: role.kind for role in operation.outputs()}
    for name, target in step.outputs.items():
        if name not in made:
            yield f"{operation.name} has no output {name!r}; it has {', '.join(made)}."
        elif not NAME.fullmatch(target):
            yield f"Output name {target!r} may have letters, digits, '_', '-' and '.' only."
        elif target in kinds:
            yield f"The name {target!r} is used twice."
        else:
            kinds[target] = made[name]


def _inputs(
    step: Step, number: int, makers: Makers, kinds: Mapping[str, str], operation: type[Operation]
) -> Iterator[str]:
    roles = {role.name: role for role in operation.inputs()}
    for name, bound in step.inputs.items():
        if name not in roles:
            yield f"{operation.name} has no input {name!r}; it has {', '.join(roles)}."
            continue
        if not roles[name].many and not isinstance(bound, str):
            yield f"Input {name!r} takes one name."
            continue
        for source in names_of(bound):
            if source not in kinds:
                yield f"Input {name!r} wants {source!r}, {_why_missing(source, number, makers)}."
            elif kinds[source] and not fits(kinds[source], roles[name].kind):
                yield f"Input {name!r} is {roles[name].kind}, but {source!r} is {kinds[source]}."
    for role in roles.values():
        if role.required and not step.inputs.get(role.name):
            yield f"Input {role.name!r} ({role.kind}) is not bound."


def _why_missing(source: str, number: int, makers: Makers) -> str:
    place, step = makers.get(source, (-1, None))
    if step is not None and not step.enabled:
        return f"which no earlier step makes: step {step.id!r} is switched off"
    if step is not None and place > number:
        return f"which no earlier step makes: step {step.id!r} makes it later"
    return "which no earlier step makes and no input names"
