"""The same question to this library and to its peers: Dice, HD95, ASSD and surface Dice at 2 mm of a pair.

Each tool is made from two arrays (k, j, i) and gives a function; loading is not timed. Peers are imported
when they are asked for, and are left out where they are not installed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import SimpleITK as sitk
from agreement_cases import SPACING_KJI

Answer = dict[str, float]
TOLERANCE = 2.0


def image(array: np.ndarray) -> sitk.Image:
    made = sitk.GetImageFromArray(array)
    made.SetSpacing(SPACING_KJI[::-1])
    return made


def medimg(surfaces: str) -> Callable[[np.ndarray, np.ndarray], Callable[[], Answer]]:
    """This library, with all of its overlap and surface numbers."""

    def prepare(reference: np.ndarray, test: np.ndarray) -> Callable[[], Answer]:
        from MedImgAnalysisLib.agreement import CompareSegmentations
        from MedImgAnalysisLib.values import Labels

        given = [Labels.from_labelmap(image(array)) for array in (reference, test)]
        operation = CompareSegmentations(surfaces=surfaces, tolerances_mm=(TOLERANCE,))

        def call() -> Answer:
            rows = operation.run(*given).table.rows
            kind = "voxel" if surfaces == "voxel" else "surfel"
            keys = ("dice", f"{kind}_hd95", f"{kind}_assd", f"{kind}_nsd_2mm")
            found = dict(zip(("dice", "hd95", "assd", "nsd"), (float(np.mean([r[k] for r in rows])) for k in keys)))
            return {**found, "labels": len(rows)}

        return call

    return prepare


def deepmind(reference: np.ndarray, test: np.ndarray) -> Callable[[], Answer]:
    """surface-distance of Google DeepMind: the published surface Dice."""
    import surface_distance as peer

    r, t = reference.astype(bool), test.astype(bool)

    def call() -> Answer:
        found = peer.compute_surface_distances(r, t, SPACING_KJI)
        a, b = peer.compute_average_surface_distance(found)
        areas = [float(found[key].sum()) for key in ("surfel_areas_gt", "surfel_areas_pred")]
        return {
            "dice": float(peer.compute_dice_coefficient(r, t)),
            "hd95": float(peer.compute_robust_hausdorff(found, 95)),
            "assd": float((a * areas[0] + b * areas[1]) / sum(areas)),
            "nsd": float(peer.compute_surface_dice_at_tolerance(found, TOLERANCE)),
        }

    return call


def medpy(reference: np.ndarray, test: np.ndarray) -> Callable[[], Answer]:
    """MedPy; its HD95 is of both directions pooled, and it has no surface Dice."""
    from medpy.metric import binary as peer

    r, t = reference.astype(bool), test.astype(bool)

    def call() -> Answer:
        return {
            "dice": float(peer.dc(t, r)),
            "hd95": float(peer.hd95(t, r, SPACING_KJI)),
            "assd": float(peer.assd(t, r, SPACING_KJI)),
        }

    return call


def monai(reference: np.ndarray, test: np.ndarray) -> Callable[[], Answer]:
    """MONAI on the CPU."""
    import torch
    from monai import metrics as peer

    r, t = (torch.from_numpy(np.stack([a == 0, a != 0])[None].astype(np.uint8)) for a in (reference, test))

    def call() -> Answer:
        space: dict[str, Any] = {"include_background": False, "spacing": list(SPACING_KJI)}
        return {
            "dice": float(peer.compute_dice(t, r, include_background=False)),
            "hd95": float(peer.compute_hausdorff_distance(t, r, percentile=95, **space)),
            "assd": float(peer.compute_average_surface_distance(t, r, symmetric=True, **space)),
            "nsd": float(peer.compute_surface_dice(t, r, [TOLERANCE], **space)),
        }

    return call


def mesh_metrics(reference: np.ndarray, test: np.ndarray) -> Callable[[], Answer]:
    """MeshMetrics: distances between triangle meshes."""
    from MeshMetrics import DistanceMetrics

    r, t = image(reference), image(test)

    def call() -> Answer:
        peer = DistanceMetrics(verbose=False)
        peer.set_input(r, t)
        return {"hd95": peer.hd(95), "assd": peer.assd(), "nsd": peer.nsd(TOLERANCE)}

    return call


def simpleitk_recipe(reference: np.ndarray, test: np.ndarray) -> Callable[[], Answer]:
    """The recipe of the SimpleITK notebooks: contours and distance maps."""
    r, t = image(reference), image(test)

    def directed(one: sitk.Image, two: sitk.Image) -> np.ndarray:
        distances = sitk.Abs(sitk.SignedMaurerDistanceMap(one, squaredDistance=False, useImageSpacing=True))
        contour = sitk.LabelContour(two)
        values = sitk.GetArrayViewFromImage(distances)
        return values[sitk.GetArrayViewFromImage(contour) == 1]

    def call() -> Answer:
        overlap = sitk.LabelOverlapMeasuresImageFilter()
        overlap.Execute(t, r)
        a, b = directed(t, r), directed(r, t)
        both = np.concatenate([a, b])
        return {
            "dice": float(overlap.GetDiceCoefficient(1)),
            "hd95": float(max(np.percentile(a, 95), np.percentile(b, 95))),
            "assd": float(both.mean()),
            "nsd": float((both <= TOLERANCE).mean()),
        }

    return call


TOOLS: dict[str, tuple[str, Callable[..., Callable[[], Answer]]]] = {
    "medimg surfel": ("surfel", medimg("surfel")),
    "medimg voxel": ("voxel", medimg("voxel")),
    "medimg both": ("both", medimg("both")),
    "DeepMind": ("surfel", deepmind),
    "MONAI": ("voxel", monai),
    "MedPy": ("voxel", medpy),
    "SimpleITK recipe": ("own", simpleitk_recipe),
    "MeshMetrics": ("mesh", mesh_metrics),
}
"""Tool to the convention of its surfaces and its maker."""
