"""Make the images of the tutorial about aligning, from formulas and seeds; nothing is downloaded.

    python docs/registration_data.py FOLDER

The head of a patient in January and in June, who lay differently (`baseline.nrrd`, `followup.nrrd`, the lesion of
January as `baseline.seg.nrrd`, a click in each lesion as `old.mrk.json` and `new.mrk.json`): the lesion has grown and
another one is new. A CT and the PET of another session
(`ct_trunk.nrrd`, `pet.nrrd`), with points that were marked in both (`ct_points.mrk.json`, `pet_points.mrk.json`).
"""

from __future__ import annotations

import sys
from math import radians
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from MedImgAnalysisLib import files, phantom
from MedImgAnalysisLib.geometry import Grid, image_like
from MedImgAnalysisLib.resampling import resample
from MedImgAnalysisLib.values import Labels, Landmarks

GROWN = ((29.0, -22.0, 12.0), 6.0, 8.0)
"""Centre of a lesion (LPS mm) and its radius in January and in June."""
NEW = ((-27.0, 20.0, 18.0), 5.0)
LESION = 1.9
"""Brightness of a lesion relative to what it replaces."""
HEAD_MOTION = ((4.0, -6.0, 9.0), (7.0, -5.0, 6.0))
TRUNK_MOTION = ((3.0, -2.0, 6.0), (12.0, -8.0, 9.0))
"""Turns about x, y and z in degrees, then the shift in mm: where a point of the fixed image is in the moving one."""
ORGANS = (
    ((0, 0, 0), (150, 105, 140), 40, 0.6),
    ((0, 0, 0), (138, 93, 130), 50, 0.7),
    ((0, 60, 0), (20, 18, 150), 500, 1.2),
    ((-65, -15, 10), (55, 50, 45), 110, 2.3),
    ((70, 10, 15), (25, 30, 30), 120, 2.0),
    ((-40, 45, -25), (20, 25, 28), 150, 4.5),
    ((40, 45, -30), (20, 25, 28), 150, 4.5),
    ((0, 30, 0), (10, 10, 150), 180, 1.6),
    ((20, -45, 20), (30, 20, 22), -900, 0.2),
    ((-80, -10, 20), (9, 9, 9), 100, 9.0),
)
"""Centre and radii in mm, HU and standardised uptake; each painted over those before."""
POINTS = ("Liver tip", "Spleen tip", "Right kidney", "Left kidney", "Lesion")
PET_WIDTH_MM = 6.0


def motion(angles: tuple[float, float, float], shift: tuple[float, float, float]) -> sitk.Euler3DTransform:
    """Fixed to moving points."""
    return sitk.Euler3DTransform((0.0, 0.0, 0.0), *(radians(angle) for angle in angles), shift)


def _ball(grid: Grid, centre: tuple[float, float, float], radius: float) -> np.ndarray:
    places = grid.to_physical(np.indices(grid.size).reshape(3, -1).T)
    inside = np.linalg.norm(places - centre, axis=1) <= radius
    return inside.reshape(grid.size).transpose()


def head() -> tuple[sitk.Image, sitk.Image, Labels]:
    """January, June and the lesions of January."""
    made = phantom.head(3, flair_spacing_mm=(1.5, 1.5, 3.0), t1_spacing_mm=(6.0, 6.0, 6.0), lesion_radii_mm=())
    grid = Grid.of(made.clean["flair"])
    tissue = sitk.GetArrayFromImage(made.clean["flair"])
    small, large, new = (_ball(grid, c, r) for c, r in ((GROWN[0], GROWN[1]), (GROWN[0], GROWN[2]), NEW))
    rng = np.random.default_rng(7)

    def scanned(clean: np.ndarray) -> np.ndarray:
        real, imaginary = (clean * part + rng.normal(0, made.noise, clean.shape) for part in (1, 0))
        return np.rint(np.hypot(real, imaginary)).astype(np.int16)

    january = image_like(scanned(np.where(small, LESION * tissue, tissue)), grid)
    later = image_like(np.where(large | new, LESION * tissue, tissue).astype(np.float32), grid)
    other = Grid((112, 132, 66), (1.6, 1.6, 2.4), (-88.0, -106.0, -74.0), grid.direction)
    moved = resample(later, other, motion(*HEAD_MOTION).GetInverse())
    june = image_like(scanned(sitk.GetArrayFromImage(moved)), other)
    return january, june, Labels.from_masks([("Lesion", image_like(small.astype(np.uint8), grid))])


def _painted(grid: Grid, of: int, places: sitk.Transform | None = None) -> np.ndarray:
    """Value number `of` of the organs at the voxels, which `places` brings back to where the organs are."""
    at = grid.to_physical(np.indices(grid.size).reshape(3, -1).T)
    if places is not None:
        back = sitk.Euler3DTransform(places)
        turn = np.reshape(back.GetMatrix(), (3, 3))
        at = at @ turn.T + np.array(back.TransformPoint((0.0, 0.0, 0.0)))
    values = np.full(len(at), (-1000.0, 0.0)[of - 2])
    for organ in ORGANS:
        values[(((at - organ[0]) / organ[1]) ** 2).sum(axis=1) < 1] = organ[of]
    return values.reshape(grid.size).transpose()


def trunk() -> tuple[sitk.Image, sitk.Image, Landmarks, Landmarks]:
    """CT, PET, and the points in both."""
    rng = np.random.default_rng(8)
    axes = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    fine = Grid((160, 120, 50), (2.2, 2.2, 3.0), (-175.0, -131.0, -73.5), axes)
    coarse = Grid((84, 64, 44), (4.0, 4.0, 4.0), (-160.0, -136.0, -80.0), axes)
    ct = np.rint(_painted(fine, 2) + rng.normal(0, 12, (50, 120, 160))).astype(np.int16)
    there = motion(*TRUNK_MOTION)
    uptake = image_like(_painted(coarse, 3, there.GetInverse()).astype(np.float32), coarse)
    blurred = sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(uptake, PET_WIDTH_MM / 2.355))
    pet = (rng.poisson(np.maximum(blurred, 0) * 40) / 40).astype(np.float32)
    marked = np.array(
        [(-118.0, -15.0, 10.0), (94.0, 10.0, 15.0), (-40.0, 45.0, -25.0), (40.0, 45.0, -30.0), ORGANS[-1][0]]
    )
    moved = np.array([there.TransformPoint(point) for point in marked.tolist()])
    drawn = moved + rng.normal(0, 0.8, moved.shape)
    return image_like(ct, fine), image_like(pet, coarse), Landmarks(POINTS, marked), Landmarks(POINTS, drawn)


def write(folder: Path) -> list[Path]:
    """Write all files and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    january, june, lesions = head()
    ct, pet, in_ct, in_pet = trunk()
    clicks = [Landmarks((name,), np.array([place])) for name, place in (("Old", GROWN[0]), ("New", NEW[0]))]
    named = {
        "baseline.nrrd": january,
        "followup.nrrd": june,
        "baseline.seg.nrrd": lesions,
        "old.mrk.json": clicks[0],
        "new.mrk.json": clicks[1],
        "ct_trunk.nrrd": ct,
        "pet.nrrd": pet,
        "ct_points.mrk.json": in_ct,
        "pet_points.mrk.json": in_pet,
    }
    return [files.write(value, folder / name) for name, value in named.items()]


if __name__ == "__main__":
    for path in write(Path(sys.argv[1] if len(sys.argv) > 1 else ".")):
        print(path)
