"""Areas of surface patches: equal to marching cubes of VTK, closed forms, symmetries."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from MedImgAnalysisLib.agreement.surfel_areas import area_table

SPACINGS = [(1.0, 1.0, 1.0), (2.5, 0.7, 0.7), (0.3, 4.0, 1.1), (6.5, 0.78, 0.81)]
spacings = st.tuples(*[st.floats(0.1, 10.0)] * 3)


def vtk_area(code: int, spacing: tuple[float, ...]) -> float:
    vtk = pytest.importorskip("vtk")
    from vtk.util.numpy_support import numpy_to_vtk

    image = vtk.vtkImageData()
    image.SetDimensions(2, 2, 2)
    image.SetSpacing(spacing[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(np.array([float(code >> n & 1) for n in range(8)]), deep=1))
    cubes = vtk.vtkMarchingCubes()
    cubes.SetInputData(image)
    cubes.SetValue(0, 0.5)
    cubes.ComputeNormalsOff()
    cubes.Update()
    surface = cubes.GetOutput()
    return sum(surface.GetCell(n).ComputeArea() for n in range(surface.GetNumberOfCells()))


@pytest.mark.parametrize("spacing", SPACINGS)
def test_areas_are_those_of_marching_cubes_taken_on_the_side_with_fewer_corners(spacing):
    table = area_table(spacing)
    for code in range(256):
        fewer = code if code.bit_count() <= 4 else 255 - code
        assert table[code] == pytest.approx(vtk_area(fewer, spacing), rel=2e-7), f"code {code}"


@settings(max_examples=20, deadline=None)
@given(spacings)
def test_a_cell_and_its_complement_have_the_same_area_and_full_cells_have_none(spacing):
    table = area_table(spacing)
    np.testing.assert_allclose(table, table[::-1], rtol=1e-12)
    assert table[0] == table[255] == 0
    assert (table[1:255] > 0).all()


@settings(max_examples=20, deadline=None)
@given(spacings)
def test_closed_forms_of_a_corner_an_edge_and_a_face(spacing):
    z, y, x = spacing
    table = area_table(spacing)
    corner = math.sqrt((x * y) ** 2 + (y * z) ** 2 + (z * x) ** 2) / 8
    assert table[0b00000001] == pytest.approx(corner)
    assert table[0b00000011] == pytest.approx(x * math.hypot(y, z) / 2)
    assert table[0b00001111] == pytest.approx(x * y)
    assert table[0b10000001] == pytest.approx(2 * corner)


@settings(max_examples=20, deadline=None)
@given(spacings, st.permutations([0, 1, 2]), st.tuples(*[st.booleans()] * 3))
def test_turning_and_mirroring_the_cell_keeps_the_area(spacing, order, flips):
    plain = area_table(spacing)
    turned = area_table(tuple(spacing[axis] for axis in order))
    for code in range(256):
        cell = np.array([code >> n & 1 for n in range(8)]).reshape(2, 2, 2)
        moved = np.flip(cell.transpose(order), [axis for axis in range(3) if flips[axis]]).ravel()
        other = sum(int(bit) << n for n, bit in enumerate(moved))
        assert turned[other] == pytest.approx(plain[code])


@given(st.floats(0.1, 10.0), st.floats(0.1, 10.0))
def test_contours_of_two_dimensional_cells(y, x):
    table = area_table((y, x))
    half = math.hypot(x, y) / 2
    expected = {0: 0.0, 1: half, 2: half, 3: x, 5: y, 6: 2 * half, 9: 2 * half, 7: half, 15: 0.0}
    for code, length in expected.items():
        assert table[code] == pytest.approx(length)


def test_a_box_has_the_area_of_its_faces_with_edges_and_corners_cut():
    n, spacing = 6, (2.0, 1.5, 1.0)
    mask = np.pad(np.ones((n, n, n), int), 1)
    corners = itertools.product((0, 1), repeat=3)
    cells = [slice(c, mask.shape[0] - 1 + c) for c in (0, 1)]
    code = sum(mask[cells[a], cells[b], cells[c]] << (4 * a + 2 * b + c) for a, b, c in corners)
    z, y, x = spacing
    faces = 2 * (n - 1) ** 2 * (x * y + y * z + z * x)
    edges = 4 * (n - 1) * sum(own * math.hypot(*others) / 2 for own, *others in ((x, y, z), (y, x, z), (z, x, y)))
    tips = 8 * math.sqrt((x * y) ** 2 + (y * z) ** 2 + (z * x) ** 2) / 8
    assert area_table(spacing)[code].sum() == pytest.approx(faces + edges + tips)
