"""In another language no page shows a word of English, but names: of nodes, of parameters in scripts, of products."""

from __future__ import annotations

import re

import pytest
from panel_helpers import FILTERING, HOST, MODULES, add_segmentation, add_volume, choose, noisy_image
from recipe_panel_testing import RECIPES
from translation_testing import make_translator, plain_words, shown_texts, wide

OPERATIONS = {
    "MedImgFiltering": "median",
    "MedImgRegistration": "register",
    "MedImgSegmentation": "auto_threshold",
    "MedImgAgreement": "compare_segmentations",
    "MedImgQuality": "compare_images",
}
"""What is run on the page of a module."""
NODES = ("T1", "FLAIR", "Reader 1", "Reader 2", "Reader 1 segmentation", "Reader 2 segmentation")
NAMES = (*NODES, "Red", "Green", "Yellow", "MB", "GB", "ms", "min", "None")
"""Names of nodes and of slice views, units of memory and time, and what Slicer's selectors say for nothing."""


@pytest.fixture
def translator(standin):
    """Qt in another language."""
    from PySide6.QtCore import QCoreApplication

    made = make_translator()
    QCoreApplication.installTranslator(made)
    yield made
    QCoreApplication.removeTranslator(made)


@pytest.fixture
def nodes(standin):
    """Two volumes and two segmentations."""
    volume = add_volume("T1")
    for name in ("Reader 1", "Reader 2"):
        add_segmentation(volume, name)
    add_volume("FLAIR", noisy_image(seed=2))


def english(root, names=()) -> list[str]:
    """What is shown in plain English, with the widget that shows it."""
    found = ((widget, plain_words(text, (*NAMES, *names)), text) for widget, text in shown_texts(root))
    return [f"{widget}: {words!r} in {text!r}" for widget, words, text in found if words]


def names_in_scripts(operation) -> list[str]:
    """Names of an operation that people type, and texts that they find in its fields."""
    parameters = operation.parameters()
    typed = [one.default for one in parameters if one.kind == "text" and one.default]
    return [operation.name, *(one.name for one in parameters), *typed]


def slicer_entry(meaning: str):
    """A unit of voxel values."""
    import slicer

    entry = slicer.vtkCodedEntry()
    entry.SetValueSchemeMeaning("[hnsf'U]", "UCUM", meaning)
    return entry


def cells(table) -> list[str]:
    """What the cells of a table hold; it is data, such as names of segments."""
    there = (table.item(row, column) for row in range(table.rowCount) for column in range(table.columnCount))
    return [item.text() for item in there if item is not None]


def new_names(panel) -> list[str]:
    """How new nodes will be called; names are written, so they are in English."""
    if panel.obstacle():
        return [f"{wide('New')}: {panel.operation.title}"]
    return list(panel.request().new_names().values())


def written_names(panel) -> list[str]:
    """Names in a recipe, the titles of forms that are made from them, and names of nodes."""
    steps = panel.recipe.steps
    names = [*panel.recipe.inputs, *(step.id for step in steps)]
    names += [name for step in steps for name in step.outputs.values()]
    nodes = [node.GetName() for node in panel.run._written]
    titles = [name.capitalize().replace("_", " ") for name in names]
    return [*names, *titles, *nodes, *panel.scene.request().new_names().values(), "one", "Foreground"]


@pytest.mark.parametrize("name", OPERATIONS)
def test_pages_of_operations_show_no_english(load_module, nodes, translator, press, name):
    loaded = load_module(MODULES / name / f"{name}.py")
    panel = loaded.widget.panel
    found = []
    for operation in panel.operations.values():
        choose(panel.chooser.combo, operation.name)
        panel.chooser._more = True
        panel.chooser._describe()
        names = [*new_names(panel), *names_in_scripts(operation)]
        found += [f"{operation.name}: {one}" for one in english(loaded.parent, names)]
    assert not found, "\n".join(found)
    asked = {text for context, text in translator.asked if context == "panel.catalog_texts"}
    from MedImgAnalysisLib.panel.translated import known_texts

    assert {text for text in asked - known_texts() if re.search("[A-Za-z]{2}", text)} == set()


@pytest.mark.parametrize("name", ["MedImgRegistration", "MedImgAgreement"])
def test_what_is_still_to_be_chosen_is_said_in_no_english(load_module, translator, name):
    loaded = load_module(MODULES / name / f"{name}.py")
    panel = loaded.widget.panel
    found = []
    for operation in panel.operations.values():
        choose(panel.chooser.combo, operation.name)
        assert wide("Choose") in panel.run.status.text
        found += english(loaded.parent, [*new_names(panel), *names_in_scripts(operation)])
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", OPERATIONS)
def test_results_show_no_english(load_module, nodes, translator, press, wait_until, name):
    loaded = load_module(MODULES / name / f"{name}.py")
    panel = loaded.widget.panel
    choose(panel.chooser.combo, OPERATIONS[name])
    panel.run.evidence_box.checked = True
    press(panel.run.apply_button)
    wait_until(lambda: not panel.run.runner.running, timeout=60)
    assert wide("Done in") in panel.run.status.text
    made = [node.GetName() for node in panel.run._written]
    assert made
    names = [*made, *new_names(panel), *names_in_scripts(panel.operation)]
    found = english(loaded.parent, [*names, *cells(panel.run.results.table)])
    assert not found, "\n".join(found)


def test_a_table_of_many_rows_shows_no_english(load_module, translator):
    from MedImgAnalysisLib.agreement.overlap import COLUMNS
    from MedImgAnalysisLib.scene import bridge
    from MedImgAnalysisLib.values import Measurements

    results = load_module(FILTERING).widget.panel.run.results
    rows = tuple({column.key: 1 for column in COLUMNS} for _ in range(9))
    results.show_results(
        {"table": wide("Table")}, {"table": bridge.add_node(Measurements(COLUMNS, rows), "Nine", kind="table")}
    )
    heads = [results.table.horizontalHeaderItem(at) for at in range(results.table.columnCount)]
    assert wide("Dice") in [head.text() for head in heads]
    assert wide("Voxels in both") in [head.toolTip() for head in heads]
    found = english(results.widget, ["Nine"])
    assert not found, "\n".join(found)


def test_the_recipe_page_shows_no_english(load_module, nodes, translator, press, wait_until, tmp_path):
    from MedImgAnalysisLib import catalog, files

    loaded = load_module(RECIPES)
    panel = loaded.widget.panel
    found = english(loaded.parent, catalog.OPERATIONS)
    files.write(noisy_image(), tmp_path / "in.nrrd")
    (tmp_path / "cohort.csv").write_text("id,image,truth\none,in.nrrd,\n", encoding="utf-8")
    panel.ui.cohortSection.collapsed = panel.ui.outputsSection.collapsed = False
    for operation in ("median", "auto_threshold", "measure_segments"):
        panel.add_step(operation)
    panel.cohort.form.cohort.currentPath = str(tmp_path / "cohort.csv")
    panel.cohort.form.folder.currentPath = str(tmp_path / "out")
    press(panel.cohort.plan_button)
    wait_until(lambda: not panel.cohort.runner.running, timeout=30)
    press(panel.run.apply_button)
    wait_until(lambda: not panel.run.runner.running, timeout=30)
    assert wide("Done in") in panel.run.status.text and wide("would run") in panel.cohort.status.text
    panel.add_step("consensus")  # its inputs are several
    written = written_names(panel)
    for step in panel.recipe.steps:
        panel.select(step.id)
        names = [*written, *catalog.OPERATIONS, *names_in_scripts(catalog.find(step.operation))]
        found += english(loaded.parent, [*names, *cells(panel.run.results.table)])
    assert not found, "\n".join(found)


def test_progress_is_told_in_no_english(load_module, nodes, translator):
    panel = load_module(RECIPES).widget.panel
    for section, button in ((panel.run, panel.run.apply_button), (panel.cohort, panel.cohort.button)):
        button.enabled = True
        section._on_progress(0.5, "Frame 3 of 10: Resampling")
        assert section.status.text == f"{wide('Frame')} 3 {wide('of')} 10: {wide('Resampling')}"


def test_the_page_of_the_host_shows_no_english_but_names_of_products(load_module, translator):
    from MedImgAnalysisLib.panel import overview, packages, samples

    for name in OPERATIONS:
        load_module(MODULES / name / f"{name}.py")
    loaded = load_module(HOST)
    products = [part for pair in overview.versions() for part in pair] + [overview.library_folder()]
    products += [part for one in packages.optional_packages() for part in (one.name, one.install)]
    found = english(loaded.parent, [*products, *samples.public_samples()])
    assert not found, "\n".join(found)


def test_operations_are_found_by_words_of_both_languages(load_module, nodes, translator):
    panel = load_module(FILTERING).widget.panel
    for words in ("gaussian smoothing", wide("gaussian smoothing"), f"{wide('Gaussian')} smoothing"):
        # Others have the word in their description and stand before.
        panel.chooser.search.setText(wide("shrink"))
        assert panel.operation.name == "shrink"
        panel.chooser.search.setText(words)
        assert panel.operation.name == "gaussian"
    panel.chooser.search.setText("")
    operations = load_module(RECIPES).widget.panel.operations
    for words in ("shrink", wide("Shrink")):
        operations.search.setText(words)
        assert operations.chosen() == "shrink"


def test_advice_is_given_in_no_english(load_module, translator):
    volume = add_volume("T1")
    entry = slicer_entry("Hounsfield unit")
    volume.SetVoxelValueUnits(entry)
    loaded = load_module(FILTERING)
    panel = loaded.widget.panel
    choose(panel.chooser.combo, "window")
    assert wide("soft tissue") in panel.advice.label.text
    found = english(loaded.parent, [*new_names(panel), *names_in_scripts(panel.operation), "CT"])
    assert not found, "\n".join(found)


def test_names_that_are_written_stay_english(load_module, nodes, translator, press, wait_until):
    panel = load_module(MODULES / "MedImgAgreement" / "MedImgAgreement.py").widget.panel
    call = panel.request().python_call("MedImgAgreement")
    press(panel.run.apply_button)
    wait_until(lambda: not panel.run.runner.running, timeout=60)
    table = next(node for node in panel.run._written if node.IsA("vtkMRMLTableNode"))
    kept = [panel.request().recipe().as_json(), call, table.GetName(), table.GetAttribute("MedImgAnalysis.Provenance")]
    kept += [table.GetColumnTitle(table.GetTable().GetColumnName(n)) for n in range(table.GetNumberOfColumns())]
    assert "Dice" in kept and all(text.isascii() for text in kept)
    heads = panel.run.results.table
    assert wide("Dice") in [heads.verticalHeaderItem(row).text() for row in range(heads.rowCount)]
