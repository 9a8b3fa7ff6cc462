"""DICOM series for tests: slices of any orientation with a patient, and one multi-frame instance."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

CT, ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1"
OBLIQUE = np.reshape(sitk.Euler3DTransform((0, 0, 0), 0.3, -0.2, 0.5).GetMatrix(), (3, 3))
PATIENT = {
    "PatientName": "Müller-Østergård^Jörgen",
    "PatientID": "MRN-4711-0815",
    "PatientBirthDate": "19511224",
    "PatientSex": "M",
    "AccessionNumber": "ACC998877",
    "StudyID": "S123",
    "StudyDate": "20240229",
    "StudyTime": "101112",
    "ReferringPhysicianName": "Housedoc^Gregory",
}


def numbers(values: Any) -> list[float]:
    """Numbers as a DICOM decimal string can hold them."""
    return [float(f"{v:.9g}") for v in np.ravel(values)]


def header(number: int, series: str = "1.2.3.4", study: str = "1.2.3", **changes: Any) -> Dataset:
    """An instance without pixels; None as a change deletes an element."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CT, f"{series}.{number}"
    dataset = Dataset()
    dataset.file_meta = meta
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.SOPClassUID, dataset.SOPInstanceUID = CT, meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = study, series, "1.2.3.9"
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "CT", 4, number
    dataset.SeriesDate, dataset.SeriesTime = "20240229", "101500"
    dataset.Manufacturer, dataset.PositionReferenceIndicator = "Scanner", ""
    for key, value in (PATIENT | changes).items():
        if value is not None:
            setattr(dataset, key, value)
        elif key in dataset:
            delattr(dataset, key)
    return dataset


def add_pixels(dataset: Dataset, array: np.ndarray) -> Dataset:
    """Give an instance pixels of int16, (rows, columns) or (frames, rows, columns)."""
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 1
    dataset.Rows, dataset.Columns = array.shape[-2:]
    if array.ndim == 3:
        dataset.NumberOfFrames = len(array)
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = 1, 0, "HU"
    dataset.PixelData = array.astype("<i2").tobytes()
    return dataset


def write_series(
    folder: Path,
    array: np.ndarray,
    spacing: tuple[float, float, float] = (0.75, 1.5, 2.5),
    direction: np.ndarray = OBLIQUE,
    origin: tuple[float, float, float] = (-20.0, 10.0, 50.0),
    along: np.ndarray | None = None,
    **changes: Any,
) -> list[Dataset]:
    """Slices of `array` (k, j, i); `spacing` along (i, j, k), the order of files and instance numbers is another."""
    folder.mkdir(parents=True, exist_ok=True)
    step = direction[:, 2] if along is None else along
    made = []
    for k, plane in enumerate(array):
        dataset = add_pixels(header(len(array) - k, **changes), plane)
        dataset.PixelSpacing, dataset.SliceThickness = [spacing[1], spacing[0]], 1.25
        dataset.ImagePositionPatient = numbers(np.array(origin) + k * spacing[2] * step)
        dataset.ImageOrientationPatient = numbers(direction.T[:2])
        dataset.save_as(folder / f"{(7 * k) % 997:03d}.dcm", enforce_file_format=True)
        made.append(dataset)
    return made


def write_multiframe(
    path: Path,
    array: np.ndarray,
    spacing: tuple[float, float, float] = (0.75, 1.5, 2.5),
    direction: np.ndarray = OBLIQUE,
    order: list[int] | None = None,
    **changes: Any,
) -> Dataset:
    """One enhanced CT of `array` (k, j, i); `order` is the slice of each frame."""
    frames = list(order or range(len(array)))
    dataset = add_pixels(header(1, **changes), array[frames])
    for key in ("RescaleSlope", "RescaleIntercept", "RescaleType"):
        delattr(dataset, key)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = ENHANCED_CT
    shared, measures, orientation, values = Dataset(), Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [spacing[1], spacing[0]], spacing[2]
    orientation.ImageOrientationPatient = numbers(direction.T[:2])
    values.RescaleSlope, values.RescaleIntercept, values.RescaleType = 1, 0, "HU"
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = Sequence([measures]), Sequence([orientation])
    shared.PixelValueTransformationSequence = Sequence([values])
    dataset.SharedFunctionalGroupsSequence = Sequence([shared])
    groups = []
    for number, k in enumerate(frames):
        group, place, content = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = numbers(np.array([-20.0, 10.0, 50.0]) + k * spacing[2] * direction[:, 2])
        content.FrameAcquisitionNumber, content.DimensionIndexValues = 1, [number + 1]
        group.PlanePositionSequence, group.FrameContentSequence = Sequence([place]), Sequence([content])
        groups.append(group)
    dataset.PerFrameFunctionalGroupsSequence = Sequence(groups)
    dataset.ContentDate = datetime.date(2024, 2, 29).strftime("%Y%m%d")
    dataset.ContentTime = "101500"
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return dataset


def ball(shape: tuple[int, int, int] = (9, 20, 24)) -> np.ndarray:
    """Noise with a bright ball off the centre, int16 (k, j, i)."""
    k, j, i = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    inside = (i - 9) ** 2 + (j - 8) ** 2 + (2 * (k - 5)) ** 2 < 36
    noise = np.random.default_rng(1).normal(0, 5, shape)
    return np.rint(np.where(inside, 400, 20) + noise).astype(np.int16)
