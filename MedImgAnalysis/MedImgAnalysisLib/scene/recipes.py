"""Recipes in a scene: kept in text nodes, run on nodes, made from how a node came about.

logic = slicer.util.getModuleLogic("MedImgRecipes")
nodes = logic.run("recipe.json", {"t1": volume})
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import slicer

from ..errors import InputError
from ..progress import SILENT, Progress
from ..recipe import Recipe
from . import frames
from .history import History, history_of
from .run import SceneRun

CLASS = "vtkMRMLTextNode"
ATTRIBUTE = "MedImgAnalysis.Recipe"
"""Node attribute that tells recipes from other texts; its value is the format."""


def is_recipe(node: Any) -> bool:
    """Whether a node holds a recipe."""
    return bool(node is not None and hasattr(node, "IsA") and node.IsA(CLASS) and node.GetAttribute(ATTRIBUTE))


def recipe_nodes() -> list[Any]:
    """The nodes of the scene that hold recipes."""
    return [node for node in slicer.util.getNodesByClass(CLASS) if is_recipe(node)]


def add_recipe(recipe: Recipe, name: str = "") -> Any:
    """A new text node with a recipe, finished or not; it is saved with the scene."""
    scene = slicer.mrmlScene
    node = scene.CreateNodeByClass(CLASS)
    node.UnRegister(None)
    node.SetName(scene.GenerateUniqueName(name or recipe.name or "Recipe"))
    node.SetAttribute(ATTRIBUTE, "1")
    # In the scene file itself: no file of its own that somebody has to save or that can get lost.
    node.SetForceCreateStorageNode(slicer.vtkMRMLTextNode.CreateStorageNodeNever)
    node.SetText(recipe.as_json())
    return scene.AddNode(node)


def put_recipe(recipe: Recipe, node: Any) -> bool:
    """Write a recipe into its node; says whether that changed anything."""
    text = recipe.as_json()
    if node.GetText() == text:
        return False
    node.SetText(text)
    return True


def recipe_of(node: Any, *, check: bool = True) -> Recipe:
    """The recipe in a text node; `check` as in `Recipe.from_data`. `InputError` when the node holds none."""
    if not is_recipe(node):
        raise InputError(f"{frames.identifier(node)} holds no recipe.")
    return Recipe.from_json(node.GetText() or "", check=check)


def as_recipe(given: Any) -> Recipe:
    """A recipe from a `Recipe`, a text node, a file name or JSON values."""
    if isinstance(given, Recipe):
        return given
    if isinstance(given, (str, Path)):
        return Recipe.load(given)
    if isinstance(given, Mapping):
        return Recipe.from_data(dict(given))
    return recipe_of(given)


class RecipeLogic:
    """Mix-in for the module logic; has no state and needs no Qt."""

    def run(
        self,
        recipe: Any,
        inputs: Mapping[str, Any],
        outputs: Mapping[str, Any] | None = None,
        *,
        progress: Progress = SILENT,
    ) -> dict[str, Any]:
        """Run a recipe on nodes and wait for it; gives the new nodes by output name.

        Parameters
        ----------
        recipe
            A `Recipe`, the text node or the file that holds it, or its JSON values.
        inputs
            By input name a node, or a pair of segmentation node and segment id.
        outputs
            By output name a node to overwrite, or the name of a new node.
        progress
            Reports and stops the run.

        Raises
        ------
        RecipeError
            The recipe is unfinished or wrong, or has no such input or output.
        InputError
            A node cannot be used; the scene is as it was.
        """
        return SceneRun(as_recipe(recipe), inputs, outputs).run(progress)

    def recipe_from(self, *nodes: Any) -> Recipe:
        """The recipe that makes these nodes from what they were made of at first, see `history_of`."""
        return self.history_of(*nodes).recipe

    def history_of(self, *nodes: Any) -> History:
        """The same with the nodes that are its inputs, and notes on what was changed since then."""
        return history_of(*nodes)

    def add_recipe(self, recipe: Any, name: str = "") -> Any:
        """A new text node with a recipe."""
        return add_recipe(as_recipe(recipe), name)

    def recipes(self) -> dict[str, Recipe]:
        """The recipes of the scene by the name of their node, unfinished ones as well."""
        return {str(node.GetName()): recipe_of(node, check=False) for node in recipe_nodes()}
