"""Segments written as DICOM SEG come back voxel by voxel, and every frame names the slice it was drawn on."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from MedImgAnalysisLib import dicom_out, files
from MedImgAnalysisLib.dicom_out import Maker
from MedImgAnalysisLib.dicom_out.measures import NAMES
from MedImgAnalysisLib.dicom_out.terms import CATEGORIES, FAMILIES, SIDES, terms_of
from MedImgAnalysisLib.errors import GeometryError, InputError, MissingPackageError
from MedImgAnalysisLib.files.cielab import lab_of, rgb_of
from MedImgAnalysisLib.geometry import Grid, image_like
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.values import Labels, Segment

highdicom = pytest.importorskip("highdicom")
import pydicom  # noqa: E402
from dicom_testing import add_pixels, ball, header, write_multiframe, write_series  # noqa: E402

MAKER = Maker("threshold", "Threshold", "Threshold", "1.2 revision 3", {"low": 1.5})
SHAPE = (9, 20, 24)


def quiet() -> Progress:
    return Progress(on_warning=lambda sentence: None)


def image_of(path: Path, **changes: Any) -> sitk.Image:
    write_series(path, ball(), **changes)
    return files.read(path, "image", quiet())


def random_labels(grid: Grid, count: int = 3, overlap: bool = False, seed: int = 0) -> Labels:
    """Segments with speckled borders; slices 0 and 4 are empty, and so is the last segment."""
    random = np.random.default_rng(seed)
    masks = []
    owner = random.integers(0, count, grid.size[::-1])
    for n in range(count):
        array = random.random(grid.size[::-1]) < 0.3 if overlap else owner == n
        array[[0, 4]] = False
        masks.append((f"Part {n}", image_like((array & (n < count - 1)).astype(np.uint8), grid)))
    return Labels.from_masks(masks)


def written(labels: Labels, image: sitk.Image, path: Path, place: Path | None = None, **more: Any) -> Path:
    source = dicom_out.source_of(path, image, "ct")
    target = place or path.with_name("out.dcm")
    dicom_out.write_segments(labels, source, target, name="parts", maker=MAKER, progress=quiet(), **more)
    return target


def on_grid(labels: Labels, name: str, grid: Grid) -> np.ndarray:
    """A segment on another part of the same lattice, by nearest neighbour."""
    return sitk.GetArrayFromImage(
        sitk.Resample(labels.mask(name), grid.blank(), sitk.Transform(), sitk.sitkNearestNeighbor)
    )


def assert_same(labels: Labels, file: Path) -> None:
    back = files.read(file, "labels", quiet())
    assert back.names == labels.names
    for name in labels.names:
        assert np.array_equal(on_grid(back, name, labels.grid), sitk.GetArrayFromImage(labels.mask(name)))
        # Nothing lies outside of the grid, either.
        inside = int(sitk.GetArrayFromImage(back.mask(name)).sum())
        assert inside == int(sitk.GetArrayFromImage(labels.mask(name)).sum())


def by_highdicom(file: Path, segment: int, instances: list[str]) -> np.ndarray:
    """The voxels of a segment by the referenced instances, as highdicom reads them."""
    seg = highdicom.seg.segread(str(file))
    return np.asarray(
        seg.get_pixels_by_source_instance(
            instances, segment_numbers=[segment], ignore_spatial_locations=True, assert_missing_frames_are_empty=True
        )
    )[..., 0]


@pytest.mark.parametrize("overlap", (False, True))
@pytest.mark.parametrize(
    ("spacing", "direction"), (((0.75, 1.5, 2.5), None), ((1.0, 1.0, 1.0), np.eye(3)), ((0.6, 0.6, 5.0), -np.eye(3)))
)
def test_voxels_come_back_exactly_on_any_grid(
    spacing: tuple[float, float, float], direction: np.ndarray | None, overlap: bool, tmp_path: Path
) -> None:
    more = {} if direction is None else {"direction": direction @ np.diag([1, 1, np.linalg.det(direction)])}
    image = image_of(tmp_path / "ct", spacing=spacing, **more)
    labels = random_labels(Grid.of(image), overlap=overlap)
    assert (len(labels.layers) > 1) == overlap
    file = written(labels, image, tmp_path / "ct")
    assert_same(labels, file)
    made = pydicom.dcmread(file)
    assert made.SegmentsOverlap == ("YES" if overlap else "NO")


def test_every_frame_names_the_slice_it_was_drawn_on(tmp_path: Path) -> None:
    image = image_of(tmp_path / "ct")
    labels = random_labels(Grid.of(image))
    file = written(labels, image, tmp_path / "ct")
    slices = {}
    for path in (tmp_path / "ct").iterdir():
        one = pydicom.dcmread(path)
        k = Grid.of(image).to_index(np.array([one.ImagePositionPatient], float))[0, 2]
        slices[str(one.SOPInstanceUID)] = round(float(k))
    made = pydicom.dcmread(file)
    for group in made.PerFrameFunctionalGroupsSequence:
        (reference,) = group.DerivationImageSequence[0].SourceImageSequence
        position = np.array([group.PlanePositionSequence[0].ImagePositionPatient], float)
        k = Grid.of(image).to_index(position)[0, 2]
        assert abs(k - slices[reference.ReferencedSOPInstanceUID]) < 1e-3
    ordered = sorted(slices, key=lambda uid: slices[uid])
    for number, name in enumerate(labels.names, 1):
        assert np.array_equal(by_highdicom(file, number, ordered), sitk.GetArrayFromImage(labels.mask(name)))


def test_patient_and_study_are_those_of_the_source_and_text_keeps_its_letters(tmp_path: Path) -> None:
    image = image_of(tmp_path / "ct")
    grid = Grid.of(image)
    labels = Labels.from_masks([("Größe 肝臓", image_like(np.ones(SHAPE, np.uint8), grid))])
    made = pydicom.dcmread(written(labels, image, tmp_path / "ct"))
    source = pydicom.dcmread(next((tmp_path / "ct").iterdir()))
    for key in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "AccessionNumber",
                "StudyDate", "ReferringPhysicianName", "FrameOfReferenceUID"):  # fmt: skip
        assert str(made[key].value) == str(source[key].value), key
    assert made.SeriesInstanceUID != source.SeriesInstanceUID
    assert made.SegmentSequence[0].SegmentLabel == "Größe 肝臓"
    assert made.ReferencedSeriesSequence[0].SeriesInstanceUID == source.SeriesInstanceUID
    assert len(made.ReferencedSeriesSequence[0].ReferencedInstanceSequence) == SHAPE[0]


def test_segments_say_what_they_are_who_made_them_and_their_colour(tmp_path: Path) -> None:
    image = image_of(tmp_path / "ct")
    mask = image_like(np.ones(SHAPE, np.uint8), Grid.of(image))
    labels = Labels.from_masks([("Left kidney", mask), ("thing", mask)])
    tag = {"TerminologyEntry": "x~SCT^49755003^Morphologic abnormality~SCT^4147007^Mass~^^~y~^^~^^"}
    first, second = labels.segments
    labels = Labels(labels.layers, (first, Segment("t", "thing", (0.2, 0.4, 0.6), second.layer, second.value, tag)))
    file = written(labels, image, tmp_path / "ct")
    kidney, thing = pydicom.dcmread(file).SegmentSequence
    assert kidney.SegmentedPropertyTypeCodeSequence[0].CodeValue == "64033007"
    side = kidney.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence[0]
    assert side.CodeMeaning == "Left"
    assert thing.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Mass"
    algorithm = kidney.SegmentationAlgorithmIdentificationSequence[0]
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("Threshold", "1.2 revision 3")
    assert algorithm.AlgorithmParameters == "low=1.5"
    back = files.read(file, "labels", quiet())
    assert np.allclose([s.color for s in back.segments], [s.color for s in labels.segments], atol=1e-3)
    assert "SCT^64033007^Kidney~SCT^7771000^Left" in back.segments[0].tags["TerminologyEntry"]
    assert terms_of(back.segments[1]).kind.meaning == "Mass"


@pytest.mark.parametrize("color", [(0, 0, 0), (1, 1, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0.01, 0.5, 0.99)])
def test_colours_survive_cielab(color: tuple[float, float, float]) -> None:
    assert np.allclose(rgb_of(lab_of(color)), color, atol=1e-3)


def test_every_code_of_the_tables_is_one_of_the_dictionary() -> None:
    from pydicom.sr._concepts_dict import concepts

    known = {scheme: {code for entry in concepts[scheme].values() for code in entry} for scheme in ("SCT", "DCM")}
    for category, table in CATEGORIES.items():
        assert category[0] in known["SCT"]
        for name, (code, _) in table.items():
            assert code in known["SCT"], name
            found = terms_of(Segment("s", name.title(), (0, 0, 0)))
            assert (found.known, found.kind.value, found.category.value) == (True, code, category[0]), name
    assert {code for code, _ in NAMES.values()} <= known["SCT"]
    assert {code for code, _ in SIDES.values()} <= known["SCT"]
    assert {code for code, _ in FAMILIES.values()} <= known["DCM"]


@pytest.mark.parametrize(
    ("name", "meaning"),
    (
        ("lungs", "Lung"),
        ("Right Lung", "Lung"),
        ("lung_L", "Lung"),
        ("Tumour", "Neoplasm"),
        ("Oesophagus", "Esophagus"),
    ),
)
def test_names_are_understood_in_their_spellings(name: str, meaning: str) -> None:
    assert terms_of(Segment("s", name, (0, 0, 0))).kind.meaning == meaning


def test_an_unknown_name_is_called_tissue_and_that_is_said(tmp_path: Path) -> None:
    image = image_of(tmp_path / "ct")
    labels, said = random_labels(Grid.of(image), 5), []
    source = dicom_out.source_of(tmp_path / "ct", image, "ct")
    progress = Progress(on_warning=said.append)
    dicom_out.write_segments(labels, source, tmp_path / "o.dcm", name="x", maker=MAKER, progress=progress)
    assert "no code is known for 'Part 0', 'Part 1', 'Part 2' and 2 more" in said[0]
    assert {
        s.SegmentedPropertyTypeCodeSequence[0].CodeMeaning for s in pydicom.dcmread(tmp_path / "o.dcm").SegmentSequence
    } == {"Tissue"}


@pytest.mark.parametrize(
    ("order", "part", "first"), (([3, 0, 1, 2, 8, 7, 6, 5, 4], "", 0), ([*range(9), *reversed(range(9))], "#1", 9))
)
def test_a_multiframe_source_is_referred_to_by_frame(order: list[int], part: str, first: int, tmp_path: Path) -> None:
    write_multiframe(tmp_path / "ct" / "all.dcm", ball(), order=order)
    place = f"{tmp_path / 'ct'}{part}"
    image = files.read(place, "image", quiet())
    labels = random_labels(Grid.of(image))
    source = dicom_out.source_of(place, image, "ct")
    file = tmp_path / "out.dcm"
    dicom_out.write_segments(labels, source, file, name="parts", maker=MAKER, progress=quiet())
    assert_same(labels, file)
    for group in pydicom.dcmread(file).PerFrameFunctionalGroupsSequence:
        (reference,) = group.DerivationImageSequence[0].SourceImageSequence
        position = np.array([group.PlanePositionSequence[0].ImagePositionPatient], float)
        k = round(float(Grid.of(image).to_index(position)[0, 2]))
        assert int(reference.ReferencedFrameNumber) > first
        assert order[int(reference.ReferencedFrameNumber) - 1] == k


def test_a_part_of_the_image_and_swapped_axes_land_on_the_right_slices(tmp_path: Path) -> None:
    image = image_of(tmp_path / "ct")
    whole = random_labels(Grid.of(image)).mask("Part 0")
    for number, part in enumerate(
        (
            whole[3:20, 2:18, 1:8],
            whole[::-1, :, ::-1],
            sitk.PermuteAxes(whole, [2, 0, 1]),
            sitk.PermuteAxes(whole[::-1], [1, 2, 0]),
        )
    ):
        labels = Labels.from_masks([("part", part)])
        file = written(labels, image, tmp_path / "ct", tmp_path / f"{number}.dcm")
        back = on_grid(files.read(file, "labels", quiet()), "part", Grid.of(image))
        wanted = sitk.Resample(part, image, sitk.Transform(), sitk.sitkNearestNeighbor)
        assert np.array_equal(back, sitk.GetArrayFromImage(wanted))


@pytest.mark.parametrize(
    ("change", "reason"),
    (
        (lambda g: Grid(g.size, g.spacing, tuple(np.add(g.origin, 0.3)), g.direction), "another grid"),
        (lambda g: Grid(g.size, (0.5, 1.5, 2.5), g.origin, g.direction), "another grid"),
        (lambda g: Grid((24, 20, 9), g.spacing, g.origin, tuple(np.eye(3).ravel())), "another grid"),
        (lambda g: Grid(g.size, g.spacing, tuple(g.to_physical(np.array([[2, 0, 0]]))[0]), g.direction), "beyond"),
        (lambda g: Grid(g.size, g.spacing, tuple(g.to_physical(np.array([[0, 0, 40]]))[0]), g.direction), "overlap"),
    ),
)
def test_what_does_not_lie_on_the_slices_is_refused(change: Any, reason: str, tmp_path: Path) -> None:
    image = image_of(tmp_path / "ct")
    grid = change(Grid.of(image))
    labels = Labels.from_masks([("x", image_like(np.ones(grid.size[::-1], np.uint8), grid))])
    with pytest.raises(GeometryError, match=reason):
        written(labels, image, tmp_path / "ct")
    assert not (tmp_path / "out.dcm").exists()


def test_a_tilted_stack_which_was_interpolated_is_refused(tmp_path: Path) -> None:
    image = image_of(tmp_path / "ct", direction=np.eye(3), along=np.array([0, 0.3, 1.0]))
    labels = Labels.from_masks([("x", image_like(np.ones(image.GetSize()[::-1], np.uint8), image))])
    with pytest.raises(GeometryError, match="interpolated"):
        written(labels, image, tmp_path / "ct")


@pytest.mark.parametrize(("part", "elements"), (("", {"GridFrameOffsetVector": [0, 3, 6, 9]}), ("#2", {})))
def test_a_multiframe_source_that_does_not_describe_its_frames_is_refused(
    part: str, elements: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    plane = {
        "PixelSpacing": [1.5, 0.75],
        "ImagePositionPatient": [0, 0, 0],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    }
    dataset = add_pixels(header(1, **plane, SliceThickness=3.0, **elements), ball()[:4])
    dataset.save_as(tmp_path / "in" / "all.dcm", enforce_file_format=True)
    place = f"{tmp_path / 'in'}{part}"
    image = files.read(place, "image", quiet())
    source = dicom_out.source_of(place, image, "dose")
    labels = Labels.from_masks([("x", image_like(np.ones(source.grid.size[::-1], np.uint8), source.grid))])
    with pytest.raises(GeometryError, match="does not describe each of its frames"):
        dicom_out.write_segments(labels, source, tmp_path / "o.dcm", name="x", maker=MAKER)


def test_a_source_without_a_frame_of_reference_is_refused(tmp_path: Path) -> None:
    image = image_of(tmp_path / "ct", FrameOfReferenceUID=None)
    with pytest.raises(InputError, match="no FrameOfReferenceUID"):
        dicom_out.source_of(tmp_path / "ct", image, "ct")


def test_a_source_without_optional_attributes_will_do(tmp_path: Path) -> None:
    gone = dict.fromkeys(("PatientSex", "StudyID", "AccessionNumber", "StudyTime", "SeriesNumber", "PatientBirthDate"))
    image = image_of(tmp_path / "ct", **gone)
    assert_same(labels := random_labels(Grid.of(image)), written(labels, image, tmp_path / "ct"))


def test_many_segments_and_none_with_voxels(tmp_path: Path) -> None:
    image = image_of(tmp_path / "ct")
    assert_same(labels := random_labels(Grid.of(image), 260), written(labels, image, tmp_path / "ct"))
    empty = Labels.from_masks([("a", Grid.of(image).blank()), ("b", Grid.of(image).blank())])
    file = written(empty, image, tmp_path / "ct")
    assert files.read(file, "labels", quiet()).names == ("a", "b")
    with pytest.raises(InputError, match="no segments"):
        written(Labels((Grid.of(image).blank(),), ()), image, tmp_path / "ct")


def test_the_same_result_has_the_same_uids_and_another_one_others(tmp_path: Path) -> None:
    image = image_of(tmp_path / "ct")
    labels, when = random_labels(Grid.of(image)), datetime(2026, 1, 2, 3, 4, 5)
    first = written(labels, image, tmp_path / "ct", tmp_path / "1.dcm", made=when).read_bytes()
    assert written(labels, image, tmp_path / "ct", tmp_path / "2.dcm", made=when).read_bytes() == first
    later = pydicom.dcmread(written(labels, image, tmp_path / "ct", tmp_path / "3.dcm"))
    other = pydicom.dcmread(written(random_labels(Grid.of(image), seed=1), image, tmp_path / "ct", tmp_path / "4.dcm"))
    one = pydicom.dcmread(tmp_path / "1.dcm")
    assert one.SOPInstanceUID == later.SOPInstanceUID != other.SOPInstanceUID
    assert one.SeriesInstanceUID != other.SeriesInstanceUID
    assert one.ContentDate == "20260102" and str(one.SOPInstanceUID).startswith("2.25.")


def test_without_highdicom_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(MissingPackageError, match="pip install highdicom"):
        dicom_out.require()


def test_a_segmentation_of_dcmqi_and_the_same_voxels_written_by_us_agree(data_dir: Path, tmp_path: Path) -> None:
    folder = data_dir / "dicom" / "seg_dcmqi"
    for name in ("ct_01.dcm", "ct_02.dcm", "ct_03.dcm"):
        (tmp_path / "ct").mkdir(exist_ok=True)
        (tmp_path / "ct" / name).write_bytes((folder / name).read_bytes())
    image = files.read(tmp_path / "ct", "image", quiet())
    theirs = files.read(folder / "liver.dcm", "labels", quiet())
    ours = files.read(folder / "liver_seg.nrrd", "labels", quiet()).renamed(Segment_1=theirs.names[0])
    file = written(ours, image, tmp_path / "ct")
    assert_same(ours, file)
    back = files.read(file, "labels", quiet())
    assert np.array_equal(on_grid(theirs, theirs.names[0], back.grid), on_grid(back, back.names[0], back.grid))
    them, us = pydicom.dcmread(folder / "liver.dcm"), pydicom.dcmread(file)
    assert us.FrameOfReferenceUID == them.FrameOfReferenceUID and us.StudyInstanceUID == them.StudyInstanceUID

    def instances(dataset: Any) -> set[str]:
        return {
            str(i.ReferencedSOPInstanceUID)
            for s in dataset.ReferencedSeriesSequence
            for i in s.ReferencedInstanceSequence
        }

    assert instances(us) == instances(them)
    assert us.ReferencedSeriesSequence[0].SeriesInstanceUID == them.ReferencedSeriesSequence[0].SeriesInstanceUID
