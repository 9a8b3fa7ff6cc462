"""Make the images that the recipes of docs/filtering.md work on, from formulas and seeds; nothing is downloaded.

    python docs/filtering_data.py FOLDER

A FLAIR head with shading and noise (mr.nrrd), and an abdomen of ellipsoids on a table, at a usual dose (ct.nrrd), at a
tenth of it (low_dose.nrrd), and without noise (clean.nrrd); two faint lesions and the liver around them as segments
(regions.seg.nrrd).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from MedImgAnalysisLib import files, phantom
from MedImgAnalysisLib.geometry import image_like
from MedImgAnalysisLib.values import Labels

NOISE_HU = 12.0
"""Standard deviation at the usual dose; it goes with the inverse root of the dose."""
LOW_DOSE = 0.1
ORGANS = (
    ((0, 0, 0), (150, 105, 90), 40),
    ((0, 0, 0), (138, 93, 90), 50),
    ((-65, -15, 0), (55, 50, 60), 110),
    ((70, 10, 5), (25, 30, 35), 120),
    ((-40, 45, 0), (20, 25, 30), 150),
    ((40, 45, 0), (20, 25, 30), 150),
    ((0, 60, 0), (20, 18, 90), 500),
    ((0, 30, 0), (10, 10, 90), 180),
    ((20, -45, 0), (30, 20, 25), -900),
    ((-75, -20, 5), (8, 8, 8), 60),
    ((-50, 5, -10), (5, 5, 5), 60),
)
"""Centre and radii in millimetres, x, y, z, and HU, each painted over those before."""


def head(seed: int = 1, bias: float = 0.3) -> phantom.Phantom:
    """The head with strong shading; equal arguments give equal voxels."""
    return phantom.head(seed, flair_spacing_mm=(2.0, 2.0, 3.0), t1_spacing_mm=(6.0, 6.0, 6.0), bias=bias, noise=0.03)


def abdomen(dose: float | None = 1.0, seed: int = 2) -> sitk.Image:
    """An abdomen on a table, int16 HU, 176 x 144 x 40 voxels of 2 x 2 x 3 mm; no noise when there is no dose."""
    k, j, i = np.indices((40, 144, 176), np.float32)
    x, y, z = (i - 87.5) * 2, (j - 71.5) * 2, (k - 19.5) * 3
    array = np.full(x.shape, -1000.0, np.float32)
    for (cx, cy, cz), (rx, ry, rz), value in ORGANS:
        array[((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 + ((z - cz) / rz) ** 2 < 1] = value
    array[:, 130:134, 10:-10] = 100
    if dose is not None:
        array += np.random.default_rng(seed).normal(0, NOISE_HU / np.sqrt(dose), array.shape)
    image = sitk.Image(176, 144, 40, sitk.sitkInt16)
    image.SetSpacing((2.0, 2.0, 3.0))
    image.SetOrigin((-175.0, -143.0, -58.5))
    return image_like(np.rint(array).astype(np.int16), image)


def regions() -> Labels:
    """Lesion, the liver within 9 mm around it, and a smaller lesion with its liver, on the grid of the abdomen."""
    image = abdomen(None)
    array = sitk.GetArrayFromImage(image)
    k, j, i = np.indices(array.shape, np.float32)
    masks = []
    for name, (centre, radii, _) in zip(("Lesion 8 mm", "Lesion 5 mm"), ORGANS[-2:], strict=True):
        x, y, z = centre
        distance = np.sqrt(((i - 87.5) * 2 - x) ** 2 + ((j - 71.5) * 2 - y) ** 2 + ((k - 19.5) * 3 - z) ** 2)
        liver = (distance > radii[0] + 3) & (distance < radii[0] + 9) & (array == 110)
        masks += [(name, image_like(np.uint8(distance < radii[0] - 1), image)),
                  (f"Liver by {name[7:]}", image_like(np.uint8(liver), image))]  # fmt: skip
    return Labels.from_masks(masks)


def write(folder: Path) -> list[Path]:
    """Write all images into a folder."""
    images = {"mr": head().flair, "ct": abdomen(), "low_dose": abdomen(LOW_DOSE, 3), "clean": abdomen(None)}
    written = [files.write(image, folder / f"{name}.nrrd", "image") for name, image in images.items()]
    return [*written, files.write(regions(), folder / "regions.seg.nrrd", "labels")]


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    print(*write(target), sep="\n")
