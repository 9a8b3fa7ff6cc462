"""Edge-preserving smoothing: diffusion that stops at strong gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..kernels.diffusion import diffuse_gradient, diffusion_limit
from .diffusion import Diffusion


@dataclass(frozen=True)
class GradientDiffusion(Diffusion):
    """Smooth within regions and leave their edges, by diffusion that depends on the gradient.

    For noise in images with clear edges. The equation is u_t = div(c grad u) with the conductance
    c = exp(-|grad u|^2 / (2 K^2)), where K is `conductance` times the root mean square gradient of the image
    at each step (Perona and Malik 1990, scaled as in ITK). Where c is 1 the steps blur like a Gaussian of
    sigma = sqrt(2 iterations time_step). Distances are millimetres along all axes: on a grid of 1 mm the result is
    that of ITK's gradient anisotropic diffusion with the same numbers. With a mask the gradients are those of its
    box and as many voxels around it as there are iterations. The result is float32, float64 for input of more than
    16 bits.

    Parameters
    ----------
    conductance
        Gradients that stop the diffusion, as a multiple of the root mean square gradient; smaller keeps more edges.
    time_step_mm2
        Length of a step. Not given: half of the stable limit 1 / (2 sum 1 / spacing^2); larger than the limit is
        refused.
    """

    name: ClassVar[str] = "gradient_diffusion"
    title: ClassVar[str] = "Gradient diffusion"
    kernel: ClassVar = staticmethod(diffuse_gradient)
    limit: ClassVar = staticmethod(diffusion_limit)
    share: ClassVar[float] = 0.5
    presets: ClassVar = {
        "Light": {"iterations": 3, "conductance": 1.0},
        "Medium": {"iterations": 5, "conductance": 2.0},
        "Strong": {"iterations": 15, "conductance": 3.0},
    }
