"""One case: files in, a folder of results with its record out."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .. import __version__, dicom_out, files, provenance
from ..blockwise import thread_count
from ..errors import ParameterError, RecipeError
from ..files.paths import ending, split_part, stem
from ..progress import SILENT, Progress, Recorder
from ..recipe import Recipe
from ..values import Frames, Measurements
from . import case_pages, dicom_files, private
from .folder import CASE_FORMAT, RECORD, check_free, check_makeable, record_of, staged
from .plain import columns_of, dumps, rows_of, write_text
from .sources import content, size_of


@dataclass(frozen=True)
class Extras:
    """What a case gets beside its outputs: pictures, a page per step, segments and tables as DICOM objects, and a scene
    file (`.mrb`, absolute or relative to its folder)."""

    scene: str | None = None
    snapshots: bool = False
    pages: bool = False
    dicom: bool = False
    private: bool = False
    """Keep paths and names of files out of the record, the warnings and the pages."""

    def __post_init__(self) -> None:
        if self.scene is not None and Path(self.scene).suffix.lower() != ".mrb":
            raise ParameterError(
                f"The scene file is {self.scene}; it must end in .mrb.", field="scene", value=self.scene
            )
        private.check(self.private, self.dicom)


def require(pictures: bool, dicom: bool) -> None:
    """Raise `MissingPackageError` unless the packages for pictures and for DICOM objects are there, where wanted."""
    if pictures:
        from . import scene_files

        scene_files.require()
    if dicom:
        dicom_out.require()


def recipe_key(recipe: Recipe) -> str:
    """SHA-256 of all that decides about the results: steps with full parameters and operation revisions.

    Titles, descriptions, step ids and disabled steps do not enter.
    """
    steps = []
    for step in recipe.steps:
        if step.enabled:
            operation = step.build()
            steps.append(
                [operation.name, operation.revision, operation.values(), dict(step.inputs), dict(step.outputs)]
            )
    data = {"inputs": dict(recipe.inputs), "steps": steps, "outputs": list(recipe.outputs)}
    return hashlib.sha256(dumps(data, indent=None).encode()).hexdigest()


def check_names(recipe: Recipe) -> None:
    """Raise `RecipeError` when two outputs would be one file, or one of them is the name of something of ours."""
    used = dict.fromkeys((RECORD, "snapshots", "pages"), "the record, pictures and pages of a case")
    kinds = recipe.kinds()
    for name in recipe.outputs:
        both = {files.file_name(name, kinds[name], several) for several in (False, True)}
        data = {f"{stem(file)}.raw" for file in both if ending(file) in (".mhd", ".nhdr")}
        for file in sorted({file.casefold() for file in both | data}):
            if used.setdefault(file, repr(name)) != repr(name):
                raise RecipeError(f"The output {name!r} would be written to {file}, which {used[file]} is written to.")


def describe_inputs(
    recipe: Recipe, paths: Mapping[str, str | Path], folder: Path, progress: Progress = SILENT
) -> dict[str, Any]:
    """Where each input is and what is in it, by name."""
    unknown = [name for name in paths if name not in recipe.inputs]
    if unknown:
        raise RecipeError(f"The recipe has no input {unknown[0]!r}; it has {', '.join(recipe.inputs)}.")
    missing = [name for name in recipe.needed() if name not in paths]
    if missing:
        raise RecipeError(f"The recipe needs the inputs {', '.join(missing)}.")
    found = {}
    for number, (name, path) in enumerate(paths.items()):
        absolute = Path(path).absolute()
        part = progress.part(number / len(paths), (number + 1) / len(paths))
        found[name] = {"kind": recipe.inputs[name], "path": str(absolute), **content(absolute, part)}
        with suppress(ValueError):  # on another drive there is no relative path
            found[name]["relative"] = Path(os.path.relpath(absolute, folder.absolute())).as_posix()
    return found


def run_case(
    recipe: Recipe,
    paths: Mapping[str, str | Path],
    folder: str | Path,
    *,
    case: str = "",
    extras: Extras = Extras(),
    described: Mapping[str, Any] | None = None,
    batch: str = "",
    check: Callable[[], None] | None = None,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Run a recipe on files and put everything it gives into `folder`.

    Parameters
    ----------
    recipe
        What to do.
    paths
        A file (or folder with a DICOM series) per recipe input.
    folder
        Appears complete or not at all. An earlier result of a case there is replaced; anything else is refused.
    case
        Name of the case for the record; default: the name of the folder.
    extras
        Scene file and pictures.
    described
        What `describe_inputs` gave, where the caller knows it already.
    batch
        Token of the batch for the record, by which a case that was started twice is known again.
    check
        Called right before the folder appears; an error of it leaves everything as it was.
    progress
        Reports and stops the run.

    Returns
    -------
    dict
        The record, which is also in `provenance.json`.

    Raises
    ------
    MedImgError
        For unusable inputs, outputs or parameters; `Cancelled` when stopped. Nothing is left behind.
    """
    folder = Path(folder).absolute()
    whole = private.VeiledRecorder(progress, private.Veil(paths)) if extras.private else Recorder(progress)
    started, clock = datetime.now(timezone.utc), time.perf_counter()
    check_names(recipe)
    check_free(folder, [split_part(path)[0] for path in paths.values()])
    check_makeable(folder)
    scene = _Scene(extras, whole) if extras.scene or extras.snapshots else None
    if extras.dicom:
        dicom_out.require()
    inputs = dict(described or describe_inputs(recipe, paths, folder, whole.part(0.0, 0.05)))
    values = {name: files.read(path, recipe.inputs[name], whole.part(0.05, 0.1)) for name, path in paths.items()}
    if extras.private:
        inputs = private.inputs(inputs)
    origins = {name: {"name": name, **_place(inputs[name])} for name in values}
    result = recipe.run(values, origins=origins, progress=whole.part(0.1, 0.85))
    hashes = _hashes(result.records)
    for name, value in values.items():
        inputs[name]["value_sha256"] = hashes.get(name) or provenance.fingerprint(value)
    record: dict[str, Any] = {
        "medimg_case": CASE_FORMAT,
        "version": __version__,
        "case": case or folder.name,
        "recipe": recipe.as_data(),
        "recipe_sha256": recipe_key(recipe),
        "inputs": inputs,
        "outputs": {},
        "measurements": {},
        **({"batch": batch} if batch else {}),
    }
    with staged(folder) as place:
        kinds = recipe.kinds()
        for name, value in result.outputs.items():
            if value is None:
                continue
            whole.report(0.87, f"Writing {name}")
            written = files.write(
                value, place / files.file_name(name, kinds[name], isinstance(value, Frames)), kinds[name]
            )
            record["outputs"][name] = {
                "kind": kinds[name],
                "file": written.name,
                **content(written),
                "value_sha256": provenance.fingerprint(value),
            }
            if isinstance(value, Measurements):
                record["measurements"][name] = {"columns": columns_of(value), "rows": rows_of(value)}
        objects: dict[str, Path] = {}
        of_results = len(whole.warnings)
        if extras.dicom:
            targets = dicom_files.targets_in(place, recipe.outputs)
            objects = dicom_files.write(recipe, paths, values, result.outputs, targets, progress=whole.part(0.89, 0.9))
        pictures: list[str] = []
        if scene is not None:
            whole.report(0.9, "Scene")
            pictures = scene.write(place, recipe, values, result)
        pages: list[str] = []
        if extras.pages:
            whole.report(0.94, "Pages")
            names = {name: name if extras.private else split_part(path)[0].name for name, path in paths.items()}
            pages = case_pages.write(place, recipe, values, result, names, whole)
        record |= {
            "steps": list(result.records),
            "warnings": whole.warnings,
            "extra_warnings": whole.warnings[of_results:],
            "threads": thread_count(),
            "software": dict(provenance.software()),
            "started": started.isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - clock, 3),
            "options": asdict(extras),
            "dicom": {name: file.name for name, file in objects.items()},
            "snapshots": pictures,
            "pages": pages,
            "files": sorted(file.relative_to(place).as_posix() for file in place.rglob("*") if file.is_file()),
        }
        whole.report(0.98, "Record")
        write_text(place / RECORD, dumps(record) + "\n")
        whole.check()
        if check is not None:
            check()
    return record


def finished(folder: Path, key: str, inputs: Mapping[str, Any], extras: Extras) -> tuple[dict[str, Any] | None, str]:
    """The record of a case that need not be run again; else None and why (empty when there is no result).

    `key` is the `recipe_key`, `inputs` what `describe_inputs` says now.
    """
    record = record_of(folder)
    if record is None:
        return None, ""
    if record.get("recipe_sha256") != key:
        return None, "the recipe has changed"
    before, now = (
        {name: (entry.get("sha256"), private.hashed(entry.get("part"))) for name, entry in entries.items()}
        for entries in (record.get("inputs", {}), inputs)
    )
    changed = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    if changed:
        return None, f"the input {', '.join(changed)} has changed"
    options = record.get("options", {})
    if (extras.scene and options.get("scene") != extras.scene) or (extras.snapshots and not options.get("snapshots")):
        return None, "a scene or pictures are asked for this time"
    if extras.pages and not options.get("pages"):
        return None, "pages are asked for this time"
    if extras.private and not options.get("private"):
        return None, "a record without paths is asked for this time"
    if extras.dicom and not options.get("dicom"):
        return None, "DICOM results are asked for this time"
    for entry in record.get("outputs", {}).values():
        if size_of(folder / entry["file"]) != entry["bytes"]:
            return None, f"{entry['file']} is missing or has another size"
    missing = [name for name in record.get("files", []) if not (folder / name).is_file()]
    return (None, f"{missing[0]} is missing") if missing else (record, "")


def _place(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {"path": entry["path"]} if "path" in entry else {}


def _hashes(records: tuple[dict[str, Any], ...]) -> dict[str, str]:
    """Fingerprints by name of the values that went into the steps, which were computed there already."""
    entries = [entry for record in records for entry in record["inputs"].values()]
    return {entry["name"]: entry["sha256"] for entry in entries if "name" in entry}


class _Scene:
    """Starts the scene before the work, so that a missing package is said at once."""

    def __init__(self, extras: Extras, progress: Progress) -> None:
        from . import scene_files

        self._extras, self._progress, self._files = extras, progress, scene_files
        scene_files.start()

    def write(self, place: Path, recipe: Recipe, values: Mapping[str, Any], result: Any) -> list[str]:
        mrb = place / self._extras.scene if self._extras.scene else None
        return self._files.write(
            place, recipe, values, result, mrb=mrb, snapshots=self._extras.snapshots, progress=self._progress
        )
