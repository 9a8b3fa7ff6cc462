"""Truth, prediction and score of each case, read from a table and checked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..progress import Progress
from ..values import Measurements
from .table_columns import column, is_missing, label, natural, numbers

POSITIVE = ("1", "true")
"""Labels that are the positive class by themselves; with any other pair it must be said which one is."""


@dataclass(frozen=True, eq=False)
class Cases:
    """One entry per case.

    Attributes
    ----------
    classes
        Labels in order; for two classes the negative one comes first.
    truth, prediction
        Positions in `classes`.
    scores
        Per case and class (n, c), or the score of the positive class (n, 1); None without scores.
    groups
        Position of the group of each case in `group_names`; None without groups.
    left_out
        Rows that lacked something.
    """

    classes: tuple[str, ...]
    truth: np.ndarray
    prediction: np.ndarray
    scores: np.ndarray | None
    groups: np.ndarray | None
    group_names: tuple[str, ...]
    left_out: int

    @property
    def binary(self) -> bool:
        """Whether there are two classes."""
        return len(self.classes) == 2

    @property
    def score(self) -> np.ndarray | None:
        """The score of the positive class of two."""
        return self.scores[:, -1] if self.scores is not None and self.binary else None

    def take(self, rows: np.ndarray) -> Cases:
        """Some of the cases, by row; repeated ones count as often as they occur."""
        return Cases(
            self.classes,
            self.truth[rows],
            self.prediction[rows],
            None if self.scores is None else self.scores[rows],
            None if self.groups is None else self.groups[rows],
            self.group_names,
            0,
        )


def words(text: str) -> list[str]:
    """The parts of a text between commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


def read_cases(
    table: Measurements,
    *,
    truth: str,
    prediction: str,
    score: str,
    group: str,
    classes: str,
    positive: str,
    threshold: float,
    progress: Progress,
) -> Cases:
    """The cases of a table; arguments are the parameters of `compare_classes`.

    Rows that lack a truth, a prediction, a score or a group are left out and counted. Raises `InputError` when a
    column or class is not there or it is not clear which class is positive.
    """
    if not prediction and not score:
        raise InputError("Give the column of the prediction, of the score, or both.", role="table")
    given = {"truth": column(table, truth, "truth")}
    if prediction:
        given["prediction"] = column(table, prediction, "prediction")
    if group:
        given["group"] = column(table, group, "group")
    keys = words(score)
    columns = [numbers(column(table, key, "score"), key) for key in keys]
    scores = np.stack(columns, axis=1) if columns else None
    missing = np.array([any(is_missing(cells[n]) for cells in given.values()) for n in range(len(table.rows))], bool)
    if scores is not None:
        missing |= np.isnan(scores).any(axis=1)
    kept = np.flatnonzero(~missing)
    if not len(kept):
        raise InputError("No row of the table is complete.", role="table")
    if len(kept) < len(missing):
        progress.warn(f"{len(missing) - len(kept)} of {len(missing)} rows lack a value and were left out.")
    found = {key: [label(cells[n]) for n in kept] for key, cells in given.items()}
    ordered = _classes({*found["truth"], *found.get("prediction", [])}, words(classes), positive.strip(), len(keys))
    scores = scores[kept] if scores is not None else None
    if scores is not None and scores.shape[1] not in ({1, 2} if len(ordered) == 2 else {len(ordered)}):
        raise InputError(
            f"There are {len(ordered)} classes ({', '.join(ordered)}) and {scores.shape[1]} score columns; give one "
            "per class in this order, or one for the positive class of two.",
            role="table",
        )
    if "prediction" in found:
        predicted = np.array([ordered.index(word) for word in found["prediction"]])
    else:
        predicted = _predicted(scores, threshold)
    names = natural(found.get("group", []))
    place = {name: n for n, name in enumerate(names)}
    return Cases(
        tuple(ordered),
        np.array([ordered.index(word) for word in found["truth"]]),
        predicted,
        scores,
        np.array([place[word] for word in found["group"]]) if group else None,
        tuple(names),
        int(len(missing) - len(kept)),
    )


def _predicted(scores: np.ndarray | None, threshold: float) -> np.ndarray:
    """The class of the highest score; of one score, positive from the threshold on."""
    assert scores is not None
    if scores.shape[1] <= 2:
        return (scores[:, -1] >= threshold).astype(int)
    return np.argmax(scores, axis=1)


def _classes(found: set[str], wanted: list[str], positive: str, scores: int) -> list[str]:
    if wanted:
        unknown = natural([word for word in found if word not in wanted])
        if unknown:
            raise InputError(f"The table has the classes {', '.join(unknown)}, which are not in classes.", role="table")
        if len(set(wanted)) < len(wanted):
            raise InputError("A class is given twice.", role="table")
    ordered = wanted or natural(list(found))
    if len(ordered) == 1 and ordered[0] in ("0", "1"):
        ordered = ["0", "1"]
    if len(ordered) == 1 and positive:
        ordered = [f"not {positive}", positive] if ordered[0] == positive else [ordered[0], positive]
    if len(ordered) == 1:
        raise InputError(f"There is only the class {ordered[0]!r}; give classes or positive.", role="table")
    if len(ordered) > 2:
        if positive:
            raise InputError(f"There are {len(ordered)} classes; positive is for two.", role="table")
        return ordered
    if positive and positive not in ordered:
        raise InputError(f"There is no class {positive!r}; there are {', '.join(ordered)}.", role="table")
    known = [word for word in ordered if word.casefold() in POSITIVE]
    chosen = positive or (ordered[1] if wanted else known[0] if len(known) == 1 else "")
    if not chosen:
        raise InputError(f"Which of {' and '.join(ordered)} is the positive class? Give positive.", role="table")
    return [*(word for word in ordered if word != chosen), chosen]
