"""Frames of a dose or of a reconstructed SPECT, whose file places the first one alone, become one volume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from MedImgAnalysisLib import files
from MedImgAnalysisLib.frames import Frames

pydicom = pytest.importorskip("pydicom")
from pydicom.dataset import Dataset, FileMetaDataset  # noqa: E402
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless, generate_uid  # noqa: E402

STORED = np.random.default_rng(4).integers(0, 60000, (4, 5, 6))
START = (-20.0, 10.0, 50.0)
OBLIQUE = np.reshape(sitk.Euler3DTransform((0, 0, 0), 0.3, -0.2, 0.5).GetMatrix(), (3, 3))
FEET_FIRST = np.diag([1.0, -1.0, -1.0])


def write(path: Path, kind: str, axes: np.ndarray, stored: np.ndarray = STORED, **elements: Any) -> Path:
    """A multi-frame file without functional groups."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPInstanceUID = ExplicitVRLittleEndian, generate_uid()
    meta.MediaStorageSOPClassUID = kind
    dataset = Dataset()
    dataset.file_meta = meta
    dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.SeriesInstanceUID = kind, generate_uid(), "1.2.3"
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = stored.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PixelRepresentation = 1, "MONOCHROME2", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelSpacing = [3.0, 2.0]
    place = Dataset()
    place.ImagePositionPatient, place.ImageOrientationPatient = list(START), axes.T[:2].ravel().round(9).tolist()
    if "SliceVector" in elements:
        dataset.DetectorInformationSequence = [place]
    else:
        dataset.update(place)
    for name, value in elements.items():
        setattr(dataset, name, value)
    dataset.PixelData = stored.astype("<u2").tobytes()
    dataset.save_as(path, enforce_file_format=True)
    return path


def values_at(image: sitk.Image, points: np.ndarray) -> np.ndarray:
    """Values at LPS positions (N, 3), each of which is the centre of a voxel."""
    return np.array([image[image.TransformPhysicalPointToIndex(p)] for p in points.tolist()])


def centres(axes: np.ndarray, steps: list[np.ndarray]) -> np.ndarray:
    """The centres of all pixels of frames that lie at `steps` from the first one, in the order of the pixels."""
    j, i = np.meshgrid(range(STORED.shape[1]), range(STORED.shape[2]), indexing="ij")
    plane = i[..., None] * 2.0 * axes[:, 0] + j[..., None] * 3.0 * axes[:, 1]
    return np.concatenate([(START + step + plane).reshape(-1, 3) for step in steps])


@pytest.mark.parametrize("axes", [np.eye(3), OBLIQUE, FEET_FIRST])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_dose_lies_at_its_offsets_and_is_in_its_unit(axes: np.ndarray, sign: int, tmp_path: Path) -> None:
    offsets = [0.0, 4.0 * sign, 8.0 * sign, 12.0 * sign]
    path = write(
        tmp_path / "dose.dcm",
        "1.2.840.10008.5.1.4.1.1.481.2",
        axes,
        GridFrameOffsetVector=offsets,
        DoseGridScaling=2e-4,
    )
    dose = files.read(path, "image")
    assert isinstance(dose, sitk.Image)
    assert dose.GetSize() == (6, 5, 4)
    np.testing.assert_allclose(dose.GetSpacing(), (2, 3, 4), atol=1e-6)
    found = values_at(dose, centres(axes, [offset * axes[:, 2] for offset in offsets]))
    np.testing.assert_allclose(found, STORED.ravel() * 2e-4, rtol=1e-6)


def test_a_compressed_dose_is_in_its_unit(tmp_path: Path) -> None:
    pytest.importorskip("jpeg_ls", reason="pyjpegls compresses the file")
    kind = "1.2.840.10008.5.1.4.1.1.481.2"
    smooth = np.repeat(np.arange(4) * 12000, 30).reshape(STORED.shape)
    offsets = [0, 4, 8, 12]
    path = write(tmp_path / "a.dcm", kind, np.eye(3), smooth, GridFrameOffsetVector=offsets, DoseGridScaling=2e-4)
    dataset = pydicom.dcmread(path)
    dataset.compress(JPEGLSLossless)
    dataset.save_as(tmp_path / "b.dcm")
    dose = sitk.GetArrayFromImage(files.read(tmp_path / "b.dcm", "image"))
    np.testing.assert_allclose(dose, smooth * 2e-4, rtol=1e-6)


def test_offsets_of_a_dose_may_be_places_along_the_patient(tmp_path: Path) -> None:
    path = write(
        tmp_path / "dose.dcm",
        "1.2.840.10008.5.1.4.1.1.481.2",
        FEET_FIRST,
        GridFrameOffsetVector=[50.0, 54.0, 58.0, 62.0],
        DoseGridScaling=1.0,
    )
    found = values_at(files.read(path, "image"), centres(FEET_FIRST, [np.array([0, 0, z]) for z in (0, 4, 8, 12)]))
    assert found.tolist() == STORED.ravel().tolist()


@pytest.mark.parametrize("step", [4.5, -4.5])
def test_slices_of_a_spect_lie_behind_each_other(step: float, tmp_path: Path) -> None:
    path = write(
        tmp_path / "spect.dcm",
        "1.2.840.10008.5.1.4.1.1.20",
        OBLIQUE,
        SliceVector=[1, 2, 3, 4],
        SpacingBetweenSlices=step,
    )
    found = values_at(files.read(path, "image"), centres(OBLIQUE, [n * step * OBLIQUE[:, 2] for n in range(4)]))
    assert found.tolist() == STORED.ravel().tolist()


def test_gates_of_a_spect_are_frames_of_volumes(tmp_path: Path) -> None:
    path = write(
        tmp_path / "gated.dcm",
        "1.2.840.10008.5.1.4.1.1.20",
        np.eye(3),
        SliceVector=[1, 2, 1, 2],
        TimeSlotVector=[1, 1, 2, 2],
        SpacingBetweenSlices=4.0,
    )
    gates = files.read(path, "image")
    assert isinstance(gates, Frames)
    found = [sitk.GetArrayFromImage(image).tolist() for image in gates.values]
    assert found == [STORED[:2].tolist(), STORED[2:].tolist()]
