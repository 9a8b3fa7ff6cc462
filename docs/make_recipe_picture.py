"""Make docs/pictures/recipe-panel.png: the page of MedImg Recipes while steps are put together, and after runs.

    python docs/make_recipe_picture.py

Needs the packages of the tests (`pip install -e ".[test]"`); the page is the real one on the stand-in for Slicer's Qt
side, the data are the computed head.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "pictures" / "recipe-panel.png"
sys.path[:0] = [str(ROOT / "Testing"), str(ROOT / "docs"), str(ROOT / "MedImgAnalysis")]
SPACING = (2.0, 2.0, 2.0)
CASES = 3
GAP = 16


def make_cohort(folder: Path) -> Path:
    """The cohort file of a few heads; the last one is not there."""
    from MedImgAnalysisLib import files, phantom

    lines = ["id,t1"]
    for number in range(1, CASES + 1):
        if number < CASES:
            head = phantom.head(number, flair_spacing_mm=SPACING, t1_spacing_mm=SPACING)
            files.write(head.t1, folder / f"t1-{number}.nrrd", "image")
        lines.append(f"patient {number},t1-{number}.nrrd")
    cohort = folder / "cohort.csv"
    cohort.write_text("\n".join(lines), encoding="utf-8")
    return cohort


def put_together(panel: Any) -> None:
    """Head by threshold in a T1, cleaned and measured."""
    from MedImgAnalysisLib import recipe_edit

    for operation in ("median", "auto_threshold", "clean_segments", "measure_segments"):
        panel.add_step(operation)
    panel.edit(lambda recipe: recipe_edit.rename_value(recipe, "image", "t1"))
    panel.edit(lambda recipe: recipe_edit.rename_value(recipe, "clean_segments_labels", "head"))
    panel._renamed("Size of the head")


def fold(panel: Any, *opened: str) -> None:
    """Show these sections and close the others."""
    for name in ("recipe", "operations", "steps", "step", "values", "inputs", "outputs", "result", "cohort"):
        section = getattr(panel.ui, f"{name}Section")
        if bool(section.collapsed) == (name in opened):
            section.collapsed = name not in opened


def draw(folder: Path) -> list[Path]:
    """Two pictures of the page: a step with a problem, and after a run on the scene and on the cohort."""
    from MedImgAnalysisLib import files
    from MedImgAnalysisLib.scene import bridge
    from slicer_standin import driving
    from slicer_standin.modules import LoadedModule

    driving.begin()
    cohort = make_cohort(folder)
    bridge.add_node(files.read(folder / "t1-1.nrrd", "image"), "Phantom T1", kind="image")
    loaded = LoadedModule(ROOT / "MedImgAnalysis" / "MedImgRecipes" / "MedImgRecipes.py")
    panel = loaded.widget.panel
    put_together(panel)
    panel.operations.search.setText("measure")
    panel.steps.show(panel.recipe, {}, "clean_segments")
    panel._switched("auto_threshold", False)
    panel.select("clean_segments")
    fold(panel, "recipe", "operations", "steps", "step", "values")
    first = driving.grab(loaded.parent, folder / "first.png")
    panel._switched("auto_threshold", True)
    fold(panel, "recipe", "steps", "inputs", "result", "cohort")
    driving.press(panel.run.apply_button)
    driving.wait_until(lambda: not panel.run.runner.running, timeout=120)
    panel.run.results.choice.setCurrentIndex(2)
    panel.cohort.form.cohort.currentPath, panel.cohort.form.folder.currentPath = str(cohort), str(folder / "results")
    driving.press(panel.cohort.button)
    driving.wait_until(lambda: not panel.cohort.runner.running, timeout=240)
    panel.cohort.form.show("cohort.csv", "results")
    panel.steps.list.setCurrentRow(3)
    second = driving.grab(loaded.parent, folder / "second.png")
    loaded.unload()
    return [first, second]


def side_by_side(pictures: list[Path], target: Path) -> None:
    """The pictures in a row on white, with the empty ground at their ends cut off."""
    import numpy as np
    import SimpleITK as sitk

    parts = []
    for path in pictures:
        array = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))[..., :3]
        used = np.flatnonzero((array != array[-1, 0]).any(axis=(1, 2)))[-1] + GAP
        parts.append(array[:used])
    height = max(len(part) for part in parts)
    padded = [np.pad(part, ((0, height - len(part)), (0, GAP), (0, 0)), constant_values=255) for part in parts]
    whole = np.concatenate(padded, axis=1)[:, :-GAP]
    sitk.WriteImage(sitk.GetImageFromArray(np.ascontiguousarray(whole), isVector=True), str(target), True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        side_by_side(draw(Path(made)), TARGET)
    print(TARGET)
