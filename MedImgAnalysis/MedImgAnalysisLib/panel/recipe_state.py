"""What the recipe page shows, kept in its parameter node; the recipe itself is in a text node of its own."""

from __future__ import annotations

from typing import Any

from slicer.parameterNodeWrapper import parameterNodeWrapper

from ..scene import recipes
from .state import PanelState

RECIPE = "MedImgRecipe"
OWNER = "recipe"
"""Stands for the operation where outputs are kept."""


@parameterNodeWrapper
class RecipeParameters:
    """The parameter node as `getParameterNode()` gives it.

    `segments` is JSON by input name, `cohort` the CSV file and `folder` the folder of results of a batch.
    """

    segments: str = "{}"
    cohort: str = ""
    folder: str = ""


class RecipeState(PanelState):
    """Reads and writes a `RecipeParameters` node; writes nothing that is there already."""

    @property
    def recipe(self) -> Any:
        """The text node with the chosen recipe: the one referenced, else the first of the scene, else None."""
        found = next(iter(self._nodes(RECIPE)), None)
        return found if recipes.is_recipe(found) else next(iter(recipes.recipe_nodes()), None)

    @recipe.setter
    def recipe(self, node: Any) -> None:
        self._keep(RECIPE, [] if node is None else [node])

    @property
    def cohort(self) -> str:
        """The CSV file."""
        return str(self.wrapper.cohort)

    @cohort.setter
    def cohort(self, path: str) -> None:
        if path != self.wrapper.cohort:
            self.wrapper.cohort = path

    @property
    def folder(self) -> str:
        """The folder of results."""
        return str(self.wrapper.folder)

    @folder.setter
    def folder(self, path: str) -> None:
        if path != self.wrapper.folder:
            self.wrapper.folder = path
