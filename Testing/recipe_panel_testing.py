"""What tests of the recipe page share: the module, and what a user does on its page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from panel_helpers import MODULES

RECIPES = MODULES / "MedImgRecipes" / "MedImgRecipes.py"


def picture(grab: Any, panel: Any, name: str, tmp_path: Path) -> Path:
    """Save a picture of the page, into the folder named by MEDIMG_PANEL_PNG if there is one; it must not be empty."""
    folder = Path(os.environ.get("MEDIMG_PANEL_PNG") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    path = grab(panel.module_widget.parent, folder / f"{name}.png")
    assert path.stat().st_size > 10_000
    return path


def steps_of(panel: Any) -> list[str]:
    """The ids of the steps of the recipe, which the list shows in the same order."""
    ids = [step.id for step in panel.recipe.steps]
    assert panel.steps.ids() == ids
    return ids


def add_by_search(panel: Any, press: Any, words: str) -> str:
    """Search for an operation and press Add step; gives the id of the step, which is selected."""
    panel.operations.search.setText(words)
    press(panel.operations.button)
    assert panel.steps.selected() == panel._selected
    return panel.steps.selected()


def drag(panel: Any, step: str, to: int) -> None:
    """Move a step to before the one at place `to`, as the list does when somebody drops it there."""
    from slicer_standin import driving
    from slicer_standin.toolkit import QtCore

    model = panel.steps.list.model()
    at = panel.steps.ids().index(step)
    assert QtCore.QAbstractItemModel.moveRow(model, QtCore.QModelIndex(), at, QtCore.QModelIndex(), to)
    driving.process_events()


def tick(panel: Any, step: str, checked: bool) -> None:
    """Check or uncheck the box of a step."""
    import qt

    panel.steps.list.item(panel.steps.ids().index(step)).setCheckState(qt.Qt.Checked if checked else qt.Qt.Unchecked)


def type_into(edit: Any, text: str) -> None:
    """Write a text into a line and press Enter."""
    edit.setText(text)
    edit.editingFinished()


def show_step(panel: Any, step: str) -> None:
    """Click on a step."""
    panel.steps.list.setCurrentRow(panel.steps.ids().index(step))
    assert panel.editor.name.text == step


def taken(panel: Any, role: str) -> str:
    """What the combo box of a role shows."""
    return panel.editor.takes[role].widget.currentText
