"""A head whose truth is known: nested ellipsoids in millimetres, imaged twice with a motion between.

Scalp, skull, fluid, grey matter, folded white matter, cerebellum, ventricles and lesions are painted in
this order, each over what was there before. All of it is computed from formulas and a seed, nothing is
downloaded. The head lies at LPS (0, 0, 0) in the FLAIR-like image, which is the fixed one; in the
T1-like image, the moving one, it is turned and shifted.

Voxel values are averages over the voxel (partial volume), see `SUPERSAMPLING`. Masks hold the voxels
whose centre is inside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import cos, pi, radians, sin

import numpy as np
import SimpleITK as sitk

from .errors import ParameterError
from .geometry import Grid, image_like
from .values import Labels, Landmarks

FIELD_MM = (198.0, 234.0, 216.0)
"""Size of both images along (i, j, k)."""

CONTRAST = {
    "t1": {"scalp": 1100, "skull": 550, "fluid": 250, "grey": 700, "white": 1000, "lesion": 620},
    "flair": {"scalp": 700, "skull": 350, "fluid": 150, "grey": 800, "white": 650, "lesion": 1350},
}
"""Intensity of each tissue before bias and noise; air is 0."""

SMALL_MM = 15.0
SUPERSAMPLING = 6
"""Parts with a radius below SMALL_MM are averaged over 6 x 6 x 6 points a voxel; of the larger ones the
surface is flat enough to compute the part inside from the distance (error below 0.2 % of the volume)."""

Pose = tuple[np.ndarray, np.ndarray]
Block = tuple[slice, slice, slice]

LESION_STRETCH = (1.25, 1.0, 0.8)
"""Lesions are ellipsoids with the volume of a ball: the product is 1."""


@dataclass(frozen=True)
class Ellipsoid:
    """A part of the head. `center` (x, y, z) is LPS, `radii` are along x, y, z before turning about z.

    `folds` waves the surface by this part of the radius (0 leaves an ellipsoid), with a period of
    `period_mm`; the volume of a folded part has no closed form.
    """

    name: str
    tissue: str
    center: tuple[float, float, float]
    radii: tuple[float, float, float]
    turn_deg: float = 0.0
    folds: float = 0.0
    period_mm: float = 20.0

    @property
    def volume_ml(self) -> float:
        """4/3 pi a b c; of the ellipsoid without folds."""
        return 4 / 3 * pi * float(np.prod(self.radii)) / 1000

    @property
    def frame(self) -> np.ndarray:
        """Matrix (3, 3) whose columns are the axes of the ellipsoid in LPS."""
        c, s = cos(radians(self.turn_deg)), sin(radians(self.turn_deg))
        return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])

    def level(self, points: Sequence[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
        """Value (negative inside) and gradient per mm at points given as x, y, z arrays in the own frame."""
        scaled = [p / (r * r) for p, r in zip(points, self.radii)]
        q = np.sqrt(sum(p * s for p, s in zip(points, scaled)))
        q = np.maximum(q, 1e-6)
        value, slope = q - 1, [s / q for s in scaled]
        if self.folds:
            w = 2 * pi / self.period_mm
            sines, cosines = [np.sin(w * p) for p in points], [np.cos(w * p) for p in points]
            value = value - self.folds * sines[0] * sines[1] * sines[2]
            for axis in range(3):
                others = [sines[other] for other in range(3) if other != axis]
                slope[axis] = slope[axis] - self.folds * w * cosines[axis] * others[0] * others[1]
        return value, slope

    def contains(self, points: np.ndarray, margin_mm: float = 0.0) -> np.ndarray:
        """Which LPS points (N, 3) lie in the ellipsoid without folds, grown by `margin_mm` along each axis."""
        own = (np.asarray(points, float) - self.center) @ self.frame
        return ((own / (np.asarray(self.radii) + margin_mm)) ** 2).sum(axis=1) <= 1


FIXED_PARTS = (
    Ellipsoid("Head", "scalp", (0, 0, 0), (75, 95, 88)),
    Ellipsoid("Skull", "skull", (0, 0, 0), (69, 89, 82)),
    Ellipsoid("Intracranial", "fluid", (0, 0, 0), (62, 82, 75)),
    Ellipsoid("Brain", "grey", (0, 0, 0), (58, 78, 71)),
    Ellipsoid("White matter left", "white", (27.5, 0, 3), (23.5, 55, 47), folds=0.14),
    Ellipsoid("White matter right", "white", (-27.5, 0, 3), (23.5, 55, 47), folds=0.14),
    Ellipsoid("Cerebellum", "white", (0, 36, -38), (30, 20, 15), folds=0.1),
    Ellipsoid("Deep grey left", "grey", (28, 6, -14), (7, 12, 8), 15),
    Ellipsoid("Deep grey right", "grey", (-28, 6, -14), (7, 12, 8), -15),
    Ellipsoid("Fissure", "fluid", (0, -5, 25), (1.6, 62, 36)),
    Ellipsoid("Ventricle left", "fluid", (13, 0, 8), (5.5, 26, 9), -6),
    Ellipsoid("Ventricle right", "fluid", (-13, 0, 8), (6.5, 26, 10), 6),
)


@dataclass(frozen=True, eq=False)
class Phantom:
    """The two images and everything that is known about them.

    Attributes
    ----------
    flair, t1
        int16 images, fixed and moving: tissue times bias field plus Rician noise.
    clean
        The same without noise, float32, by name.
    truth
        Head, Tissue (head without fluid), Brain, White matter (with its lesions), Ventricles, Lesions, on the grid of
        `flair`; they overlap.
    motion
        Where a FLAIR point is in the T1 image, LPS millimetres: the transform that registration looks for.
    points
        Landmarks on scalp and brain in the FLAIR image.
    parts
        The ellipsoids, in the order of painting.
    noise
        Standard deviation of the noise in either channel, in intensities.
    """

    flair: sitk.Image
    t1: sitk.Image
    clean: Mapping[str, sitk.Image]
    truth: Labels
    motion: sitk.Euler3DTransform
    points: Landmarks
    parts: tuple[Ellipsoid, ...]
    noise: float

    @property
    def volumes_ml(self) -> dict[str, float]:
        """Exact volumes of the segments that have a closed form, in millilitres."""
        by_name = {part.name: part.volume_ml for part in self.parts}
        ventricles = by_name["Ventricle left"] + by_name["Ventricle right"]
        return {
            "Head": by_name["Head"],
            "Tissue": by_name["Head"] - (by_name["Intracranial"] - by_name["Brain"]) - by_name["Fissure"] - ventricles,
            "Brain": by_name["Brain"],
            "Ventricles": ventricles,
            "Lesions": sum(volume for name, volume in by_name.items() if name.startswith("Lesion")),
        }

    def errors_mm(self, transform: sitk.Transform) -> np.ndarray:
        """Distance (N,) between where `transform` and the true motion put each landmark, in millimetres."""
        pairs = [(transform.TransformPoint(p), self.motion.TransformPoint(p)) for p in self.points.points.tolist()]
        return np.array([np.linalg.norm(np.subtract(found, true)) for found, true in pairs])


def head(
    seed: int = 1,
    *,
    flair_spacing_mm: tuple[float, float, float] = (1.5, 1.5, 3.0),
    t1_spacing_mm: tuple[float, float, float] = (1.5, 1.5, 1.5),
    tilt_deg: float = 0.0,
    rotation_deg: tuple[float, float, float] = (5.0, -4.0, 8.0),
    translation_mm: tuple[float, float, float] = (8.0, -6.0, 5.0),
    lesion_radii_mm: Sequence[float] = (9.0, 7.0, 5.0, 3.5, 2.5),
    ventricles: float = 1.0,
    bias: float = 0.12,
    noise: float = 0.03,
) -> Phantom:
    """The head phantom; equal arguments give equal voxels.

    Parameters
    ----------
    seed
        Rules noise, bias field and where the lesions are.
    flair_spacing_mm, t1_spacing_mm
        Voxel sizes along (i, j, k); the field of view stays `FIELD_MM`.
    tilt_deg
        Turns the slices of the FLAIR image about the patient's left-right axis.
    rotation_deg, translation_mm
        The motion from FLAIR to T1: about x, y, z through (0, 0, 0), then the shift.
    lesion_radii_mm
        Radii of balls of the same volume as the lesions; each at least half a voxel, at most 10 mm.
    ventricles
        Factor on the radii of the ventricles, 0.5 to 1.4; from 1.5 on they would reach deep grey matter.
    bias
        Largest relative deviation of the smooth intensity field.
    noise
        Standard deviation of the noise relative to white matter in T1.

    Raises
    ------
    ParameterError
        When the lesions do not fit, or a number is out of range.
    """
    if not (0 <= bias < 1 and 0 <= noise < 1):
        raise ParameterError(f"bias and noise must be from 0 to below 1; got {bias:g} and {noise:g}.")
    if min(*flair_spacing_mm, *t1_spacing_mm) <= 0:
        raise ParameterError("The spacing must be larger than 0 mm.", field="spacing")
    if not 0.5 <= ventricles <= 1.4:
        raise ParameterError(f"ventricles is {ventricles:g}; it must be 0.5 to 1.4.", field="ventricles")
    rng = np.random.default_rng(seed)
    fixed = tuple(
        replace(part, radii=_scaled(part.radii, ventricles)) if part.name.startswith("Ventricle") else part
        for part in FIXED_PARTS
    )
    parts = fixed + tuple(_lesions(lesion_radii_mm, rng, fixed))
    motion = sitk.Euler3DTransform()
    motion.SetRotation(*(radians(angle) for angle in rotation_deg))
    motion.SetTranslation(translation_mm)
    grids = {"flair": _grid(flair_spacing_mm, tilt_deg), "t1": _grid(t1_spacing_mm, 0.0)}
    poses = {
        "flair": (np.eye(3), np.zeros(3)),
        "t1": (np.reshape(motion.GetMatrix(), (3, 3)), np.asarray(motion.GetTranslation())),
    }
    sigma = noise * CONTRAST["t1"]["white"]
    clean = {
        name: _paint(parts, grid, poses[name], CONTRAST[name]) * _bias(grid, bias, rng) for name, grid in grids.items()
    }
    images = {name: image_like(_rician(array, sigma, rng), grids[name]) for name, array in clean.items()}
    return Phantom(
        images["flair"],
        images["t1"],
        {name: image_like(a, grids[name]) for name, a in clean.items()},
        _truth(parts, grids["flair"]),
        motion,
        _points(),
        parts,
        sigma,
    )


def _grid(spacing: tuple[float, float, float], tilt_deg: float) -> Grid:
    """A grid of `FIELD_MM` centred on (0, 0, 0), slices turned about x."""
    size = tuple(max(1, round(f / s)) for f, s in zip(FIELD_MM, spacing))
    c, s = cos(radians(tilt_deg)), sin(radians(tilt_deg))
    direction = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    corner = direction @ (-(np.asarray(size) - 1) / 2 * np.asarray(spacing))
    return Grid(size, tuple(map(float, spacing)), tuple(corner.tolist()), tuple(direction.ravel().tolist()))


def _lesions(radii: Sequence[float], rng: np.random.Generator, fixed: Sequence[Ellipsoid]) -> Iterator[Ellipsoid]:
    """Lesions inside white matter, clear of its edge, of ventricles, of deep grey matter and of each other."""
    placed: list[Ellipsoid] = []
    for number, radius in enumerate(radii, start=1):
        if not 0.1 <= radius <= 10:
            raise ParameterError(f"A lesion radius is {radius:g} mm; it must be 0.1 to 10 mm.", field="lesion_radii_mm")
        white = fixed[4 + number % 2]
        host = replace(white, radii=_scaled(white.radii, 1 - white.folds))
        axes = _scaled(LESION_STRETCH, radius)
        room = max(axes) + 2
        for center in host.center + rng.uniform(-1, 1, (4000, 3)) * host.radii:
            point = center[None]
            others = (*fixed[6:], *placed)
            if host.contains(point, -room)[0] and not any(part.contains(point, room)[0] for part in others):
                placed.append(Ellipsoid(f"Lesion {number}", "lesion", _scaled(center.tolist(), 1), axes))
                break
        else:
            raise ParameterError(f"There is no room for {len(radii)} lesions of these radii.", field="lesion_radii_mm")
    return iter(placed)


def _scaled(numbers: Sequence[float], factor: float) -> tuple[float, float, float]:
    x, y, z = numbers
    return x * factor, y * factor, z * factor


def _crop(part: Ellipsoid, grid: Grid, pose: Pose) -> Block:
    """The (k, j, i) block of the grid that holds the part, with a margin of two voxels."""
    rotation, shift = pose
    reach = np.asarray(part.radii) * (1 + part.folds)
    box = np.array([part.frame @ (reach * signs) + part.center for signs in product((-1, 1), repeat=3)])
    index = grid.to_index(box @ rotation.T + shift)
    low = np.clip(np.floor(index.min(axis=0)).astype(int) - 2, 0, grid.size)
    high = np.clip(np.ceil(index.max(axis=0)).astype(int) + 3, 0, grid.size)
    i, j, k = (slice(int(a), int(b)) for a, b in zip(low, high))
    return k, j, i


def _own_points(part: Ellipsoid, grid: Grid, pose: Pose, block: Block, offset: Sequence[float]) -> list[np.ndarray]:
    """The voxel centres of a block, shifted by `offset` voxels (i, j, k), in the frame of the part."""
    steps, start = _own_affine(part, grid, pose)
    k, j, i = (np.arange(s.start, s.stop) + o for s, o in zip(block, reversed(offset)))
    return [
        start[row] + steps[row, 0] * i + (steps[row, 1] * j)[:, None] + (steps[row, 2] * k)[:, None, None]
        for row in range(3)
    ]


def _own_affine(part: Ellipsoid, grid: Grid, pose: Pose) -> tuple[np.ndarray, np.ndarray]:
    """Matrix (3, 3) and start (3,) from voxel index (i, j, k) to the frame of the part."""
    rotation, shift = pose
    to_own = part.frame.T @ rotation.T
    return to_own @ grid.axes, to_own @ (np.asarray(grid.origin) - shift) - part.frame.T @ np.asarray(part.center)


def _inside(part: Ellipsoid, grid: Grid, pose: Pose, block: Block) -> np.ndarray:
    """Part of each voxel of a block that lies in the ellipsoid, from 0 to 1."""
    if min(part.radii) < SMALL_MM:
        at = (np.arange(SUPERSAMPLING) + 0.5) / SUPERSAMPLING - 0.5
        hits = sum(
            (part.level(_own_points(part, grid, pose, block, offset))[0] <= 0).astype(np.float32)
            for offset in product(at, repeat=3)
        )
        return np.asarray(hits) / SUPERSAMPLING**3
    steps, _ = _own_affine(part, grid, pose)
    value, slope = part.level(_own_points(part, grid, pose, block, (0, 0, 0)))
    # How much the level changes across a voxel along the normal: the side of the cube when spacing is isotropic.
    across = sum((slope[0] * steps[0, a] + slope[1] * steps[1, a] + slope[2] * steps[2, a]) ** 2 for a in range(3))
    return np.clip(0.5 - value / np.sqrt(np.maximum(across, 1e-20)), 0, 1)


def _paint(parts: Sequence[Ellipsoid], grid: Grid, pose: Pose, contrast: Mapping[str, float]) -> np.ndarray:
    """Intensities (k, j, i) float32 of all parts, each painted over the earlier ones."""
    out = np.zeros(tuple(reversed(grid.size)), np.float32)
    for part in parts:
        block = _crop(part, grid, pose)
        out[block] += _inside(part, grid, pose, block) * (contrast[part.tissue] - out[block])
    return out


def _truth(parts: Sequence[Ellipsoid], grid: Grid) -> Labels:
    tissues = ("air", "scalp", "skull", "fluid", "grey", "white", "lesion", "ventricle", "fissure")
    top = np.zeros(tuple(reversed(grid.size)), np.uint8)
    pose = (np.eye(3), np.zeros(3))
    for part in parts:
        block = _crop(part, grid, pose)
        value, _ = part.level(_own_points(part, grid, pose, block, (0, 0, 0)))
        inner = part.name.split()[0].lower()
        tissue = inner if inner in tissues else part.tissue
        top[block][value <= 0] = tissues.index(tissue)

    def of(*names: str) -> sitk.Image:
        return image_like(np.isin(top, [tissues.index(name) for name in names]).view(np.uint8), grid)

    return Labels.from_masks(
        [
            ("Head", of(*tissues[1:])),
            ("Tissue", of("scalp", "skull", "grey", "white", "lesion")),
            ("Brain", of("grey", "white", "lesion", "ventricle", "fissure")),
            ("White matter", of("white", "lesion")),
            ("Ventricles", of("ventricle")),
            ("Lesions", of("lesion")),
        ]
    )


def _bias(grid: Grid, strength: float, rng: np.random.Generator) -> np.ndarray:
    """A smooth field (k, j, i) float32 between 1 - strength and 1 + strength, quadratic in the position."""
    k, j, i = (np.linspace(-1, 1, n, dtype=np.float32) for n in reversed(grid.size))
    x, y, z = i[None, None, :], j[None, :, None], k[:, None, None]
    c = rng.uniform(-1, 1, 9).astype(np.float32)
    field = (
        c[0] * x
        + c[1] * y
        + c[2] * z
        + c[3] * x * y
        + c[4] * y * z
        + c[5] * z * x
        + c[6] * x * x
        + c[7] * y * y
        + c[8] * z * z
    )
    field -= (field.max() + field.min()) / 2
    return 1 + np.float32(strength) * field / np.abs(field).max()


def _rician(clean: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Magnitude of the complex signal with Gaussian noise of `sigma` in either channel, int16."""
    real = clean + np.float32(sigma) * rng.standard_normal(clean.shape, np.float32)
    imaginary = np.float32(sigma) * rng.standard_normal(clean.shape, np.float32)
    return np.rint(np.hypot(real, imaginary)).astype(np.int16)


def _points(count: int = 60) -> Landmarks:
    """Points spread evenly (Fibonacci spiral) over the scalp and the brain surface."""
    n = np.arange(count)
    z = 1 - (2 * n + 1) / count
    angle = n * pi * (3 - 5**0.5)
    sphere = np.stack([np.sqrt(1 - z * z) * np.cos(angle), np.sqrt(1 - z * z) * np.sin(angle), z], axis=1)
    scalp, brain = sphere * FIXED_PARTS[0].radii, sphere * FIXED_PARTS[3].radii
    names = [f"scalp {i + 1}" for i in range(count)] + [f"brain {i + 1}" for i in range(count)]
    return Landmarks(tuple(names), np.concatenate([scalp, brain]))
