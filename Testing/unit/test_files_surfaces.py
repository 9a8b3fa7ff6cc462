"""Surfaces on disk, and what they know of themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from MedImgAnalysisLib import files
from MedImgAnalysisLib.errors import FileError, InputError
from MedImgAnalysisLib.provenance import fingerprint
from MedImgAnalysisLib.values import PointValues, Surface

CORNERS = np.array([[0, 0, 0], [3, 0, 0], [0, 4, 0], [0, 0, 5]], float)
FACES = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
VALUES = (PointValues("Distance", [0.1, -2, np.nan, 1e-7], "mm"), PointValues("Größe 50 %", [1, 2, 3, 4]))
TETRAHEDRON = Surface(CORNERS + np.array([10.25, -7.5, 1e-9]), FACES, VALUES)
TEXT = """# vtk DataFile Version {version}
{header}
ASCII
DATASET POLYDATA
POINTS 5 float
0 0 0 2 0 0
2 2 0 0 2 0 1 1 3
{cells}
POINT_DATA 5
SCALARS height float
LOOKUP_TABLE default
0 0 0 0 3
NORMALS Normals float
0 0 1 0 0 1 0 0 1 0 0 1 0 0 1
FIELD FieldData 1
a%20b%20[mm] 1 5 double
1 2 3 4 5
METADATA
INFORMATION 1
NAME L2 LOCATION vtk

"""
OLD = "POLYGONS 5 21\n4 0 3 2 1\n3 0 1 4\n3 1 2 4\n3 2 3 4\n3 3 0 4"
NEW = "POLYGONS 6 16\nOFFSETS vtktypeint64\n0 4 7 10 13 16\nCONNECTIVITY vtktypeint64\n0 3 2 1 0 1 4 1 2 4 2 3 4 3 0 4"


def same(a: Surface, b: Surface) -> bool:
    """Equal to the last bit."""
    return fingerprint(a) == fingerprint(b)


def test_a_closed_surface_knows_its_area_and_volume() -> None:
    assert TETRAHEDRON.volume_mm3 == pytest.approx(10)
    assert sorted(TETRAHEDRON.areas) == pytest.approx(
        sorted([6, 7.5, 10, np.linalg.norm(np.cross((-3, 4, 0), (-3, 0, 5))) / 2])
    )


@pytest.mark.parametrize(("points", "triangles", "values"), [
    ([[0, 0, np.nan]], [], ()), ([[0, 0, 0]], [[0, 0, 1]], ()), ([[0, 0, 0]], [[0, 0, -1]], ()),
    ([[0, 0, 0]], [], (PointValues("a", [1, 2]),)), ([[0, 0, 0]], [], (PointValues("a", [1]), PointValues("a", [2]))),
])  # fmt: skip
def test_a_surface_that_cannot_be_is_refused(points: list, triangles: list, values: tuple) -> None:
    with pytest.raises(InputError):
        Surface(np.array(points), np.array(triangles), values)


def test_a_surface_comes_back_from_a_file_bit_by_bit(tmp_path) -> None:
    path = files.write(TETRAHEDRON, tmp_path / "a.vtk")
    back = files.read(path, "surface")
    assert same(back, TETRAHEDRON)
    assert [(value.name, value.unit) for value in back.values] == [("Distance", "mm"), ("Größe 50 %", "")]
    assert path.read_bytes().splitlines()[1].endswith(b"SPACE=LPS")
    assert [item.name for item in tmp_path.iterdir()] == ["a.vtk"]


@settings(max_examples=20, deadline=None)
@given(points=st.integers(0, 30), triangles=st.integers(0, 40), seed=st.integers(0, 99))
def test_every_surface_comes_back(tmp_path_factory, points: int, triangles: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    made = rng.integers(0, max(points, 1), (triangles if points else 0, 3))
    surface = Surface(rng.normal(0, 1e3, (points, 3)), made, (PointValues("v", rng.normal(size=points), "mm2"),))
    path = tmp_path_factory.mktemp("s") / "x.vtk"
    assert same(files.read(files.write(surface, path), "surface"), surface)


@pytest.mark.parametrize(("version", "cells"), [("3.0", OLD), ("5.1", NEW)])
def test_text_of_both_versions_is_read_and_polygons_are_cut(tmp_path, version: str, cells: str) -> None:
    path = tmp_path / "pyramid.vtk"
    path.write_text(TEXT.format(version=version, header="x", cells=cells))
    found = files.read(path, "surface")
    assert found.triangles.shape == (6, 3)
    assert found.volume_mm3 == pytest.approx(4 * 3 / 3)
    assert found.value("height").tolist() == [0, 0, 0, 0, 3]
    assert (found.values[1].name, found.values[1].unit, found.values[1].numbers[4]) == ("a b", "mm", 5)


def test_strips_are_cut_with_one_orientation(tmp_path) -> None:
    path = tmp_path / "strip.vtk"
    path.write_text("# vtk DataFile Version 3.0\nx\nASCII\nDATASET POLYDATA\nPOINTS 4 float\n0 0 0 1 0 0 0 1 0 1 1 0\n"
                    "TRIANGLE_STRIPS 1 5\n4 0 1 2 3\n")  # fmt: skip
    found = files.read(path, "surface")
    a, b, c = (found.points[found.triangles[:, n]] for n in range(3))
    assert np.cross(b - a, c - a)[:, 2].tolist() == [1, 1]


def test_a_file_in_ras_says_so_and_is_turned(tmp_path) -> None:
    path = tmp_path / "r.vtk"
    path.write_text(TEXT.format(version="3.0", header="3D Slicer output. SPACE=RAS", cells=OLD))
    assert files.read(path, "surface").points[2].tolist() == [-2, -2, 0]


@pytest.mark.parametrize("cut", [60, 130, 200, 330])
def test_a_cut_file_is_refused_in_one_line(tmp_path, cut: int) -> None:
    whole = files.write(TETRAHEDRON, tmp_path / "a.vtk").read_bytes()
    path = tmp_path / "cut.vtk"
    path.write_bytes(whole[:cut])
    with pytest.raises(FileError, match=r"cut\.vtk") as caught:
        files.read(path, "surface")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "solid x\n",
        "# vtk DataFile Version 3.0\nx\nASCII\nDATASET STRUCTURED_POINTS\n",
        "# vtk DataFile Version 3.0\nx\nASCII\nDATASET POLYDATA\nPOINTS 1 bit\n0 0 0\n",
    ],
)
def test_other_files_are_refused(tmp_path, text: str) -> None:
    path = tmp_path / "x.vtk"
    path.write_text(text)
    with pytest.raises(FileError):
        files.read(path, "surface")


def test_a_surface_cannot_be_written_as_an_image(tmp_path) -> None:
    with pytest.raises(FileError, match="surface is written as"):
        files.write(TETRAHEDRON, tmp_path / "a.nrrd")
