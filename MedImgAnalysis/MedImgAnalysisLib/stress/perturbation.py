"""A disturbance of the inputs, as steps in front of a recipe.

So a disturbed case is a case like any other: it runs in a batch, leaves a record, and can be verified.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..errors import ParameterError, RecipeError
from ..recipe import Recipe, Step
from ..recipe_steps import names_of

STILL: dict[str, Any] = dict.fromkeys(
    (
        "rotation_deg", "shift_mm", "scale_percent", "shear_percent", "elastic_mm",
        "gamma_percent", "contrast_percent", "bias_percent", "noise_percent",
    ),
    0.0,
)  # fmt: skip
UNITS = {"noise": "", "rotate": "deg", "shift": "mm", "deform": "mm", "spacing": "mm", "blur": "mm", "gamma": "%"}
MOVING = {"rotate": "rotation_deg", "shift": "shift_mm", "deform": "elastic_mm"}
CERTAIN = ("spacing", "blur")
"""Kinds in which nothing is drawn by chance: one repetition is enough."""


@dataclass(frozen=True)
class Perturbation:
    """One way to disturb the inputs of a recipe.

    Attributes
    ----------
    kind
        `noise` (Gaussian), `rotate` and `shift` (up to the level about and along each patient axis, all inputs of a
        case alike), `deform` (smooth and random), `spacing` (images resampled to cubic voxels), `blur` (Gaussian) or
        `gamma` (power of the values).
    level
        How much, in `unit`.
    unit
        `%` of what lies between the 1st and the 99th percentile, or empty for the unit of the image (noise); degrees
        (rotate), mm (shift, deform, spacing, blur: sigma), % (gamma).
    """

    kind: str
    level: float
    unit: str = ""

    def __post_init__(self) -> None:
        if self.kind not in UNITS:
            raise ParameterError(f"There is no perturbation {self.kind!r}; there are {', '.join(UNITS)}.", field="kind")
        if not self.level > 0:
            raise ParameterError(f"The level of {self.kind} is {self.level:g}; it must be above 0.", field="level")
        if self.kind != "noise":
            object.__setattr__(self, "unit", UNITS[self.kind])
        elif self.unit not in ("", "%"):
            raise ParameterError(f"The unit of noise is % or that of the image, not {self.unit!r}.", field="unit")

    @classmethod
    def read(cls, kind: str, text: str) -> list[Perturbation]:
        """`5%,10%` or `1,2.5`: one for each level."""
        found = []
        for word in text.split(","):
            number = word.strip().removesuffix("%")
            try:
                level = float(number)
            except ValueError:
                raise ParameterError(f"--{kind} {text}: {word!r} is not a number.", field=kind) from None
            found.append(cls(kind, level, "%" if word.strip().endswith("%") else ""))
        return found

    @property
    def name(self) -> str:
        """`noise-5%`, `rotate-3deg`: for folders."""
        return f"{self.kind}-{self.level:g}{'percent' if self.unit == '%' else self.unit}"

    @property
    def title(self) -> str:
        """`rotate 3 deg`."""
        return f"{self.kind} {self.level:g} {self.unit}".strip()

    @property
    def moves(self) -> bool:
        """Whether structures lie elsewhere afterwards."""
        return self.kind in MOVING

    def __call__(self, recipe: Recipe, seed: int) -> Recipe:
        """The recipe with disturbed inputs.

        Its labels are moved back, where they were moved, and compared with the inputs `undisturbed.NAME`, which are
        new: a table `overlap.NAME` each. Raises `RecipeError` when no input is an image.
        """
        images = [name for name, kind in recipe.inputs.items() if kind in ("image", "frames")]
        if not images:
            raise RecipeError("The recipe has no image among its inputs; there is nothing to disturb.")
        front = list(self._moved(recipe, images, seed) if self.moves else self._changed(images, seed))
        new = {
            name: made
            for step in front
            for name in recipe.inputs
            if (made := f"disturbed.{name}") in step.outputs.values()
        }
        steps = [
            replace(step, inputs={role: _renamed(bound, new) for role, bound in step.inputs.items()})
            for step in recipe.steps
            if step.enabled
        ]
        kinds = recipe.kinds()
        found = [name for name in recipe.outputs if kinds[name] in ("labels", "mask")]
        back = list(self._compared(found, images[0]))
        inputs = {**recipe.inputs, **{f"undisturbed.{name}": kinds[name] for name in found}}
        return Recipe.from_data(
            replace(
                recipe,
                name=f"{recipe.name}, {self.title}".removeprefix(", "),
                inputs=inputs,
                steps=(*front, *steps, *back),
                outputs=(*recipe.outputs, *(f"overlap.{name}" for name in found)),
            ).as_data()
        )

    def _changed(self, images: list[str], seed: int) -> Iterator[Step]:
        """A step per image that changes its values or its grid; other inputs stay, on their own grids."""
        for number, name in enumerate(images):
            own = {"seed": (seed * 1009 + number) % 2**31}
            operation, parameters = {
                "noise": ("add_noise", {"level": self.level, "level_is": "percent" if self.unit else "value", **own}),
                "gamma": ("augment", {**STILL, "gamma_percent": self.level, **own}),
                "spacing": ("resample", {"spacing_mm": [self.level]}),
                "blur": ("gaussian", {"sigma_mm": self.level}),
            }[self.kind]
            yield Step(f"disturb.{name}", operation, parameters, {"image": name}, {"image": f"disturbed.{name}"})

    def _moved(self, recipe: Recipe, images: list[str], seed: int) -> Iterator[Step]:
        """One movement, drawn for the first image, and a step per input that moves it."""
        parameters = {**STILL, MOVING[self.kind]: self.level, "seed": seed % 2**31}
        yield Step("disturb", "augment", parameters, {"image": images[0]}, {"transform": "movement"})
        how = {
            "image": ("image", "apply_transform"),
            "frames": ("image", "apply_transform"),
            "labels": ("labels", "apply_transform_labels"),
            "mask": ("labels", "apply_transform_labels"),
            "landmarks": ("landmarks", "apply_transform_landmarks"),
        }
        for name, kind in recipe.inputs.items():
            if kind in how:
                role, operation = how[kind]
                bound = {role: name, "transform": "movement"}
                yield Step(f"disturb.{name}", operation, {}, bound, {role: f"disturbed.{name}"})

    def _compared(self, names: list[str], image: str) -> Iterator[Step]:
        if names and self.moves:
            bound = {"transform": "movement", "reference": image}
            yield Step("movement_back", "invert_transform", {}, bound, {"transform": "movement_back"})
        for name in names:
            test = name
            if self.moves:
                test = f"back.{name}"
                bound = {"labels": name, "transform": "movement_back", "reference": image}
                yield Step(f"back.{name}", "apply_transform_labels", {}, bound, {"labels": test})
            bound = {"reference": f"undisturbed.{name}", "test": test}
            yield Step(
                f"overlap.{name}", "compare_segmentations", {"surfaces": "surfel"}, bound, {"table": f"overlap.{name}"}
            )


def _renamed(bound: Any, new: Mapping[str, str]) -> Any:
    if isinstance(bound, str):
        return new.get(bound, bound)
    return [new.get(name, name) for name in names_of(bound)]
