"""Tables and the progress of all operations can be shown in another language."""

from __future__ import annotations

import re

import pytest
from contract_inputs import examples
from MedImgAnalysisLib.catalog import OPERATIONS
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.values import Measurements
from translation_testing import plain_words, wide

NAMES = ("Bright", "Left")
"""Segments of the examples."""
TAG = re.compile(r"\w+, \w+$")
"""Tag and code of a feature."""
ALIKE = ("geodesic_active_contour", "threshold_level_set")
"""Operations that take long and say the same as others of their kind."""


@pytest.fixture
def translated(standin, monkeypatch):
    """The module that translates, in another language."""
    from MedImgAnalysisLib.panel import translated

    def translate(context: str, text: str) -> str:
        assert context == translated.CONTEXT
        return wide(text)

    monkeypatch.setattr(translated, "translate", translate)
    return translated


def test_every_column_and_every_progress_message_has_a_translation(translated):
    from MedImgAnalysisLib.panel.fields import unit_words

    left = set()
    for name in OPERATIONS.keys() - set(ALIKE):
        operation = OPERATIONS[name]
        said: set[str] = set()
        progress = Progress(lambda fraction, message, said=said: said.add(message), lambda sentence: None)
        result = execute(operation(), examples(operation, optional=True), progress=progress)
        tables = [value for value in result.outputs.values() if isinstance(value, Measurements)]
        for column in (column for table in tables for column in table.columns):
            said |= {column.title, column.description}
            if plain_words(unit_words(column.unit)):
                left.add((name, column.unit))
        for text in said:
            shown = translated.composed_text(text)
            if plain_words(TAG.sub("", shown) if "IBSI" in text else shown, (*NAMES, "3D_comb")):
                left.add((name, text))
    assert left == set()


@pytest.mark.parametrize(
    "text, shown",
    [
        ("Iteration 3 of 12", f"{wide('Iteration')} 3 {wide('of')} 12"),
        ("Frame 2 of 9: Resampling", f"{wide('Frame')} 2 {wide('of')} 9: {wide('Resampling')}"),
        ("Dice, difference", wide("Dice, difference")),
        ("HD95 (voxel)", f"{wide('HD95')} ({wide('voxel')})"),
        ("Measuring Liver", f"{wide('Measuring')} Liver"),
        ("Volume of my own", "Volume of my own"),
        ("", ""),
    ],
)
def test_parts_of_a_text_are_translated_where_they_are_known(translated, text, shown):
    assert translated.composed_text(text) == shown


def test_a_translation_that_lost_a_place_is_not_used(translated, monkeypatch):
    for wrong in ("Wiederholung {0}", "Wiederholung {0} von {2}", "Wiederholung {O} von {1}"):
        monkeypatch.setattr(translated, "translate", lambda context, text, wrong=wrong: wrong)
        assert translated.filled("Iteration {0} of {1}", ["3", "12"]) == "Iteration 3 of 12"
    monkeypatch.setattr(translated, "translate", lambda context, text: "Von {1} die {0}.")
    assert translated.composed_text("Iteration 3 of 12") == "Von 12 die 3."


def test_names_that_people_gave_to_inputs_of_a_recipe_stay(translated):
    from MedImgAnalysisLib.operation import Role

    assert translated.role_title(Role("image", "image")) == "Image"
    assert translated.role_title(Role("image", "image", description="Image to smooth.")) == wide("Image")
    assert translated.spoken_title(Role("fixed", "image", description="The fixed image.")) == wide("Fixed")


def test_titles_within_a_sentence_are_small_in_english(standin):
    from MedImgAnalysisLib.operation import Role
    from MedImgAnalysisLib.panel import translated

    assert translated.spoken_title(Role("fixed", "image", description="The fixed image.")) == "fixed"
