"""Edge-preserving smoothing along the edges: modified curvature diffusion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from ..kernels.diffusion import curvature_limit, diffuse_curvature
from ..parameters import Quantity
from .diffusion import Diffusion


@dataclass(frozen=True)
class CurvatureDiffusion(Diffusion):
    """Smooth along edges rather than across them, by curvature that depends on the gradient.

    Keeps fine structures of low contrast better than gradient diffusion and depends less on the conductance. The
    equation is u_t = |grad u| div(c grad u / |grad u|) with the conductance c = exp(-|grad u|^2 / (2 K^2)), where K
    is `conductance` times the root mean square gradient of the image at each step (Whitaker and Xue 2001, scaled as
    in ITK). Distances are millimetres along all axes: on a grid of 1 mm the result is that of ITK's curvature
    anisotropic diffusion with the same numbers. With a mask the gradients are those of its box and as many voxels
    around it as there are iterations. The result is float32, float64 for input of more than 16 bits.

    Parameters
    ----------
    conductance
        Gradients that stop the smoothing, as a multiple of the root mean square gradient; smaller keeps more edges.
    time_step_mm2
        Length of a step. Not given: nine tenths of the limit up to which no voxel falls below or rises above its
        neighbours, 1 / (sum 2 / spacing x sqrt(sum 2 / spacing^2)); larger than the limit is refused.
    """

    name: ClassVar[str] = "curvature_diffusion"
    title: ClassVar[str] = "Curvature diffusion"
    kernel: ClassVar = staticmethod(diffuse_curvature)
    limit: ClassVar = staticmethod(curvature_limit)
    share: ClassVar[float] = 0.9
    presets: ClassVar = {
        "Light": {"iterations": 3, "conductance": 2.0},
        "Medium": {"iterations": 5, "conductance": 3.0},
        "Strong": {"iterations": 15, "conductance": 5.0},
    }

    conductance: Annotated[float, Quantity("", low=0.05, high=1000.0)] = 3.0
