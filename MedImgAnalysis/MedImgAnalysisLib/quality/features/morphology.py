"""Shape of a region, from its mesh and its voxel centres (IBSI family HCUG)."""

from __future__ import annotations

import math

import numpy as np

from ...progress import Progress
from ..findings import Findings
from .autocorrelation import autocorrelation
from .feature import Feature
from .mesh import mesh_of
from .region import Region

_DENSITY = "approximate enclosing ellipsoid with semi-axes 2 sqrt(lambda)"
FEATURES = (
    Feature("morph_volume", "RNU0", "Volume (mesh)", "V, volume inside the mesh of marching cubes at 0.5", "mm3"),
    Feature("morph_vol_approx", "YEKZ", "Volume (voxels)", "Voxels times volume of a voxel", "mm3"),
    Feature("morph_area_mesh", "C0JK", "Surface area", "A, area of the mesh", "mm2"),
    Feature("morph_av", "2PR5", "Surface to volume ratio", "A / V", "1/mm"),
    Feature("morph_comp_1", "SKGS", "Compactness 1", "V / (pi^(1/2) A^(3/2))"),
    Feature("morph_comp_2", "BQWJ", "Compactness 2", "36 pi V^2 / A^3"),
    Feature("morph_sph_dispr", "KRCK", "Spherical disproportion", "A / (36 pi V^2)^(1/3)"),
    Feature("morph_sphericity", "QCFX", "Sphericity", "(36 pi V^2)^(1/3) / A"),
    Feature("morph_asphericity", "25C7", "Asphericity", "(A^3 / (36 pi V^2))^(1/3) - 1"),
    Feature("morph_com", "KLMA", "Centre of mass shift", "Distance of the centres of voxels and of intensity", "mm"),
    Feature("morph_diam", "L0JK", "Maximum 3-D diameter", "Largest distance of two points of the mesh", "mm"),
    Feature(
        "morph_pca_maj_axis",
        "TDIC",
        "Major axis length",
        "4 sqrt(lambda_1) of voxel centres, covariance with n - 1",
        "mm",
    ),
    Feature("morph_pca_min_axis", "P9VJ", "Minor axis length", "4 sqrt(lambda_2)", "mm"),
    Feature("morph_pca_least_axis", "7J51", "Least axis length", "4 sqrt(lambda_3)", "mm"),
    Feature("morph_pca_elongation", "Q3CK", "Elongation", "sqrt(lambda_2 / lambda_1)"),
    Feature("morph_pca_flatness", "N17B", "Flatness", "sqrt(lambda_3 / lambda_1)"),
    Feature("morph_vol_dens_aabb", "PBX1", "Volume density, box", "V over the box of the mesh along the image axes"),
    Feature("morph_area_dens_aabb", "R59B", "Area density, box", "A over the surface of that box"),
    Feature("morph_vol_dens_aee", "6BDE", "Volume density, ellipsoid", f"V over the {_DENSITY}"),
    Feature("morph_area_dens_aee", "RDD2", "Area density, ellipsoid", f"A over the surface of the {_DENSITY}"),
    Feature("morph_vol_dens_conv_hull", "R3ER", "Volume density, hull", "V over the convex hull of the mesh, solidity"),
    Feature("morph_area_dens_conv_hull", "7T7F", "Area density, hull", "A over the surface of the convex hull"),
    Feature("morph_integ_int", "99N0", "Integrated intensity", "V times the mean intensity"),
    Feature("morph_moran_i", "N365", "Moran's I", "Spatial autocorrelation of intensities, weights 1 / distance"),
    Feature(
        "morph_geary_c", "NPT7", "Geary's C", "Spatial autocorrelation of intensity differences, weights 1 / distance"
    ),
)
TERMS = 20
"""Terms of the series of the area of an ellipsoid."""


def put_morphology(found: Findings, region: Region, progress: Progress) -> None:
    """All features of the family. Shape is that of the morphological mask, intensity that of the intensity mask."""
    spacing = np.array(region.spacing)
    mesh = mesh_of(region.shape, region.spacing, progress)
    v, a = mesh.volume, mesh.area
    root = (36 * math.pi * v**2) ** (1 / 3)
    found.put("morph_volume", v)
    found.put("morph_vol_approx", float(np.count_nonzero(region.shape)) * float(np.prod(spacing)))
    found.put("morph_area_mesh", a)
    found.put("morph_av", a / v)
    found.put("morph_comp_1", v / (math.sqrt(math.pi) * a**1.5))
    found.put("morph_comp_2", 36 * math.pi * v**2 / a**3)
    found.put("morph_sph_dispr", a / root)
    found.put("morph_sphericity", root / a)
    found.put("morph_asphericity", (a**3 / (36 * math.pi * v**2)) ** (1 / 3) - 1)
    progress.check()
    middle, covariance = _moments(region.shape, spacing)
    progress.check()
    found.put("morph_com", *_shift(region, middle, spacing))
    found.put("morph_diam", mesh.diameter)
    lengths = _put_axes(found, covariance, int(np.count_nonzero(region.shape)))
    progress.check()
    box = np.array(mesh.box)
    found.put("morph_vol_dens_aabb", v / float(np.prod(box)))
    found.put("morph_area_dens_aabb", a / (2 * float(box[0] * box[1] + box[1] * box[2] + box[0] * box[2])))
    _put_ellipsoid(found, lengths, v, a)
    found.put("morph_vol_dens_conv_hull", v / mesh.hull_volume)
    found.put("morph_area_dens_conv_hull", a / mesh.hull_area)
    found.put(
        "morph_integ_int", v * float(region.intensities.mean()) if region.inside.any() else math.nan, "empty_region"
    )
    moran, geary, reason = autocorrelation(region, progress)
    found.put("morph_moran_i", moran, reason)
    found.put("morph_geary_c", geary, reason)


def _moments(weights: np.ndarray, spacing: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (3,) and summed squared deviations (3, 3) of voxel centres in mm, from sums over rows and planes."""
    sums = [weights.sum(axis=axis, dtype=np.float64) for axis in range(3)]
    total = float(sums[0].sum())
    lines = [sums[2].sum(axis=1), sums[2].sum(axis=0), sums[0].sum(axis=0)]
    middle = np.array([float(line @ np.arange(len(line))) / total for line in lines])
    places = [(np.arange(len(line)) - m) * s for line, m, s in zip(lines, middle, spacing, strict=True)]
    squares = np.diag([float(line @ place**2) for line, place in zip(lines, places, strict=True)])
    for a, b in ((0, 1), (0, 2), (1, 2)):
        squares[a, b] = squares[b, a] = places[a] @ sums[3 - a - b] @ places[b]
    return middle * spacing, squares


def _shift(region: Region, middle: np.ndarray, spacing: np.ndarray) -> tuple[float, str]:
    weights = region.intensities
    total = float(weights.sum())
    if not weights.size or total == 0:
        return math.nan, "zero_mean" if weights.size else "empty_region"
    centre = _moments(np.where(region.inside, region.values, 0.0), spacing)[0]
    return float(np.linalg.norm(centre - middle)), ""


def _put_axes(found: Findings, squares: np.ndarray, n: int) -> list[float]:
    """Axis lengths; the eigenvalues of the covariance of the voxel centres, NaN for a single voxel."""
    names = ("morph_pca_maj_axis", "morph_pca_min_axis", "morph_pca_least_axis")
    if n < 2:
        found.missing("single_voxel", *names, "morph_pca_elongation", "morph_pca_flatness")
        return [math.nan] * 3
    values = np.linalg.eigvalsh(squares / (n - 1))[::-1]
    values = np.where(values < values[0] * 1e-12, 0.0, values)
    lengths = [4 * math.sqrt(value) for value in values]
    for name, length in zip(names, lengths, strict=True):
        found.put(name, length)
    found.put("morph_pca_elongation", lengths[1] / lengths[0])
    found.put("morph_pca_flatness", lengths[2] / lengths[0])
    return lengths


def _put_ellipsoid(found: Findings, lengths: list[float], v: float, a: float) -> None:
    keys = ("morph_vol_dens_aee", "morph_area_dens_aee")
    if not lengths[2] > 0:
        found.missing("single_voxel" if math.isnan(lengths[0]) else "flat_region", *keys)
        return
    semi = [length / 2 for length in lengths]
    found.put(keys[0], v / (4 / 3 * math.pi * math.prod(semi)))
    found.put(keys[1], a / ellipsoid_area(*semi))


def ellipsoid_area(a: float, b: float, c: float) -> float:
    """Surface of an ellipsoid, a >= b >= c, as IBSI defines it: alpha^2 = 1 - (b/a)^2, beta^2 = 1 - (c/a)^2.

    The series gives the true surface for alpha^2 = 1 - (c/a)^2 and beta^2 = 1 - (c/b)^2. With the eccentricities of
    the reference manual it is another number (exact for a sphere only); the reference values are made that way.
    """
    return area_series(a, b, 1 - (b / a) ** 2, 1 - (c / a) ** 2)


def area_series(a: float, b: float, alpha: float, beta: float) -> float:
    """`4 pi a b sum_n (alpha beta)^(n/2) / (1 - 4 n^2) P_n((alpha + beta) / (2 sqrt(alpha beta)))`, up to n = 20.

    `alpha` and `beta` are squared eccentricities. The products `(alpha beta)^(n/2) P_n` are run through directly, so
    that 0 is no exception.
    """
    half = (alpha + beta) / 2
    before, term = 1.0, half
    total = before + term / (1 - 4)
    for n in range(1, TERMS):
        before, term = term, ((2 * n + 1) * half * term - n * alpha * beta * before) / (n + 1)
        total += term / (1 - 4 * (n + 1) ** 2)
    return 4 * math.pi * a * b * total
