"""Running a recipe on the nodes of the scene: selectors of its inputs and outputs, and Apply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import slicer

from ..errors import MedImgError
from ..operation import Role
from ..recipe import Recipe
from .recipe_request import RecipeRequest, input_roles, output_roles
from .recipe_state import OWNER, RecipeState
from .run_section import RunSection
from .selectors import InputSelectors, OutputSelectors, output_classes
from .suggestions import suggest_inputs


class SceneSection:
    """Fills the sections for nodes, Apply and results.

    Parameters
    ----------
    ui
        Widgets of the page by name.
    module_name
        For the Python call.
    runnable
        Gives the recipe and its text node; raises `MedImgError` when it cannot be run.
    quiet
        What is written to the parameter node inside this context is not told to the page.
    """

    def __init__(
        self,
        ui: Any,
        module_name: str,
        runnable: Callable[[], tuple[Recipe, Any]],
        quiet: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self.ui = ui
        self._runnable, self._quiet = runnable, quiet
        self._state: RecipeState | None = None
        self._recipe: Recipe | None = None
        self._updating = False
        self._input_roles: tuple[Role, ...] = ()
        self._output_roles: tuple[Role, ...] = ()
        self.inputs = InputSelectors((), self._changed)
        self.outputs = OutputSelectors((), self._changed)
        ui.inputsSection.layout().addWidget(self.inputs.widget)
        ui.outputsSection.layout().addWidget(self.outputs.widget)
        ui.outputsSection.connect("contentsCollapsed(bool)", lambda collapsed: self._show_again())
        self.run = RunSection(ui, module_name, self.request, self._check_again)
        self.run.evidence_box.setVisible(False)
        self.run.export_button.setVisible(False)
        self._obstacle = ""

    def show(self, recipe: Recipe, state: RecipeState | None) -> None:
        """Show the inputs and outputs of a recipe; nodes are those that the state remembers."""
        self._state, self._recipe = state, recipe
        self._updating = True
        try:
            if input_roles(recipe) != self._input_roles:
                self._build_inputs(input_roles(recipe))
                self.suggest()
            # A selector per output costs time, and few people write over nodes; closed, there are none.
            wanted = () if self.ui.outputsSection.collapsed else output_roles(recipe)
            if wanted != self._output_roles:
                self._build_outputs(wanted)
            if state is not None:
                for name, selector in self.inputs.selectors.items():
                    selector.show(state.inputs(name), state.segment(name))
                for name in self.outputs.combos:
                    self.outputs.show(name, state.output(OWNER, name))
        finally:
            self._updating = False

    def suggest(self) -> bool:
        """Choose nodes for required inputs that have none; says whether any was chosen."""
        return self._state is not None and suggest_inputs(self._input_roles, self._state)

    def choose(self, state: RecipeState, nodes: Mapping[str, Any]) -> None:
        """Remember the nodes of inputs: a node, (node, segment id), a list of regions, or None by input name."""
        for name, given in nodes.items():
            pair = isinstance(given, tuple)
            chosen = [given[0]] if pair else list(given) if isinstance(given, list) else [given]
            state.keep_inputs(name, chosen)
            state.keep_segment(name, given[1] if pair else "")

    def request(self) -> RecipeRequest:
        """What Apply would run; raises `MedImgError` when the recipe cannot be run."""
        recipe, node = self._runnable()
        selectors = self.inputs.selectors
        return RecipeRequest(
            recipe,
            {name: selector.nodes() for name, selector in selectors.items() if selector.nodes()},
            {name: selector.segment() for name, selector in selectors.items() if selector.segment()},
            {role.name: self._target(role) for role in output_roles(recipe)},
            node,
        )

    def _target(self, role: Role) -> Any:
        """The node to write an output over, None for a new one."""
        node = self._state.output(OWNER, role.name) if self._state is not None else None
        return node if node is not None and node.GetClassName() in output_classes(role) else None

    def check(self, obstacle: str) -> None:
        """Enable Apply, or say why it cannot run; show how new nodes will be called."""
        self._obstacle = obstacle
        why, doubt = obstacle or self.inputs.problem(), ""
        names: dict[str, str] = {}
        if not why:
            try:
                request = self.request()
                why = request.obstacle()
                if not why:
                    names, doubt = request.new_names(), request.doubt()
            except MedImgError as error:
                why = str(error)
        self.run.show_obstacle(why, doubt)
        for name in self.outputs.combos:
            self.outputs.show_new_name(name, names.get(name, name))

    def rest(self) -> None:
        """The page is left."""
        self.inputs.rest()

    def cleanup(self) -> None:
        """The page goes away."""
        self.run.cleanup()
        self.inputs.cleanup()

    def _check_again(self) -> None:
        self.check(self._obstacle)

    def _show_again(self) -> None:
        if self._recipe is not None:
            self.show(self._recipe, self._state)
            self.check(self._obstacle)

    def _build_inputs(self, roles: tuple[Role, ...]) -> None:
        self.inputs.cleanup()
        _remove(self.inputs.widget)
        self._input_roles = roles
        self.inputs = InputSelectors(roles, self._changed)
        self.ui.inputsSection.layout().addWidget(self.inputs.widget)

    def _build_outputs(self, roles: tuple[Role, ...]) -> None:
        _remove(self.outputs.widget)
        self._output_roles = roles
        self.outputs = OutputSelectors(roles, self._changed)
        self.ui.outputsSection.layout().addWidget(self.outputs.widget)

    def _changed(self) -> None:
        if self._state is None or self._updating:
            return
        self._updating = True
        try:
            with self._quiet(), slicer.util.NodeModify(self._state.node):
                for name, selector in self.inputs.selectors.items():
                    self._state.keep_inputs(name, selector.nodes())
                    self._state.keep_segment(name, selector.segment())
                for name in self.outputs.combos:
                    self._state.keep_output(OWNER, name, self.outputs.node(name))
        finally:
            self._updating = False
        self.check(self._obstacle)


def _remove(widget: Any) -> None:
    widget.hide()
    widget.setParent(None)
    widget.deleteLater()
