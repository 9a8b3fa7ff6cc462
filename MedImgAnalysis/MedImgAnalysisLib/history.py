"""One recipe from the records of several runs: from what was given at first to a result.

Each run has a recipe of its own and knows where its inputs came from. Where these were made by runs as well, the
recipes are put behind each other, so that the whole can be run again, on other images, too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from . import catalog
from .errors import RecipeError
from .recipe import Recipe, Step
from .recipe_edit import plain_name, unique


@dataclass(frozen=True)
class Given:
    """A value that no run is known to have made.

    `key` is the same for the same value, `name` what people call it, `where` what the caller finds it by.
    """

    key: str
    name: str
    kind: str
    where: Any = None


@dataclass(frozen=True)
class Made:
    """A value that a run has made: the recipe of that run, the name of the value there, and its inputs by name."""

    recipe: Recipe
    output: str
    inputs: Mapping[str, Given | Made] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The same for equal runs: the same steps on the same inputs."""
        steps = [
            [step.operation, dict(step.parameters), dict(step.inputs), dict(step.outputs)]
            for step in self.recipe.steps
            if step.enabled
        ]
        text = json.dumps([steps, {name: source.key for name, source in self.inputs.items()}], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def joined_recipe(values: Collection[Made], name: str) -> tuple[Recipe, dict[str, Given]]:
    """The recipe that makes all `values` from what was given at first, and that by input name.

    Steps that nothing of it needs are left out; a run that two values come from is there once. `RecipeError` when a
    record names values that it does not make.
    """
    if not values:
        raise RecipeError("There is nothing to make a recipe from.")
    wanted: dict[str, set[str]] = {}
    for value in values:
        _want(value, wanted)
    joining = _Joining(wanted)
    outputs = [joining.name_of(value) for value in values]
    made = [name for step in joining.steps for name in step.outputs.values()]
    ordered = tuple(sorted(dict.fromkeys(outputs), key=made.index))
    recipe = Recipe(name, joining.inputs, tuple(joining.steps), ordered)
    problems = recipe.problems()
    if problems:
        raise RecipeError(f"The records do not fit together: {next(iter(problems.values()))}")
    return recipe, joining.given


def changed_operations(record: Mapping[str, Any]) -> Iterator[str]:
    """A sentence when the operation of a record gives other results in this version."""
    operation = catalog.OPERATIONS.get(str(record.get("operation")))
    if operation is None:
        yield f"The operation {record.get('operation')!r} is not there any more."
    elif record.get("revision") != operation.revision:
        yield (
            f"{operation.title} was of revision {record.get('revision')} and is of revision {operation.revision} now; "
            "its results may differ."
        )


def _needed(recipe: Recipe, outputs: Collection[str]) -> tuple[list[Step], set[str]]:
    """The steps that make these outputs, in their order, and the names of all that these steps take."""
    names = set(outputs)
    steps: list[Step] = []
    for step in reversed(recipe.steps):
        if step.enabled and names & set(step.outputs.values()):
            steps.insert(0, step)
            names |= set(step.sources)
    return steps, names


def _want(value: Made, wanted: dict[str, set[str]]) -> None:
    """Note which results of each run are needed."""
    found = wanted.setdefault(value.key, set())
    if value.output in found:
        return
    found.add(value.output)
    _steps, names = _needed(value.recipe, [value.output])
    for name, source in value.inputs.items():
        if name in names and isinstance(source, Made):
            _want(source, wanted)


class _Joining:
    """Collects steps and inputs; each run once."""

    def __init__(self, wanted: Mapping[str, set[str]]) -> None:
        self.wanted = wanted
        self.inputs: dict[str, str] = {}
        self.given: dict[str, Given] = {}
        self.steps: list[Step] = []
        self._names: dict[str, str] = {}
        self._runs: dict[str, dict[str, str]] = {}

    def name_of(self, value: Given | Made) -> str:
        """The name of a value in the whole recipe; what makes it is added."""
        if isinstance(value, Given):
            return self._input(value)
        names = self._run(value)
        if value.output not in names:
            raise RecipeError(f"The record of a run says that it made {value.output!r}, which its recipe does not.")
        return names[value.output]

    def _input(self, value: Given) -> str:
        if value.key not in self._names:
            name = unique(plain_name(value.name, value.kind), self._taken())
            self._names[value.key] = name
            self.inputs[name] = value.kind
            self.given[name] = value
        return self._names[value.key]

    def _run(self, value: Made) -> dict[str, str]:
        if value.key in self._runs:
            return self._runs[value.key]
        steps, needed = _needed(value.recipe, self.wanted[value.key])
        names = {name: self.name_of(source) for name, source in value.inputs.items() if name in needed}
        for step in steps:
            missing = [name for name in step.sources if name not in names]
            if missing:
                raise RecipeError(f"The record of step {step.id!r} does not say what {missing[0]!r} was.", step=step.id)
            inputs = {
                role: names[bound] if isinstance(bound, str) else [names[name] for name in bound]
                for role, bound in step.inputs.items()
            }
            identity = unique(step.id, [one.id for one in self.steps])
            outputs: dict[str, str] = {}
            for role, name in step.outputs.items():
                # A run of one step may call its results like their roles, which says too little among other steps.
                wanted = f"{identity}_{role}" if name in (role, f"{step.operation}_{role}") else name
                outputs[role] = names[name] = unique(wanted, {*self._taken(), *outputs.values()})
            self.steps.append(replace(step, id=identity, inputs=inputs, outputs=outputs))
        self._runs[value.key] = names
        return names

    def _taken(self) -> set[str]:
        return {*self.inputs, *(name for step in self.steps for name in step.outputs.values())}
