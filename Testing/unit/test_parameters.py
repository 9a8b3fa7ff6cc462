"""Parameters: checked on construction, parsed from text, described for people and machines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from MedImgAnalysisLib.errors import ParameterError
from MedImgAnalysisLib.operation import Operation
from MedImgAnalysisLib.parameters import Choice, Quantity, unit_text
from MedImgAnalysisLib.progress import SILENT, Progress
from MedImgAnalysisLib.values import Image


@dataclass(frozen=True)
class Sample(Operation):
    """Do nothing with all kinds of parameters.

    Inputs
    ------
    image
        Any image.

    Outputs
    -------
    image
        The same.

    Parameters
    ----------
    width_mm
        A length
        on two lines.
    """

    name: ClassVar[str] = "sample"
    title: ClassVar[str] = "Sample"
    group: ClassVar[str] = "Test"
    presets: ClassVar = {"Wide": {"width_mm": 9.0}}

    width_mm: Annotated[float, Quantity("mm", low=0.5, high=10.0)] = 1.0
    count: Annotated[int, Quantity("", low=1)] = 2
    on: bool = False
    word: Annotated[str, Choice("one", "two")] = "one"
    text: str = ""
    limit: Annotated[float | None, Quantity("", high=5.0)] = None
    weights: Annotated[tuple[float, ...], Quantity("", low=0.0)] = (1.0, 2.0)

    def run(self, image: Image, *, progress: Progress = SILENT) -> Image:
        return image


BY_NAME = {p.name: p for p in Sample.parameters()}


def test_each_field_becomes_a_parameter_with_its_sentence():
    width = BY_NAME["width_mm"]
    assert (width.kind, width.unit, width.title) == ("float", "mm", "Width")
    assert width.description == "A length on two lines."
    assert width.range_text == "0.5 to 10 mm"
    assert BY_NAME["count"].range_text == "at least 1"
    assert BY_NAME["limit"].optional and BY_NAME["limit"].range_text == "at most 5"
    assert BY_NAME["word"].range_text == "one of one, two"
    assert [p.kind for p in Sample.parameters()] == ["float", "int", "bool", "choice", "text", "float", "floats"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("width_mm", 0.4), ("width_mm", 10.1), ("width_mm", "wide"), ("width_mm", float("nan")), ("width_mm", None),
        ("width_mm", True), ("width_mm", float("inf")), ("count", 0), ("count", 2.5), ("count", "2"), ("on", 1),
        ("on", "yes"),
        ("word", "three"), ("text", 5), ("limit", 6.0), ("weights", (1.0, -1.0)), ("weights", "1,2"),
        ("weights", (1.0, None)),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_with_field_value_and_range(field, value):
    with pytest.raises(ParameterError) as caught:
        Sample(**{field: value})
    assert field in str(caught.value) and repr(value) in str(caught.value)
    assert caught.value.field == field and caught.value.operation == "sample"
    assert isinstance(caught.value, ValueError)


def test_values_are_brought_to_their_type():
    import numpy as np

    sample = Sample(width_mm=np.float32(2), count=np.int64(3), weights=[1, 2], limit=None)
    assert sample.width_mm == 2.0 and isinstance(sample.width_mm, float)
    assert sample.count == 3 and type(sample.count) is int
    assert sample.weights == (1.0, 2.0)
    assert Sample(weights=3).weights == (3.0,)


def test_an_unknown_parameter_and_preset_name_the_known_ones():
    with pytest.raises(ParameterError, match="no parameter 'sigma'; it has width_mm, count"):
        Sample.from_parameters({"sigma": 1})
    assert Sample.preset("Wide").width_mm == 9.0
    with pytest.raises(ParameterError, match="no preset 'Huge'; it has Wide"):
        Sample.preset("Huge")


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("width_mm", "2.5", 2.5), ("count", " 7 ", 7), ("on", "true", True), ("on", "No", False),
        ("word", "two", "two"),
        ("limit", "none", None), ("limit", "-3e-1", -0.3), ("weights", "1, 2,3", (1.0, 2.0, 3.0)),
        ("text", "a=b", "a=b"),
    ],
)  # fmt: skip
def test_text_from_a_command_line_is_understood(field, text, value):
    assert BY_NAME[field].parse(text, "sample") == value


@pytest.mark.parametrize(("field", "text"), [("width_mm", "1,2"), ("count", "2.5"), ("on", "maybe"), ("count", "")])
def test_text_that_means_nothing_is_refused(field, text):
    with pytest.raises(ParameterError, match=field):
        BY_NAME[field].parse(text, "sample")


@given(st.floats(0.5, 10), st.integers(1, 99), st.booleans(), st.sampled_from(["one", "two"]), st.text())
def test_values_come_back_from_json(width, count, on, word, text):
    import json

    sample = Sample(width_mm=width, count=count, on=on, word=word, text=text)
    assert Sample.from_parameters(json.loads(json.dumps(sample.values()))) == sample


def test_the_schema_says_type_range_unit_and_choices():
    properties = Sample.schema()["properties"]
    assert properties["width_mm"] == {
        "title": "Width", "description": "A length on two lines.", "default": 1.0, "x-unit": "mm",
        "type": "number", "minimum": 0.5, "maximum": 10.0,
    }  # fmt: skip
    assert properties["word"]["enum"] == ["one", "two"]
    assert properties["limit"]["type"] == ["number", "null"]
    assert properties["weights"]["items"]["minimum"] == 0.0


def test_no_numbers_on_the_command_line_are_an_empty_list():
    assert BY_NAME["weights"].parse(" ", "sample") == ()


@pytest.mark.parametrize(
    ("unit", "read"),
    [
        ("mm2", "mm\u00b2"),
        ("mm3", "mm\u00b3"),
        ("intensity2 mm2", "intensity\u00b2 mm\u00b2"),
        ("1/mm2", "1/mm\u00b2"),
        ("at least 2 mm", "at least 2 mm"),
        ("degrees", "degrees"),
        ("", ""),
    ],
)
def test_powers_in_units_read_as_people_write_them(unit, read):
    assert unit_text(unit) == read
