"""Cohorts of files that lie in folders by a rule: `study/{subject}/{visit}/t1*.nii.gz`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ..errors import InputError
from ..progress import SILENT, Progress
from ..recipe import Recipe
from .cohort import Case, Cohort, check_inputs, checked_ids

PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|\*\*|\*|\?|[{}]")
MOST_ENTRIES = 2_000_000


@dataclass(frozen=True)
class Pattern:
    """Where the files of an input lie.

    `{name}` is a named part within one folder or file name, the same in all its places; `*` and `?` stand for any text
    and any character there, `**` for any folders, `{{` for a brace.
    """

    text: str
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        names = []
        for found in PART.finditer(self.text):
            if found[0] in "{}":
                raise InputError(f"{self.text}: a {found[0]!r} stands alone; write it twice, or {{name}} for a part.")
            if found[1] is not None:
                if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", found[1]):
                    raise InputError(f"{self.text}: {found[0]} must be a name of letters, digits and _.")
                names.append(found[1])
        object.__setattr__(self, "names", tuple(dict.fromkeys(names)))

    @cached_property
    def _words(self) -> tuple[Path, list[str]]:
        """The folder before the first part that varies, and the rest by level."""
        path = Path(os.path.abspath(self.text))
        levels = list(path.parts[1:])
        fixed = next((n for n, level in enumerate(levels) if PART.search(level)), len(levels) - 1)
        base = Path(path.anchor, *levels[:fixed])
        return base, levels[fixed:]

    def matches(self, progress: Progress = SILENT) -> Iterator[tuple[dict[str, str], Path]]:
        """The named parts and the path of all files and folders that fit, in the order of their names."""
        base, levels = self._words
        seen = [0]
        yield from self._below(base, levels, {}, seen, progress)

    def _below(
        self, folder: Path, levels: list[str], parts: dict[str, str], seen: list[int], progress: Progress
    ) -> Iterator[tuple[dict[str, str], Path]]:
        level, rest = levels[0], levels[1:]
        try:
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            return
        seen[0] += len(found)
        if seen[0] > MOST_ENTRIES:
            raise InputError(f"{self.text}: more than {MOST_ENTRIES:,} files lie there; make the pattern narrower.")
        progress.report(0.0, f"{seen[0]} files looked at")
        if level == "**":
            if rest:
                yield from self._below(folder, rest, parts, seen, progress)
            for entry in found:
                if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
                    yield from self._below(folder / entry.name, levels, parts, seen, progress)
            return
        fits = _expression(level, parts)
        for entry in found:
            match = fits.fullmatch(entry.name)
            if match is None or (entry.name.startswith(".") and not level.startswith(".")):
                continue
            more = {**parts, **match.groupdict()}
            if not rest:
                yield more, folder / entry.name
            elif entry.is_dir():
                yield from self._below(folder / entry.name, rest, more, seen, progress)


def _expression(level: str, parts: Mapping[str, str]) -> re.Pattern[str]:
    """What fits one level, with the parts that are known from the folders above."""
    out, last, here = [], 0, set[str]()
    for found in PART.finditer(level):
        out.append(re.escape(level[last : found.start()]))
        last, name = found.end(), found[1]
        if name is None:
            out.append({"*": ".*", "**": ".*", "?": ".", "{{": r"\{", "}}": r"\}"}[found[0]])
        elif name in parts:
            out.append(re.escape(parts[name]))
        elif name in here:
            out.append(f"(?P={name})")
        else:
            out.append(f"(?P<{name}>.+?)")
            here.add(name)
    return re.compile("".join(out) + re.escape(level[last:]), re.DOTALL)


def from_patterns(
    patterns: Mapping[str, str], recipe: Recipe, *, case_id: str = "", progress: Progress = SILENT
) -> Cohort:
    """The cases that files make up which agree in the named parts of their patterns.

    Parameters
    ----------
    patterns
        A `Pattern` for each recipe input. One without parts, such as an atlas, is the same file for all cases; one with
        fewer parts than others goes to all cases that agree in them.
    recipe
        Whose inputs they are.
    case_id
        What cases are called, such as `{subject}-{visit}`; default: all parts with `_` between them.

    Returns
    -------
    Cohort
        In the order of the parts, which are carried into the results. A case that lacks a needed file, or for which
        two files fit, carries a `problem`.

    Raises
    ------
    InputError
        For a wrong pattern, a needed input without one, or when nothing fits.
    """
    made = {name: Pattern(text) for name, text in patterns.items()}
    names = _check(made, recipe)
    found: dict[str, dict[tuple[str, ...], list[Path]]] = {}
    for number, (name, pattern) in enumerate(made.items()):
        part = progress.part(number / len(made), (number + 1) / len(made))
        files = found.setdefault(name, {})
        for parts, path in pattern.matches(part):
            files.setdefault(tuple(parts[one] for one in pattern.names), []).append(path)
        if not files:
            raise InputError(f"Nothing fits {pattern.text} (input {name!r}).", input=name)
    leading = [name for name, pattern in made.items() if len(pattern.names) == len(names)]
    order = {name: [names.index(one) for one in made[name].names] for name in made}
    keys = {tuple(key[order[name].index(n)] for n in range(len(names))) for name in leading for key in found[name]}
    cases = []
    for key in sorted(keys):
        inputs, problems = dict[str, str](), list[str]()
        for name in made:
            files_here = found[name].get(tuple(key[n] for n in order[name]), [])
            if len(files_here) > 1:
                some = ", ".join(path.name for path in files_here[:3])
                problems.append(f"{len(files_here)} files fit the input {name!r} ({some}); make its pattern narrower")
            elif files_here:
                inputs[name] = str(files_here[0])
            elif name in recipe.needed():
                problems.append(f"no file fits the input {name!r}")
        parts = dict(zip(names, key, strict=True))
        case = filled(case_id, parts) if case_id else "_".join(key)
        where = ", ".join(f"{name} {value!r}" for name, value in parts.items())
        cases.append((where, Case(case, inputs, parts, sentence(problems))))
    return Cohort(checked_ids(cases), tuple(names))


def filled(template: str, parts: Mapping[str, str]) -> str:
    """`{subject}-{visit}` with the parts; nothing but names can stand in braces."""
    unknown = [name for name in Pattern(template).names if name not in parts]
    if unknown:
        raise InputError(f"{template}: there is no part {{{unknown[0]}}}; there are {', '.join(parts)}.")
    return PART.sub(lambda found: parts[found[1]] if found[1] else found[0][:1] * (found[0] in ("{{", "}}")), template)


def sentence(problems: Sequence[str]) -> str:
    """Problems of a case as one sentence; empty without any."""
    text = "; ".join(problems)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _check(patterns: Mapping[str, Pattern], recipe: Recipe) -> list[str]:
    """The named parts in their order."""
    check_inputs(patterns, recipe, "pattern")
    names = list(dict.fromkeys(name for pattern in patterns.values() for name in pattern.names))
    if not names:
        raise InputError("No pattern has a named part such as {subject}; it tells the cases apart.")
    if not any(len(pattern.names) == len(names) for pattern in patterns.values()):
        raise InputError(f"One of the patterns must have all the parts {', '.join(names)}.")
    taken = [name for name in names if name in recipe.inputs or name == "id"]
    if taken:
        what = "of an input" if taken[0] in recipe.inputs else "of the column that names the cases"
        raise InputError(f"The part {{{taken[0]}}} has the name {what}; give it another one.")
    return names
