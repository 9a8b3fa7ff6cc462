"""What a panel asks for: one operation, its nodes, where the results go. Also as recipe and as Python text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import slicer
from slicer.i18n import tr as _

from ..errors import InputError, MedImgError
from ..evidence import compared_roles, names_by_role, with_evidence
from ..machine import memory_text
from ..operation import Operation
from ..parameters import title_of
from ..plan import Plan, time_text
from ..recipe import Recipe
from ..scene import sequences
from ..scene.extents import plan_of_nodes
from ..scene.run import SceneRun
from .translated import catalog_text, role_title

WILDCARDS = frozenset("*?[]")


class Runnable(Protocol):
    """What a run section needs to know of a run."""

    @property
    def title(self) -> str:
        """What is run, for messages."""
        ...

    @property
    def file_name(self) -> str:
        """The first part of the name of a file with its recipe."""
        ...

    @property
    def aligns(self) -> bool:
        """Whether a volume that comes out is to be compared with `ground`."""
        ...

    def ground(self) -> tuple[Any, ...]:
        """The nodes over which a new volume is shown; none to show it alone."""
        ...

    def described_inputs(self) -> list[tuple[str, str]]:
        """(title of the role, name of the node) for messages."""
        ...

    def scene_run(self) -> SceneRun:
        """The run; raises `MedImgError` when it cannot be."""
        ...

    def watched(self) -> list[tuple[Any, str]]:
        """(node, name) of every node whose removal ends the run."""
        ...

    def by_role(self, nodes: Mapping[str, Any]) -> dict[str, Any]:
        """Results by what the user knows them by, instead of by name in the recipe."""
        ...

    def titles(self) -> dict[str, str]:
        """What people read for each result."""
        ...

    def recipe(self) -> Recipe:
        """The recipe that is run."""
        ...

    def python_call(self, module_name: str) -> str:
        """A line for the Python console that does the same."""
        ...


@dataclass(frozen=True, eq=False)
class Request:
    """One run as the user asked for it.

    Attributes
    ----------
    operation
        With its parameters.
    inputs
        Nodes by role; roles that are not used are left out.
    segments
        Segment id by mask role.
    outputs
        The node to write over by role, None for a new one.
    evidence
        Say what the filter took away, too, where the operation can have evidence.
    """

    operation: Operation
    inputs: Mapping[str, tuple[Any, ...]]
    segments: Mapping[str, str]
    outputs: Mapping[str, Any]
    evidence: bool = False

    @property
    def title(self) -> str:
        """What is run, for messages."""
        return catalog_text(self.operation.title)

    @property
    def file_name(self) -> str:
        """The first part of the name of a file with its recipe."""
        return self.operation.name

    @property
    def aligns(self) -> bool:
        """Whether a volume that comes out shows what another one did, elsewhere."""
        return bool(self.operation.keeps)

    def ground(self) -> tuple[Any, ...]:
        """The nodes over which a new volume is shown: the fixed ones, or the reference."""
        return self.inputs.get("fixed") or self.inputs.get("reference") or ()

    def obstacle(self) -> str:
        """Why this cannot run, empty when it can."""
        given = [node for nodes in self.inputs.values() for node in nodes]
        written = [node for node in self.outputs.values() if node is not None]
        for node in written:
            if node in given:
                return _("{name} is an input; choose another output.").format(name=node.GetName())
            if written.count(node) > 1:
                return _("{name} is chosen for two outputs.").format(name=node.GetName())
        try:
            run = self.scene_run()
        except InputError as error:
            return str(error)
        return " ".join(run.doubts()) if getattr(self.operation, "start", "") == "none" else ""

    def doubt(self) -> str:
        """What the user should know before the start although it can run, empty when there is nothing."""
        try:
            return " ".join(self.scene_run().doubts())
        except InputError:
            return ""

    def source(self) -> Any:
        """The node after which results are called: the first input."""
        return next((node for nodes in self.inputs.values() for node in nodes), None)

    def spacing(self) -> tuple[float, ...] | None:
        """Spacing of the first input volume along (i, j, k) in millimetres, None without one."""
        source = self.source()
        if sequences.is_sequence(source) and source.GetNumberOfDataNodes():
            source = source.GetNthDataNode(0)
        return tuple(source.GetSpacing()) if source is not None and source.IsA("vtkMRMLVolumeNode") else None

    def recipe(self) -> Recipe:
        """The recipe of this run, one step and perhaps its evidence; names are role names and `<operation>_<role>`."""
        roles = {role.name: role for role in self.operation.inputs()}
        inputs: dict[str, Any] = {}
        for role, nodes in self.inputs.items():
            inputs[role] = [f"{role}_{number}" for number in range(1, len(nodes) + 1)] if roles[role].many else role
        made = {role: f"{self.operation.name}_{role}" for role in self.outputs}
        recipe = Recipe.single(self.operation, inputs, made)
        return with_evidence(recipe, residual=True) if self.has_evidence() else recipe

    def has_evidence(self) -> bool:
        """Whether evidence is wanted and can be had."""
        return self.evidence and compared_roles(type(self.operation)) is not None

    def titles(self) -> dict[str, str]:
        """What people read for each output, by role."""
        return {role: catalog_text(title_of(role)) for role in names_by_role(self.recipe())}

    def scene_run(self) -> SceneRun:
        """The run in the scene; raises `InputError` when a node does not fit."""
        recipe = self.recipe()
        nodes: dict[str, Any] = {}
        for role, bound in recipe.steps[0].inputs.items():
            given, segment = self.inputs[role], self.segments.get(role)
            if not isinstance(bound, str):
                nodes.update(zip(bound, given, strict=True))
            elif len(given) > 1:
                nodes[bound] = list(given)
            else:
                nodes[bound] = (given[0], segment) if segment else given[0]
        made = recipe.steps[0].outputs
        return SceneRun(recipe, nodes, {made[role]: node for role, node in self.outputs.items() if node is not None})

    def plan_text(self) -> str:
        """What a run will need, in words; empty where nothing is known."""
        try:
            found = plan_of_nodes(self.operation, self.inputs)
        except MedImgError:
            return ""  # the run says what is wrong with the parameters
        if found is None:
            return ""
        # How large the box of the mask is is known in the run.
        masked = self.operation.works_in_mask and "mask" in self.inputs
        if found.problem and not masked:
            return found.problem
        text = _("At most {needs}.") if masked else _("Needs {needs}.")
        return text.format(needs=plan_words(found))

    def new_names(self) -> dict[str, str]:
        """How new nodes will be called, by output role."""
        run = self.scene_run()
        return {role: run.default_name(name) for role, name in self.recipe().steps[0].outputs.items()}

    def by_role(self, nodes: Mapping[str, Any]) -> dict[str, Any]:
        """What a run wrote, by output role instead of by name in the recipe."""
        return {role: nodes[name] for role, name in names_by_role(self.recipe()).items() if name in nodes}

    def watched(self) -> list[tuple[Any, str]]:
        """(node, name) of every node whose removal ends the run."""
        nodes = [node for group in self.inputs.values() for node in group]
        nodes += [node for node in self.outputs.values() if node is not None]
        return [(node, str(node.GetName())) for node in nodes]

    def python_call(self, module_name: str) -> str:
        """One line for the Python console that does the same; parameters at their defaults are left out."""
        parts = [repr(self.operation.name)]
        many = {role.name for role in self.operation.inputs() if role.many}
        for role, nodes in self.inputs.items():
            calls = [self._input_call(role, node) for node in nodes]
            parts.append(f"{role}=[{', '.join(calls)}]" if role in many or len(calls) > 1 else f"{role}={calls[0]}")
        defaults = type(self.operation)().values()
        parts += [f"{name}={value!r}" for name, value in self.operation.values().items() if value != defaults[name]]
        written = {role: node_call(node) for role, node in self.outputs.items() if node is not None}
        if self.has_evidence():
            parts.append("evidence=True")
        if written:
            parts.append("outputs={" + ", ".join(f"{role!r}: {call}" for role, call in written.items()) + "}")
        return f"slicer.util.getModuleLogic({module_name!r}).run({', '.join(parts)})"

    def _input_call(self, role: str, node: Any) -> str:
        segment = self.segments.get(role)
        return f"({node_call(node)}, {segment!r})" if segment else node_call(node)

    def described_inputs(self) -> list[tuple[str, str]]:
        """(title of the role, name of the node) for messages."""
        titles = {role.name: role_title(role) for role in self.operation.inputs()}
        return [
            (titles[role], ", ".join(self._described(role, node) for node in nodes))
            for role, nodes in self.inputs.items()
        ]

    def _described(self, role: str, node: Any) -> str:
        segment = self.segments.get(role)
        if not segment:
            return str(node.GetName())
        found = node.GetSegmentation().GetSegment(segment)
        return f"{node.GetName()} / {found.GetName() if found is not None else segment}"


def plan_words(plan: Plan) -> str:
    """What a run will need in one line: time, memory, and how it is done."""
    parts = [] if plan.seconds is None else [_("about {time}").format(time=time_text(plan.seconds))]
    memory = memory_text(plan.peak_bytes)
    if plan.free_bytes is not None:
        memory = _("{memory} of {free} free").format(memory=memory, free=memory_text(plan.free_bytes))
    parts.append(memory)
    if plan.slabs > 1:
        parts.append(_("in {count} slabs").format(count=plan.slabs))
    return ", ".join(parts)


def node_call(node: Any) -> str:
    """Python text that gives this node: by its name where that is enough, else by its id."""
    name = node.GetName() or ""
    same = slicer.mrmlScene.GetNodesByName(name)
    same.UnRegister(None)
    plain = bool(name) and not WILDCARDS & set(name) and same.GetNumberOfItems() == 1
    plain = plain and slicer.mrmlScene.GetNodeByID(name) is None  # an id goes before names
    return f"slicer.util.getNode({(name if plain else node.GetID())!r})"


def is_watched(node: Any) -> bool:
    """Whether the node is still in the scene."""
    return bool(slicer.mrmlScene.IsNodePresent(node))
