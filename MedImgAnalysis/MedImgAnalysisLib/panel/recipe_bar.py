"""Which recipe: those of the scene, new, open, save, delete, and from how a node was made."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ..errors import MedImgError
from ..provenance import ATTRIBUTE
from ..recipe import Recipe
from ..recipe_edit import plain_name
from ..scene import recipes
from .fields import push_button
from .selectors import NODE_CLASSES, node_combo

SAVED = "MedImgAnalysis.RecipeSaved"
"""Node attribute: SHA-256 of the text that was last written to a file."""


class RecipeBar:
    """Node selector, name, buttons, and what is known of the file.

    Parameters
    ----------
    on_choice
        Called with the text node that the user chose, or None.
    on_name
        Called with the new name of the recipe.
    on_import
        Called with a node whose history is to become a recipe.
    on_delete
        Called when the recipe is to be deleted.
    say
        Called with a sentence for the user.
    """

    def __init__(
        self,
        on_choice: Callable[[Any], None],
        on_name: Callable[[str], None],
        on_import: Callable[[Any], None],
        on_delete: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self._on_choice, self._on_name, self._on_import, self._say = on_choice, on_name, on_import, say
        self._showing = False
        self._node: Any = None
        self._recipe: Recipe | None = None
        self.widget = qt.QWidget()
        column = qt.QVBoxLayout(self.widget)
        column.setContentsMargins(0, 0, 0, 0)
        form = qt.QFormLayout()
        form.fieldGrowthPolicy = qt.QFormLayout.AllNonFixedFieldsGrow
        self.combo = node_combo((recipes.CLASS,), "recipeSelector")
        self.combo.addAttribute(recipes.CLASS, recipes.ATTRIBUTE)
        self.combo.toolTip = _("The recipes of this scene; they are saved with it.")
        self.combo.noneEnabled = False
        self.combo.setNodeTypeLabel(_("recipe"), recipes.CLASS)
        self.combo.setMRMLScene(slicer.mrmlScene)
        self.combo.connect("currentNodeChanged(vtkMRMLNode*)", self._chosen)
        form.addRow(_("Recipe:"), self.combo)
        self.name = qt.QLineEdit()
        self.name.objectName = "recipeName"
        self.name.toolTip = _("What people call this recipe.")
        self.name.connect("editingFinished()", self._named)
        form.addRow(_("Name:"), self.name)
        column.addLayout(form)
        row = qt.QHBoxLayout()
        self.new_button = push_button("newRecipeButton", _("New"), self.new, _("Begin another recipe; this one stays."))
        self.open_button = push_button("openRecipeButton", _("Open..."), self.open, _("Read a recipe file."))
        self.save_button = push_button("saveRecipeButton", _("Save..."), self.save, _("Write this recipe to a file."))
        self.delete_button = push_button(
            "deleteRecipeButton", _("Delete"), on_delete, _("Take this recipe out of the scene.")
        )
        for button in (self.new_button, self.open_button, self.save_button, self.delete_button):
            row.addWidget(button)
        column.addLayout(row)
        row = qt.QHBoxLayout()
        classes = tuple(dict.fromkeys(name for names in NODE_CLASSES.values() for name in names))
        self.source = node_combo(classes, "historySelector")
        self.source.noneEnabled = True
        self.source.noneDisplay = _("Select a result")
        for name in classes:
            self.source.addAttribute(name, ATTRIBUTE)
        self.source.setMRMLScene(slicer.mrmlScene)
        self.source.toolTip = _("Results that know how they came about.")
        self.source.connect("currentNodeChanged(vtkMRMLNode*)", self._source_chosen)
        self.import_button = push_button(
            "importRecipeButton",
            _("Recipe from this"),
            self._imported,
            _("Make a recipe from how this was made, back through all steps to the first inputs."),
        )
        row.addWidget(self.source, 1)
        row.addWidget(self.import_button)
        column.addLayout(row)
        self.status = qt.QLabel("")
        self.status.objectName = "recipeFileStatus"
        self.status.wordWrap = True
        column.addWidget(self.status)
        self._source_chosen()

    def show(self, node: Any, recipe: Recipe) -> None:
        """Show which recipe this is (no node: nothing was made yet)."""
        self._node, self._recipe = node, recipe
        self._showing = True
        if self.combo.currentNode() is not node:
            self.combo.setCurrentNode(node)
        if self.name.text != recipe.name:
            self.name.text = recipe.name
        self._showing = False
        self.save_button.enabled = bool(recipe.steps)
        self.delete_button.enabled = node is not None
        self._show_file()

    def saved(self) -> bool:
        """Whether what is shown is in a file, or nothing is there to save."""
        if self._node is None or self._recipe is None or not self._recipe.steps:
            return True
        return bool(self._node.GetAttribute(SAVED) == _digest(self._recipe))

    def new(self) -> None:
        """An empty recipe, in a node of its own."""
        self._on_choice(recipes.add_recipe(Recipe(_("New recipe"), {}, (), ())))

    def open(self) -> None:
        """Ask for a file and read it into a node of its own."""
        path = qt.QFileDialog.getOpenFileName(self.widget, _("Open recipe"), "", _("Recipe (*.json)"))
        if not path:
            return
        try:
            recipe = Recipe.load(path, check=False)
        except MedImgError as error:
            self._say(str(error))
            return
        node = recipes.add_recipe(recipe, recipe.name or Path(path).stem)
        node.SetAttribute(SAVED, _digest(recipe))
        self._on_choice(node)
        self._say(_("The recipe was read from {path}.").format(path=path))

    def save(self) -> bool:
        """Ask for a file and write the recipe; says whether that was done."""
        if self._recipe is None:
            return False
        name = f"{plain_name(self._recipe.name, 'recipe')}.json"
        path = qt.QFileDialog.getSaveFileName(self.widget, _("Save recipe"), name, _("Recipe (*.json)"))
        if not path:
            return False
        try:
            Path(path).write_text(self._recipe.as_json(), encoding="utf-8")
        except OSError as error:
            self._say(_("The recipe could not be written: {error}").format(error=error))
            return False
        if self._node is not None:
            self._node.SetAttribute(SAVED, _digest(self._recipe))
        self._show_file()
        self._say(_("The recipe was written to {path}.").format(path=path))
        return True

    def _show_file(self) -> None:
        self.status.text = self._file_text()
        self.status.setVisible(bool(self.status.text))

    def _file_text(self) -> str:
        if self._node is None or self._recipe is None or not self._recipe.steps:
            return ""
        if self.saved():
            return _("Kept in the scene, and in a file as it is.")
        return _("Kept in the scene; not in a file as it is now.")

    def _chosen(self, node: Any) -> None:
        if not self._showing:
            self._on_choice(node)

    def _named(self) -> None:
        name = self.name.text.strip()
        if not self._showing and self._recipe is not None and name != self._recipe.name:
            self._on_name(name)

    def _source_chosen(self, node: Any = None) -> None:
        self.import_button.enabled = self.source.currentNode() is not None

    def _imported(self) -> None:
        node = self.source.currentNode()
        if node is not None:
            self._on_import(node)


def _digest(recipe: Recipe) -> str:
    return hashlib.sha256(recipe.as_json().encode()).hexdigest()
