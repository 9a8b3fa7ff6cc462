"""What a feature is: its tag and code in the IBSI nomenclature, and how it is written in a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ...values import Column

AGGREGATIONS = {
    "3D_comb": "3-D, matrices of all directions merged",
    "3D_avg": "3-D, features averaged over directions",
    "2_5D_comb": "2.5-D, matrices of all slices and directions merged",
    "2_5D_avg": "2.5-D, matrices merged over slices, features averaged over directions",
    "2D_comb": "2-D, matrices merged over directions, features averaged over slices",
    "2D_avg": "2-D, features averaged over slices and directions",
}
"""Ways in which texture becomes one number, by the ending of the IBSI tag; slices are along k."""
UNDIRECTED = {
    "3D": "3-D",
    "2_5D": "2.5-D, matrices of all slices merged",
    "2D": "2-D, features averaged over slices",
}
"""The same for families without directions."""


class Feature(NamedTuple):
    """One feature; `code` is its permanent identifier in the IBSI reference manual."""

    tag: str
    code: str
    title: str
    text: str
    unit: str = ""

    def column(self, aggregation: str = "", words: str = "") -> Column:
        """The table column, for one way of aggregation where the family has several."""
        key = f"{self.tag}_{aggregation}" if aggregation else self.tag
        how = f" ({words})" if words else ""
        name = f"IBSI {self.tag}, {self.code}"
        return Column(key, f"{self.title}{how}", self.unit, f"{self.text}; {name}")


def without_direction(aggregations: Iterable[str]) -> list[str]:
    """The aggregations of families without directions that belong to these, each once."""
    return list(dict.fromkeys(name.rsplit("_", 1)[0] for name in aggregations))
