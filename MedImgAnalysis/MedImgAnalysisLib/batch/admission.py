"""Which case may start: the first one whose planned memory fits beside those that run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..machine import free_memory, memory_text
from ..plan import SHARE
from ..recipe import Recipe
from .case_memory import CaseNeed, need_of

LOOK_AHEAD = 32
"""Waiting cases that are looked at for one that fits, so that small ones go on beside a large one."""


@dataclass(frozen=True)
class Start:
    """The case at `index` may start. `note` says why it runs alone, `refused` why it cannot run at all."""

    index: int
    need: CaseNeed | None = None
    note: str = ""
    refused: str = ""


@dataclass
class Running:
    """A case that runs: what it was planned to need, and by how much its process has grown since."""

    need: CaseNeed | None
    process: int | None = None
    before: int = 0

    @property
    def outstanding(self) -> float:
        """Bytes that it may still take."""
        if self.need is None:
            return 0.0
        return max(0.0, self.need.bytes - max(0, resident(self.process) - self.before))


def resident(process: int | None) -> int:
    """Bytes that a process holds; 0 where the system does not tell, which counts as not taken yet."""
    if process is None:
        return 0
    try:
        pages = Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


class Admission:
    """Decides by planned memory. Plans are made once a case, when its turn comes near.

    Cases run beside each other while together they need at most `plan.SHARE` of the free memory; a larger one runs
    alone, and one that cannot run alone either, not even slab by slab, is refused with numbers.
    """

    def __init__(
        self,
        free: Callable[[], int | None] = free_memory,
        plan: Callable[[Recipe, Mapping[str, str]], CaseNeed | None] = need_of,
    ) -> None:
        self._free, self._plan = free, plan
        self._needs: dict[str, CaseNeed | None] = {}
        self._recipe: tuple[Mapping[str, Any], Recipe] | None = None

    def choose(self, waiting: Sequence[Mapping[str, Any]], running: Iterable[Running]) -> Start | None:
        """The next case to start, None when all must wait for memory; `waiting` are tasks."""
        if not waiting:
            return None
        beside = list(running)
        free = self._free()
        if free is None:
            return Start(0)
        left = SHARE * free - sum(case.outstanding for case in beside)
        for index, task in enumerate(waiting):
            if index >= LOOK_AHEAD:
                break
            need = self.need(task)
            if need is None or need.bytes <= left:
                return Start(index, need)
        return None if beside else self._alone(waiting[0], free)

    def need(self, task: Mapping[str, Any]) -> CaseNeed | None:
        """The planned memory of a task."""
        case = str(task["case"])
        if case not in self._needs:
            self._needs[case] = self._plan(self._read(task["recipe"]), task["inputs"])
        return self._needs[case]

    def done(self, task: Mapping[str, Any]) -> None:
        """Forget a task."""
        self._needs.pop(str(task["case"]), None)

    def _alone(self, task: Mapping[str, Any], free: int) -> Start:
        """Nothing of ours runs: what does not fit now never will, unless others give memory back."""
        self.done(task)
        need = self.need(task)
        assert need is not None
        if need.refusal:
            return Start(0, need, refused=need.refusal)
        words = "in slabs where it can" if need.bytes > free else "alone"
        return Start(0, need, f"It needs about {need.text} of {memory_text(free)} that are free: it runs {words}.")

    def _read(self, data: Mapping[str, Any]) -> Recipe:
        if self._recipe is None or self._recipe[0] is not data:
            self._recipe = (data, Recipe.from_data(data))
        return self._recipe[1]
