"""Deformable registration by this library and by the peers that are installed, all from one linear alignment."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from deformable_pairs import Pair
from MedImgAnalysisLib.progress import SILENT
from MedImgAnalysisLib.registration.deformable import DeformableSettings, refine_deformable
from MedImgAnalysisLib.registration.rigid import matrix_of

THREADS = 2
Tool = Callable[[Pair], sitk.Transform]


def ours(**settings: Any) -> Tool:
    def run(pair: Pair) -> sitk.Transform:
        return refine_deformable(pair.fixed, pair.moving, pair.linear, DeformableSettings(**settings), SILENT).transform

    return run


def greedy(metric: str) -> Tool:
    """picsl-greedy with the iterations and smoothing of its documentation."""

    def run(pair: Pair) -> sitk.Transform:
        from picsl_greedy import Greedy3D

        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            sitk.WriteImage(pair.fixed, str(folder / "fixed.nii"))
            sitk.WriteImage(pair.moving, str(folder / "moving.nii"))
            matrix = np.eye(4)
            matrix[:3, :3], matrix[:3, 3] = matrix_of(pair.linear)
            flip = np.diag([-1.0, -1.0, 1.0, 1.0])
            np.savetxt(folder / "affine.mat", flip @ matrix @ flip)
            Greedy3D().execute(
                f"-d 3 -i {folder}/fixed.nii {folder}/moving.nii -it {folder}/affine.mat -o {folder}/warp.nii "
                f"-m NCC {metric} -n 100x50x10 -s 1.7vox 0.7vox -threads {THREADS} -V 0"
            )
            field = sitk.ReadImage(str(folder / "warp.nii"), sitk.sitkVectorFloat64)
        return sitk.CompositeTransform([pair.linear, sitk.DisplacementFieldTransform(field)])

    return run


ELASTIX = """
import sys
import itk
fixed, moving = (itk.imread(f"{sys.argv[1]}/{name}.mha", itk.F) for name in ("fixed", "moving"))
parameters = itk.ParameterObject.New()
parameters.AddParameterMap(parameters.GetDefaultParameterMap("bspline"))
_, found = itk.elastix_registration_method(
    fixed, moving, parameter_object=parameters, number_of_threads=int(sys.argv[2]), log_to_console=False
)
itk.imwrite(itk.transformix_deformation_field(moving, found), f"{sys.argv[1]}/field.mha")
"""


def elastix(pair: Pair) -> sitk.Transform:
    """itk-elastix, its default B-spline parameters; the moving image is resampled by the linear transform before.

    In a process of its own with one thread: its B-spline ended in a segmentation fault with two.
    """
    if find_spec("itk") is None:
        raise ImportError("itk-elastix is not installed")
    with tempfile.TemporaryDirectory() as folder:
        sitk.WriteImage(pair.fixed, f"{folder}/fixed.mha")
        sitk.WriteImage(_aligned(pair), f"{folder}/moving.mha")
        subprocess.run([sys.executable, "-c", ELASTIX, folder, "1"], check=True, capture_output=True, cwd=folder)
        field = sitk.ReadImage(f"{folder}/field.mha", sitk.sitkVectorFloat64)
    return sitk.CompositeTransform([pair.linear, sitk.DisplacementFieldTransform(field)])


def ants(kind: str) -> Tool:
    """ANTsPy; the moving image is resampled by the linear transform before."""

    def run(pair: Pair) -> sitk.Transform:
        import ants as antspy

        with tempfile.TemporaryDirectory() as name:
            paths = [f"{name}/fixed.nii", f"{name}/moving.nii"]
            for path, image in zip(paths, (pair.fixed, _aligned(pair)), strict=True):
                sitk.WriteImage(image, path)
            images = [antspy.image_read(path) for path in paths]
            result = antspy.registration(*images, kind, initial_transform="Identity", random_seed=1)
            inner = []
            for path in result["fwdtransforms"]:
                if path.endswith((".nii.gz", ".nii")):
                    inner.append(sitk.DisplacementFieldTransform(sitk.ReadImage(path, sitk.sitkVectorFloat64)))
                else:
                    inner.append(sitk.ReadTransform(path))
        return sitk.CompositeTransform([pair.linear, *inner])

    return run


def simpleitk_demons(pair: Pair) -> sitk.Transform:
    """Fast symmetric forces demons of SimpleITK after histogram matching, 4/2/1, 30/20/8 iterations, sigma 1.5."""
    moving = sitk.HistogramMatching(_aligned(pair), pair.fixed, 256, 15, True)
    demons = sitk.FastSymmetricForcesDemonsRegistrationFilter()
    demons.SetStandardDeviations(1.5)
    field = None
    for shrink, iterations in ((4, 30), (2, 20), (1, 8)):
        demons.SetNumberOfIterations(iterations)
        images = [sitk.BinShrink(image, [shrink] * 3) for image in (pair.fixed, moving)]
        field = demons.Execute(*images) if field is None else demons.Execute(*images, sitk.Resample(field, images[0]))
    field = sitk.Cast(sitk.Resample(field, pair.fixed), sitk.sitkVectorFloat64)
    return sitk.CompositeTransform([pair.linear, sitk.DisplacementFieldTransform(field)])


def _aligned(pair: Pair) -> sitk.Image:
    low = float(sitk.GetArrayViewFromImage(pair.moving).min())
    return sitk.Resample(pair.moving, pair.fixed, pair.linear, sitk.sitkLinear, low)


OWN = "medimg demons"
TOOLS: dict[str, Tool] = {
    OWN: ours(),
    "medimg demons, 2 mm": ours(finest_mm=2.0),
    "medimg demons, folding": ours(folding=True),
    "medimg bspline 10 mm": ours(model="bspline"),
    "medimg demons, mutual information": ours(similarity="mutual_information"),
    "greedy NCC 2x2x2": greedy("2x2x2"),
    "greedy NCC 4x4x4": greedy("4x4x4"),
    "elastix B-spline": elastix,
    "SimpleITK demons": simpleitk_demons,
    "ANTs SyNOnly": ants("SyNOnly"),
}
