"""Results without paths: names of files and folders often name patients, and error messages repeat them."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import FileError, ParameterError
from ..files.paths import split_part
from ..progress import Progress, Recorder

HASHED = "sha256:"


class Veil:
    """Replaces the names of input files by the names of the inputs, wherever a sentence repeats them."""

    def __init__(self, paths: Mapping[str, str | Path]) -> None:
        self._paths = {name: os.fspath(path) for name, path in paths.items()}
        self._pattern: re.Pattern[str] | None = None
        self._names: dict[str, str] = {}

    def text(self, sentence: str) -> str:
        """The sentence with `<t1>` instead of the file of the input t1, its parts, and the files in its folder."""
        if self._pattern is None:
            for name, path in self._paths.items():
                for word in _words(path):
                    if word != name:
                        self._names.setdefault(word, f"<{name}>")
            words = sorted(map(re.escape, self._names), key=len, reverse=True)
            self._pattern = re.compile(rf"(?<![^\W_])(?:{'|'.join(words)})(?![^\W_])" if words else r"(?!)")
        return self._pattern.sub(lambda found: self._names[found[0]], sentence)

    def error(self, error: Mapping[str, Any]) -> dict[str, Any]:
        """An error as JSON without what names a file; nor is said why one cannot be read, which may quote from it."""
        kind = str(error.get("kind", ""))
        if kind == FileError.__name__ or "path" in error:
            return {
                "kind": kind,
                "message": "A file cannot be read or written; medimg run on this case, without --private, says why.",
            }
        return {"kind": kind, "message": self.text(str(error.get("message", "")))}


class VeiledRecorder(Recorder):
    """A recorder whose warnings name no file."""

    def __init__(self, whole: Progress, veil: Veil) -> None:
        super().__init__(whole)
        self._veil = veil

    def warn(self, sentence: str) -> None:
        """Record and pass on what the sentence says without names."""
        super().warn(self._veil.text(sentence))


def _words(path: str) -> Iterator[str]:
    """What a sentence may say of an input: paths, the last name, the part, names in a folder."""
    place, part = Path(path), None
    with suppress(FileError):
        place, part = split_part(path)
    whole = [path, os.path.abspath(path), os.fspath(place), os.path.abspath(place), os.path.realpath(place)]
    yield from (word for word in whole if len(word) > 1)
    yield from _forms(place.name)
    for word in (part or "").split("#"):
        if word and not word.isdigit():
            yield word
    if place.is_dir():
        for _, folders, names in os.walk(place):
            for name in (*folders, *names):
                yield from _forms(name)


def _forms(name: str) -> Iterator[str]:
    if name:
        yield name
    stem = name.split(".")[0]
    if len(stem) > 3 and not stem.isdigit():
        yield stem


def inputs(described: Mapping[str, Any]) -> dict[str, Any]:
    """What `describe_inputs` gives, with hashes only: no path, and the part, which may be a description, as a hash."""
    kept = {name: {k: entry[k] for k in ("kind", "sha256", "bytes") if k in entry} for name, entry in described.items()}
    for name, entry in described.items():
        if "part" in entry:
            kept[name]["part"] = hashed(entry["part"])
    return kept


def hashed(part: Any) -> str | None:
    """A part of a file as a hash; one that is a hash already stays."""
    if part is None or str(part).startswith(HASHED):
        return part
    return HASHED + hashlib.sha256(str(part).encode(errors="replace")).hexdigest()


def telling(task: Mapping[str, Any], tell: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    """`tell` for a task: where paths are kept out of the results, errors name no file."""
    if not task.get("extras", {}).get("private"):
        return tell
    veil = Veil(task["inputs"])

    def veiled(answer: dict[str, Any]) -> None:
        tell({key: veil.error(value) if key == "failed" else value for key, value in answer.items()})

    return veiled


def check(private: bool, dicom: bool) -> None:
    """Raise `ParameterError` when DICOM results, which name the patient, are asked for together with no names."""
    if private and dicom:
        raise ParameterError(
            "DICOM results name the patient of their source, so they do not go with private; de-identify the DICOM "
            "files first (medimg deidentify) and run on those.",
            field="private",
        )
