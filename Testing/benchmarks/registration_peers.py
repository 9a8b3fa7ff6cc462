"""Other programs that align images linearly, where they are installed, each with its own defaults."""

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

Point = Callable[[Any], Any]
Aligner = Callable[[sitk.Image, sitk.Image, str], Point]
"""(fixed, moving, rigid or affine) -> function that takes a fixed point to its moving one, LPS millimetres."""

GREEDY = "import sys; from picsl_greedy import Greedy3D; Greedy3D().execute(sys.argv[1])"


def peers(threads: int) -> dict[str, Aligner]:
    """elastix, ANTs and greedy by name; what cannot be imported is left out."""
    found: dict[str, Aligner] = {}
    if find_spec("itk") is not None and find_spec("itk").submodule_search_locations:
        found["elastix, centre of gravity"] = lambda *pair: _elastix(*pair, threads)
    if find_spec("ants") is not None:
        found["ANTs"] = _ants
    if find_spec("picsl_greedy") is not None:
        found["greedy, image centres"] = lambda *pair: _greedy(*pair, threads)
    return found


def _elastix(fixed: sitk.Image, moving: sitk.Image, model: str, threads: int) -> Point:
    import itk

    def converted(image: sitk.Image) -> Any:
        array = sitk.GetArrayFromImage(image).astype(np.float32)
        made = itk.image_from_array(array)
        made.SetSpacing(image.GetSpacing())
        made.SetOrigin(image.GetOrigin())
        made.SetDirection(itk.matrix_from_array(np.reshape(image.GetDirection(), (3, 3))))
        return made

    parameters = itk.ParameterObject.New()
    for kind in dict.fromkeys(("rigid", model)):
        stage = parameters.GetDefaultParameterMap(kind)
        stage["AutomaticTransformInitialization"] = ["true" if kind == "rigid" else "false"]
        stage["AutomaticTransformInitializationMethod"] = ["CenterOfGravity"]
        parameters.AddParameterMap(stage)
    _, result = itk.elastix_registration_method(
        converted(fixed),
        converted(moving),
        parameter_object=parameters,
        number_of_threads=threads,
        log_to_console=False,
    )
    stages = [_elastix_stage(result.GetParameterMap(n)) for n in range(result.GetNumberOfParameterMaps())]
    # The transforms of elastix compose in the order of its stages: T(x) = T_last(...T_first(x)).
    return lambda point: _through(stages, point)


def _elastix_stage(parameters: Any) -> sitk.Transform:
    values = [float(v) for v in parameters["TransformParameters"]]
    centre = [float(v) for v in parameters["CenterOfRotationPoint"]]
    if parameters["Transform"][0] == "EulerTransform":
        euler = sitk.Euler3DTransform()
        euler.SetCenter(centre)
        order = dict(parameters).get("ComputeZYX", ["false"])
        euler.SetComputeZYX(order[0] == "true")
        euler.SetParameters(values)
        return euler
    affine = sitk.AffineTransform(3)
    affine.SetCenter(centre)
    affine.SetParameters(values)
    return affine


def _through(stages: list[sitk.Transform], point: Any) -> Any:
    for stage in stages:
        point = stage.TransformPoint(point)
    return point


def _ants(fixed: sitk.Image, moving: sitk.Image, model: str) -> Point:
    import ants

    with tempfile.TemporaryDirectory() as folder:
        paths = _written(Path(folder), fixed, moving)
        kind = "Rigid" if model == "rigid" else "Affine"
        result = ants.registration(ants.image_read(paths[0]), ants.image_read(paths[1]), kind, random_seed=1)
        chain = [sitk.ReadTransform(path) for path in result["fwdtransforms"]]
    return lambda point: _through(chain[::-1], point)


def _greedy(fixed: sitk.Image, moving: sitk.Image, model: str, threads: int) -> Point:
    with tempfile.TemporaryDirectory() as folder:
        paths = _written(Path(folder), fixed, moving)
        command = (
            f"-d 3 -a -dof {6 if model == 'rigid' else 12} -i {paths[0]} {paths[1]} -o {folder}/found.mat "
            f"-m NMI -ia-image-centers -n 100x50x10 -threads {threads} -V 0"
        )
        if "ants" in sys.modules:  # In one process with ANTs it reads no files.
            subprocess.run([sys.executable, "-c", GREEDY, command], check=True, capture_output=True)
        else:
            from picsl_greedy import Greedy3D

            Greedy3D().execute(command)
        flip = np.diag([-1.0, -1.0, 1.0, 1.0])
        matrix = flip @ np.loadtxt(Path(folder) / "found.mat") @ flip
    return lambda point: matrix[:3, :3] @ np.asarray(point) + matrix[:3, 3]


def _written(folder: Path, *images: sitk.Image) -> list[str]:
    paths = [str(folder / f"{name}.nii") for name in ("fixed", "moving")]
    for path, image in zip(paths, images, strict=True):
        sitk.WriteImage(sitk.Cast(image, sitk.sitkFloat32), path, False)
    return paths
