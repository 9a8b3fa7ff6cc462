"""A recipe: named inputs, ordered steps, named outputs, as JSON.

What a panel runs is a recipe of one step; what a batch runs is a recipe over many cases.

    {"medimg_recipe": 1, "name": "Denoise and align", "description": "",
     "inputs": {"t1": {"kind": "image"}, "flair": {"kind": "image"}},
     "steps": [{"id": "denoise", "operation": "median", "parameters": {"radius_mm": 1.0},
                "inputs": {"image": "t1"}, "outputs": {"image": "t1_denoised"}}],
     "outputs": ["t1_denoised"]}

Names are letters, digits, `_`, `-` and `.`, since outputs become file names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import catalog
from .errors import Cancelled, MedImgError, RecipeError
from .execution import execute
from .operation import Operation
from .progress import SILENT, Progress, Recorder
from .recipe_steps import KINDS, NAME, Step, complaints, names_of

__all__ = ["FORMAT", "KINDS", "MAX_BYTES", "NAME", "Recipe", "RecipeResult", "Step", "schema"]

FORMAT = 1
MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Recipe:
    """Ordered steps over named values. `inputs` maps a name to its kind."""

    name: str
    inputs: Mapping[str, str]
    steps: tuple[Step, ...]
    outputs: tuple[str, ...]
    description: str = ""

    @classmethod
    def single(
        cls, operation: Operation, inputs: Mapping[str, Any], outputs: Mapping[str, str] | None = None
    ) -> Recipe:
        """The one-step recipe of a run: `inputs` and `outputs` map roles to names.

        The default name of an output is its role, or where an input has that name, the operation and the role.
        """
        roles = {role.name: role for role in operation.inputs()}
        kinds = {name: roles[role].kind for role, names in inputs.items() for name in names_of(names)}
        made = [role.name for role in operation.outputs()]
        outputs = outputs or {role: f"{operation.name}_{role}" if role in kinds else role for role in made}
        step = Step(operation.name, operation.name, operation.values(), dict(inputs), dict(outputs))
        return cls(operation.title, kinds, (step,), tuple(outputs.values()))

    @classmethod
    def from_json(cls, text: str, *, check: bool = True) -> Recipe:
        """A recipe from its text; `RecipeError` says what is wrong with it. `check` as in `from_data`."""
        if len(text) > MAX_BYTES:
            raise RecipeError(f"A recipe has at most {MAX_BYTES} characters; this one has {len(text)}.")
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise RecipeError(f"This is not a recipe: {error}.") from None
        return cls.from_data(data, check=check)

    @classmethod
    def from_data(cls, data: Any, *, check: bool = True) -> Recipe:
        """A recipe from JSON values. Without `check` it may be unfinished: `problems` says what is missing."""
        if not isinstance(data, dict) or data.get("medimg_recipe") != FORMAT:
            raise RecipeError(f'This is not a recipe of format {FORMAT}: "medimg_recipe": {FORMAT} is missing.')
        _known(data, {"medimg_recipe", "name", "description", "inputs", "steps", "outputs"}, "The recipe")
        inputs = _typed(data, "inputs", dict, "The recipe")
        kinds = {
            str(name): str(entry.get("kind") if isinstance(entry, dict) else entry) for name, entry in inputs.items()
        }
        steps = tuple(_step(entry, number) for number, entry in enumerate(_typed(data, "steps", list, "The recipe"), 1))
        outputs = tuple(str(name) for name in _typed(data, "outputs", list, "The recipe"))
        recipe = cls(str(data.get("name", "")), kinds, steps, outputs, str(data.get("description", "")))
        problems = recipe.problems() if check else {}
        if problems:
            step, sentence = next(iter(problems.items()))
            raise RecipeError(sentence if not step else f"Step {step!r}: {sentence}", step=step or None)
        return recipe

    @classmethod
    def load(cls, path: str | Path, *, check: bool = True) -> Recipe:
        """A recipe from a file; `RecipeError` names the file. `check` as in `from_data`."""
        try:
            # Editors on Windows put a byte order mark in front.
            with open(path, encoding="utf-8-sig") as stream:
                return cls.from_json(stream.read(MAX_BYTES + 1), check=check)
        except OSError as error:
            raise RecipeError(f"The recipe {path} cannot be read: {error.strerror or error}.", path=path) from None
        except UnicodeDecodeError:
            raise RecipeError(f"The recipe {path} cannot be read: it is not UTF-8 text.", path=path) from None
        except RecipeError as error:
            raise RecipeError(f"{path}: {error}", path=path, **error.data) from None

    def as_data(self) -> dict[str, Any]:
        """JSON values from which `from_data` makes an equal recipe."""
        return {
            "medimg_recipe": FORMAT,
            "name": self.name,
            "description": self.description,
            "inputs": {name: {"kind": kind} for name, kind in self.inputs.items()},
            "steps": [
                {
                    "id": s.id,
                    "operation": s.operation,
                    "parameters": dict(s.parameters),
                    "inputs": dict(s.inputs),
                    "outputs": dict(s.outputs),
                }
                | ({} if s.enabled else {"enabled": False})
                for s in self.steps
            ],
            "outputs": list(self.outputs),
        }

    def as_json(self) -> str:
        """The text of the recipe file."""
        return json.dumps(self.as_data(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def problems(self) -> dict[str, str]:
        """What is wrong, a sentence per step id; the key is empty for the recipe as a whole."""
        found: dict[str, str] = {}
        for step, sentence in self.complaints():
            found.setdefault(step, sentence)
        return found

    def complaints(self) -> list[tuple[str, str]]:
        """Everything that is wrong, as (step id, sentence); the id is empty for the recipe as a whole."""
        return complaints(self.inputs, self.steps, self.outputs)

    def kinds(self) -> dict[str, str]:
        """The kind of every named value, inputs and results."""
        kinds = dict(self.inputs)
        for step in self.steps:
            if step.enabled:
                made = {role.name: role.kind for role in catalog.find(step.operation).outputs()}
                kinds |= {target: made[role] for role, target in step.outputs.items()}
        return kinds

    def run(
        self,
        values: Mapping[str, Any],
        *,
        origins: Mapping[str, Mapping[str, Any]] | None = None,
        progress: Progress = SILENT,
    ) -> RecipeResult:
        """Run all enabled steps in order; intermediate values are dropped as soon as nobody needs them.

        An error of one of several steps names the step, in its sentence and in its data.
        """
        missing = [name for name in self.inputs if values.get(name) is None and name in self.needed()]
        if missing:
            raise RecipeError(f"The recipe needs the inputs {', '.join(missing)}.")
        recorder = Recorder(progress)
        steps = [step for step in self.steps if step.enabled]
        known = {name: values[name] for name in self.inputs if values.get(name) is not None}
        sources = {name: dict((origins or {}).get(name, {"name": name})) for name in known}
        kept: dict[str, Any] = {}
        records: list[dict[str, Any]] = []
        for number, step in enumerate(steps):
            part = recorder.part(number / len(steps), (number + 1) / len(steps))
            bound = {role: _lookup(known, names) for role, names in step.inputs.items()}
            from_where = {role: _source(sources, names) for role, names in step.inputs.items()}
            with _naming(step, among=len(steps)):
                result = execute(step.build(), bound, origins=from_where, progress=part)
            records.append({"step": step.id, **result.record, "results": dict(step.outputs)})
            for role, target in step.outputs.items():
                known[target] = result.outputs[role]
                sources[target] = {"name": target}
                if target in self.outputs:
                    kept[target] = result.outputs[role]
            later = {name for s in steps[number + 1 :] for name in s.sources}
            known = {name: value for name, value in known.items() if name in later}
        ordered = {name: kept[name] for name in self.outputs if name in kept}
        return RecipeResult(ordered, tuple(records), tuple(recorder.warnings))

    def needed(self) -> tuple[str, ...]:
        """The inputs that some required role of an enabled step uses, in their order."""
        needed: set[str] = set()
        for step in self.steps:
            if step.enabled:
                required = {role.name for role in catalog.find(step.operation).inputs() if role.required}
                needed |= {name for role, names in step.inputs.items() if role in required for name in names_of(names)}
        return tuple(name for name in self.inputs if name in needed)


@contextmanager
def _naming(step: Step, among: int) -> Iterator[None]:
    """Errors say at which of several steps they came up."""
    try:
        yield
    except Cancelled:
        raise
    except MedImgError as error:
        if among == 1:
            raise
        raise type(error)(f"Step {step.id!r}: {error}", **{**error.data, "step": step.id}) from error


@dataclass(frozen=True, eq=False)
class RecipeResult:
    """Values by output name, a provenance record per step, and all warnings."""

    outputs: dict[str, Any]
    records: tuple[dict[str, Any], ...]
    warnings: tuple[str, ...]


def schema() -> dict[str, Any]:
    """JSON schema of a recipe file."""
    name = {"type": "string", "pattern": f"^{NAME.pattern}$"}
    names = {"anyOf": [name, {"type": "array", "items": name}]}
    step = {
        "type": "object",
        "required": ["id", "operation"],
        "additionalProperties": False,
        "properties": {
            "id": name,
            "operation": {"enum": sorted(catalog.OPERATIONS)},
            "parameters": {"type": "object"},
            "inputs": {"type": "object", "additionalProperties": names},
            "outputs": {"type": "object", "additionalProperties": name},
            "enabled": {"type": "boolean"},
        },
    }
    value = {
        "type": "object",
        "properties": {"kind": {"enum": list(KINDS)}, "description": {"type": "string"}},
        "required": ["kind"],
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "MedImgAnalysis recipe",
        "type": "object",
        "required": ["medimg_recipe", "inputs", "steps", "outputs"],
        "additionalProperties": False,
        "properties": {
            "medimg_recipe": {"const": FORMAT},
            "name": {"type": "string"},
            "description": {"type": "string"},
            "inputs": {"type": "object", "propertyNames": name, "additionalProperties": value},
            "steps": {"type": "array", "items": step, "minItems": 1},
            "outputs": {"type": "array", "items": name},
        },
    }


def _step(entry: Any, number: int) -> Step:
    where = f"Step {number}"
    if not isinstance(entry, dict):
        raise RecipeError(f"{where} must be an object.", step=number)
    _known(entry, {"id", "operation", "parameters", "inputs", "outputs", "enabled"}, where)
    for key in ("id", "operation"):
        _typed(entry, key, str, where)
    parts = {key: _typed(entry, key, dict, where) for key in ("parameters", "inputs", "outputs") if key in entry}
    for role, bound in parts.get("inputs", {}).items():
        if not isinstance(bound, str) and not (isinstance(bound, list) and all(isinstance(n, str) for n in bound)):
            raise RecipeError(f"{where}: input {role!r} must be a name or a list of names.", step=number)
    for role, target in parts.get("outputs", {}).items():
        if not isinstance(target, str):
            raise RecipeError(f"{where}: output {role!r} must be a name.", step=number)
    enabled = entry.get("enabled", True)
    if not isinstance(enabled, bool):
        raise RecipeError(f'{where}: "enabled" must be true or false.', step=number)
    return Step(entry["id"], entry["operation"], enabled=enabled, **parts)


def _known(entry: Mapping[str, Any], keys: set[str], where: str) -> None:
    extra = sorted(set(entry) - keys)
    if extra:
        raise RecipeError(f"{where} has the unknown entry {extra[0]!r}; it may have {', '.join(sorted(keys))}.")


def _typed(entry: Mapping[str, Any], key: str, kind: type, where: str) -> Any:
    if not isinstance(entry.get(key), kind):
        words: dict[type, str] = {dict: "an object", list: "a list", str: "a text"}
        raise RecipeError(f'{where}: "{key}" must be {words[kind]}.')
    return entry[key]


def _lookup(known: Mapping[str, Any], bound: Any) -> Any:
    if isinstance(bound, str):
        return known.get(bound)
    return [known[name] for name in bound if name in known]


def _source(sources: Mapping[str, Any], bound: Any) -> dict[str, Any]:
    if isinstance(bound, str):
        return dict(sources.get(bound, {}))
    return {"names": [sources.get(name, {}).get("name", name) for name in bound]}
