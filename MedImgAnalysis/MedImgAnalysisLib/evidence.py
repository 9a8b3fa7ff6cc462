"""Evidence of what a filter did, asked for after any filter of a recipe.

    recipe = with_evidence(Recipe.single(Median(), {"image": "t1"}))

adds a `filter_evidence` step behind each step whose result can be compared with its input. Panel, console, command
line and batch run the longer recipe like any other, so the evidence has its own record and can be verified.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from . import catalog
from .errors import RecipeError
from .operation import Operation
from .recipe import Recipe, Step

EVIDENCE = "filter_evidence"
ROLES = {
    "table": "evidence",
    "residual": "evidence_residual",
    "spectra": "evidence_spectra",
    "histogram": "evidence_histogram",
}
"""What the outputs of the evidence are called beside those of the filter."""


def compared_roles(operation: type[Operation]) -> tuple[str, str] | None:
    """Input and output role that evidence compares; None for operations whose result is no filtered input.

    The result must show the same quantity at the same place (`keeps`, `keeps_grid`), and the input must be finite.
    """
    if not operation.keeps_grid or not operation.finite_only:
        return None
    # What is moved is not where it was, whatever the filter left of it.
    if any(role.kind == "transform" for role in operation.outputs()):
        return None
    # The grid is that of the first image; what is kept from another one (a moving image) may lie on another grid.
    first = next((role for role in operation.inputs() if role.kind == "image"), None)
    if first is None or first.many:
        return None
    return next(((before, after) for after, before in operation.keeps.items() if before == first.name), None)


def with_evidence(
    recipe: Recipe, steps: Collection[str] | None = None, *, regions: str | None = None, residual: bool = False
) -> Recipe:
    """The recipe with evidence behind its filters.

    Parameters
    ----------
    steps
        Ids of the steps; None for all that can have evidence.
    regions
        Name of a segmentation of the recipe whose first two segments tell contrast before and after.
    residual
        Ask for the residual image too.

    The new outputs are `<result>_evidence` (table), `_spectra`, `_histogram` (curves) and `_residual` (image). Raises
    `RecipeError` for a step that is not there or cannot have evidence, and for names that are used already.
    """
    wanted = set(steps) if steps is not None else None
    ids = {step.id for step in recipe.steps}
    if wanted is not None and wanted - ids:
        raise RecipeError(f"The recipe has no step {', '.join(sorted(wanted - ids))}; it has {', '.join(sorted(ids))}.")
    longer: list[Step] = []
    made: list[str] = []
    for step in recipe.steps:
        longer.append(step)
        if wanted is not None and step.id not in wanted:
            continue
        behind = _evidence_of(step, regions, residual)
        if behind is None and wanted is not None:
            raise RecipeError(
                f"Step {step.id!r} ({step.operation}) has no result that can be compared with its input.", step=step.id
            )
        if behind is not None:
            longer.append(behind)
            made += [name for role, name in behind.outputs.items() if residual or role != "residual"]
    result = replace(recipe, steps=tuple(longer), outputs=(*recipe.outputs, *made))
    problem = next(iter(result.problems().values()), None)
    if problem:
        raise RecipeError(problem)
    return result


def names_by_role(recipe: Recipe) -> dict[str, str]:
    """The names of the outputs of a one-step recipe by role, and behind them those of its evidence by `ROLES`."""
    names = dict(recipe.steps[0].outputs)
    for step in recipe.steps[1:]:
        if step.operation == EVIDENCE:
            names |= {ROLES[role]: name for role, name in step.outputs.items() if name in recipe.outputs}
    return names


def _evidence_of(step: Step, regions: str | None, residual: bool) -> Step | None:
    operation = catalog.find(step.operation)
    roles = compared_roles(operation)
    if not step.enabled or roles is None or not {roles[0]} <= set(step.inputs) or roles[1] not in step.outputs:
        return None
    result = step.outputs[roles[1]]
    inputs = {"before": step.inputs[roles[0]], "after": result}
    inputs |= dict(_masks(operation, step))
    if regions is not None:
        inputs["regions"] = regions
    names = {"table": "evidence", "residual": "residual", "spectra": "spectra", "histogram": "histogram"}
    outputs = {role: f"{result}_{word}" for role, word in names.items()}
    return Step(f"{step.id}_evidence", EVIDENCE, {"residual_image": residual}, inputs, outputs)


def _masks(operation: type[Operation], step: Step) -> Iterator[tuple[str, str]]:
    """Where the filter worked is where its evidence is."""
    if any(role.name == "mask" and role.kind == "mask" for role in operation.inputs()) and "mask" in step.inputs:
        yield "mask", step.inputs["mask"]
