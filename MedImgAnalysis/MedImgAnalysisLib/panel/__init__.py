"""The parts that all module widgets share; the only package that imports qt and ctk.

It runs inside Slicer. A module builds its page with one line, see `operation_panel` and `recipe_panel`.
"""

from .operation_panel import OperationPanel
from .overview import OverviewPage
from .recipe_panel import RecipePanel
from .recipe_state import RecipeParameters
from .reloading import forget_library
from .state import PanelParameters

__all__ = [
    "OperationPanel",
    "OverviewPage",
    "PanelParameters",
    "RecipePanel",
    "RecipeParameters",
    "forget_library",
]
