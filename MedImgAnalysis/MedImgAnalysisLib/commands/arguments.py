"""Reading the command line: one-line errors, values that begin with a dash, ROLE=FILE."""

from __future__ import annotations

import argparse
import difflib
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from ..errors import MedImgError, ParameterError

VALUE_OPTIONS = (
    "--in",
    "--out",
    "--set",
    "--preset",
    "--group",
    "--page",
    "--scene",
    "--case",
    "--salt-file",
    "--keep",
    "--dates",
    "--crosswalk",
    "--workers",
    "--threads",
    "--dask",
    "--from-dicom",
    "--case-by",
    "--id",
    "--noise",
    "--rotate",
    "--shift",
    "--deform",
    "--spacing",
    "--blur",
    "--gamma",
    "--repeat",
    "--seed",
)
FLAGS = (
    "--json",
    "--quiet",
    "--debug",
    "--restart",
    "--snapshots",
    "--pages",
    "--dicom",
    "--private",
    "--plan",
    "--evidence",
    "--help",
    "-h",
    "--version",
)
WORD = re.compile(r"[A-Za-z0-9_.\-]+")


class UsageError(MedImgError, ValueError):
    """The command line cannot be understood. Data: `command`."""


class Parser(argparse.ArgumentParser):
    """Raises `UsageError` instead of printing the usage and leaving."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        # The terminal puts the name of the program in front.
        command = self.prog.partition(" ")[2]
        where = f"{command}: " if command else ""
        raise UsageError(f"{where}{message}. See {self.prog} --help.", command=self.prog)


def joined(arguments: Sequence[str]) -> list[str]:
    """`--set -x` as `--set=-x`, so that files and values may begin with a dash.

    A word that is an option itself stays one: a forgotten value is an error and not a file of that name.
    """
    words, out = list(arguments), list[str]()
    while words:
        word = words.pop(0)
        if word == "--":
            return [*out, word, *words]
        if word in VALUE_OPTIONS and words and words[0].startswith("-") and not _is_option(words[0]):
            word = f"{word}={words.pop(0)}"
        out.append(word)
    return out


def _is_option(word: str) -> bool:
    return word.partition("=")[0] in (*VALUE_OPTIONS, *FLAGS, "--")


def common() -> argparse.ArgumentParser:
    """What every command has."""
    parser = Parser(add_help=False)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--quiet", action="store_true", help="no progress bar and no notes")
    parser.add_argument("--debug", action="store_true", help="print the traceback of an error")
    return parser


def count(text: str) -> int:
    """A whole number of at least 1."""
    number = int(text) if re.fullmatch(r"[0-9]{1,6}", text) else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number of at least 1")
    return number


def whole(text: str) -> int:
    """A whole number of at least 0."""
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number of at least 0")
    return int(text)


def bound(specs: Sequence[str], names: Sequence[str], option: str, bare: str | None) -> dict[str, list[str]]:
    """Files by role from `ROLE=FILE`, or `FILE` alone for the role `bare`.

    `ROLE=` counts only when ROLE is one of `names`, since paths may hold `=`; a word that is nearly one of them is
    refused rather than taken for a path.
    """
    found: dict[str, list[str]] = {}
    for spec in specs:
        head, sign, tail = spec.partition("=")
        known = ", ".join(names) or "none"
        if sign and head in names:
            role, path = head, tail
        elif sign and WORD.fullmatch(head) and not _exists(spec) and (option == "--in" or _near(head, names)):
            near = _near(head, names)
            hint = f", did you mean {near!r}?" if near else ";"
            raise UsageError(
                f"{option} {spec}: there is no {head!r}{hint} there are {known}. A file of that very name is written "
                f"./{spec}.",
                role=head,
            )
        elif bare is not None:
            role, path = bare, spec
        else:
            raise UsageError(f"{option} {spec}: write it as NAME=FILE; the names are {known}.", role=head)
        if not path:
            raise UsageError(f"{option} {spec}: the file is missing behind {role}=.", role=role)
        found.setdefault(role, []).append(path)
    return found


def _exists(spec: str) -> bool:
    """Whether there is such a file, with or without a part behind `#`."""
    return any(os.path.lexists(spec[:end]) for end in (len(spec), *(m.start() for m in re.finditer("#", spec))))


def _near(word: str, names: Sequence[str]) -> str | None:
    return next(iter(difflib.get_close_matches(word, names, 1, 0.7)), None)


def single(files: Mapping[str, list[str]], option: str) -> dict[str, str]:
    """One file per role."""
    for role, paths in files.items():
        if len(paths) > 1:
            raise UsageError(f"{option} {role} is given {len(paths)} times; it takes one file.", role=role)
    return {role: paths[0] for role, paths in files.items()}


def settings(specs: Sequence[str]) -> dict[str, str]:
    """Texts by parameter from `NAME=VALUE`."""
    found: dict[str, str] = {}
    for spec in specs:
        name, sign, value = spec.partition("=")
        name = name.strip()
        if not sign or not name:
            raise UsageError(f"--set {spec}: write it as NAME=VALUE.")
        if name in found:
            raise ParameterError(f"--set {name} is given twice.", field=name)
        found[name] = value
    return found
