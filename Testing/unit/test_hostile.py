"""Every file that lies, is cut short, odd or awkwardly named ends as `hostile/cases.json` of the test data says."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from medimg_testing import Figures, find_data
from MedImgAnalysisLib import files
from MedImgAnalysisLib.errors import InputError
from MedImgAnalysisLib.execution import prepare
from MedImgAnalysisLib.geometry import Grid
from MedImgAnalysisLib.operation import Operation
from MedImgAnalysisLib.progress import SILENT, Progress
from MedImgAnalysisLib.values import Image, Landmarks, Mask

KINDS = {
    "volume": "image",
    "dicom": "image",
    "dicomfile": "image",
    "mask": "mask",
    "transform": "transform",
    "landmarks": "landmarks",
}

DEVIATIONS = {
    "H040": "accepted with a warning: the answer itself asks for one, the voxels reach 2^63",
    "H068": "accepted with a warning: its three frames are read, its missing orientation is said",
    "H076": "accepted with a warning: the file does not say how the image lies in the patient",
    "H142": "refused: the axes are 34 degrees off right angles (up to 219 mm), no rounding to be straightened",
    "H143": "accepted without a warning: NIfTI-2 is read in full, its two frames are read as those of any 4-D file",
}
"""Cases that end otherwise than listed, with the reason."""


class Measure(Operation):
    """Takes an image and a mask, as operations that measure do."""

    name, title, group = "measure_for_test", "Measure", "Test"
    finite_only = False

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Image:
        return image


@dataclass
class Outcome:
    """How a case ended: the verdict, what was said, and the value."""

    verdict: str
    warnings: list[str] = field(default_factory=list)
    error: str = ""
    value: Any = None
    seconds: float = 0.0


def cases() -> list[dict[str, str]]:
    folder = find_data()
    return json.loads((folder / "hostile/cases.json").read_text(encoding="utf-8")) if folder else []


def outcome(case: dict[str, str], folder: Path) -> Outcome:
    """Read the case as a user would, and use it where its rule shows up on use only."""
    said: list[str] = []
    progress = Progress(on_warning=said.append)
    start = time.perf_counter()
    try:
        value = _read(case, folder, progress)
    except InputError as error:
        return Outcome("reject", said, str(error), None, time.perf_counter() - start)
    return Outcome("accept+warn" if said else "accept", said, "", value, time.perf_counter() - start)


def _read(case: dict[str, str], folder: Path, progress: Progress) -> Any:
    path = folder / case["path"]
    value = files.read(path, KINDS[case["kind"]], progress)
    if case["kind"] == "mask":
        image = files.read(folder / "good/good.nrrd", "image")
        return prepare(Measure(), {"image": image, "mask": value}, progress)["mask"]
    if case["id"] == "H137":
        value.paired_with(Landmarks(("a", "b"), np.zeros((2, 3))))
    return value


@pytest.fixture(scope="module")
def folder() -> Path:
    found = find_data()
    if found is None:
        pytest.skip("the test data folder is not here (set MEDIMG_TEST_DATA)")
    return found / "hostile"


@pytest.fixture(scope="module")
def outcomes(folder: Path) -> dict[str, Outcome]:
    return {case["id"]: outcome(case, folder) for case in cases()}


def test_every_case_ends_as_listed(outcomes: dict[str, Outcome], figures: Figures) -> None:
    wrong = {
        case["id"]: f"{case['path']}: {case['expect']} became {outcomes[case['id']]}"
        for case in cases()
        if outcomes[case["id"]].verdict != case["expect"]
    }
    count = {
        verdict: sum(o.verdict == verdict for o in outcomes.values()) for verdict in ("accept", "accept+warn", "reject")
    }
    figures.say(
        f"hostile files: {len(outcomes)} cases, {count['accept']} accepted, {count['accept+warn']} accepted "
        f"with a warning, {count['reject']} rejected, {len(wrong)} deviations: {', '.join(sorted(wrong))}"
    )
    assert len(outcomes) == 85
    assert {key: text for key, text in wrong.items() if key not in DEVIATIONS} == {}
    assert sorted(wrong) == sorted(DEVIATIONS), "a deviation that is gone must leave the list"


def test_an_error_is_one_line_that_names_the_file(outcomes: dict[str, Outcome]) -> None:
    for case in cases():
        found = outcomes[case["id"]]
        if found.verdict == "reject" and case["id"] not in ("H097", "H103", "H137"):
            assert Path(case["path"]).name in found.error
            assert "\n" not in found.error and len(found.error) > len(case["path"]) + 15, found.error


def test_a_warning_is_one_line_that_names_the_file(outcomes: dict[str, Outcome]) -> None:
    for case in cases():
        for sentence in outcomes[case["id"]].warnings:
            assert "\n" not in sentence
            assert sentence.startswith((Path(case["path"]).name, "The mask")), sentence


def test_nothing_takes_longer_than_two_seconds_to_refuse(outcomes: dict[str, Outcome]) -> None:
    slow = {key: found.seconds for key, found in outcomes.items() if found.verdict == "reject" and found.seconds > 2}
    assert not slow


def _array(found: Outcome) -> np.ndarray:
    return sitk.GetArrayFromImage(found.value)


def test_errors_say_what_is_wrong(outcomes: dict[str, Outcome]) -> None:
    words = {
        "H022": "1536",
        "H023": "magic",
        "H021": "bitpix",
        "H047": "degrees",
        "H067": "complex",
        "H074": "1.172 kB",
        "H097": "empty",
        "H103": "does not overlap",
        "H104": "threshold",
        "H119": "007.dcm",
        "H122": "005.dcm",
        "H132": "1.2.840.113619.5.2",
        "H133": "12 parameters",
        "H138": "line 3",
        "H137": "3 points against 2",
    }
    for key, word in words.items():
        assert word in outcomes[key].error, outcomes[key]
    assert "line 4" in outcomes["H138"].error


def test_grids_are_those_of_the_headers(outcomes: dict[str, Outcome], folder: Path) -> None:
    good = Grid.of(outcomes["H029"].value)
    assert (good.size, good.spacing, good.origin) == ((48, 40, 32), (1.0, 1.5, 2.0), (-10.0, 5.0, 100.0))
    assert outcomes["H028"].value.GetSize() == (48, 40, 32)
    assert np.allclose(outcomes["H028"].value.GetSpacing(), (1, 1.5, 2))
    assert Grid.of(outcomes["H052"].value) == good, "RAS and LPS files of one image lie at one place"
    assert np.linalg.det(Grid.of(outcomes["H046"].value).axes) < 0
    assert outcomes["H014"].value.GetSize() == (24, 20, 16)
    assert np.allclose(outcomes["H063"].value.GetSpacing(), (0.1, 0.1, 50))
    itk = sitk.ReadImage(str(folder / "geometry/sform_qform_disagree.nii"))
    assert Grid.of(outcomes["H056"].value).same_as(Grid.of(itk)), "the form that ITK and 3D Slicer use"
    assert "the sform is used" in outcomes["H056"].warnings[0]


def test_values_are_not_wrapped(outcomes: dict[str, Outcome]) -> None:
    for key, dtype in (("H035", np.int8), ("H038", np.int32), ("H040", np.int64)):
        array = _array(outcomes[key])
        assert (array.dtype, array.min(), array.max()) == (dtype, np.iinfo(dtype).min, np.iinfo(dtype).max)
    assert _array(outcomes["H042"]).max() == 1e300
    assert "1834 of 61440" in outcomes["H030"].warnings[0]
    assert np.array_equal(_array(outcomes["H052"]), _array(outcomes["H029"]))


def test_frames_and_components_are_kept_apart(outcomes: dict[str, Outcome], folder: Path) -> None:
    frames = outcomes["H068"].value
    plain = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "components/dim4_3frames.nii.gz")))
    pairs = list(zip(frames.values, plain, strict=True))
    assert [np.array_equal(sitk.GetArrayFromImage(f), p) for f, p in pairs] == [True] * 3
    one = files.read(f"{folder}/components/dim4_3frames.nii.gz#2", "image", Progress(on_warning=lambda s: None))
    assert np.array_equal(sitk.GetArrayFromImage(one), plain[2])
    assert outcomes["H069"].value.GetNumberOfComponentsPerPixel() == 3
    vector = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "components/dim5_vector.nii.gz")))
    assert np.array_equal(_array(outcomes["H069"]), np.moveaxis(vector[:, 0], 0, -1))
    assert len(outcomes["H143"].value) == 2


def test_masks_count_the_right_voxels(outcomes: dict[str, Outcome], folder: Path) -> None:
    def stored(name: str) -> int:
        return int(np.count_nonzero(sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "masks" / name)))))

    for key, name in (
        ("H098", "mask_one_voxel.nrrd"),
        ("H099", "mask_full.nrrd"),
        ("H101", "mask_spacing_1e-5.nrrd"),
        ("H105", "mask_255.nrrd"),
        ("H106", "mask_negative_and_1000.nrrd"),
    ):
        array = _array(outcomes[key])
        assert (array.sum(), array.max()) == (stored(name), 1)
    assert not outcomes["H101"].warnings
    shifted, shape = (
        _array(outcomes["H102"]),
        sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "masks/mask_shifted_5mm.nrrd"))),
    )
    assert np.array_equal(shifted[:, :, 5:], shape[:, :, :-5]), "5 mm are 5 voxels of 1 mm"


DICOM_SAME = ("H109", "H110", "H112", "H113", "H114", "H115", "H123", "H125")


@pytest.mark.parametrize("key", DICOM_SAME)
def test_dicom_slices_have_the_right_values_in_the_right_place(
    key: str, outcomes: dict[str, Outcome], folder: Path
) -> None:
    good, array = _straight_from_files(folder / "dicom/foreign_files"), _array(outcomes[key])
    assert array.shape == good.shape
    measured = [k for k in range(12) if key != "H110" or k != 6]
    assert all(np.array_equal(array[k], good[k]) for k in measured)
    if key == "H110":
        assert np.abs(array[6] - (good[5].astype(float) + good[7]) / 2).max() <= 0.5
        assert "005.dcm and 006.dcm (4 mm instead of 2 mm)" in outcomes[key].warnings[0]
    grid = Grid.of(outcomes[key].value)
    assert np.allclose(grid.spacing, (1, 1, 2) if key == "H115" else (1, 1.5, 2))


def _straight_from_files(folder: Path) -> np.ndarray:
    """Values of the slices in order of their file names, by another way than the library's."""
    pydicom = pytest.importorskip("pydicom")
    slices = [pydicom.dcmread(path) for path in sorted(folder.glob("*.dcm"))]
    return np.stack([s.pixel_array * float(s.RescaleSlope) + float(s.RescaleIntercept) for s in slices])


def test_each_slice_has_its_own_rescale_slope(outcomes: dict[str, Outcome], folder: Path) -> None:
    array = _array(outcomes["H118"])
    assert array.dtype == np.float32
    assert np.allclose(array, _straight_from_files(folder / "dicom/rescale_per_slice"), rtol=1e-6)


def test_signed_values_follow_the_codestream(outcomes: dict[str, Outcome]) -> None:
    array = _array(outcomes["H146"])
    assert (array.dtype, array.min(), array.max()) == (np.int16, -2000, 1896)


def test_awkward_names_round_trip(outcomes: dict[str, Outcome], folder: Path, tmp_path: Path) -> None:
    good = _array(outcomes["H029"])
    for key in ("H089", "H091", "H094"):
        case = next(case for case in cases() if case["id"] == key)
        assert np.array_equal(_array(outcomes[key]), good)
        place = tmp_path / case["path"]
        files.write(outcomes[key].value, place)
        assert np.array_equal(sitk.GetArrayFromImage(files.read(place, "image")), good)
        assert [path.name for path in place.parent.iterdir()] == [place.name]
        shutil.rmtree(place.parent)


def test_a_bomb_is_refused_with_both_numbers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from MedImgAnalysisLib.files import memory

    monkeypatch.setattr(memory, "available_memory", lambda: 100_000_000)
    start = time.perf_counter()
    with pytest.raises(files.FileError, match=r"needs 512 MB of memory, 100 MB are available"):
        files.read(folder / "bomb/zeros_512MB.nii.gz", "image", Progress(on_warning=lambda s: None))
    assert time.perf_counter() - start < 2
