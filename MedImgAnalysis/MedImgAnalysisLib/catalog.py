"""The table of all operations. Adding one: a file, a line in its package's tuple, a test file."""

from __future__ import annotations

import difflib

from .agreement import AGREEMENT
from .errors import ParameterError
from .filtering import FILTERS
from .operation import Operation
from .quality import QUALITY
from .registration import REGISTRATION
from .segmentation import SEGMENTATION

PACKAGES: dict[str, tuple[type[Operation], ...]] = {
    "filtering": FILTERS,
    "registration": REGISTRATION,
    "segmentation": SEGMENTATION,
    "agreement": AGREEMENT,
    "quality": QUALITY,
}
"""Operations by package; each package has a module of its own in Slicer."""

OPERATIONS: dict[str, type[Operation]] = {op.name: op for ops in PACKAGES.values() for op in ops}


def find(name: str) -> type[Operation]:
    """The operation class of this name; `ParameterError` names the nearest ones."""
    if name in OPERATIONS:
        return OPERATIONS[name]
    near = difflib.get_close_matches(name, OPERATIONS, n=3) or sorted(OPERATIONS)
    raise ParameterError(f"There is no operation {name!r}; did you mean {', '.join(near)}?", operation=name)
