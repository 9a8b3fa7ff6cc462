"""Runs recipes and operations on the nodes of a scene: all or nothing.

Inputs are copied out of the scene first (`collect`), the work is done on plain values (`compute`,
in any thread), and the results are written in one batch (`commit`). An error or a cancel at any
point leaves the scene as it was. Inputs are never written to.

    nodes = run_in_scene(Gaussian(sigma_mm=2), {"image": volume})
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import slicer

from .. import catalog
from ..errors import InputError, RecipeError
from ..evidence import names_by_role, with_evidence
from ..operation import Operation
from ..progress import SILENT, Progress, Recorder
from ..recipe import Recipe, RecipeResult, Step
from . import alignment, bridge, frames, outputs, places, sequences
from .held import held_inputs
from .rollback import Restore
from .sources import Source, check_not_moved_twice, common_parent, values_of
from .standalone import batch
from .transform_sides import sides


class SceneRun:
    """One run of a recipe in the scene.

    Parameters
    ----------
    recipe
        What to do.
    inputs
        Node, or (segmentation node, segment id), or a list of them, by input name of the recipe. For a mask or
        labels also a markups ROI, for labels several of them: the voxels whose centres they hold, see `rois`.
        None and missing stand for inputs that are not used.
    outputs
        Per output name of the recipe: a node to overwrite, or the name of a new node. Missing ones
        become new nodes named after their input, such as "T1 Gaussian smoothing". Segments written
        to a segmentation that has other ones are added to it; those of an earlier run of the same
        operation are replaced.

    Raises
    ------
    InputError
        A node is of the wrong class, or is an input and an output at once.
    RecipeError
        The recipe is wrong, or has no such input or output.
    """

    def __init__(self, recipe: Recipe, inputs: Mapping[str, Any], outputs: Mapping[str, Any] | None = None) -> None:
        problems = recipe.problems()
        if problems:
            step, sentence = next(iter(problems.items()))
            raise RecipeError(f"Step {step!r}: {sentence}" if step else sentence, step=step or None)
        self.recipe = recipe
        self.sources = _sources(recipe, inputs)
        several = _several(recipe, self.sources)
        self.targets = _targets(recipe, outputs or {}, self.sources, several)
        self.world, self.parent = common_parent(self.sources.values())
        if several:  # a sequence cannot be under a transform
            self.world, self.parent = True, None
        self.warnings: list[str] = []
        self._values: dict[str, Any] = {}
        self._stamps: dict[str, tuple[Any, ...]] = {}
        self._held: dict[str, dict[str, Any]] = {}
        self._result: RecipeResult | None = None

    def collect(self, progress: Progress = SILENT) -> None:
        """Copy the inputs out of the scene (main thread)."""
        recorder = Recorder(progress)
        self._stamps = {name: source.stamp() for name, source in self.sources.items()}
        for sentence in self.doubts():
            recorder.warn(sentence)
        self._values = values_of(self.recipe, self.sources, self.world, recorder)
        self._held = held_inputs(self.recipe, self._values)
        self.warnings = recorder.warnings

    def doubts(self) -> list[str]:
        """What can be said before the start: volumes to be aligned that do not overlap where they are."""
        found = []
        for step in self.recipe.steps:
            if not step.enabled or "initial" in step.inputs:
                continue
            if all(role.kind != "transform" for role in catalog.find(step.operation).outputs()):
                continue
            pair = [self.sources.get(str(step.inputs.get(role))) for role in ("fixed", "moving")]
            if all(source is not None and source.node.IsA("vtkMRMLVolumeNode") for source in pair):
                fixed, moving = (source.node for source in pair if source is not None)
                start = getattr(step.build(), "start", "none").replace("_", " ")
                sentence = alignment.overlap(fixed, moving, self.world)
                advice = (
                    "Choose another start, or bring them together first."
                    if start == "none"
                    else f"The start {start} looks for the way; check that both are of one patient and region."
                )
                found += [f"{sentence} {advice}"] if sentence else []
        return found

    def compute(self, progress: Progress = SILENT) -> RecipeResult:
        """Do the work on the copies (any thread; the scene is not used)."""
        if not self._values and self.sources:
            raise RuntimeError("collect() comes before compute()")
        origins = {name: source.origin() for name, source in self.sources.items()}
        self._result = self.recipe.run(self._values, origins=origins, progress=progress)
        self._values = {}
        return self._result

    def commit(self, progress: Progress = SILENT) -> dict[str, Any]:
        """Write the results in one batch and give the nodes by output name (main thread).

        A volume that was aligned is compared with what the scene shows of the moving one under the transform;
        `progress` gets a warning when they differ, see `alignment`.

        Raises `InputError` when an input or output was deleted or changed since `collect`; nothing is
        written then, or when anything else fails.
        """
        if self._result is None:
            raise RuntimeError("compute() comes before commit()")
        scene = slicer.mrmlScene
        self._check_unchanged()
        for sentence in places.doubts(self._result.outputs.values(), self.parent):
            progress.warn(sentence)
            self.warnings.append(sentence)
        restore = Restore(scene, [target for target in self.targets.values() if not isinstance(target, str)])
        nodes: dict[str, Any] = {}
        obsolete: list[Any] = []
        with batch(scene):
            try:
                for name, value in self._result.outputs.items():
                    if value is not None:
                        nodes[name] = self._write(name, value, obsolete)
                self._check_alignment(nodes, progress)
            except BaseException:
                restore.back()
                raise
            for node in obsolete:
                scene.RemoveNode(node)
        return nodes

    def run(self, progress: Progress = SILENT) -> dict[str, Any]:
        """All three steps, one after the other, in this thread."""
        self.collect(progress)
        self.compute(progress)
        progress.check()
        return self.commit(progress)

    def default_name(self, name: str) -> str:
        """How a new node for this output is called, such as "T1 Gaussian smoothing"; a number may make it unique."""
        step, role = self._maker(name)
        operation = catalog.find(step.operation)
        suffix = f" {role.replace('_', ' ')}" if len(operation.outputs()) > 1 else ""
        moving, fixed = self._bound(step, "moving"), self._bound(step, "fixed")
        if moving is not None and fixed is not None:
            return f"{moving.title()} to {fixed.title()}{suffix}"
        first = self._first(step)
        return f"{first.title()} {operation.title}{suffix}" if first is not None else f"{operation.title}{suffix}"

    def _check_unchanged(self) -> None:
        for name, source in self.sources.items():
            sentence = source.changed(self._stamps[name])
            if sentence:
                raise InputError(sentence, role=name)
        for name, target in self.targets.items():
            if not isinstance(target, str) and target.GetScene() is not slicer.mrmlScene:
                raise InputError(
                    f"The output {target.GetName()!r} was deleted while the operation ran; nothing was changed.",
                    role=name,
                )

    def _write(self, name: str, value: Any, obsolete: list[Any]) -> Any:
        assert self._result is not None
        step, role = self._maker(name)
        record = next(entry for entry in self._result.records if entry["step"] == step.id)
        warnings = [*self.warnings, *record["warnings"]]
        moving, fixed = sides(step.operation, {role: self._bound_node(step, role) for role in step.inputs})
        output = outputs.Output(
            role=role,
            kind=self.recipe.kinds()[name],
            value=value,
            target=self.targets.get(name),
            title=self.default_name(name),
            like=self._like(name),
            parent=self.parent,
            keeps_display=self._keeps(name) is not None,
            moving=moving,
            fixed=fixed,
            inputs={key: source.nodes for key, source in self.sources.items()},
            record={**record, "warnings": warnings, "scene": self._scene_entry(name, role)},
        )
        return outputs.write(output, obsolete)

    def _check_alignment(self, nodes: Mapping[str, Any], progress: Progress) -> None:
        """Say when an aligned volume is not what the scene shows, and write it into the records."""
        for step in self.recipe.steps:
            roles = alignment.roles_of(catalog.find(step.operation)) if step.enabled else None
            if roles is None:
                continue
            operation = step.build()
            if not operation.moves_only():
                continue
            source = self.sources.get(str(step.inputs.get(roles.moving)))
            image = nodes.get(step.outputs.get(roles.image, ""))
            transform = nodes.get(step.outputs.get(roles.transform, ""))
            given = self.sources.get(str(step.inputs.get(roles.transform)))
            if transform is None and given is not None:
                transform = given.node
            if source is None or image is None or transform is None or frames.parent_of(transform) is not self.parent:
                continue
            interpolation = str(getattr(operation, "interpolation", "linear"))
            outside = getattr(operation, "outside_value", None)
            found = (
                alignment.difference(moving, way, aligned, interpolation, self.world, outside)
                for moving, way, aligned in sequences.together(source.node, transform, image)
            )
            sentence = next(filter(None, found), "")
            if sentence:
                progress.warn(sentence)
                for name in step.outputs.values():
                    if name in nodes:
                        outputs.add_warning(nodes[name], sentence)

    def _scene_entry(self, name: str, role: str) -> dict[str, Any]:
        """What repeating the run in the scene needs beyond the record of the step."""
        hashes = self._hashes()
        inputs = {key: source.origin() | hashes.get(key, {}) | self._held[key] for key, source in self.sources.items()}
        return {"output": name, "role": role, "world": self.world, "recipe": self.recipe.as_data(), "inputs": inputs}

    def _hashes(self) -> dict[str, dict[str, str]]:
        """SHA-256 of the inputs by name, as the steps have recorded them."""
        assert self._result is not None
        steps = {step.id: step for step in self.recipe.steps}
        found: dict[str, dict[str, str]] = {}
        for record in self._result.records:
            for role, bound in steps[record["step"]].inputs.items():
                if isinstance(bound, str) and bound in self.sources and role in record["inputs"]:
                    found[bound] = {"sha256": record["inputs"][role]["sha256"]}
        return found

    def _maker(self, name: str) -> tuple[Step, str]:
        """The step that makes a value, and the role it has there."""
        for step in self.recipe.steps:
            if step.enabled and name in step.outputs.values():
                return step, next(role for role, made in step.outputs.items() if made == name)
        raise RecipeError(f"Output {name!r} is not made by any step.")

    def _keeps(self, name: str) -> Source | None:
        """The input whose quantity an image still shows, following the steps back."""
        if name in self.sources:
            return self.sources[name]
        if name in self.recipe.inputs:
            return None
        step, role = self._maker(name)
        before = catalog.find(step.operation).keeps.get(role)
        bound = step.inputs.get(before) if before else None
        return self._keeps(bound) if isinstance(bound, str) else None

    def _like(self, name: str) -> Any:
        kept = self._keeps(name)
        if kept is not None:
            return kept.node
        step, _role = self._maker(name)
        first = self._first(step)
        return first.node if first is not None else None

    def _first(self, step: Step) -> Source | None:
        """The source that the first input of a step comes from."""
        for name in step.sources:
            if name in self.sources:
                return self.sources[name]
            if name not in self.recipe.inputs:
                return self._first(self._maker(name)[0])
        return None

    def _bound(self, step: Step, role: str) -> Source | None:
        bound = step.inputs.get(role)
        if not isinstance(bound, str):
            return None
        return self._keeps(bound) or (None if bound in self.recipe.inputs else self._first(self._maker(bound)[0]))

    def _bound_node(self, step: Step, role: str) -> Any:
        source = self._bound(step, role)
        return source.node if source is not None else None


def run_in_scene(
    operation: Operation,
    inputs: Mapping[str, Any],
    outputs: Mapping[str, Any] | None = None,
    progress: Progress = SILENT,
    *,
    evidence: bool = False,
) -> dict[str, Any]:
    """Run one operation on nodes; gives the output nodes by role.

    `inputs` and `outputs` are by role, see `SceneRun`. A role that takes several values gets a list. With `evidence`
    there are the outputs of `evidence.ROLES` too; `RecipeError` for an operation that can have none.
    """
    recipe, nodes = single_step(operation, inputs)
    if evidence:
        recipe = with_evidence(recipe, [recipe.steps[0].id], residual=True)
    names = names_by_role(recipe)
    for role in outputs or {}:
        if role not in names:
            raise InputError(f"{operation.name} has no output {role!r}; it has {', '.join(names)}.", role=role)
    run = SceneRun(recipe, nodes, {names[role]: target for role, target in (outputs or {}).items()})
    made = run.run(progress)
    return {role: made[name] for role, name in names.items() if name in made}


def single_step(operation: Operation, inputs: Mapping[str, Any]) -> tuple[Recipe, dict[str, Any]]:
    """The one-step recipe for inputs by role, and the nodes by the input names of that recipe."""
    bound: dict[str, Any] = {}
    nodes: dict[str, Any] = {}
    roles = {role.name: role for role in operation.inputs()}
    for role, given in inputs.items():
        if role not in roles:
            raise InputError(f"{operation.name} has no input {role!r}; it has {', '.join(roles)}.", role=role)
        if given is None:
            continue
        if roles[role].many:
            names = [f"{role}_{number}" for number in range(1, len(given) + 1)]
            bound[role] = names
            nodes.update(zip(names, given))
        else:
            bound[role] = role
            nodes[role] = given
    for wanted in roles.values():
        if wanted.required and wanted.name not in bound:
            raise InputError(f"{operation.name} needs the input {wanted.name!r} ({wanted.kind}).", role=wanted.name)
    return Recipe.single(operation, bound), nodes


def _sources(recipe: Recipe, inputs: Mapping[str, Any]) -> dict[str, Source]:
    for name in inputs:
        if name not in recipe.inputs:
            raise RecipeError(f"The recipe has no input {name!r}; it has {', '.join(recipe.inputs) or 'none'}.")
    missing = [name for name in recipe.needed() if inputs.get(name) is None]
    if missing:
        raise RecipeError(f"The recipe needs the inputs {', '.join(missing)}.")
    sources = {name: Source.of(name, recipe.inputs[name], given) for name, given in inputs.items() if given is not None}
    check_not_moved_twice(sources.values())
    return sources


def _several(recipe: Recipe, sources: Mapping[str, Source]) -> set[str]:
    """The names of the results that are sequences of frames."""
    found = {name for name, source in sources.items() if sequences.is_sequence(source.node)}
    for step in recipe.steps:
        if step.enabled:
            operation = catalog.find(step.operation)
            single = [role.name for role in operation.inputs() if not role.many and role.kind != "frames"]
            framed = any(isinstance(bound := step.inputs.get(name), str) and bound in found for name in single)
            found |= {
                step.outputs[role.name]
                for role in operation.outputs()
                if role.name in step.outputs and role.kind not in ("table", "curves") and (framed or role.several)
            }
    return found & set(recipe.outputs)


def _targets(
    recipe: Recipe, wanted: Mapping[str, Any], sources: Mapping[str, Source], several: Collection[str]
) -> dict[str, Any]:
    """The given outputs, checked: right class, no input, no transform that an input is under, no node twice."""
    kinds = recipe.kinds()
    read = {node for source in sources.values() for node in source.nodes}
    above = {parent for node in read for parent in frames.parents_of(node)}
    targets: dict[str, Any] = {}
    for name, target in wanted.items():
        if name not in recipe.outputs:
            raise RecipeError(f"The recipe has no output {name!r}; it has {', '.join(recipe.outputs)}.")
        if target is None or target == "":
            continue
        if not isinstance(target, str):
            bridge.check_class(target, "frames" if name in several else kinds[name], output=True)
            if sequences.browser_of_proxy(target) is not None:
                raise InputError(
                    f"{frames.identifier(target)} shows a frame of a sequence, which would be overwritten; choose "
                    "another output.",
                    role=name,
                )
            what = frames.identifier(target)
            if target in read:
                raise InputError(f"{what} is an input, and inputs are never changed; choose another output.", role=name)
            if target in above:
                raise InputError(
                    f"An input is under the transform {what}; take it out or choose another output.", role=name
                )
            if target in targets.values():
                raise InputError(f"{what} is named as two outputs.", role=name)
        targets[name] = target
    return targets
