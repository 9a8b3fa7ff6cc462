"""What memory, time and disk a case will need, planned from the headers of its inputs before a voxel is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from .. import catalog
from ..errors import MedImgError
from ..files.extents import extent
from ..machine import memory_text
from ..operation import Operation
from ..plan import Extent, plan_for
from ..recipe import Recipe, Step

FLOAT = np.dtype(np.float32)


@dataclass(frozen=True)
class _Value:
    """A named value: its extent, the bytes it takes while it is kept, and the number of its frames."""

    extent: Extent
    bytes: float
    frames: int = 1


@dataclass(frozen=True)
class CaseNeed:
    """Planned bytes of a case beyond those of its process, and the step that needs the most.

    `bytes` is for everything at once, `kept_bytes` for the images and segments it writes, without compression;
    `seconds` is None when the time of a step is not known. `refusal` is empty, or says with numbers why the case cannot
    run in the memory that was free when it was planned, even alone and slab by slab.
    """

    bytes: float
    step: str = ""
    refusal: str = ""
    seconds: float | None = None
    kept_bytes: float = 0.0

    @property
    def text(self) -> str:
        """`3.2 GB (step 'align')`."""
        return f"{memory_text(self.bytes)} (step {self.step!r})" if self.step else memory_text(self.bytes)


def case_need(recipe: Recipe, paths: Mapping[str, str]) -> CaseNeed | None:
    """The memory for the files of one case; None when their headers do not tell, as for a missing file.

    Inputs and kept outputs stay for the whole case; values between steps as long as a later step takes them. Results
    are counted as float images on the grid of the first image of their step.
    """
    known: dict[str, _Value] = {}
    for name, path in paths.items():
        found = extent(path, recipe.inputs.get(name, ""))
        if found is not None:
            size = Extent(found.grid, found.components, found.dtype.itemsize, found.dtype.kind == "f")
            known[name] = _Value(
                size, size.voxels * size.components * size.itemsize * float(found.frames), found.frames
            )
    if not known:
        return None
    steps = [step for step in recipe.steps if step.enabled]
    most = CaseNeed(sum(value.bytes for value in known.values()))
    refusal, written = "", 0.0
    seconds: float | None = 0.0
    for number, step in enumerate(steps):
        operation = step.build()
        images, judged = _images(operation, step, known)
        held = sum(value.bytes for value in known.values())
        if images:
            # The plan looks at the memory that is free now; what is held then is not free any more.
            extents = [image.extent for image in images]
            plan = plan_for(operation, extents, extra_bytes=held, frames=max(image.frames for image in images))
            if plan.whole_bytes > most.bytes:
                most = CaseNeed(plan.whole_bytes, step.id)
            seconds = None if seconds is None or plan.seconds is None else seconds + plan.seconds
            refusal = refusal or (f"Step {step.id!r}: {plan.problem}" if judged and plan.problem else "")
            made = _made(operation, step, images)
            written += sum(value.bytes for name, value in made.items() if name in recipe.outputs)
            known |= made
        kept = {*recipe.inputs, *recipe.outputs, *(name for later in steps[number + 1 :] for name in later.sources)}
        known = {name: value for name, value in known.items() if name in kept}
    return replace(most, refusal=refusal, seconds=seconds, kept_bytes=written)


def need_of(recipe: Recipe, paths: Mapping[str, str]) -> CaseNeed | None:
    """As `case_need`; None also where the files are not what the recipe takes, which their case will say."""
    try:
        return case_need(recipe, paths)
    except (MedImgError, ArithmeticError, ValueError):
        return None


def _images(operation: Operation, step: Step, known: Mapping[str, _Value]) -> tuple[list[_Value], bool]:
    """The images of a step and True, or its segmentations and False: work on these goes in boxes and is not refused."""
    for kinds in (("image", "frames"), ("mask", "labels")):
        found: list[_Value] = []
        for role in operation.inputs():
            bound = step.inputs.get(role.name)
            if role.kind in kinds and bound is not None:
                names = [bound] if isinstance(bound, str) else list(bound)
                values = [known[name] for name in names if name in known]
                # What takes frames takes all of them at once; other operations one after the other.
                whole = role.kind == "frames" or role.many
                found += [replace(v, frames=1) for v in values for _ in range(v.frames)] if whole else values
        if found:
            return found, "image" in kinds
    return [], False


def _made(operation: Operation, step: Step, images: list[_Value]) -> dict[str, _Value]:
    first = images[0]
    growth = operation.growth([image.extent.grid for image in images])
    grid = first.extent.grid
    if growth != 1.0:
        factor = growth ** (1 / grid.dimension)
        grid = replace(grid, size=tuple(max(1, round(n * factor)) for n in grid.size))
    made = {}
    for role in catalog.find(step.operation).outputs():
        if role.name in step.outputs and role.kind in ("image", "mask", "labels", "frames"):
            bits = role.kind in ("mask", "labels")
            size = Extent(grid, 1 if bits else first.extent.components, 1 if bits else FLOAT.itemsize, not bits)
            taken = size.voxels * size.components * size.itemsize * float(first.frames)
            made[step.outputs[role.name]] = _Value(size, taken, first.frames)
    return made
