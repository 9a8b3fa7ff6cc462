"""NRRD, NIfTI and MetaImage files, however they are written, give the voxels and the place that they state."""

from __future__ import annotations

import bz2
import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from medimg_testing import oblique_grid
from MedImgAnalysisLib import files
from MedImgAnalysisLib.errors import FileError
from MedImgAnalysisLib.geometry import Grid
from MedImgAnalysisLib.progress import Progress

ENDINGS = (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd")
SCALARS = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")
ARRAY = (np.arange(4 * 5 * 6).reshape(6, 5, 4) * 2 % 127).astype(np.int16)


def quiet() -> Progress:
    return Progress(on_warning=lambda sentence: None)


def read_with_warnings(path: Path | str) -> tuple[sitk.Image, list[str]]:
    said: list[str] = []
    return files.read(path, "image", Progress(on_warning=said.append)), said


def same(first: sitk.Image, second: sitk.Image, mm: float = 1e-4) -> bool:
    """Equal type, voxels and corners within `mm`."""
    a, b = sitk.GetArrayFromImage(first), sitk.GetArrayFromImage(second)
    corners = np.abs(Grid.of(first).corners - Grid.of(second).corners).max()
    return first.GetPixelID() == second.GetPixelID() and np.array_equal(a, b) and corners < mm


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("dtype", SCALARS)
def test_every_pixel_type_on_an_oblique_grid_survives(ending: str, dtype: str, tmp_path: Path) -> None:
    image = oblique_grid(sitk.GetImageFromArray(ARRAY.astype(dtype)))
    back, said = read_with_warnings(files.write(image, tmp_path / f"a{ending}"))
    assert same(back, image)
    assert not said


@pytest.mark.parametrize("ending", ENDINGS)
def test_vectors_keep_their_components_in_order(ending: str, tmp_path: Path) -> None:
    array = np.random.default_rng(1).normal(size=(4, 5, 6, 3)).astype(np.float32)
    image = oblique_grid(sitk.GetImageFromArray(array, isVector=True))
    back = files.read(files.write(image, tmp_path / f"a{ending}"), "image", quiet())
    assert same(back, image)


@pytest.mark.parametrize("ending", (".nrrd", ".nii.gz", ".mha"))
def test_two_dimensional_images_keep_their_grid(ending: str, tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(ARRAY[0])
    image.SetSpacing((0.5, 2.0))
    image.SetOrigin((3.0, -4.0))
    back = files.read(files.write(image, tmp_path / f"a{ending}"), "image", quiet())
    assert same(back, image)


@pytest.mark.parametrize("ending", (".nrrd", ".nii.gz", ".mha"))
def test_a_left_handed_image_stays_where_it_is(ending: str, tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(ARRAY)
    image.SetDirection((-1, 0, 0, 0, 1, 0, 0, 0, 1))
    assert same(files.read(files.write(image, tmp_path / f"a{ending}"), "image", quiet()), image)


@pytest.mark.parametrize("ending", (".nrrd", ".nii", ".nii.gz", ".mha"))
def test_what_simpleitk_writes_is_read_like_simpleitk_does(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    sitk.WriteImage(oblique_grid(sitk.GetImageFromArray(ARRAY)), str(path))
    assert same(files.read(path, "image", quiet()), sitk.ReadImage(str(path)), 1e-5)


@pytest.mark.parametrize("ending", (".nrrd", ".nii.gz", ".nii", ".mha"))
@pytest.mark.parametrize("share", (0.3, 0.9, 0.999))
def test_a_file_that_stops_early_is_refused(ending: str, share: float, tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(-999, 999, (20, 20, 20)).astype(np.int16)
    path = files.write(sitk.GetImageFromArray(noise), tmp_path / f"a{ending}")
    path.write_bytes(path.read_bytes()[:int(path.stat().st_size * share)])
    with pytest.raises(FileError, match=r"cut short|ends inside"):
        files.read(path, "image", quiet())


@pytest.mark.parametrize("ending", (".nrrd", ".nii.gz", ".mha"))
def test_a_damaged_stream_is_refused(ending: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(-999, 999, (20, 20, 20)).astype(np.int16)
    path = files.write(sitk.GetImageFromArray(noise), tmp_path / f"a{ending}")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle:middle + 40] = bytes(40)
    path.write_bytes(data)
    with pytest.raises(FileError, match=r"a\.(nrrd|nii\.gz|mha): "):
        files.read(path, "image", quiet())


@pytest.mark.parametrize("ending", (".nrrd", ".nii", ".nii.gz", ".mha"))
def test_bytes_behind_the_voxels_are_told(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a{ending}"
    sitk.WriteImage(sitk.GetImageFromArray(ARRAY), str(path), False)
    if ending == ".nii.gz":
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + b"more"))
    else:
        path.write_bytes(path.read_bytes() + b"more")
    image, said = read_with_warnings(path)
    assert np.array_equal(sitk.GetArrayFromImage(image), ARRAY)
    assert "more bytes than its header declares" in said[0]


def nrrd(path: Path, data: bytes, **fields: str) -> Path:
    """A NRRD file of `data` whose header has these fields (spaces for underscores; a value of None removes one)."""
    header = {"type": "short", "dimension": "3", "space": "left-posterior-superior", "sizes": "4 5 6",
              "space directions": "(1,0,0) (0,2,0) (0,0,3)", "kinds": "domain domain domain", "endian": "little",
              "encoding": "raw", "space origin": "(1,2,3)"}
    header.update({key.replace("_", " "): value for key, value in fields.items()})
    lines = [f"{key}: {value}" for key, value in header.items() if value is not None]
    path.write_bytes(("NRRD0004\n# comment\n" + "\n".join(lines) + "\nkey:=one\\ntwo\n\n").encode() + data)
    return path


@pytest.mark.parametrize(("encoding", "pack"), (
    ("raw", bytes), ("gzip", gzip.compress), ("gz", gzip.compress), ("bzip2", bz2.compress),
    ("ascii", lambda data: " ".join(map(str, np.frombuffer(data, "<i2"))).encode()),
))
def test_every_nrrd_encoding_is_read(encoding: str, pack: object, tmp_path: Path) -> None:
    path = nrrd(tmp_path / "a.nrrd", pack(ARRAY.astype("<i2").tobytes()), encoding=encoding)  # type: ignore[operator]
    image = files.read(path, "image", quiet())
    assert np.array_equal(sitk.GetArrayFromImage(image), ARRAY)
    assert (image.GetSpacing(), image.GetOrigin()) == ((1.0, 2.0, 3.0), (1.0, 2.0, 3.0))


def test_big_endian_voxels_are_turned(tmp_path: Path) -> None:
    path = nrrd(tmp_path / "a.nrrd", ARRAY.astype(">i2").tobytes(), endian="big")
    assert np.array_equal(sitk.GetArrayFromImage(files.read(path, "image", quiet())), ARRAY)


def test_each_nrrd_space_ends_in_lps(tmp_path: Path) -> None:
    origins = {"left-posterior-superior": (1, 2, 3), "RAS": (-1, -2, 3), "left-anterior-superior": (1, -2, 3)}
    for space, origin in origins.items():
        image = files.read(nrrd(tmp_path / "a.nrrd", ARRAY.tobytes(), space=space), "image", quiet())
        assert image.GetOrigin() == origin
        assert np.array_equal(np.sign(image.GetDirection()[::4]), np.sign(np.array(origin)))


def test_a_detached_nrrd_header_finds_its_data(tmp_path: Path) -> None:
    (tmp_path / "voxels.raw").write_bytes(b"skipped" + ARRAY.tobytes())
    path = nrrd(tmp_path / "a.nhdr", b"", data_file="voxels.raw", byte_skip="7")
    assert np.array_equal(sitk.GetArrayFromImage(files.read(path, "image", quiet())), ARRAY)
    path = nrrd(tmp_path / "a.nhdr", b"", data_file="voxels.raw", byte_skip="-1")
    assert np.array_equal(sitk.GetArrayFromImage(files.read(path, "image", quiet())), ARRAY)
    with pytest.raises(FileError, match=r"gone\.raw, is missing"):
        files.read(nrrd(tmp_path / "a.nhdr", b"", data_file="gone.raw"), "image", quiet())


@pytest.mark.parametrize(("fields", "word"), (
    ({"sizes": "4 5"}, "2 sizes"), ({"sizes": "4 5 x"}, "whole numbers"), ({"type": "block"}, "block"),
    ({"encoding": "zip"}, "zip"), ({"space_directions": "(1,0,0) (0,2,0)"}, "2 space directions"),
    ({"space_directions": "(1,0,0) (0,nan,0) (0,0,1)"}, "finite"), ({"space_origin": "(1,2)"}, "space origin"),
    ({"endian": None}, "byte order"), ({"sizes": None}, "'sizes'"),
    ({"space_directions": "(1,0,0) (0,a,0) (0,0,1)"}, "vector"),
    ({"kinds": "complex domain domain"}, "complex"), ({"kinds": "domain"}, "1 kinds"),
))
def test_a_nrrd_header_that_makes_no_sense_is_refused(fields: dict[str, str], word: str, tmp_path: Path) -> None:
    with pytest.raises(FileError, match=word):
        files.read(nrrd(tmp_path / "a.nrrd", ARRAY.tobytes(), **fields), "image", quiet())


def test_a_nrrd_without_orientation_says_so(tmp_path: Path) -> None:
    path = nrrd(tmp_path / "a.nrrd", ARRAY.tobytes(), space=None, space_directions=None, space_origin=None,
                spacings="1 2 3")
    image, said = read_with_warnings(path)
    assert image.GetSpacing() == (1.0, 2.0, 3.0)
    assert "left and right cannot be trusted" in said[0]


@pytest.mark.parametrize(("order", "axes"), (
    ("list domain domain domain", (3, 0, 1, 2)), ("domain domain domain list", (0, 1, 2, 3))))
def test_frames_of_a_nrrd_are_found_on_either_side(order: str, axes: tuple[int, ...], tmp_path: Path) -> None:
    stack = np.stack([ARRAY, ARRAY + 1000])
    first = order.startswith("list")
    stored = np.moveaxis(stack, 0, -1) if first else stack
    path = nrrd(tmp_path / "a.nrrd", stored.tobytes(), dimension="4", kinds=order,
                sizes="2 4 5 6" if first else "4 5 6 2",
                space_directions="none (1,0,0) (0,2,0) (0,0,3)" if first else "(1,0,0) (0,2,0) (0,0,3) none")
    frames = files.read_sequence(path, quiet())
    assert [np.array_equal(sitk.GetArrayFromImage(f), s) for f, s in zip(frames, stack)] == [True, True]
    with pytest.raises(FileError, match=r"2 frames.*a\.nrrd#0 to a\.nrrd#1"):
        files.read(path, "image", quiet())
    one = files.read(f"{path}#1", "image", quiet())
    assert np.array_equal(sitk.GetArrayFromImage(one), stack[1])
    for wrong in ("2", "-1", "x", ""):
        with pytest.raises(FileError, match="there is no frame"):
            files.read(f"{path}#{wrong}", "image", quiet())


def nifti(path: Path, array: np.ndarray, *, order: str = "<", version: int = 1, slope: float = 0, inter: float = 0,
          sform: np.ndarray | None = None, scode: int = 1, quaternion: tuple[float, ...] | None = None, qcode: int = 0,
          pixdim: tuple[float, ...] = (1, 1, 2, 3), units: int = 2, intent: int = 0, shape: tuple[int, ...] = (),
          magic: bytes | None = None, offset: int | None = None) -> Path:
    """A NIfTI file, field by field, of an array (k, j, i)."""
    dims = shape or array.shape[::-1]
    code = {"u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64, "u2": 512}[array.dtype.str[1:]]
    header = bytearray(348 if version == 1 else 540)

    def put(form: str, place: int, *values: float) -> None:
        struct.pack_into(order + form, header, place, *values)

    dim, pix = [len(dims), *dims, *[1] * (7 - len(dims))], [*pixdim, *[1.0] * (8 - len(pixdim))]
    rows = np.asarray(np.zeros((3, 4)) if sform is None else sform, float).ravel()
    quatern = quaternion or (0, 0, 0, 0, 0, 0)
    if version == 1:
        put("i", 0, 348), put("8h", 40, *dim), put("h", 68, intent), put("2h", 70, code, array.dtype.itemsize * 8)
        put("8f", 76, *pix), put("f", 108, 352 if offset is None else offset), put("2f", 112, slope, inter)
        put("2h", 252, qcode, scode if sform is not None else 0), put("6f", 256, *quatern), put("12f", 280, *rows)
        header[123], header[344:348] = units, magic or b"n+1\0"
    else:
        header[4:12] = b"n+2\0\r\n\x1a\n"
        put("i", 0, 540), put("2h", 12, code, array.dtype.itemsize * 8)
        put("8q", 16, *dim), put("8d", 104, *pix), put("q", 168, 544), put("2d", 176, slope, inter)
        put("2i", 344, qcode, scode if sform is not None else 0), put("6d", 352, *quatern), put("12d", 400, *rows)
        put("i", 500, units), put("i", 504, intent)
    voxels = array.astype(order + array.dtype.str[1:]).tobytes()
    data = bytes(header) + (b"" if magic == b"ni1\0" else bytes(4)) + voxels
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


SFORM = np.array([[-1.0, 0, 0, 10], [0, -2, 0, 20], [0, 0, 3, 30]])


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("version", (1, 2))
@pytest.mark.parametrize("ending", (".nii", ".nii.gz"))
def test_both_nifti_versions_and_byte_orders_are_read(order: str, version: int, ending: str, tmp_path: Path) -> None:
    image, said = read_with_warnings(nifti(tmp_path / f"a{ending}", ARRAY, order=order, version=version, sform=SFORM))
    assert np.array_equal(sitk.GetArrayFromImage(image), ARRAY)
    assert (image.GetOrigin(), image.GetSpacing()) == ((-10.0, -20.0, 30.0), (1.0, 2.0, 3.0))
    assert image.GetDirection() == (1, 0, 0, 0, 1, 0, 0, 0, 1)
    assert not said


def test_a_header_and_image_pair_is_read(tmp_path: Path) -> None:
    whole = nifti(tmp_path / "a.hdr", ARRAY, sform=SFORM, magic=b"ni1\0", offset=0).read_bytes()
    (tmp_path / "a.hdr").write_bytes(whole[:348])
    with pytest.raises(FileError, match="missing beside the header"):
        files.read(tmp_path / "a.hdr", "image", quiet())
    (tmp_path / "a.img").write_bytes(whole[348:])
    assert np.array_equal(sitk.GetArrayFromImage(files.read(tmp_path / "a.hdr", "image", quiet())), ARRAY)


@pytest.mark.parametrize(("slope", "inter", "changed"), (
    (2.5, -7, True), (0, 5, False), (1, 0, False), (1, 3, True), (float("nan"), 1, False)))
def test_stored_numbers_are_scaled_as_the_header_says(
    slope: float, inter: float, changed: bool, tmp_path: Path
) -> None:
    path = nifti(tmp_path / "a.nii", ARRAY, slope=slope, inter=inter, sform=SFORM)
    image = files.read(path, "image", quiet())
    array = sitk.GetArrayFromImage(image)
    assert np.allclose(array, ARRAY * slope + inter if changed else ARRAY)
    assert array.dtype == (np.float32 if changed else np.int16)


def test_a_turned_qform_agrees_with_itk(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    for number in range(10):
        quaternion = rng.normal(size=4)
        quaternion *= np.sign(quaternion[0]) / np.linalg.norm(quaternion)
        pixdim = (float(rng.choice([-1, 1])), *rng.uniform(0.5, 4, 3).tolist())
        path = nifti(tmp_path / f"{number}.nii", ARRAY, pixdim=pixdim, qcode=1,
                     quaternion=(*quaternion[1:], *rng.normal(scale=50, size=3)))
        assert same(files.read(path, "image", quiet()), sitk.ReadImage(str(path)), 1e-4)


def test_the_same_coordinate_system_is_chosen_as_by_itk(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    for number, (scode, qcode) in enumerate(((1, 1), (2, 1), (1, 2), (4, 1), (2, 0), (0, 1), (2, 2), (3, 3))):
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        sform = np.column_stack([turn * np.array([1.0, 2.0, 3.0]), rng.normal(scale=30, size=3)])
        path = nifti(tmp_path / f"{number}.nii", ARRAY, sform=sform, scode=scode, qcode=qcode,
                     quaternion=(0.5, 0.5, 0.5, 1, 2, 3))
        image, said = read_with_warnings(path)
        assert same(image, sitk.ReadImage(str(path)), 1e-4)
        assert bool(said) == (scode > 0 and qcode > 0)


def test_a_spacing_that_contradicts_the_matrix_is_told(tmp_path: Path) -> None:
    image, said = read_with_warnings(nifti(tmp_path / "a.nii", ARRAY, sform=SFORM, pixdim=(1, 1, 2, 6)))
    assert image.GetSpacing() == (1.0, 2.0, 3.0)
    assert "is not that of the field pixdim" in said[0]


def test_micrometres_become_millimetres(tmp_path: Path) -> None:
    image, said = read_with_warnings(nifti(tmp_path / "a.nii", ARRAY, sform=SFORM, units=3))
    assert np.allclose(image.GetSpacing(), (0.001, 0.002, 0.003))
    assert "micrometres" in said[0]


def test_displacement_vectors_turn_from_ras_to_lps(tmp_path: Path) -> None:
    planes = np.stack([np.full((6, 5, 4), value, np.float32) for value in (1, 2, 3)])
    for intent, expected in ((1006, (-1, -2, 3)), (1007, (1, 2, 3))):
        path = nifti(tmp_path / f"{intent}.nii", planes, intent=intent, shape=(4, 5, 6, 1, 3), sform=SFORM)
        image = files.read(path, "image", quiet())
        assert image.GetPixel(0, 0, 0) == sitk.ReadImage(str(path)).GetPixel(0, 0, 0) == expected


def test_axes_that_are_rounded_are_straightened_and_told(tmp_path: Path) -> None:
    slightly = SFORM.copy()
    slightly[0, 1] = 0.002
    image, said = read_with_warnings(nifti(tmp_path / "a.nii", ARRAY, sform=slightly))
    axes = np.reshape(image.GetDirection(), (3, 3))
    assert np.abs(axes.T @ axes - np.eye(3)).max() < 1e-12
    assert "they were straightened" in said[0]


def meta(path: Path, data: bytes, **fields: str) -> Path:
    header = {"ObjectType": "Image", "NDims": "3", "BinaryData": "True", "BinaryDataByteOrderMSB": "False",
              "CompressedData": "False", "TransformMatrix": "0 1 0 -1 0 0 0 0 1", "Offset": "1 2 3",
              "ElementSpacing": "1 2 3", "DimSize": "4 5 6", "ElementType": "MET_SHORT", **fields}
    header["ElementDataFile"] = header.pop("ElementDataFile", "LOCAL")
    path.write_bytes("".join(f"{key} = {value}\n" for key, value in header.items()).encode() + data)
    return path


@pytest.mark.parametrize(("fields", "pack"), (
    ({}, bytes), ({"CompressedData": "True"}, zlib.compress),
    ({"BinaryDataByteOrderMSB": "True"}, lambda data: np.frombuffer(data, "<i2").byteswap().tobytes()),
    ({"BinaryData": "False"}, lambda data: " ".join(map(str, np.frombuffer(data, "<i2"))).encode()),
    ({"HeaderSize": "-1", "ElementDataFile": "v.raw"}, None), ({"HeaderSize": "5", "ElementDataFile": "v.raw"}, None),
))
def test_every_metaimage_layout_is_read_like_itk_does(fields: dict[str, str], pack: object, tmp_path: Path) -> None:
    (tmp_path / "v.raw").write_bytes(b"extra" + ARRAY.tobytes())
    path = meta(tmp_path / "a.mhd", pack(ARRAY.tobytes()) if pack else b"", **fields)  # type: ignore[operator]
    image = files.read(path, "image", quiet())
    assert np.array_equal(sitk.GetArrayFromImage(image), ARRAY)
    if "BinaryData" not in fields:
        assert Grid.of(image) == Grid.of(sitk.ReadImage(str(path)))


@pytest.mark.parametrize(("fields", "word"), (
    ({"DimSize": "4 5"}, "3 numbers"), ({"ElementSpacing": "1 0 1"}, "spacing of 0"),
    ({"ElementType": "MET_OTHER"}, "MET_OTHER"),
    ({"ElementSpacing": "1 -2 3"}, "above 0"), ({"TransformMatrix": "1 0 0 0.3 1 0 0 0 1"}, "sheared"),
    ({"TransformMatrix": "1 0 0 1 0 0 0 0 1"}, "parallel"), ({"ObjectType": "Tube"}, "Tube"),
    ({"NDims": "5"}, "5-dimensional"),
    ({"ElementDataFile": "gone.raw"}, "is missing"), ({"DimSize": "40 50 60"}, "cut short"),
))
def test_a_metaimage_header_that_makes_no_sense_is_refused(fields: dict[str, str], word: str, tmp_path: Path) -> None:
    with pytest.raises(FileError, match=word):
        files.read(meta(tmp_path / "a.mha", ARRAY.tobytes(), **fields), "image", quiet())


def test_the_content_counts_when_the_ending_lies(tmp_path: Path) -> None:
    image = oblique_grid(sitk.GetImageFromArray(ARRAY))
    path = files.write(image, tmp_path / "a.nrrd").rename(tmp_path / "a.nii")
    back, said = read_with_warnings(path)
    assert same(back, image)
    assert "is named '.nii'; it was recognised as NRRD" in said[0]


@pytest.mark.parametrize("content", (b"", b"hello world", bytes(500), b"NRRD", b"\x1f\x8b\x08\x00junk", b"NDims"))
def test_what_is_no_image_is_refused(content: bytes, tmp_path: Path) -> None:
    for ending in (".nrrd", ".nii", ".nii.gz", ".mha", ".dcm", ".png", ""):
        path = tmp_path / f"a{ending}"
        path.write_bytes(content)
        with pytest.raises(FileError, match="a"):
            files.read(path, "image", quiet())


def test_a_run_that_is_cancelled_stops_reading(tmp_path: Path) -> None:
    from MedImgAnalysisLib.errors import Cancelled

    path = files.write(sitk.GetImageFromArray(ARRAY), tmp_path / "a.nrrd")
    progress = quiet()
    progress.cancel()
    with pytest.raises(Cancelled):
        files.read(path, "image", progress)
