"""Which cases of a cohort have a number that stands apart from those of the others.

The rule is the robust z score of Iglewicz and Hoaglin (How to detect and handle outliers, 1993):

    z = 0.6745 (x - median) / MAD,    MAD = median(|x - median|)

A value is marked when |z| is above `limit(n)`: 3.5 from 20 cases on, more for fewer, since the MAD of a few values is
a poor guess. Where more than half of the values are the same, MAD is 0; then values that differ are marked when they
are at most one in twenty. Nothing is marked below `FEWEST` values.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping

FEWEST = 5
LIMITS = ((6, 8.0), (9, 6.0), (19, 5.0))
"""Up to so many values the limit of |z| is this: then at most one in twenty cohorts of normally distributed values
has a mark that means nothing."""
LARGE_LIMIT = 3.5
RARE = 20
SAME = 1e-9
"""Values nearer to the median than this part of it count as the same: the last digits of a sum mean nothing."""


def limit(count: int) -> float | None:
    """The |z| above which one of `count` values is marked; None where they are too few."""
    if count < FEWEST:
        return None
    return next((found for most, found in LIMITS if count <= most), LARGE_LIMIT)


def outliers(values: Mapping[str, float]) -> dict[str, float | None]:
    """The marked ones of `values` by their key, with z; z is None where more than half of the values are the same."""
    most = limit(len(values))
    if most is None:
        return {}
    middle = statistics.median(values.values())
    gaps = {key: value - middle for key, value in values.items()}
    spread = statistics.median(map(abs, gaps.values()))
    if spread <= SAME * abs(middle):
        others = [key for key, gap in gaps.items() if abs(gap) > SAME * abs(middle)]
        return dict.fromkeys(others) if RARE * len(others) <= len(values) else {}
    scores = {key: 0.6745 * gap / spread for key, gap in gaps.items()}
    return {key: z for key, z in scores.items() if abs(z) > most}


def rule(count: int) -> str:
    """The rule in words, as it is applied to a cohort of `count` finished cases."""
    most = limit(count)
    if most is None:
        cases = "case is" if count == 1 else "cases are"
        return f"Outliers are not marked: {count} finished {cases} too few, {FEWEST} are needed."
    higher = "" if most == LARGE_LIMIT else f" ({LARGE_LIMIT:g} from 20 values on)"
    return (
        f"Outliers are marked where the robust z score, 0.6745 (value - median) / MAD, is more than {most:g} from 0"
        f"{higher}; MAD is the median distance from the median. Where more than half of the values are the same, "
        f"those that differ are marked if they are at most one in {RARE}. A mark asks for a look and does not say that "
        "something is wrong."
    )
