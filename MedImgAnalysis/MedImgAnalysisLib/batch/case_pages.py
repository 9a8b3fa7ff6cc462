"""The pages of a case: one HTML file for each step that measured or aligned something."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..pages.registration_pictures import aligned_of
from ..pages.result_page import write_result_page
from ..progress import Progress
from ..recipe import Recipe, RecipeResult
from ..values import Curves, Measurements
from .drawing import drawer

PAGES = "pages"


def write(
    folder: Path,
    recipe: Recipe,
    values: Mapping[str, Any],
    result: RecipeResult,
    names: Mapping[str, str],
    progress: Progress,
) -> list[str]:
    """Write `pages/<step>.html` into the folder of a case; gives them relative to it.

    A page shows what the case keeps: values that are no output of the recipe are left out. `names` says what the
    inputs are called.
    """
    known = {**values, **{name: value for name, value in result.outputs.items() if value is not None}}
    warnings = {record["step"]: record["warnings"] for record in result.records}
    draw = drawer(progress)
    written = []
    for step in recipe.steps:
        made = {role: known[name] for role, name in step.outputs.items() if name in known} if step.enabled else {}
        given: dict[str, Any] = {}
        for role, bound in step.inputs.items():
            found = [known[name] for name in ([bound] if isinstance(bound, str) else bound) if name in known]
            if found:
                given[role] = found[0] if isinstance(bound, str) else found
        measured = any(isinstance(value, (Measurements, Curves)) for value in made.values())
        if not measured and (not made or aligned_of(given, made) is None):
            continue
        (folder / PAGES).mkdir(exist_ok=True)
        path = folder / PAGES / f"{step.id}.html"
        called = {role: ", ".join(names.get(name, name) for name in ([bound] if isinstance(bound, str) else bound))
                  for role, bound in step.inputs.items()}  # fmt: skip
        write_result_page(path, step.build(), given, made, names=called, warnings=warnings.get(step.id, ()), draw=draw)
        written.append(path.relative_to(folder).as_posix())
    return written
