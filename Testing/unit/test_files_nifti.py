"""NIfTI files, however they are written, give the voxels and the place that they state."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from image_files_testing import ARRAY, quiet, read_with_warnings, same
from MedImgAnalysisLib import files
from MedImgAnalysisLib.errors import FileError


def nifti(
    path: Path,
    array: np.ndarray,
    *,
    order: str = "<",
    version: int = 1,
    slope: float = 0,
    inter: float = 0,
    sform: np.ndarray | None = None,
    scode: int = 1,
    quaternion: tuple[float, ...] | None = None,
    qcode: int = 0,
    pixdim: tuple[float, ...] = (1, 1, 2, 3),
    units: int = 2,
    intent: int = 0,
    shape: tuple[int, ...] = (),
    magic: bytes | None = None,
    offset: int | None = None,
) -> Path:
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


@pytest.mark.parametrize(
    ("slope", "inter", "changed"),
    ((2.5, -7, True), (0, 5, False), (1, 0, False), (1, 3, True), (float("nan"), 1, False)),
)
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
        path = nifti(
            tmp_path / f"{number}.nii",
            ARRAY,
            pixdim=pixdim,
            qcode=1,
            quaternion=(*quaternion[1:], *rng.normal(scale=50, size=3)),
        )
        assert same(files.read(path, "image", quiet()), sitk.ReadImage(str(path)), 1e-4)


def test_the_same_coordinate_system_is_chosen_as_by_itk(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    for number, (scode, qcode) in enumerate(((1, 1), (2, 1), (1, 2), (4, 1), (2, 0), (0, 1), (2, 2), (3, 3))):
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        sform = np.column_stack([turn * np.array([1.0, 2.0, 3.0]), rng.normal(scale=30, size=3)])
        path = nifti(
            tmp_path / f"{number}.nii",
            ARRAY,
            sform=sform,
            scode=scode,
            qcode=qcode,
            quaternion=(0.5, 0.5, 0.5, 1, 2, 3),
        )
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
