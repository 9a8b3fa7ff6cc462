"""Inputs for every operation of the catalog, made from its roles alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
from medimg_testing import oblique_grid
from MedImgAnalysisLib.geometry import Grid, image_like
from MedImgAnalysisLib.operation import Operation, Role
from MedImgAnalysisLib.values import Column, Frames, Labels, Landmarks, Measurements

SIZE_KJI = (16, 20, 24)


def size_of(share: float = 1.0) -> tuple[int, ...]:
    """The usual size (k, j, i), or a part of it along each axis."""
    return tuple(round(share * n) for n in SIZE_KJI)


def structure(size: tuple[int, ...] = SIZE_KJI, seed: int = 1) -> np.ndarray:
    """Two bright blobs, one brighter, on a dark noisy ground; whole numbers from 0 to 120."""
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in size), indexing="ij")
    first = sum(((a - 0.25) / 0.45) ** 2 for a in axes) < 1
    second = sum(((a + 0.45) / 0.3) ** 2 for a in axes) < 1
    noise = np.random.default_rng(seed).normal(0, 4, size)
    return np.clip(np.rint(20 + 50 * first + 90 * second + noise), 0, 120)


def image_of(array: np.ndarray) -> sitk.Image:
    """`array` (k, j, i) as an image on an oblique anisotropic grid."""
    return oblique_grid(sitk.GetImageFromArray(array))


def example(role: Role, number: int, dimension: int = 3, share: float = 1.0) -> Any:
    """A value for one role; images of one operation differ in noise. `share` is the part of the usual size."""
    size = size_of(share)[-dimension:]
    image = image_of(structure(size, seed=number + 1).astype(np.float32))
    if role.name in SEEDS or role.name in ("markers", "curve"):
        return seeds(role, image)
    half = np.zeros(size, np.uint8)
    half[..., : size[-1] // 2 + 4] = 1
    mask = image_like(half, image)
    makers = {
        "image": lambda: image,
        "mask": lambda: mask,
        "labels": lambda: Labels.from_masks(
            [("Left", mask), ("Bright", image_like(np.uint8(structure(size) > 60), image))]
        ),
        "transform": lambda: sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.05, 0.0, 0.0, (1.0, 2.0, 3.0)),
        "frames": lambda: Frames(tuple(image_of(structure(size, seed=n).astype(np.float32)) for n in (1, 2))),
        "landmarks": lambda: Landmarks(tuple("ABCDE"), np.random.default_rng(number).normal(0, 20, (5, 3))),
    }
    return makers[role.kind]()


SEEDS = {
    "seeds": (0.25, 0.32),
    "seed_points": (0.25, 0.32),
    "other": (0.0, 0.1),
    "other_points": (0.0, 0.1),
    "start": (0.2, 0.36),
    "start_points": (0.2, 0.36),
}
"""Roles of segmentation that say where to begin: from and to which part of each axis; the first is the bright blob."""


def seeds(role: Role, image: sitk.Image) -> Any:
    """A small painted box, or a point in its middle."""
    low, high = SEEDS.get(role.name, (0.0, 0.0))
    size = np.array(image.GetSize()[::-1])
    start, stop = (size * low).astype(int), np.maximum((size * high).astype(int), (size * low).astype(int) + 1)
    if role.kind == "labels":
        return Labels.from_masks([(name, seeds(Role(name, "mask"), image)) for name in ("start", "other")])
    if role.name == "curve":
        i, j = (
            (np.array([0.12, 0.45, 0.45, 0.12]) * image.GetSize()[0]),
            np.array([0.1, 0.1, 0.5, 0.5]) * image.GetSize()[1],
        )
        index = np.stack([i, j, *([np.full(4, size[0] // 4)] if image.GetDimension() == 3 else [])], axis=1)
        points = Grid.of(image).to_physical(np.rint(index))
        return Landmarks(tuple("1234"), np.pad(points, [(0, 0), (0, 3 - points.shape[1])]), closed=True)
    if role.kind == "landmarks":
        middle = [int(n) for n in reversed((start + stop) // 2)]
        point = image.TransformIndexToPhysicalPoint(middle)
        return Landmarks(("Here",), np.array([[*point, 0.0][:3]]))
    painted = np.zeros(tuple(size), np.uint8)
    painted[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] = 1
    return image_like(painted, image)


def readings() -> Measurements:
    """What three raters measured on eight subjects."""
    rng = np.random.default_rng(3)
    columns = (
        Column("subject", "Subject", dtype=str),
        Column("rater", "Rater", dtype=str),
        Column("value", "Value", "ml"),
    )
    size = rng.uniform(10, 50, 8)
    rows = [
        {"subject": f"P{n}", "rater": rater, "value": float(size[n] + rng.normal(bias, 1))}
        for n in range(8)
        for bias, rater in enumerate("ABC")
    ]
    return Measurements(columns, tuple(rows))


def cases() -> Measurements:
    """Truth, score and prediction of sixty cases of twelve patients."""
    rng = np.random.default_rng(4)
    columns = (
        Column("truth", "Truth", dtype=int),
        Column("prediction", "Prediction", dtype=int),
        Column("score", "Score"),
        Column("patient", "Patient", dtype=str),
    )
    rows = []
    for n in range(60):
        truth = int(rng.random() < 0.4)
        score = float(np.clip(np.round(0.35 + 0.3 * truth + rng.normal(0, 0.2), 2), 0, 1))
        rows.append({"truth": truth, "prediction": int(score >= 0.5), "score": score, "patient": f"P{n % 12}"})
    return Measurements(columns, tuple(rows))


def scale() -> Measurements:
    """A standard intensity scale of three landmarks."""
    columns = (Column("percent", "Percentile", "%"), Column("value", "Standard value"))
    rows = [{"percent": p, "value": v} for p, v in ((1.0, 0.0), (50.0, 30.0), (99.0, 100.0))]
    return Measurements(columns, tuple(rows))


def positions(slices: int = SIZE_KJI[0]) -> Measurements:
    """Where the slices of an image were measured: the tenth one is lost."""
    column = Column("position_mm", "Position", "mm")
    places = [2.5 * (k + (k > 8)) for k in range(slices)]
    return Measurements((column,), tuple({"position_mm": place} for place in places))


TABLES = {"compare_readings": readings, "compare_classes": cases, "standardise_landmarks": scale,
          "check_integrity": positions, "regularise_slices": positions}  # fmt: skip
"""Tables that an operation can read, by its name; columns have the names of its defaults."""


def every_third_slice(labels: Labels) -> Labels:
    """Segments that were drawn on some slices only."""
    layers = []
    for layer in labels.layers:
        array = sitk.GetArrayFromImage(layer)
        array[np.arange(len(array)) % 3 > 0] = 0
        layers.append(image_like(array, layer))
    return Labels(tuple(layers), labels.segments)


SHARES = {"register_group": 0.65}
"""Part of the usual size that images have, by the name of an operation that works on them many times."""
DRAWN = {"propagate_between_slices": every_third_slice}
"""What is made of the example labels for an operation that needs special ones, by its name."""


def examples(operation: type[Operation], optional: bool = False, dimension: int = 3) -> dict[str, Any]:
    """Inputs by role; optional ones only where asked, seeds always, images also where none is required."""
    values = {}
    images = not any(role.required and role.kind == "image" for role in operation.inputs())
    for number, role in enumerate(operation.inputs()):
        painted = role.name in SEEDS and role.kind == "mask"
        if role.required or optional or painted or (images and role.kind == "image"):
            share = SHARES.get(operation.name, 1.0)
            value = TABLES[operation.name]() if role.kind == "table" else example(role, number, dimension, share)
            if role.kind == "labels" and operation.name in DRAWN:
                value = DRAWN[operation.name](value)
            values[role.name] = [value, example(role, number + 10, dimension, share)] if role.many else value
    return values
