"""What the recipe page runs on the scene: a recipe, the nodes of its inputs, where the results go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slicer.i18n import tr as _

from .. import recipe_edit
from ..errors import MedImgError
from ..operation import Role
from ..recipe import KINDS, Recipe
from ..recipe_steps import names_of
from ..scene.run import SceneRun
from .request import node_call


@dataclass(frozen=True, eq=False)
class RecipeRequest:
    """One run as the user asked for it; see `request.Runnable`.

    `inputs` are nodes by input name, `segments` segment ids by input name, `outputs` the nodes to write over by output
    name (None for a new one), `node` the text node that keeps the recipe.
    """

    made: Recipe
    inputs: Mapping[str, tuple[Any, ...]]
    segments: Mapping[str, str]
    outputs: Mapping[str, Any]
    node: Any = None

    @property
    def title(self) -> str:
        """What is run, for messages."""
        return self.made.name or _("Recipe")

    @property
    def file_name(self) -> str:
        """The first part of the name of a file with this recipe."""
        return recipe_edit.plain_name(self.made.name, "recipe")

    @property
    def aligns(self) -> bool:
        """A recipe may align something on the way; its results are not compared with anything."""
        return False

    def ground(self) -> tuple[Any, ...]:
        """New volumes are shown alone."""
        return ()

    def recipe(self) -> Recipe:
        """The recipe that is run."""
        return self.made

    def obstacle(self) -> str:
        """Why this cannot run, empty when it can."""
        if not self.made.outputs and self.made.steps:
            return _("Nothing would be kept: check Keep at a result of a step.")
        try:
            self.scene_run()
        except MedImgError as error:
            return str(error)
        return ""

    def doubt(self) -> str:
        """What the user should know before the start although it can run, empty when there is nothing."""
        try:
            return " ".join(self.scene_run().doubts())
        except MedImgError:
            return ""

    def scene_run(self) -> SceneRun:
        """The run in the scene; raises `MedImgError` when it cannot be."""
        nodes: dict[str, Any] = {}
        for name, given in self.inputs.items():
            segment = self.segments.get(name)
            nodes[name] = list(given) if len(given) > 1 else (given[0], segment) if segment else given[0]
        return SceneRun(self.made, nodes, {name: node for name, node in self.outputs.items() if node is not None})

    def new_names(self) -> dict[str, str]:
        """How new nodes will be called, by output name."""
        run = self.scene_run()
        return {name: run.default_name(name) for name in self.made.outputs}

    def watched(self) -> list[tuple[Any, str]]:
        """(node, name) of every node whose removal ends the run."""
        nodes = [node for group in self.inputs.values() for node in group]
        nodes += [node for node in self.outputs.values() if node is not None]
        return [(node, str(node.GetName())) for node in nodes]

    def described_inputs(self) -> list[tuple[str, str]]:
        """(name of the input, name of the node) for messages."""
        return [(name, ", ".join(node.GetName() for node in nodes)) for name, nodes in self.inputs.items()]

    def titles(self) -> dict[str, str]:
        """What people read for each output: its name in the recipe."""
        return {name: name for name in self.made.outputs}

    def by_role(self, nodes: Mapping[str, Any]) -> dict[str, Any]:
        """Results by their names in the recipe."""
        return dict(nodes)

    def python_call(self, module_name: str) -> str:
        """One line for the Python console that does the same."""
        given = []
        for name, nodes in self.inputs.items():
            calls = [node_call(node) for node in nodes]
            segment = self.segments.get(name)
            text = f"({calls[0]}, {segment!r})" if segment else calls[0] if len(calls) == 1 else f"[{', '.join(calls)}]"
            given.append(f"{name!r}: {text}")
        recipe = node_call(self.node) if self.node is not None else repr(self.made.as_data())
        outputs = {name: node_call(node) for name, node in self.outputs.items() if node is not None}
        more = ", {" + ", ".join(f"{name!r}: {call}" for name, call in outputs.items()) + "}" if outputs else ""
        return f"slicer.util.getModuleLogic({module_name!r}).run({recipe}, {{{', '.join(given)}}}{more})"


def input_roles(recipe: Recipe) -> tuple[Role, ...]:
    """The inputs of a recipe as roles of a form; required are those that a required role of a step takes."""
    needed: set[str] = set()
    used: set[str] = set()
    for step in recipe.steps:
        operation = recipe_edit.operation_of(step)
        if operation is None or not step.enabled:
            continue
        for role in operation.inputs():
            names = names_of(step.inputs.get(role.name, []))
            used.update(names)
            needed.update(names if role.required else ())
    known = {name: kind for name, kind in recipe.inputs.items() if name in used and kind in KINDS}
    return tuple(Role(name, kind, name in needed) for name, kind in known.items())


def output_roles(recipe: Recipe) -> tuple[Role, ...]:
    """The outputs of a recipe as roles of a form."""
    kinds = recipe_edit.recipe_kinds(recipe)
    return tuple(Role(name, kinds[name]) for name in recipe.outputs if name in kinds)
