"""The page of MedImg Recipes: steps are put together, and run on the scene or on a cohort.

What the user does goes at once into the text node that keeps the recipe, see `recipe_document`. So nothing has to be
saved for it to be in the scene, and another recipe never takes the place of one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import slicer
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from .. import recipe_edit
from ..errors import InputError, MedImgError
from ..recipe import Recipe
from ..scene import history, recipes
from .colours import on_window
from .operation_panel import SCENE
from .recipe_bar import RecipeBar
from .recipe_catalog import OperationList
from .recipe_cohort import CohortSection
from .recipe_document import RecipeDocument
from .recipe_inputs import RecipeInputs
from .recipe_scene import SceneSection
from .recipe_state import RecipeState
from .recipe_step import StepEditor
from .recipe_steps import StepList
from .tab_order import arrange


class RecipePanel(VTKObservationMixin):
    """Fills the sections of the module's .ui file; `cleanup` has to be called at the end.

    Parameters
    ----------
    module_widget
        The module's `ScriptedLoadableModuleWidget` with `logic`; gets the attribute `ui`.
    """

    def __init__(self, module_widget: Any) -> None:
        VTKObservationMixin.__init__(self)
        self.module_widget = module_widget
        self.document = RecipeDocument(self._document_changed)
        self._selected = ""
        root = slicer.util.loadUI(module_widget.resourcePath(f"UI/{module_widget.moduleName}.ui"))
        module_widget.layout.addWidget(root)
        self.root = root
        self.ui = module_widget.ui = slicer.util.childWidgetVariables(root)
        root.setMRMLScene(slicer.mrmlScene)
        self.bar = RecipeBar(self.document.choose, self._renamed, self.import_from, self.delete, self.say)
        self.operations = OperationList(self.add_step)
        self.steps = StepList(self.select, self._ordered, self._switched, self._acted)
        self.editor = StepEditor(self.edit)
        self.inputs = RecipeInputs(self.edit)
        self.scene = SceneSection(self.ui, module_widget.moduleName, self._runnable, self.document.quiet)
        self.cohort = CohortSection(self._runnable_recipe, self._paths_chosen)
        for section, widget in (
            (self.ui.recipeSection, self.bar.widget),
            (self.ui.operationsSection, self.operations.widget),
            (self.ui.stepsSection, self.steps.widget),
            (self.ui.stepSection, self.editor.widget),
            (self.ui.valuesSection, self.inputs.widget),
            (self.ui.cohortSection, self.cohort.widget),
        ):
            section.layout().addWidget(widget)
        for event, handler in (
            (SCENE.StartCloseEvent, self._scene_closes),
            (SCENE.EndCloseEvent, self._scene_replaced),
            (SCENE.EndImportEvent, self._scene_replaced),
            (SCENE.NodeRemovedEvent, self._node_removed),
        ):
            self.addObserver(slicer.mrmlScene, event, handler)
        self.say("")
        self.enter()

    @property
    def recipe(self) -> Recipe:
        """The recipe that is shown, finished or not."""
        return self.document.recipe

    @property
    def node(self) -> Any:
        """The text node that keeps it, None before the first step."""
        return self.document.node

    @property
    def run(self) -> Any:
        """The part with Apply and the results."""
        return self.scene.run

    def enter(self) -> None:
        """The module is shown: follow its parameter node."""
        self.document.follow(RecipeState(self.module_widget.logic.getParameterNode()))
        with self.document.quiet():
            suggested = self.scene.suggest()
        if suggested:
            self.show()

    def exit(self) -> None:
        """The module is left: stop following; runs go on."""
        self.scene.rest()
        self.document.follow(None)

    def cleanup(self) -> None:
        """The module goes away: stop the runs and forget the scene."""
        self.scene.cleanup()
        self.cohort.cleanup()
        self.document.forget()
        self.removeObservers()

    def say(self, sentence: str) -> None:
        """A sentence below the steps."""
        self.ui.messageLabel.text = sentence
        self.ui.messageLabel.setVisible(bool(sentence))

    # Changing the recipe

    def edit(self, change: Callable[[Recipe], Recipe], selected: str | list[str] = "") -> bool:
        """Change the recipe and show it with a step selected; what is refused is said, and everything stays.

        `selected` may be a list to which `change` appends the id.
        """
        try:
            self.document.change(change)
        except MedImgError as error:
            self.say(str(error))
            self.show()
            return False
        self.say("")
        chosen = selected if isinstance(selected, str) else selected[-1]
        self._selected = chosen or self._selected
        self.show()
        return True

    def add_step(self, operation: str) -> None:
        """Add an operation behind the selected step."""
        made: list[str] = []

        def add(recipe: Recipe) -> Recipe:
            longer, identity = recipe_edit.add_step(recipe, operation, self._selected or None)
            made.append(identity)
            return longer

        self.edit(add, made)

    def select(self, step: str) -> None:
        """Select a step; what was said of the last run stays."""
        self._selected = step
        self.show(check=bool(self.editor.invalid))

    def _renamed(self, name: str) -> None:
        if self.edit(lambda recipe: replace(recipe, name=name)):
            self.document.rename(name)

    def _ordered(self, ids: list[str]) -> None:
        if sorted(ids) == sorted(step.id for step in self.recipe.steps):
            self.edit(lambda recipe: recipe_edit.order_steps(recipe, ids))

    def _switched(self, step: str, enabled: bool) -> None:
        self.edit(lambda recipe: recipe_edit.switch_step(recipe, step, enabled), step)

    def _acted(self, action: str, step: str) -> None:
        at = recipe_edit.position(self.recipe, step)
        if action == "duplicate":
            made: list[str] = []

            def copy(recipe: Recipe) -> Recipe:
                longer, identity = recipe_edit.duplicate_step(recipe, step)
                made.append(identity)
                return longer

            self.edit(copy, made)
        elif action == "remove":
            self._remove(step, at)
        else:
            self.edit(lambda recipe: recipe_edit.move_step(recipe, step, at + (1 if action == "down" else -1)), step)

    def _remove(self, step: str, at: int) -> None:
        others = [one.id for one in self.recipe.steps if one.id != step]
        following: list[str] = []

        def remove(recipe: Recipe) -> Recipe:
            shorter, changed = recipe_edit.remove_step(recipe, step)
            following.extend(changed)
            return shorter

        if self.edit(remove, others[min(at, len(others) - 1)] if others else "") and following:
            self.say(_("{steps} now takes what {step} took.").format(steps=", ".join(following), step=step))

    # Which recipe

    def import_from(self, node: Any) -> None:
        """Make a recipe from how a node came about, and choose its first inputs."""
        try:
            with slicer.util.WaitCursor():
                found = history.history_of(node)
        except MedImgError as error:
            self.say(str(error))
            return
        self.document.choose(recipes.add_recipe(found.recipe))
        if self.document.state is not None:
            with self.document.quiet():
                self.scene.choose(self.document.state, found.inputs)
            self.show()
        steps = len(found.recipe.steps)
        self.say(" ".join([_("A recipe of {count} steps was made.").format(count=steps), *found.notes]))

    def delete(self) -> None:
        """Take the recipe out of the scene; asked before, when it is in no file as it is now."""
        if self.node is None:
            return
        if not self.bar.saved() and not slicer.util.confirmOkCancelDisplay(
            _("{name} is in no file as it is now. Delete it?").format(name=self.node.GetName())
        ):
            return
        slicer.mrmlScene.RemoveNode(self.node)

    # Nodes to page

    def _document_changed(self, other: bool) -> None:
        """Another recipe was chosen, or somebody else changed this one."""
        if other:
            self._selected = ""
        if self.document.unreadable:
            self.say(self.document.unreadable)
        if self.document.state is not None:
            self.cohort.form.show(self.document.state.cohort, self.document.state.folder)
        self.show()

    def show(self, check: bool = True) -> None:
        """Show the recipe as it is, what is wrong with it, and (`check`) whether it can run."""
        recipe = self.recipe
        with self.document.quiet():
            ids = [step.id for step in recipe.steps]
            if self._selected not in ids:
                self._selected = ids[0] if ids else ""
            complaints = recipe.complaints() if recipe.steps else []
            problems = recipe.problems() if recipe.steps else {}
            self.bar.show(self.node, recipe)
            self.steps.show(recipe, problems, self._selected)
            step = next((one for one in recipe.steps if one.id == self._selected), None)
            self.editor.show(recipe, step, [text for one, text in complaints if one == self._selected and one])
            self.inputs.show(recipe)
            self.ui.problemsLabel.text = _summary(complaints, bool(recipe.steps))
            self.ui.problemsLabel.styleSheet = f"color: {on_window(self.ui.problemsLabel)};"
            self.ui.problemsLabel.setVisible(bool(self.ui.problemsLabel.text))
            self.scene.show(recipe, self.document.state)
        if check:
            self.scene.check(self._obstacle())
            self.cohort.check()
        arrange(self.root)

    def _obstacle(self) -> str:
        """Why the recipe cannot run anywhere, empty when it can."""
        if self.document.unreadable:
            return self.document.unreadable
        if not self.recipe.steps:
            return _("Add a step: search an operation and press Add step.")
        if self.editor.invalid:
            return _("Step {step}: {sentence}").format(step=self._selected, sentence=self.editor.invalid)
        step, sentence = next(iter(self.recipe.problems().items()), ("", ""))
        return _("Step {step}: {sentence}").format(step=step, sentence=sentence) if step else sentence

    def _runnable_recipe(self) -> Recipe:
        obstacle = self._obstacle()
        if obstacle:
            raise InputError(obstacle)
        if not self.recipe.outputs:
            raise InputError(_("Nothing would be kept: check Keep at a result of a step."))
        return self.recipe

    def _runnable(self) -> tuple[Recipe, Any]:
        return self._runnable_recipe(), self.node

    def _paths_chosen(self, cohort: str, folder: str) -> None:
        state = self.document.state
        if state is not None:
            with self.document.quiet():
                state.cohort, state.folder = cohort, folder
            self.cohort.check()

    # Scene

    def _scene_closes(self, caller: Any = None, event: Any = None) -> None:
        self.run.scene_closed(_("The scene was closed while the recipe was running."))
        self.document.forget()
        self.show()

    def _scene_replaced(self, caller: Any = None, event: Any = None) -> None:
        if self.module_widget.parent.isEntered:
            self.enter()

    def _node_removed(self, caller: Any = None, event: Any = None) -> None:
        self.run.nodes_removed()
        if self.node is not None and not slicer.mrmlScene.IsNodePresent(self.node):
            self.document.read()


def _summary(complaints: list[tuple[str, str]], steps: bool) -> str:
    """What is wrong with the whole, and at how many steps something is."""
    if not steps:
        return ""
    whole = [sentence for step, sentence in complaints if not step]
    at = list(dict.fromkeys(step for step, _sentence in complaints if step))
    if at:
        whole.insert(0, _("Problems at {steps}.").format(steps=", ".join(at)))
    return " ".join(whole)
