"""What the operations that sort voxels into classes have in common: roles and parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from ..operation import Operation
from ..parameters import Quantity


@dataclass(frozen=True)
class Classes(Operation):
    """Base of the operations that sort voxels into classes.

    Inputs
    ------
    images
        Images of one patient; later ones are moved onto the grid of the first.
    mask
        Voxels that are sorted.

    Outputs
    -------
    labels
        A segment for each class.
    table
        Volume, mean and SD of each class in each image.

    Parameters
    ----------
    classes
        How many classes.
    names
        Names of the classes by rising mean of the first image, separated by commas.
    seed
        Seed of the sample and of the starts.
    """

    group: ClassVar[str] = "Regions"
    why_whole: ClassVar[str] = "the classes are found in all of it"
    presets: ClassVar = {"Brain tissue, T1": {"classes": 3, "names": "CSF, Grey matter, White matter"}}

    classes: Annotated[int, Quantity("", low=2, high=50)] = 3
    names: str = ""
    seed: Annotated[int, Quantity("", low=0, high=2**31 - 1)] = 1
