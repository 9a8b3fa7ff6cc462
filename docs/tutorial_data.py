"""Make the images that the tutorials work on, from formulas and seeds; nothing is downloaded.

    python docs/tutorial_data.py FOLDER

Two readers have outlined lesions and ventricles of one head, and a water phantom was scanned twice: in
January, and in June, after the scanner's noise had become stronger and coarser.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from MedImgAnalysisLib import files, phantom
from MedImgAnalysisLib.geometry import Grid, image_like
from MedImgAnalysisLib.values import Labels

STRUCTURES = ("Lesions", "Ventricles")
READERS = {"reader1": (11, 0.0), "reader2": (12, -0.3)}
"""Seed, and how far (mm) the outlines lie outside the truth on average; the second reader draws tightly."""
SHAKE_MM = 0.45
SCANS = {"january": (21, 20.0, 0.45), "june": (22, 23.0, 0.7)}
"""Seed, standard deviation of the noise in HU, width of a noise grain (sigma, mm)."""
CUP_HU = 4.0
FINE = (1.2, 1.2, 2.4)


def reader(head: phantom.Phantom, seed: int, outside_mm: float) -> Labels:
    """The truth as a reader outlines it: moved in and out smoothly, by `SHAKE_MM` (SD) around `outside_mm`."""
    rng = np.random.default_rng(seed)
    masks = []
    for name in STRUCTURES:
        mask = head.truth.mask(name)
        distance = sitk.SignedMaurerDistanceMap(mask, squaredDistance=False, useImageSpacing=True)
        noise = sitk.SmoothingRecursiveGaussian(image_like(rng.normal(size=mask.GetSize()[::-1]), mask), 4.0)
        wave = sitk.GetArrayFromImage(noise)
        limit = outside_mm + SHAKE_MM * wave / wave.std()
        masks.append((name, image_like(np.uint8(sitk.GetArrayFromImage(distance) <= limit), mask)))
    return Labels.from_masks(masks)


def water(seed: int, sd: float, grain_mm: float) -> sitk.Image:
    """A scan of a water cylinder of 180 mm diameter in air, int16 HU, 256 x 256 x 16 voxels of 0.8 x 0.8 x 3 mm."""
    rng = np.random.default_rng(seed)
    image = sitk.Image(256, 256, 16, sitk.sitkFloat32)
    image.SetSpacing((0.8, 0.8, 3.0))
    image.SetOrigin((-102.0, -102.0, 0.0))
    j, i = np.mgrid[:256, :256] * 0.8 - 102.0
    radius = np.hypot(i, j)
    white = image_like(rng.normal(size=(16, 256, 256)), image)
    smooth = sitk.SmoothingRecursiveGaussian(white, (grain_mm, grain_mm, 0.01))
    noise = sitk.GetArrayFromImage(smooth)
    body = np.where(radius <= 90, CUP_HU * (radius / 90) ** 2, -1000.0)
    array = body + noise / noise.std() * np.where(radius <= 90, sd, 0.6 * sd)
    return image_like(np.rint(array).astype(np.int16), image)


def regions(image: sitk.Image) -> Labels:
    """Where the water phantom is measured: a uniform middle and the air beside it."""
    grid = Grid.of(image)
    j, i = np.mgrid[:256, :256] * 0.8 - 102.0
    middle = np.hypot(i, j) <= 60
    air = (np.abs(i) > 88) & (np.abs(j) > 88)
    shape = image.GetSize()[::-1]
    return Labels.from_masks([(name, image_like(np.broadcast_to(inside, shape).astype(np.uint8), grid))
                              for name, inside in (("Uniform", middle), ("Air", air))])  # fmt: skip


def write(folder: Path) -> list[Path]:
    """Write all files and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    head = phantom.head(1, flair_spacing_mm=FINE, t1_spacing_mm=(4.0, 4.0, 4.0))
    written = [files.write(head.flair, folder / "head.nrrd")]
    for name, (seed, outside) in READERS.items():
        written.append(files.write(reader(head, seed, outside), folder / f"{name}.seg.nrrd"))
    for name, (seed, sd, grain) in SCANS.items():
        written.append(files.write(water(seed, sd, grain), folder / f"{name}.nrrd"))
    written.append(files.write(regions(water(1, 1.0, 1.0)), folder / "regions.seg.nrrd"))
    return written


if __name__ == "__main__":
    for path in write(Path(sys.argv[1] if len(sys.argv) > 1 else ".")):
        print(path)
