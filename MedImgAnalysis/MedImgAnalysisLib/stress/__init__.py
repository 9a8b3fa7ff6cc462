"""How much the results of a recipe move when its inputs are disturbed."""

from .perturbation import Perturbation
from .study import Study, run_stress

__all__ = ["Perturbation", "Study", "run_stress"]
