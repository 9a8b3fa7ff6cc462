"""The parameter form: every parameter of every operation, unchanged through the widgets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import pytest
from MedImgAnalysisLib.catalog import OPERATIONS
from MedImgAnalysisLib.errors import ParameterError
from MedImgAnalysisLib.operation import Operation
from MedImgAnalysisLib.parameters import Choice, Quantity, unit_text
from MedImgAnalysisLib.progress import SILENT, Progress
from MedImgAnalysisLib.values import Image
from panel_helpers import FILTERING, add_volume, choose


@dataclass(frozen=True)
class EveryKind(Operation):
    """Has a parameter of every kind.

    Parameters
    ----------
    weights
        Weights of the parts.
    tolerance
        When to stop.
    """

    name: ClassVar[str] = "every_kind"
    title: ClassVar[str] = "Every kind"
    group: ClassVar[str] = "Test"
    presets: ClassVar = {"Fine": {"tolerance": 1e-7}}

    flag: bool = True
    count: Annotated[int, Quantity("voxels", low=1, high=9)] = 3
    large: int = 2**40 + 1
    tolerance: Annotated[float, Quantity("mm", low=1e-9, high=1.0)] = 1e-4
    free: float = -2.5
    metric: Annotated[str, Choice("mutual_information", "correlation")] = "correlation"
    label: str = 'a, "b" <c>'
    weights: Annotated[tuple[float, ...], Quantity("", low=0.0)] = (1.0, 0.1, 4.0)
    seed: int | None = None
    threshold: Annotated[float | None, Quantity("", low=-1.0, high=1.0)] = None
    side: Annotated[str | None, Choice("left", "right")] = None
    levels: tuple[float, ...] | None = None

    def run(self, image: Image, *, progress: Progress = SILENT) -> Image:
        return image


OPERATIONS_AND_ONE = [*OPERATIONS.values(), EveryKind]


def form_of(operation, changes=None):
    from MedImgAnalysisLib.panel.form import ParameterForm

    return ParameterForm(operation, lambda: changes.append(1) if changes is not None else None)


def values_to_try(parameter) -> list:
    """Default, ends of the range, something between, every choice."""
    low, high = parameter.quantity.low, parameter.quantity.high
    found = [parameter.default]
    if parameter.kind == "bool":
        found += [True, False]
    elif parameter.kind == "choice":
        found += parameter.choices
    elif parameter.kind == "text":
        found += ["", "n\u00f6rmal 'text'"]
    elif parameter.kind in ("int", "float"):
        found += [bound for bound in (low, high) if math.isfinite(bound)]
        if parameter.kind == "float":
            start = low if math.isfinite(low) else 0.0
            stop = high if math.isfinite(high) else start + 100.0
            found += [start + (stop - start) / 3, start + (stop - start) / 7e4]
        found = [int(v) if parameter.kind == "int" and v is not None else v for v in found]
    elif parameter.kind == "floats":
        found += [[0.5], [1 / 3, 2.0, 1e-5], []]
    return [*found, None] if parameter.optional else found


@pytest.mark.parametrize("operation", OPERATIONS_AND_ONE, ids=lambda operation: operation.name)
def test_every_value_comes_back_from_the_form_unchanged(standin, operation):
    form = form_of(operation)
    assert form.build() == operation()
    for parameter in operation.parameters():
        for value in values_to_try(parameter):
            try:
                wanted = operation.from_parameters({parameter.name: value})
            except ParameterError:
                continue  # a combination that the operation itself refuses
            form.show(wanted.values())
            assert form.build() == wanted, parameter.name
    for name in operation.presets:
        form.show(operation.preset(name).values())
        assert form.build() == operation.preset(name)


@pytest.mark.parametrize("operation", OPERATIONS_AND_ONE, ids=lambda operation: operation.name)
def test_every_row_has_a_title_a_unit_and_a_tool_tip(standin, operation):
    form = form_of(operation)
    for parameter in operation.parameters():
        tip = form.fields[parameter.name].widget.toolTip
        assert parameter.description in tip
        assert parameter.description or operation is EveryKind
        assert unit_text(parameter.unit) in tip
        for choice in parameter.choices:
            assert choice.replace("_", " ") in tip
        if not parameter.choices:
            assert unit_text(parameter.range_text) in tip
        assert parameter.name in tip
        field = form.fields[parameter.name]
        widget = field.inner.widget if parameter.optional else field.widget
        if parameter.kind in ("int", "float"):
            assert widget.suffix.strip() == unit_text(parameter.unit)


def test_showing_values_tells_nobody_and_editing_does(standin):
    changes = []
    form = form_of(EveryKind, changes)
    form.show(EveryKind(count=5).values())
    assert changes == []
    form.fields["count"].widget.setValue(6)
    assert changes == [1]
    assert form.build().count == 6


def test_an_edit_that_is_taken_back_gives_the_exact_value_again(standin):
    form = form_of(EveryKind)
    exact = 0.12345678901234567
    form.show(EveryKind(free=exact).values())
    box = form.fields["free"].widget
    shown = box.value
    box.setValue(7.0)
    assert form.build().free == 7.0
    box.setValue(shown)
    assert form.build().free == exact


def test_numbers_that_mean_nothing_are_refused_with_the_name_of_the_parameter(standin):
    form = form_of(EveryKind)
    for text in ("1, x", "1;2", "-1, 2", "nan"):
        form.fields["weights"].widget.setText(text)
        assert "weights" in form.problem()
        with pytest.raises(ParameterError):
            form.build()
    form.fields["weights"].widget.setText(" 2 ,3.5")
    assert form.problem() == ""
    assert form.build().weights == (2.0, 3.5)


def test_an_optional_value_is_used_only_when_its_box_is_checked(standin):
    form = form_of(EveryKind)
    field = form.fields["threshold"]
    assert not field.inner.widget.enabled
    field.box.setChecked(True)
    assert field.inner.widget.enabled
    field.inner.widget.setValue(0.25)
    assert form.build().threshold == 0.25
    field.box.setChecked(False)
    assert form.build().threshold is None


def test_reset_and_presets(standin):
    changes = []
    form = form_of(EveryKind, changes)
    assert form.preset.currentText == "Defaults"
    form.fields["free"].widget.setValue(1.0)
    assert form.preset.currentText == "Custom"
    form.preset.setCurrentIndex(form.preset.findText("Fine"))
    assert form.build() == EveryKind(tolerance=1e-7)
    assert form.preset.currentText == "Fine"
    form.reset_button.click()
    assert form.build() == EveryKind()
    assert form.preset.currentText == "Defaults"
    assert len(changes) == 3


def test_voxels_are_shown_in_millimetres_of_the_chosen_image(load_module):
    panel = load_module(FILTERING).widget.panel
    add_volume()
    panel.enter()
    choose(panel.chooser.combo, "median")
    panel.form.fields["radius_voxels"].widget.setValue(2)
    assert panel.form.hints["radius_voxels"].text == "= 1.4 x 2.2 x 5 mm"


def test_search_narrows_the_list_and_chooses_what_is_left(load_module):
    panel = load_module(FILTERING).widget.panel
    box = panel.chooser.search
    assert panel.operation.name == "gaussian"
    box.setText("impulse noise keeps edges")
    assert panel.operation.name == "median"
    assert panel.chooser.combo.count == 1
    box.setText("xylophone")
    assert not panel.chooser.combo.enabled
    assert "No operation" in panel.chooser.label.text
    box.setText("")
    assert panel.chooser.combo.enabled
    assert panel.operation.name == "median"
    assert panel.chooser.combo.findData("gaussian") >= 0


def test_operations_of_several_groups_are_listed_under_headings(standin):
    from MedImgAnalysisLib.panel.chooser import OperationChooser

    chosen = []
    chooser = OperationChooser(list(OPERATIONS.values()), chosen.append)
    combo = chooser.combo
    groups = {operation.group for operation in OPERATIONS.values()}
    headings = {combo.itemText(n) for n in range(combo.count) if combo.itemData(n) is None}
    assert headings == groups
    chooser.show("median")
    combo.setCurrentIndex(next(n for n in range(combo.count) if combo.itemData(n) is None))
    assert chosen == []
    choose(combo, "gaussian")
    assert chosen == ["gaussian"]


def test_the_description_opens_and_closes(load_module):
    chooser = load_module(FILTERING).widget.panel.chooser
    short = chooser.label.text
    assert short.startswith("Smooth with a Gaussian kernel.")
    chooser.label.linkActivated("#more")
    assert "anisotropic" in chooser.label.text
    assert "<i>sigma_mm</i>" in chooser.label.text
    chooser.label.linkActivated("#less")
    assert chooser.label.text == short
