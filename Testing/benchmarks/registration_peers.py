"""Other programs that align images, where they are installed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from registration_pairs import Pair


def peers(threads: int) -> dict[str, Callable[[Pair, sitk.Image], Callable[[Any], Any]]]:
    """elastix with its default parameter maps, and ANTs, by name; what cannot be imported is left out."""
    found: dict[str, Callable[[Pair, sitk.Image], Callable[[Any], Any]]] = {}
    if find_spec("itk") is not None and find_spec("itk").submodule_search_locations:
        found["elastix, centre of gravity"] = lambda pair, moving: _elastix(pair, moving, threads)
    if find_spec("ants") is not None:
        found["ANTs"] = _ants
    return found


def _elastix(pair: Pair, moving: sitk.Image, threads: int) -> Callable[[Any], Any]:
    import itk

    def converted(image: sitk.Image) -> Any:
        array = sitk.GetArrayFromImage(image).astype(np.float32)
        made = itk.image_from_array(array)
        made.SetSpacing(image.GetSpacing())
        made.SetOrigin(image.GetOrigin())
        made.SetDirection(itk.matrix_from_array(np.reshape(image.GetDirection(), (3, 3))))
        return made

    parameters = itk.ParameterObject.New()
    for model in dict.fromkeys(("rigid", pair.settings["model"])):
        stage = parameters.GetDefaultParameterMap(model)
        stage["AutomaticTransformInitialization"] = ["true"]
        stage["AutomaticTransformInitializationMethod"] = ["CenterOfGravity"]
        parameters.AddParameterMap(stage)
    _, result = itk.elastix_registration_method(
        converted(pair.fixed),
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
        euler.SetComputeZYX(parameters.get("ComputeZYX", ["false"])[0] == "true")
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


def _ants(pair: Pair, moving: sitk.Image) -> Callable[[Any], Any]:
    import ants

    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / f"{name}.nii.gz") for name in ("fixed", "moving")]
        for path, image in zip(paths, (pair.fixed, moving), strict=True):
            sitk.WriteImage(sitk.Cast(image, sitk.sitkFloat32), path)
        kind = "Rigid" if pair.settings["model"] == "rigid" else "Affine"
        result = ants.registration(ants.image_read(paths[0]), ants.image_read(paths[1]), kind, random_seed=1)
        chain = [sitk.ReadTransform(path) for path in result["fwdtransforms"]]
    return lambda point: _through(chain[::-1], point)
