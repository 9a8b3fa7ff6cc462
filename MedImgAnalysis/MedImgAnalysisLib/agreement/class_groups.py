"""Scores of subsets of the cases: group by group, with one group left out, or in folds of whole groups."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..progress import Progress
from ..values import Column, Measurements
from .class_scores import BINARY, MULTI, numbers
from .class_table import Cases


def summary(cases: Cases, how: str, folds: int, seed: int, progress: Progress) -> Measurements:
    """A row per subset, then their mean and spread.

    `how` is `each_group`, `leave_group_out` (scores of all other groups; the last row is the jackknife standard
    error) or `k_fold` (whole groups dealt into `folds` at random).
    """
    keys = list(numbers(cases))
    texts = BINARY if cases.binary else MULTI
    columns = (
        Column("set", "Set", "", "Which cases these are", str),
        Column("n", "n", "", "Cases", int),
        *((Column("n_positive", "Positives", "", "Cases of the positive class", int),) if cases.binary else ()),
        *(Column(key, key.replace("_", " ").capitalize(), "", texts[key]) for key in keys),
        Column("status", "Status", "", "Why a number is missing", str),
    )
    rows: list[dict[str, Any]] = []
    for name, members in _sets(cases, how, folds, seed):
        progress.check()
        part = cases.take(members)
        row: dict[str, Any] = {"set": name, "n": len(members), **numbers(part)}
        if cases.binary:
            row["n_positive"] = int(part.truth.sum())
        undefined = any(math.isnan(row[key]) for key in keys)
        rows.append(row | {"status": "class_missing" if undefined else ""})
    return Measurements(columns, (*rows, *_ends(rows, keys, how)))


def _sets(cases: Cases, how: str, folds: int, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    assert cases.groups is not None
    names = cases.group_names
    if how == "k_fold":
        order = np.random.default_rng(seed).permutation(len(names))
        for fold in range(min(folds, len(names))):
            yield f"fold {fold + 1}", np.flatnonzero(np.isin(cases.groups, order[fold::folds]))
        return
    for number, name in enumerate(names):
        own = cases.groups == number
        left_out = how == "leave_group_out"
        if left_out and own.all():
            continue
        yield (f"without {name}" if left_out else name), np.flatnonzero(own != left_out)


def _ends(rows: list[dict[str, Any]], keys: list[str], how: str) -> list[dict[str, Any]]:
    mean: dict[str, Any] = {"set": "mean", "status": ""}
    spread: dict[str, Any] = {"set": "jackknife standard error" if how == "leave_group_out" else "sd", "status": ""}
    for key in keys:
        values = np.array([row[key] for row in rows if not math.isnan(row[key])])
        n = len(values)
        mean[key] = float(values.mean()) if n else math.nan
        if n < 2:
            spread[key] = math.nan
        elif how == "leave_group_out":
            spread[key] = math.sqrt((n - 1) / n * float(((values - values.mean()) ** 2).sum()))
        else:
            spread[key] = float(values.std(ddof=1))
        for row in (mean, spread):
            if math.isnan(row[key]):
                row["status"] = "too_few_sets"
    return [mean, spread]
