"""With --private not even the scene, its nodes and its pictures name a file."""

from __future__ import annotations

from pathlib import Path

import pytest
import SimpleITK as sitk
from cases_testing import blob, recipe_data
from MedImgAnalysisLib.batch.case import Extras, run_case
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.recipe import Recipe

pytest.importorskip("dicomanonymizer")
from planted_testing import planted_in


def test_a_private_scene_names_no_file(tmp_path: Path) -> None:
    place = tmp_path / "Müller Jörgen"
    place.mkdir()
    sitk.WriteImage(blob(), str(place / "Müller_MRN4711.nrrd"))
    run_case(
        Recipe.from_data(recipe_data()),
        {"t1": place / "Müller_MRN4711.nrrd"},
        tmp_path / "out",
        extras=Extras("case.mrb", snapshots=True, private=True),
        progress=Progress(on_warning=lambda sentence: None),
    )
    assert (tmp_path / "out" / "case.mrb").is_file()
    assert planted_in(tmp_path / "out", ("Müller", "Jörgen", "MRN4711", tmp_path.name)) == []
