"""The recipe that the page works on: a text node of the scene is the truth, the parameter node says which one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from .. import recipe_edit
from ..errors import MedImgError, RecipeError
from ..recipe import Recipe
from ..scene import recipes
from .operation_panel import MODIFIED
from .recipe_state import RecipeState


class RecipeDocument(VTKObservationMixin):
    """Reads and writes the text node, and follows it and the parameter node.

    Parameters
    ----------
    on_change
        Called with True after another recipe was chosen, with False after somebody else changed one of the nodes.

    `unreadable` says why the text of the node is no recipe; such a text is never written over.
    """

    def __init__(self, on_change: Callable[[bool], None]) -> None:
        VTKObservationMixin.__init__(self)
        self._on_change = on_change
        self._quiet = False
        self.state: RecipeState | None = None
        self.node: Any = None
        self.recipe: Recipe = recipe_edit.empty()
        self.unreadable = ""

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """What is written to the nodes inside comes from the page and is not told."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    def change(self, change: Callable[[Recipe], Recipe]) -> None:
        """Replace the recipe by what `change` makes of it; raises `MedImgError`, and then all stays."""
        if self.unreadable:
            raise RecipeError(self.unreadable)
        changed = change(self.recipe)
        if changed == self.recipe:
            return
        with self.quiet():
            if self.node is None:
                changed = replace(changed, name=changed.name or _("Recipe"))
                self._watch(recipes.add_recipe(changed))
                if self.state is not None:
                    self.state.recipe = self.node
            else:
                recipes.put_recipe(changed, self.node)
            self.recipe = changed

    def choose(self, node: Any) -> None:
        """Work on the recipe of another text node."""
        if self.state is not None and not self._quiet:
            with self.quiet():
                self.state.recipe = node
            self.read()

    def rename(self, name: str) -> None:
        """Call the text node like the recipe."""
        if self.node is not None and name:
            self.node.SetName(name)

    def follow(self, state: RecipeState | None) -> None:
        """Follow a parameter node, or (None) none."""
        if self.state is not None:
            self.removeObserver(self.state.node, MODIFIED, self._modified)
        self.state = state
        if state is not None:
            self.addObserver(state.node, MODIFIED, self._modified)
            self.read()

    def forget(self) -> None:
        """The scene goes away."""
        self.follow(None)
        self._watch(None)
        self.recipe, self.unreadable = recipe_edit.empty(), ""

    def read(self) -> None:
        """Take what the nodes hold."""
        if self.state is None:
            return
        node = self.state.recipe
        other = node is not self.node
        self._watch(node)
        self.recipe, self.unreadable = recipe_edit.empty(), ""
        if node is not None:
            try:
                self.recipe = recipes.recipe_of(node, check=False)
            except MedImgError as error:
                self.unreadable = _("The text of {name} cannot be used: {error}").format(
                    name=node.GetName(), error=error
                )
        self._on_change(other)

    def _watch(self, node: Any) -> None:
        if self.node is node:
            return
        if self.node is not None:
            self.removeObserver(self.node, MODIFIED, self._modified)
        self.node = node
        if node is not None:
            self.addObserver(node, MODIFIED, self._modified)

    def _modified(self, caller: Any = None, event: Any = None) -> None:
        if not self._quiet:
            self.read()
