"""Changing a recipe step by step: each function takes one and gives a new one.

The result may be unfinished; `Recipe.complaints` says what is missing. Names that are asked for are checked at once
and refused with `RecipeError`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from . import catalog
from .errors import ParameterError, RecipeError
from .operation import Operation, Role
from .recipe import KINDS, NAME, Recipe, Step
from .recipe_steps import fits, names_of

ANCHORS = ("fixed", "reference")
"""Roles that stay what they are while the other images are worked on."""


def empty(name: str = "") -> Recipe:
    """A recipe to begin with."""
    return Recipe(name, {}, (), ())


def unique(name: str, taken: Collection[str]) -> str:
    """`name`, with a number behind it where it is taken; upper and lower case do not tell names apart."""
    used = {other.casefold() for other in taken}
    tried, number = name, 1
    while tried.casefold() in used:
        number += 1
        tried = f"{name[:70]}_{number}"
    return tried


def plain_name(text: str, otherwise: str) -> str:
    """`text` with the characters that names of values may have: `MR head (T1)` is `MR_head_T1`."""
    found = re.sub(r"[^A-Za-z0-9_\-]+", "_", text).strip("_-")[:60]
    return found or otherwise


def taken_names(recipe: Recipe) -> set[str]:
    """The names of all inputs and results, those of steps that are switched off as well."""
    return {*recipe.inputs, *(name for step in recipe.steps for name in step.outputs.values())}


def position(recipe: Recipe, step: str) -> int:
    """The place of a step, from 0; `RecipeError` when there is no such step."""
    for number, one in enumerate(recipe.steps):
        if one.id == step:
            return number
    raise RecipeError(f"The recipe has no step {step!r}.", step=step)


def operation_of(step: Step) -> type[Operation] | None:
    """The class of a step's operation, None where the catalog has no such one."""
    try:
        return catalog.find(step.operation)
    except ParameterError:
        return None


def offered(recipe: Recipe, at: int, kind: str) -> list[str]:
    """The names that a role of this kind can be bound to in the step at place `at`: inputs, then earlier results."""
    kinds = dict(recipe.inputs)
    for step in recipe.steps[:at]:
        operation = operation_of(step)
        if step.enabled and operation is not None:
            made = {role.name: role.kind for role in operation.outputs()}
            kinds |= {name: made[role] for role, name in step.outputs.items() if role in made}
    return [name for name, have in kinds.items() if fits(have, kind)]


def used_by(recipe: Recipe, name: str) -> list[str]:
    """The ids of the steps that take a value."""
    return [step.id for step in recipe.steps if name in step.sources]


def add_step(recipe: Recipe, operation: str, after: str | None = None) -> tuple[Recipe, str]:
    """The recipe with one more step, and its id.

    The step takes the latest result where that suits it, else inputs, which are added where there are none. All that
    it makes is kept; what it goes on from is kept no longer when it has the same kind.
    """
    cls = catalog.find(operation)
    at = len(recipe.steps) if after is None else position(recipe, after) + 1
    inputs = dict(recipe.inputs)
    bound: dict[str, Any] = {}
    chain = _chain(recipe, at, cls)
    if chain is not None:
        bound[chain[0]] = chain[1]
    for role in cls.inputs():
        if role.required and role.name not in bound:
            made = None if role.many or role.name in ANCHORS else _latest(recipe, at, role)
            other = chain is not None and recipe_kinds(recipe).get(chain[1]) != role.kind
            bound[role.name] = made if made and other else _input_for(role, inputs, recipe, bound)
    ordered = {role.name: bound[role.name] for role in cls.inputs() if role.name in bound}
    recipe = replace(recipe, inputs=inputs)
    identity = unique(cls.name, [step.id for step in recipe.steps])
    step = Step(identity, cls.name, cls().values(), ordered, _new_outputs(recipe, identity, cls))
    passed = chain[1] if chain is not None and _continues(recipe, chain[1], cls) else None
    kept = [name for name in recipe.outputs if name != passed]
    longer = replace(recipe, steps=(*recipe.steps[:at], step, *recipe.steps[at:]))
    return with_kept(longer, [*kept, *step.outputs.values()]), identity


def duplicate_step(recipe: Recipe, step: str) -> tuple[Recipe, str]:
    """The recipe with a copy of a step behind it, and the id of the copy; its results have names of their own."""
    at = position(recipe, step)
    old = recipe.steps[at]
    identity = unique(re.sub(r"_\d+$", "", old.id), [one.id for one in recipe.steps])
    taken = taken_names(recipe)
    outputs: dict[str, str] = {}
    for role, name in old.outputs.items():
        outputs[role] = unique(re.sub(r"_\d+$", "", name), {*taken, *outputs.values()})
    kept = [outputs[role] for role, name in old.outputs.items() if name in recipe.outputs]
    copy = replace(old, id=identity, outputs=outputs)
    made = replace(recipe, steps=(*recipe.steps[: at + 1], copy, *recipe.steps[at + 1 :]))
    return with_kept(made, [*recipe.outputs, *kept]), identity


def remove_step(recipe: Recipe, step: str) -> tuple[Recipe, tuple[str, ...]]:
    """The recipe without a step, and the ids of later steps that now take what it took.

    A later step that took a result takes what this one was made from, where that is of the same kind. Other steps
    that took a result are left with a name that nobody makes, which `complaints` says.
    """
    at = position(recipe, step)
    old = recipe.steps[at]
    instead = _passed_through(recipe, at)
    changed: list[str] = []
    steps: list[Step] = []
    for one in (*recipe.steps[:at], *recipe.steps[at + 1 :]):
        bound = {role: _replaced(names, instead) for role, names in one.inputs.items()}
        if bound != dict(one.inputs):
            changed.append(one.id)
        steps.append(replace(one, inputs=bound))
    gone = set(old.outputs.values())
    kept = [instead.get(name, name) for name in recipe.outputs]
    shorter = replace(recipe, steps=tuple(steps))
    return with_kept(shorter, [name for name in kept if name not in {*gone, *recipe.inputs}]), tuple(changed)


def move_step(recipe: Recipe, step: str, to: int) -> Recipe:
    """The recipe with a step at another place, from 0; places beyond the ends are the ends."""
    steps = list(recipe.steps)
    one = steps.pop(position(recipe, step))
    steps.insert(max(0, min(to, len(steps))), one)
    return with_kept(replace(recipe, steps=tuple(steps)), recipe.outputs)


def order_steps(recipe: Recipe, ids: Sequence[str]) -> Recipe:
    """The recipe with its steps in this order; `RecipeError` when these are not its steps."""
    if sorted(ids) != sorted(step.id for step in recipe.steps):
        raise RecipeError("The order must name each step once.")
    steps = {step.id: step for step in recipe.steps}
    return with_kept(replace(recipe, steps=tuple(steps[one] for one in ids)), recipe.outputs)


def switch_step(recipe: Recipe, step: str, enabled: bool) -> Recipe:
    """The recipe with a step switched on or off.

    What a step that is off would make is not kept. Switched on again, all is kept but what a later step goes on from.
    """
    recipe = _changed(recipe, step, enabled=enabled)
    made = list(recipe.steps[position(recipe, step)].outputs.values())
    if enabled:
        return with_kept(recipe, [*recipe.outputs, *(name for name in made if not _goes_on(recipe, name))])
    return with_kept(recipe, [name for name in recipe.outputs if name not in made])


def rename_step(recipe: Recipe, step: str, name: str) -> Recipe:
    """The recipe with another id for a step."""
    if name == step:
        return recipe
    _check_name(name)
    if name in [one.id for one in recipe.steps]:
        raise RecipeError(f"There is a step {name!r} already.", step=step)
    return _changed(recipe, step, id=name)


def set_parameters(recipe: Recipe, step: str, values: Mapping[str, Any]) -> Recipe:
    """The recipe with these parameters of a step."""
    return _changed(recipe, step, parameters=dict(values))


def bind(recipe: Recipe, step: str, role: str, names: str | Sequence[str] | None) -> Recipe:
    """The recipe with an input of a step bound to a name, to several, or (None, nothing) to none."""
    bound = dict(recipe.steps[position(recipe, step)].inputs)
    bound.pop(role, None)
    if names:
        bound[role] = names if isinstance(names, str) else list(names)
    return _changed(recipe, step, inputs=bound)


def add_input(recipe: Recipe, kind: str, name: str = "") -> tuple[Recipe, str]:
    """The recipe with one more input, and its name; without one it is called like its kind."""
    if kind not in KINDS:
        raise RecipeError(f"There is no kind {kind!r}; the kinds are {', '.join(KINDS)}.")
    name = name or unique(kind, taken_names(recipe))
    _check_free(recipe, name)
    return replace(recipe, inputs={**recipe.inputs, name: kind}), name


def set_input_kind(recipe: Recipe, name: str, kind: str) -> Recipe:
    """The recipe with another kind for an input."""
    if name not in recipe.inputs or kind not in KINDS:
        raise RecipeError(f"Input {name!r} cannot be of kind {kind!r}; the kinds are {', '.join(KINDS)}.")
    return replace(recipe, inputs={**recipe.inputs, name: kind})


def remove_input(recipe: Recipe, name: str) -> Recipe:
    """The recipe without an input; `RecipeError` when a step takes it."""
    users = used_by(recipe, name)
    if users:
        raise RecipeError(f"The input {name!r} is taken by {', '.join(users)}; give these steps another one first.")
    return replace(recipe, inputs={other: kind for other, kind in recipe.inputs.items() if other != name})


def rename_value(recipe: Recipe, old: str, new: str) -> Recipe:
    """The recipe with another name for an input or a result, everywhere."""
    if new == old:
        return recipe
    _check_free(recipe, new, but=old)
    swap = {old: new}
    steps = tuple(
        replace(
            step,
            inputs={role: _replaced(names, swap) for role, names in step.inputs.items()},
            outputs={role: swap.get(name, name) for role, name in step.outputs.items()},
        )
        for step in recipe.steps
    )
    return replace(
        recipe,
        inputs={swap.get(name, name): kind for name, kind in recipe.inputs.items()},
        steps=steps,
        outputs=tuple(swap.get(name, name) for name in recipe.outputs),
    )


def keep(recipe: Recipe, name: str, kept: bool) -> Recipe:
    """The recipe with a result among its outputs, or not."""
    return with_kept(recipe, [*recipe.outputs, name] if kept else [one for one in recipe.outputs if one != name])


def with_kept(recipe: Recipe, names: Collection[str]) -> Recipe:
    """The recipe with these outputs, in the order in which the steps make them."""
    made = [name for step in recipe.steps for name in step.outputs.values()]
    known = [name for name in made if name in names]
    return replace(recipe, outputs=tuple(dict.fromkeys([*known, *(name for name in names if name not in made)])))


def _changed(recipe: Recipe, step: str, **changes: Any) -> Recipe:
    at = position(recipe, step)
    return replace(recipe, steps=(*recipe.steps[:at], replace(recipe.steps[at], **changes), *recipe.steps[at + 1 :]))


def _replaced(bound: Any, swap: Mapping[str, str]) -> Any:
    return swap.get(bound, bound) if isinstance(bound, str) else [swap.get(name, name) for name in bound]


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise RecipeError(f"The name {name!r} may have letters, digits, '_', '-' and '.', and is at most 80 long.")


def _check_free(recipe: Recipe, name: str, but: str = "") -> None:
    _check_name(name)
    if name.casefold() in {other.casefold() for other in taken_names(recipe) if other != but}:
        raise RecipeError(f"The name {name!r} is taken already.")


def _new_outputs(recipe: Recipe, identity: str, cls: type[Operation]) -> dict[str, str]:
    taken = taken_names(recipe)
    names: dict[str, str] = {}
    for role in cls.outputs():
        wanted = identity if role.name.startswith(identity) else f"{identity}_{role.name}"
        names[role.name] = unique(wanted, {*taken, *names.values()})
    return names


def _latest(recipe: Recipe, at: int, role: Role) -> str | None:
    """What the last step before place `at` makes for a role: its first result, of just that kind if possible."""
    names = offered(recipe, at, role.kind)
    kinds = recipe_kinds(recipe)
    made = [[name for name in step.outputs.values() if name in names] for step in reversed(recipe.steps[:at])]
    exact = [name for found in made for name in found if kinds.get(name) == role.kind]
    return next(iter(exact or [name for found in made for name in found]), None)


def _chain(recipe: Recipe, at: int, cls: type[Operation]) -> tuple[str, str] | None:
    """The role that goes on from the latest result, and that result."""
    roles = [role for role in cls.inputs() if role.required and not role.many]
    first = [*cls.keeps.values()]
    roles.sort(key=lambda role: (role.name not in first, role.name in ANCHORS))
    for role in roles:
        name = _latest(recipe, at, role)
        if name is not None:
            return role.name, name
    return None


def _input_for(role: Role, inputs: dict[str, str], recipe: Recipe, bound: Mapping[str, Any]) -> Any:
    """The input that a role takes; it is added to `inputs` where no other one suits."""
    here = {name for names in bound.values() for name in names_of(names)}
    free = [name for name, kind in inputs.items() if kind == role.kind and name not in here]
    if role.many:
        if len(free) < 2:
            for number in range(1, 3 - len(free)):
                name = unique(f"{role.name}_{number}", {*inputs, *taken_names(recipe)})
                inputs[name] = role.kind
                free.append(name)
        return free
    if free and role.name in free:
        return role.name
    if free:
        return free[0]
    name = unique(role.name, {*inputs, *taken_names(recipe)})
    inputs[name] = role.kind
    return name


def _goes_on(recipe: Recipe, name: str) -> bool:
    """Whether some step makes a later state of a value."""
    users = [operation_of(step) for step in recipe.steps if name in step.sources]
    return any(_continues(recipe, name, user) for user in users if user is not None)


def _continues(recipe: Recipe, name: str, cls: type[Operation]) -> bool:
    """Whether the operation gives a later state of the value that it takes."""
    kind = recipe_kinds(recipe).get(name)
    return any(role.kind == kind for role in cls.outputs())


def recipe_kinds(recipe: Recipe) -> dict[str, str]:
    """The kind of every value by name, of unfinished recipes as well; unknown operations make nothing."""
    kinds = dict(recipe.inputs)
    for step in recipe.steps:
        operation = operation_of(step)
        made = {role.name: role.kind for role in operation.outputs()} if operation is not None else {}
        kinds |= {name: made[role] for role, name in step.outputs.items() if role in made}
    return kinds


def _passed_through(recipe: Recipe, at: int) -> dict[str, str]:
    """Per result of a step the value of the same kind that it was made from."""
    step = recipe.steps[at]
    operation = operation_of(step)
    if operation is None:
        return {}
    found: dict[str, str] = {}
    for role in operation.outputs():
        wanted = operation.keeps.get(role.name)
        same = [one.name for one in operation.inputs() if one.kind == role.kind and one.required and not one.many]
        source = step.inputs.get(wanted or next(iter(same), ""))
        if role.name in step.outputs and isinstance(source, str):
            found[step.outputs[role.name]] = source
    return found
