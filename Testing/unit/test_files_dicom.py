"""DICOM slices become a volume whose voxels lie where they were measured, or the reason why not is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from MedImgAnalysisLib import files
from MedImgAnalysisLib.errors import FileError
from MedImgAnalysisLib.geometry import Grid
from MedImgAnalysisLib.progress import Progress

pydicom = pytest.importorskip("pydicom")
from pydicom.dataset import Dataset, FileMetaDataset  # noqa: E402
from pydicom.uid import ExplicitVRLittleEndian, RLELossless, generate_uid  # noqa: E402

ROWS, COLUMNS = 20, 24
TURN = np.reshape(sitk.Euler3DTransform((0, 0, 0), 0.3, -0.2, 0.5).GetMatrix(), (3, 3))


def quiet() -> Progress:
    return Progress(on_warning=lambda sentence: None)


def field(points: np.ndarray) -> np.ndarray:
    """A value for each LPS position (N, 3), linear, so that linear interpolation must give it back."""
    return 1000 + points @ np.array([3.0, -5.0, 7.0])


def slice_dataset(position: np.ndarray, orientation: np.ndarray, series: str, number: int, **changes: Any) -> Dataset:
    """A CT slice of `field` at a position; None as a change deletes an element."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID, dataset.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    dataset.SeriesInstanceUID, dataset.Modality, dataset.InstanceNumber = series, "CT", number
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = ROWS, COLUMNS, 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    dataset.PixelSpacing, dataset.SliceThickness = [1.5, 0.75], 2.0
    dataset.ImagePositionPatient = [float(f"{v:.9g}") for v in position]
    dataset.ImageOrientationPatient = [float(f"{v:.9g}") for v in orientation.T[:2].ravel()]
    j, i = np.meshgrid(range(ROWS), range(COLUMNS), indexing="ij")
    points = position + i[..., None] * 0.75 * orientation[:, 0] + j[..., None] * 1.5 * orientation[:, 1]
    dataset.PixelData = np.rint(field(points.reshape(-1, 3)) + 1024).astype("<u2").tobytes()
    for key, value in changes.items():
        if value is None:
            delattr(dataset, key)
        else:
            setattr(dataset, key, value)
    return dataset


def write_series(
    folder: Path,
    depths: list[float],
    orientation: np.ndarray = TURN,
    along: np.ndarray | None = None,
    series: str = "1.2.3",
    first: int = 0,
    **changes: Any,
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    start, step = np.array([-20.0, 10.0, 50.0]), orientation[:, 2] if along is None else along
    names = np.random.default_rng(len(depths)).permutation(len(depths))
    for n, depth in enumerate(depths):
        dataset = slice_dataset(start + depth * step, orientation, series, len(depths) - n, **changes)
        dataset.save_as(folder / f"{first + names[n]:03d}.dcm", enforce_file_format=True)


def error_of(image: sitk.Image, inside: slice = slice(None)) -> float:
    """Largest difference between an image and `field` at its voxels."""
    grid, array = Grid.of(image), sitk.GetArrayFromImage(image)
    k, j, i = np.meshgrid(*(range(n) for n in array.shape), indexing="ij")
    points = grid.to_physical(np.stack([i, j, k], axis=-1).reshape(-1, 3))
    return float(np.abs(field(points).reshape(array.shape) - array)[inside].max())


def read(path: Path | str) -> tuple[sitk.Image, list[str]]:
    said: list[str] = []
    return files.read(path, "image", Progress(on_warning=said.append)), said


def test_slices_are_ordered_by_position(tmp_path: Path) -> None:
    write_series(tmp_path / "s", [0, 2.5, 5, 7.5, 10])
    image, said = read(tmp_path / "s")
    assert np.allclose(image.GetSpacing(), (0.75, 1.5, 2.5))
    assert error_of(image) <= 0.51
    assert not said


@pytest.mark.parametrize(
    ("depths", "count"),
    (([0, 2, 4, 8, 10], 6), ([0, 2, 6, 8, 10, 16], 9), ([0, 3, 6, 9, 10.5, 12, 15], 6), ([0, 2, 4, 6.5, 9, 11], 6)),
)
def test_uneven_slices_are_interpolated_where_they_are_missing(depths: list[float], count: int, tmp_path: Path) -> None:
    write_series(tmp_path / "s", depths)
    image, said = read(tmp_path / "s")
    assert image.GetSize()[2] == count
    assert error_of(image) <= 1.01
    assert "uneven slice distances" in said[0]


def test_more_gaps_than_slices_are_refused(tmp_path: Path) -> None:
    write_series(tmp_path / "s", [0, 1, 2, 30])
    with pytest.raises(FileError, match=r"more slices are missing.*\(28 mm instead of 1 mm\)"):
        read(tmp_path / "s")


@pytest.mark.parametrize("tilt", (-20.0, 5.0, 18.0))
def test_a_tilted_stack_keeps_every_voxel_in_place(tilt: float, tmp_path: Path) -> None:
    angle = np.radians(tilt)
    along = TURN @ np.array([0.3 * np.sin(angle), np.sin(angle), np.cos(angle)])
    write_series(tmp_path / "s", [0, 2, 4, 6, 8, 10], along=along)
    image, said = read(tmp_path / "s")
    assert "gantry tilt" in said[0]
    array = sitk.GetArrayFromImage(image)
    grid = Grid.of(image)
    k, j, i = np.meshgrid(*(range(n) for n in array.shape), indexing="ij")
    points = grid.to_physical(np.stack([i, j, k], axis=-1).reshape(-1, 3)).reshape(*array.shape, 3)
    depth = (points - np.array([-20.0, 10.0, 50.0])) @ TURN[:, 2]
    local = (points - np.array([-20.0, 10.0, 50.0]) - (depth / (along @ TURN[:, 2]))[..., None] * along) @ TURN[:, :2]
    measured = (local > [0.8, 1.6]).all(-1) & (local < [0.75 * (COLUMNS - 2), 1.5 * (ROWS - 2)]).all(-1)
    assert measured.mean() > 0.5
    assert np.abs(field(points.reshape(-1, 3)).reshape(array.shape) - array)[measured].max() <= 1.01


def test_several_series_are_named_and_one_is_chosen(tmp_path: Path) -> None:
    write_series(tmp_path / "s", [0, 1, 2], series="1.2.30", SeriesDescription="Arterial", SeriesNumber=3)
    write_series(tmp_path / "s" / "b", [0, 1, 2, 3], series="1.2.31", SeriesDescription="Venous phase", SeriesNumber=31)
    with pytest.raises(FileError, match=r"2 series; choose one as s#UID.*1\.2\.30 \(CT, series 3, 'Arterial', 3 sl"):
        read(tmp_path / "s")
    for key in ("1.2.31", "31", "Venous phase", "venous"):
        assert read(f"{tmp_path}/s#{key}")[0].GetSize()[2] == 4
    for key in ("phase of the moon", "2", "CT"):
        with pytest.raises(FileError, match=r"series match"):
            read(f"{tmp_path}/s#{key}")


def test_time_points_are_a_sequence(tmp_path: Path) -> None:
    for time in range(3):
        write_series(
            tmp_path / "s", [0, 2, 4, 6], first=10 * time, AcquisitionNumber=time, RescaleIntercept=-1024 + time
        )
    frames = files.read(tmp_path / "s", "image", quiet()).values
    assert [error_of(frame) >= n - 0.51 for n, frame in enumerate(frames)] == [True] * 3
    for n, frame in enumerate(frames):
        shifted = sitk.GetArrayFromImage(frame) - sitk.GetArrayFromImage(frames[0])
        assert (shifted == n).all()
    chosen = read(f"{tmp_path}/s#2")[0]
    assert np.array_equal(sitk.GetArrayFromImage(chosen), sitk.GetArrayFromImage(frames[2]))
    with pytest.raises(FileError, match="no volume 3"):
        read(f"{tmp_path}/s#3")


@pytest.mark.parametrize(
    ("changes", "word"),
    (
        ({"ImagePositionPatient": None}, "does not say where"),
        ({"ImageOrientationPatient": None}, "does not say where"),
        ({"PixelSpacing": [0.0, 1.0]}, "must be above 0"),
        ({"PixelSpacing": [1.0]}, "header is damaged"),
        ({"BitsAllocated": 12}, "12 bits are not supported"),
        ({"HighBit": 20}, "do not fit"),
        ({"PixelData": b"12"}, "cut short"),
        ({"PixelData": None}, "no pixel data"),
        ({"Rows": None}, "no DICOM image in this folder"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]}, "Siemens mosaic"),
    ),
)
def test_what_is_missing_is_named(changes: dict[str, Any], word: str, tmp_path: Path) -> None:
    write_series(tmp_path / "s", [0, 1, 2], **changes)
    with pytest.raises(FileError, match=word):
        read(tmp_path / "s")


@pytest.mark.parametrize(
    ("changes", "word"),
    (
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "numbers of colours"),
        ({"ModalityLUTSequence": [Dataset()]}, "ModalityLUTSequence"),
    ),
)
def test_stored_numbers_that_are_no_values_are_told_of_once(changes: dict[str, Any], word: str, tmp_path: Path) -> None:
    write_series(tmp_path / "s", [0, 1, 2], **changes)
    assert [word in sentence for sentence in read(tmp_path / "s")[1]] == [True]


def test_a_slope_of_zero_is_refused_unless_the_slice_is_empty(tmp_path: Path) -> None:
    """Some PET scanners write it for slices without counts."""
    write_series(tmp_path / "s", [0.0, 3.0, 6.0, 9.0])
    path = min((tmp_path / "s").iterdir())
    dataset = pydicom.dcmread(path)
    dataset.RescaleSlope = 0
    dataset.save_as(path)
    with pytest.raises(FileError, match="RescaleSlope of 0"):
        read(tmp_path / "s")
    dataset.PixelData = bytes(len(dataset.PixelData))
    dataset.save_as(path)
    empty = [np.ptp(layer) == 0 for layer in sitk.GetArrayFromImage(read(tmp_path / "s")[0])]
    assert sum(empty) == 1


def test_an_empty_folder_has_no_image(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing here")
    with pytest.raises(FileError, match=r"no DICOM image in this folder \(1 files are not DICOM"):
        read(tmp_path)


def test_a_single_file_is_a_volume_of_one_slice(tmp_path: Path) -> None:
    write_series(tmp_path / "s", [0])
    image, said = read(tmp_path / "s" / "000.dcm")
    assert (image.GetSize(), image.GetSpacing()) == ((COLUMNS, ROWS, 1), (0.75, 1.5, 2.0))
    assert error_of(image) <= 0.51 and not said
    write_series(tmp_path / "t", [0], SliceThickness=None)
    assert "slice thickness is not known" in read(tmp_path / "t")[1][0]


@pytest.mark.parametrize(
    ("stored", "signed", "allocated"), ((12, 1, 16), (12, 0, 16), (16, 1, 16), (8, 0, 8), (7, 1, 8))
)
def test_only_the_stored_bits_count(stored: int, signed: int, allocated: int, tmp_path: Path) -> None:
    low = -(1 << stored - 1) if signed else 0
    values = np.linspace(low, low + (1 << stored) - 1, ROWS * COLUMNS).astype(np.int64).reshape(ROWS, COLUMNS)
    dirt = np.random.default_rng(1).integers(0, 1 << (allocated - stored), values.shape) << stored
    raw = ((values & (1 << stored) - 1) | dirt).astype(f"<u{allocated // 8}")
    write_series(
        tmp_path / "s",
        [0],
        BitsAllocated=allocated,
        BitsStored=stored,
        HighBit=stored - 1,
        PixelRepresentation=signed,
        RescaleIntercept=0,
        PixelData=raw.tobytes(),
    )
    assert np.array_equal(sitk.GetArrayFromImage(read(tmp_path / "s")[0])[0], values)


def enhanced(folder: Path, slopes: tuple[float, ...], compress: bool) -> np.ndarray:
    """A multi-frame CT with a place and a slope for each frame, in shuffled order; returns the values."""
    folder.mkdir()
    count = len(slopes)
    dataset = slice_dataset(
        np.zeros(3),
        TURN,
        "1.2.9",
        1,
        ImagePositionPatient=None,
        ImageOrientationPatient=None,
        PixelSpacing=None,
        RescaleSlope=None,
        RescaleIntercept=None,
        SliceThickness=None,
    )
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
    dataset.NumberOfFrames = count
    stored = np.random.default_rng(2).integers(0, 4000, (count, ROWS, COLUMNS)).astype("<u2")
    order = np.random.default_rng(3).permutation(count)
    shared, measures, turned = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [1.5, 0.75], 2.5
    turned.ImageOrientationPatient = TURN.T[:2].ravel().tolist()
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [turned]
    groups = []
    for n in order:
        group, place, scale = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = (n * 2.5 * TURN[:, 2]).tolist()
        scale.RescaleSlope, scale.RescaleIntercept = slopes[n], -100
        group.PlanePositionSequence, group.PixelValueTransformationSequence = [place], [scale]
        groups.append(group)
    dataset.SharedFunctionalGroupsSequence, dataset.PerFrameFunctionalGroupsSequence = [shared], groups
    dataset.PixelData = stored[order].tobytes()
    if compress:
        dataset.compress(RLELossless)
    dataset.save_as(folder / "multi.dcm", enforce_file_format=True)
    return stored * np.array(slopes)[:, None, None] - 100


@pytest.mark.parametrize("compress", (False, True))
@pytest.mark.parametrize("slopes", ((1, 1, 1, 1), (1, 0.5, 2, 3)))
def test_frames_of_an_enhanced_file_are_slices(slopes: tuple[float, ...], compress: bool, tmp_path: Path) -> None:
    values = enhanced(tmp_path / "s", slopes, compress)
    image, said = read(tmp_path / "s" / "multi.dcm")
    assert np.allclose(sitk.GetArrayFromImage(image), values)
    assert np.allclose(image.GetSpacing(), (0.75, 1.5, 2.5)) and np.allclose(image.GetDirection(), TURN.ravel())
    assert not said


def test_colours_are_components(tmp_path: Path) -> None:
    array = np.random.default_rng(1).integers(0, 255, (ROWS, COLUMNS, 3)).astype(np.uint8)
    write_series(
        tmp_path / "s",
        [0],
        SamplesPerPixel=3,
        PhotometricInterpretation="RGB",
        PlanarConfiguration=0,
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        RescaleIntercept=0,
        PixelData=array.tobytes(),
    )
    image = read(tmp_path / "s")[0]
    assert image.GetPixelIDTypeAsString() == "vector of 8-bit unsigned integer"
    assert np.array_equal(sitk.GetArrayFromImage(image)[0], array)


@pytest.mark.parametrize("folder", ("ct_j2k", "mr_t1_oblique", "sts003/CT", "sts003/PET"))
def test_real_series_agree_with_gdcm(folder: str, data_dir: Path) -> None:
    place = data_dir / "dicom" / folder
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(place)))
    other, (image, said) = reader.Execute(), read(place)
    assert np.allclose(sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(other), rtol=1e-6)
    assert Grid.of(image).same_as(Grid.of(other))
    assert not said


def test_every_compression_gives_the_same_slice(data_dir: Path) -> None:
    plain = sitk.GetArrayFromImage(read(data_dir / "dicom/compressed/ct_explicit_le.dcm")[0])
    for path in sorted((data_dir / "dicom/compressed").glob("*.dcm")):
        array = sitk.GetArrayFromImage(read(path)[0])
        assert np.abs(array.astype(int) - plain).max() <= (5 if "lossy" in path.name else 0), path.name


def test_a_real_time_series_has_two_volumes(data_dir: Path) -> None:
    found = files.read(data_dir / "dicom/fmri_2vol", "image", quiet())
    assert found.positions == (0.0, 2000.0) and (found.title, found.unit) == ("trigger time", "ms")
    first, second = found.values
    assert first.GetSize() == second.GetSize() == (80, 80, 35)
    assert Grid.of(first) == Grid.of(second)
    other = files.read(data_dir / "fourd/fmri_8vol.nii.gz", "image", quiet()).values
    assert len(other) == 8 and Grid.of(other[0]).size == Grid.of(first).size


def test_real_segmentation_objects_agree_with_their_label_images(data_dir: Path) -> None:
    folder = data_dir / "dicom/seg_dcmqi"
    labels = files.read(folder / "liver.dcm", "labels")
    truth = files.read(folder / "liver_seg.nrrd", "mask")
    assert labels.names == ("Liver",) and labels.grid.same_as(Grid.of(truth))
    assert np.array_equal(sitk.GetArrayFromImage(labels.mask("Liver")), sitk.GetArrayFromImage(truth) != 0)
    overlapping = files.read(folder / "partial_overlaps.dcm", "labels")
    assert len(overlapping.segments) == 5 and len(overlapping.layers) > 1
    ct, said = read(folder)
    assert ct.GetSize()[2] == 3 and not said, "segmentation objects beside a series are no slices"
    with pytest.raises(FileError, match="holds no segmentation"):
        files.read(folder / "ct_01.dcm", "labels")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([{"TriggerTime": t} for t in (0, 40, 85)], ((0.0, 40.0, 85.0), "trigger time", "ms")),
        ([{"AcquisitionTime": t} for t in ("095958.5", "100001", "100003.25")], ((0.0, 2.5, 4.75), "time", "s")),
        ([{"AcquisitionTime": "100000"}] * 3, ((0.0, 1.0, 2.0), "frame", "")),
        ([{"AcquisitionTime": t} for t in ("235959", "000001", "000003")], ((0.0, 2.0, 4.0), "time", "s")),
    ],
)
def test_time_points_have_the_times_of_their_headers(
    changes: list[dict[str, Any]], expected: tuple[Any, ...], tmp_path: Path
) -> None:
    for number, change in enumerate(changes):
        write_series(tmp_path / "s", [0, 2, 4], first=10 * number, AcquisitionNumber=number + 1, **change)
    found = files.read(tmp_path / "s", "image", quiet())
    assert (found.positions, found.title, found.unit) == expected


@pytest.mark.parametrize("days", [("20240228", "20240229", "20240301"), (None, None, None), ("", "20240229", "")])
def test_time_points_that_cross_midnight_are_in_the_order_of_their_acquisition(
    days: tuple[str | None, ...], tmp_path: Path
) -> None:
    times = ("235959.5", "000001", "000003") if days[0] != "20240228" else ("235959.5", "235959.5", "000003")
    for number, (day, time) in enumerate(zip(days, times)):
        named = {} if day is None else {"AcquisitionDate": day}
        write_series(
            tmp_path / "s", [0, 2], first=9 - 3 * number, RescaleIntercept=number, AcquisitionTime=time, **named
        )
    found = files.read(tmp_path / "s", "image", quiet())
    values = [int(sitk.GetArrayFromImage(image)[0, 0, 0]) for image in found.values]
    assert [value - values[0] for value in values] == [0, 1, 2]
    assert found.positions == ((0.0, 86400.0, 86403.5) if days[0] == "20240228" else (0.0, 1.5, 3.5))
