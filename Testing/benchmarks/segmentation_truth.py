"""Dice and HD95 of the segmenting operations on real images with the masks of experts or of other programs.

    python Testing/benchmarks/segmentation_truth.py [DATA_FOLDER] [--only pet]

Seeds stand for what a person does: a click is the hottest voxel or the one deepest inside the true mask, a brush
the deeper part of it, loops are drawn a little outside on every fifth slice. Nothing else is taken from the truth.
Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from MedImgAnalysisLib import agreement, files, filtering, segmentation
from MedImgAnalysisLib.execution import execute
from MedImgAnalysisLib.geometry import Grid, image_like
from MedImgAnalysisLib.operation import Operation
from MedImgAnalysisLib.progress import Progress
from MedImgAnalysisLib.values import Labels, Landmarks

BALL_MM = 4.0
QUIET = Progress(on_warning=lambda sentence: None)
Case = tuple[str, str, sitk.Image, Callable[[], sitk.Image]]
"""Name, method, true mask, and what makes the mask to compare with it."""


def run(operation: Operation, **inputs: Any) -> dict[str, Any]:
    return execute(operation, inputs, progress=QUIET).outputs


def mask_of(labels: Labels, name: str | None = None) -> sitk.Image:
    return labels.mask(name or labels.segments[0])


def deepest(mask: sitk.Image) -> np.ndarray:
    """Index (k, j, i) of the voxel that is farthest from the edge of the mask."""
    from scipy.ndimage import distance_transform_edt

    depth = distance_transform_edt(np.pad(sitk.GetArrayViewFromImage(mask) != 0, 1), sampling=Grid.of(mask).spacing_kji)
    return np.array(np.unravel_index(int(np.asarray(depth).argmax()), np.asarray(depth).shape)) - 1


def point(image: sitk.Image, index: np.ndarray) -> Landmarks:
    return Landmarks(("Click",), np.array([image.TransformIndexToPhysicalPoint([int(n) for n in index[::-1]])]))


def ball(image: sitk.Image, index: np.ndarray, radius: float = BALL_MM) -> sitk.Image:
    grid = Grid.of(image)
    axes = np.ogrid[tuple(slice(0, n) for n in reversed(grid.size))]
    squares = sum(((a - n) * s) ** 2 for a, n, s in zip(axes, index, grid.spacing_kji, strict=True))
    return image_like((squares <= radius**2).astype(np.uint8), image)


def shell(image: sitk.Image, index: np.ndarray, radius: float) -> sitk.Image:
    """Voxels between `radius` and 1.2 times that: a stroke around the structure."""
    outer, inner = (
        sitk.GetArrayViewFromImage(m) != 0 for m in (ball(image, index, 1.2 * radius), ball(image, index, radius))
    )
    return image_like((outer & ~inner).astype(np.uint8), image)


def joined(**masks: sitk.Image) -> Labels:
    return Labels.from_masks(list(masks.items()))


def pet(data: Path) -> Iterator[Case]:
    image, truth = (
        files.read(data / f"petctmr_sts003/PET_{n}.nii.gz", k) for n, k in (("image", "image"), ("mask", "mask"))
    )
    values = sitk.GetArrayViewFromImage(image)
    hottest = np.array(
        np.unravel_index(np.where(sitk.GetArrayViewFromImage(truth) != 0, values, 0).argmax(), values.shape)
    )
    most = float(values[tuple(hottest)])
    click = point(image, hottest)
    name = "Sarcoma in FDG-PET (expert)"
    yield (
        name,
        "grow_connected, 41 % of SUVmax",
        truth,
        lambda: mask_of(
            run(segmentation.GrowConnected(lower=0.41 * most, upper=most), image=image, seed_points=click)["labels"]
        ),
    )
    strokes = joined(Object=ball(image, hottest, 8.0), Around=shell(image, hottest, 70.0))
    yield from by_strokes(image, truth, name, strokes, "click and a loop far around")


def lesions(data: Path) -> Iterator[Case]:
    folder = data / "mr_brain_mni_p19"
    flair, t1, t2 = (files.read(folder / f"{n}.nii.gz", "image") for n in ("FLAIR", "T1", "T2"))
    brain, truth = (files.read(folder / f"{n}.nii.gz", "mask") for n in ("brainmask", "lesions_gold"))
    name = "MS lesions in FLAIR (3 experts)"
    inside = sitk.GetArrayViewFromImage(flair)[sitk.GetArrayViewFromImage(brain) != 0]
    middle = float(np.median(inside))
    yield (
        name,
        "threshold, 1.33 x median of the brain",
        truth,
        lambda: mask_of(run(segmentation.Threshold(lower=1.33 * middle, upper=1e9), image=flair, mask=brain)["labels"]),
    )
    yield (
        name,
        "hysteresis_threshold, 1.25 and 1.45 x median",
        truth,
        lambda: mask_of(
            run(segmentation.HysteresisThreshold(lower=1.25 * middle, upper=1.45 * middle), image=flair, mask=brain)[
                "labels"
            ]
        ),
    )
    yield (
        name,
        "gaussian_mixture of FLAIR, T1, T2; brightest of 4",
        truth,
        lambda: mask_of(
            run(segmentation.GaussianMixture(classes=4), images=[flair, t1, t2], mask=brain)["labels"], "Class 4"
        ),
    )


def lung(data: Path) -> Iterator[Case]:
    image, truth = (
        files.read(data / "reg_lung/fixed.mha", "image"),
        files.read(data / "reg_lung/fixed_mask.mha", "mask"),
    )
    inside = deepest(truth)

    def grown() -> sitk.Image:
        found = run(
            segmentation.GrowNeighbourhood(lower=-1024.0, upper=-500.0, radius_mm=2.0),
            image=image,
            seed_points=point(image, inside),
        )
        return mask_of(
            run(segmentation.CleanSegments(keep_largest=1, closing_mm=6.0), labels=found["labels"])["labels"]
        )

    yield "Right lung in CT (program, corrected)", "grow_neighbourhood, then clean_segments", truth, grown


def brushed(truth: sitk.Image, every: int, near_mm: float, far_mm: float) -> Labels:
    """A brush inside (the deeper part of the true mask) and loose loops around it on every n-th slice."""
    from scipy.ndimage import distance_transform_edt

    inside = sitk.GetArrayViewFromImage(truth) != 0
    spacing = Grid.of(truth).spacing_kji
    depth = np.asarray(distance_transform_edt(inside, sampling=spacing))
    outside = np.asarray(distance_transform_edt(~inside, sampling=spacing))
    loops = (outside >= near_mm) & (outside <= far_mm)
    loops[np.arange(len(loops)) % every != 0] = False
    ends = np.flatnonzero(inside.any(axis=(1, 2)))
    steps = int(np.ceil(far_mm / spacing[0]))
    for cap in (ends[0] - steps, ends[-1] + steps):
        if 0 <= cap < len(loops):
            loops[cap] = outside[cap] <= 2 * far_mm
    brush = depth >= 0.6 * depth.max()
    return joined(Object=image_like(brush.astype(np.uint8), truth), Around=image_like(loops.astype(np.uint8), truth))


def by_strokes(
    image: sitk.Image, truth: sitk.Image, name: str, strokes: Labels, how: str = "brush and loops"
) -> Iterator[Case]:
    """The methods that take strokes inside and outside."""
    seeds, other = strokes.mask("Object"), strokes.mask("Around")
    yield (
        name,
        f"graph_cut, {how}",
        truth,
        lambda: mask_of(run(segmentation.GraphCut(margin_mm=5.0), image=image, seeds=seeds, other=other)["labels"]),
    )
    yield (
        name,
        f"random_walker, {how}",
        truth,
        lambda: mask_of(run(segmentation.RandomWalker(margin_mm=5.0), image=image, seeds=strokes)["labels"], "Object"),
    )
    yield (
        name,
        f"watershed, {how}",
        truth,
        lambda: mask_of(run(segmentation.Watershed(), image=image, markers=strokes)["labels"], "Object"),
    )


def organs(data: Path) -> Iterator[Case]:
    ct = files.read(data / "ct_abdomen/ct.nii.gz", "image")
    image = run(filtering.Window(level=75.0, width=350.0), image=ct)["image"]
    automatic = files.read(data / "ct_abdomen/seg_auto_fast.nii.gz", "image")
    numbers = sitk.GetArrayViewFromImage(automatic)
    for number, organ in ((5, "Liver"), (1, "Spleen"), (2, "Right kidney"), (3, "Left kidney")):
        truth = image_like((numbers == number).astype(np.uint8), automatic)
        yield from by_strokes(image, truth, f"{organ} in CT (TotalSegmentator)", brushed(truth, 5, 9.0, 12.0))


def cord(data: Path) -> Iterator[Case]:
    folder = data / "spinalcord"
    image = files.read(folder / "t2_t2.nii.gz", "image")
    truth = files.read(folder / "t2_t2_seg-manual.nii.gz", "mask")
    strokes = brushed(truth, 5, 3.0, 5.0)
    yield from by_strokes(image, truth, "Spinal cord in T2 (expert)", strokes)
    start = strokes.mask("Object")
    yield (
        "Spinal cord in T2 (expert)",
        "geodesic_active_contour from the brush",
        truth,
        lambda: mask_of(
            run(
                segmentation.GeodesicActiveContour(margin_mm=12.0, sigma_mm=0.8, smoothness_mm=0.3),
                image=image,
                start=start,
            )["labels"]
        ),
    )


def tissue(data: Path) -> Iterator[Case]:
    t1 = files.read(data / "atlas/icbm152_sym09a_t1.nii.gz", "image")
    prior = files.read(data / "atlas/icbm152_sym09a_gm.nii.gz", "image")
    truth = sitk.Greater(prior, 127.5)
    brain = sitk.Greater(t1, 0)
    for operation in (
        segmentation.KMeans(names="CSF, Grey, White"),
        segmentation.GaussianMixture(names="CSF, Grey, White"),
    ):
        yield (
            "Grey matter of the ICBM 152 average (prior above 0.5)",
            f"{operation.name} of T1, 3 classes",
            truth,
            lambda o=operation: mask_of(run(o, images=[t1], mask=brain)["labels"], "Grey"),
        )


CASES = {"pet": pet, "lesions": lesions, "lung": lung, "organs": organs, "cord": cord, "tissue": tissue}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("MEDIMG_TEST_DATA", Path(__file__).resolve().parents[3] / "shared/data")
    parser.add_argument("data", type=Path, nargs="?", default=Path(default))
    parser.add_argument("--only", choices=CASES)
    asked = parser.parse_args()
    print(
        "| case | method | Dice | HD95 mm | volume, true volume ml | seconds |\n| --- | --- | --: | --: | --: | --: |"
    )
    for key, cases in CASES.items():
        if asked.only not in (None, key):
            continue
        for name, method, truth, make in cases(asked.data):
            began = time.perf_counter()
            found = make()
            seconds = time.perf_counter() - began
            row = run(agreement.CompareSegmentations(), reference=joined(A=truth), test=joined(A=found))["table"].rows[
                0
            ]
            volumes = [
                np.count_nonzero(sitk.GetArrayViewFromImage(m)) * Grid.of(m).voxel_volume_mm3 / 1000
                for m in (found, truth)
            ]
            cells = f"{row['dice']:.3f} | {row['surfel_hd95']:.1f} | {volumes[0]:.1f}, {volumes[1]:.1f} | {seconds:.1f}"
            print(f"| {name} | {method} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
