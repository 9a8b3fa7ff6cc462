"""Smooth fields on a lattice coarser than the voxels: Gaussian sums onto it, cubic splines from it, axis by axis.

A field that was smoothed over several voxels says nothing new from voxel to voxel. On a lattice of every second voxel
it takes an eighth of the memory and the work.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from . import interpolation


class Lattice(NamedTuple):
    """Nodes along one axis: voxel positions `start + step * n` for n below `nodes`; they cover all voxel centres."""

    start: float
    step: float
    nodes: int

    @property
    def positions(self) -> np.ndarray:
        """Continuous voxel index of every node."""
        return interpolation.positions(self.start, self.step, self.nodes)


def covering(length: int, step: float) -> Lattice:
    """Nodes `step` voxels apart, centred on an axis of `length` voxels; a node for each voxel when `step` is 1."""
    count = int(np.ceil((length - 1) / step - 1e-9)) + 1
    return Lattice(((length - 1) - step * (count - 1)) / 2, step, count)


def gaussian_sums(lattice: Lattice, length: int, sigma: float) -> np.ndarray:
    """Matrix (nodes, length): weighted sums around each node, the whole kernel summing to 1; `sigma` in voxels.

    What lies outside the image counts nothing, so that sums of numerator and denominator stay comparable.
    """
    distance = lattice.positions[:, None] - np.arange(length)
    reach = max(4 * sigma, 1.0)
    weights = np.where(np.abs(distance) <= reach, np.exp(-0.5 * (distance / max(sigma, 1e-3)) ** 2), 0.0)
    return weights / max(np.sqrt(2 * np.pi) * sigma, 1.0)


def spline(lattice: Lattice, at: np.ndarray) -> np.ndarray:
    """Matrix (positions, nodes): the cubic spline through the nodes at voxel positions `at`, constant outside."""
    place = np.clip((np.asarray(at, float) - lattice.start) / lattice.step, 0, lattice.nodes - 1)
    return interpolation.cubic_spline(place, lattice.nodes)
