"""`medimg apply`: one operation on files."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from .. import __version__, catalog, files, framewise
from ..batch.drawing import drawer
from ..batch.folder import named_after, remove
from ..batch.plain import columns_of, rows_of, staging_name
from ..blockwise import set_thread_count
from ..errors import FileError
from ..execution import execute
from ..files.paths import check_name, ending, split_part
from ..frames import Frames
from ..operation import Operation, Role
from ..pages.result_page import write_result_page
from ..plan import plan
from ..progress import Progress
from ..values import Measurements
from .arguments import UsageError, bound, common, count, settings, single
from .dicom_outputs import DICOM_KINDS, dicom_roles, write_dicom
from .dicom_outputs import ENDING as DICOM
from .evidence_outputs import evidence_roles, with_evidence
from .terminal import Terminal, table_text


def add(parsers: Any) -> None:
    """Add the command."""
    parser = parsers.add_parser(
        "apply",
        parents=[common()],
        help="run one operation on files",
        description="Run one operation on files. ROLE= can be left out where only one input or output is possible.\n"
        "A part of a file is named behind #: organs.seg.nrrd#Liver, cine.nii.gz#3 (frame 3, counted from 0). A 4-D "
        "file is worked on frame by frame; images go to one file, transforms and segmentations to a folder. Masks, "
        "labels and tables of DICOM images are written as DICOM SEG and SR where the file ends in .dcm.",
    )
    parser.add_argument("name", metavar="NAME", help="an operation, see medimg operations")
    parser.add_argument(
        "--in", dest="inputs", metavar="ROLE=FILE", action="append", default=[], help="an input; repeat for more"
    )
    parser.add_argument(
        "--out",
        dest="outputs",
        metavar="ROLE=FILE",
        action="append",
        default=[],
        help="where an output goes; repeat for more; the others are not kept",
    )
    parser.add_argument(
        "--set", dest="settings", metavar="PARAMETER=VALUE", action="append", default=[], help="a parameter"
    )
    parser.add_argument("--preset", metavar="P", help="start from a preset")
    parser.add_argument(
        "--evidence",
        action="store_true",
        help="say what the filter took away; outputs evidence, evidence_residual, evidence_spectra, evidence_histogram",
    )
    parser.add_argument("--page", metavar="FILE.html", help="write inputs, picture, plots and tables as one page")
    parser.add_argument("--plan", action="store_true", help="say how long it will take and what memory, and stop there")
    parser.add_argument("--threads", type=count, metavar="N", help="threads to use")
    parser.set_defaults(call=apply)


def apply(options: argparse.Namespace, terminal: Terminal) -> int:
    """Run the operation; files appear only when all of it went well."""
    kind = catalog.find(options.name)
    operation = built(kind, options.preset, settings(options.settings))
    inputs = bound(options.inputs, [role.name for role in kind.inputs()], "--in", only(kind.inputs()))
    extra = evidence_roles(kind) if options.evidence else []
    made = [*kind.outputs(), *extra]
    outputs = single(bound(options.outputs, [role.name for role in made], "--out", only(kind.outputs())), "--out")
    check_inputs(kind, inputs)
    if options.plan:
        return tell_plan(operation, inputs, terminal)
    check_outputs(kind, made, inputs, outputs, options.page)
    if options.threads:
        set_thread_count(options.threads)
    with terminal.working(operation.title) as progress:
        values = read(kind, inputs, progress.part(0.0, 0.1))
        objects = dicom_roles(kind, made, outputs, inputs)
        check_endings(operation, values, {role: path for role, path in outputs.items() if role not in objects})
        origins = {
            role: {"path": os.path.abspath(paths[0])}
            if len(paths) == 1
            else {"paths": [os.path.abspath(path) for path in paths]}
            for role, paths in inputs.items()
        }
        share = 0.6 if extra else 0.95
        result = execute(operation, values, origins=origins, progress=progress.part(0.1, share))
        if extra:
            result = with_evidence(kind, values, result, outputs, progress.part(share, 0.95))

        def as_dicom(targets: Mapping[str, Path]) -> None:
            write_dicom(operation, inputs, values, result.outputs, targets, progress)

        write(kind, made, result.outputs, outputs, progress, objects, as_dicom)
        if options.page:
            names = {role: ", ".join(os.path.basename(path) for path in paths) for role, paths in inputs.items()}
            progress.report(0.97, "Writing the page")
            write_result_page(
                options.page,
                operation,
                values,
                result.outputs,
                names=names,
                warnings=result.warnings,
                draw=drawer(progress),
            )
    tables = {role: value for role, value in result.outputs.items() if isinstance(value, Measurements)}
    terminal.give(
        {
            "operation": operation.name,
            "version": __version__,
            "parameters": operation.values(),
            "seconds": round(result.seconds, 4),
            "warnings": terminal.warnings,
            "outputs": outputs,
            "measurements": {role: rows_of(table) for role, table in tables.items()},
            "columns": {role: columns_of(table) for role, table in tables.items()},
            "provenance": result.record,
        }
    )
    for role, table in tables.items():
        if role not in outputs:
            terminal.say(table_text(columns_of(table), rows_of(table)))
    for role, path in outputs.items():
        terminal.note(f"{role}: {path}")
    return 0


def tell_plan(operation: Operation, inputs: Mapping[str, Sequence[str]], terminal: Terminal) -> int:
    """Say what the run will need; the files are read, nothing is computed or written."""
    with terminal.working(operation.title) as progress:
        values = read(type(operation), inputs, progress)
        frames = [value for value in values.values() if isinstance(value, Frames)]
        planned = plan(operation, values)
    data: dict[str, Any] = {"operation": operation.name, "parameters": operation.values()}
    data["plan"] = planned.as_data()
    if frames:
        data["frames"] = len(frames[0])
    terminal.give(data)
    terminal.say((f"{len(frames[0])} frames: " if frames else "") + planned.text())
    if planned.problem:
        terminal.say(planned.problem)
    return 0


def built(kind: type[Operation], preset: str | None, texts: Mapping[str, str]) -> Operation:
    """The operation from preset and settings; `ParameterError` names the parameters there are."""
    values = dict(kind.preset(preset).values()) if preset is not None else {}
    parameters = {parameter.name: parameter for parameter in kind.parameters()}
    for name, text in texts.items():
        values[name] = parameters[name].parse(text, kind.name) if name in parameters else text
    return kind.from_parameters(values)


def only(roles: Sequence[Role]) -> str | None:
    """The role that a file without `ROLE=` is for: the only one, or the only one that must be given."""
    if len(roles) == 1:
        return roles[0].name
    required = [role.name for role in roles if role.required]
    return required[0] if len(required) == 1 else None


def check_inputs(kind: type[Operation], inputs: Mapping[str, Sequence[str]]) -> None:
    """Say what is missing before anything is read."""
    for role in kind.inputs():
        if role.required and role.name not in inputs:
            raise UsageError(f"{kind.name} needs --in {role.name}=FILE ({role.kind}).", role=role.name)
        if not role.many and len(inputs.get(role.name, ())) > 1:
            raise UsageError(
                f"--in {role.name} is given {len(inputs[role.name])} times; it takes one file.", role=role.name
            )


def check_outputs(
    kind: type[Operation],
    made: Sequence[Role],
    inputs: Mapping[str, Sequence[str]],
    outputs: Mapping[str, str],
    page: str | None = None,
) -> None:
    """Refuse before the work what could not be written after it, and what would overwrite an input."""
    roles = {role.name: role for role in made}
    if not outputs and not page and not any(role.kind == "table" for role in roles.values()):
        names = ", ".join(f"{role.name} ({role.kind})" for role in roles.values())
        raise UsageError(f"{kind.name}: nothing would be kept; give --out ROLE=FILE for one of {names}.")
    sources = [split_part(path)[0] for paths in inputs.values() for path in paths]
    if page:
        check_page(Path(page), sources)
    seen: dict[str, str] = {}
    for name, path in outputs.items():
        check_output(Path(path), roles[name].kind, sources)
        folded = os.path.normcase(os.path.realpath(path)).casefold()
        if folded in seen:
            raise UsageError(f"--out {name} and --out {seen[folded]} are the same file {path}.", role=name)
        seen[folded] = name


def check_endings(operation: Operation, values: Mapping[str, Any], outputs: Mapping[str, str]) -> None:
    """Refuse before the work what cannot be written once it is known which results have several frames."""
    several = framewise.several_roles(operation, values)
    for role in operation.outputs():
        if role.name in outputs:
            files.check_ending(Path(outputs[role.name]), role.kind, role.name in several)


def check_page(path: Path, sources: Sequence[Path]) -> None:
    """Raise `FileError` when a page cannot be written there."""
    if ending(path) not in (".html", ".htm"):
        raise FileError(f"{path}: a page is written as .html.", path=path)
    check_place(path, sources)


def check_output(path: Path, kind: str, sources: Sequence[Path]) -> None:
    """Raise `FileError` when a value of this kind cannot be written there."""
    if not (ending(path) == DICOM and kind in DICOM_KINDS):
        files.check_ending(path, kind)
    check_place(path, sources)


def check_place(path: Path, sources: Sequence[Path]) -> None:
    """Raise `FileError` when nothing can be written there."""
    if os.path.isdir(path):
        raise FileError(
            f"{path} is a folder; give the name of a file, or of a new folder for results of several frames.", path=path
        )
    if not os.path.isdir(path.parent):
        raise FileError(f"{path}: the folder {path.parent} does not exist.", path=path)
    check_name(path)
    if not os.access(path.parent, os.W_OK):
        raise FileError(f"{path}: the folder {path.parent} cannot be written to.", path=path)
    for source in sources:
        if path.exists() and os.path.samefile(path, source):
            raise FileError(f"{path} is an input; the output must have another name.", path=path)


def read(kind: type[Operation], inputs: Mapping[str, Sequence[str]], progress: Progress) -> dict[str, Any]:
    """The values by role."""
    values: dict[str, Any] = {}
    for role in kind.inputs():
        if role.name in inputs:
            found = [files.read(path, role.kind, progress) for path in inputs[role.name]]
            values[role.name] = found if role.many else found[0]
    return values


def write(
    kind: type[Operation],
    made: Sequence[Role],
    values: Mapping[str, Any],
    outputs: Mapping[str, str],
    progress: Progress,
    objects: Sequence[str] = (),
    as_dicom: Callable[[Mapping[str, Path]], None] = lambda targets: None,
) -> None:
    """Write all outputs beside their places and rename them together at the end; `as_dicom` writes the `objects`."""
    kinds = {role.name: role.kind for role in made}
    with ExitStack() as stack:
        beside: dict[str, Path] = {}
        for role, path in outputs.items():
            if values.get(role) is None:
                raise FileError(f"{kind.name} gave no {role}; there is nothing to write to {path}.", path=path)
            place = Path(path).absolute()
            beside[role] = place.parent / staging_name() / place.name
            stack.callback(remove, beside[role].parent)
            if role not in objects:
                progress.report(0.95, f"Writing {place.name}")
                with named_after(beside[role], Path(path)):
                    files.write(values[role], beside[role], kinds[role])
        if objects:
            with ExitStack() as names:
                for role in objects:
                    names.enter_context(named_after(beside[role], Path(outputs[role])))
                as_dicom({role: beside[role] for role in objects})
        moves: list[tuple[Path, Path]] = []
        for file in beside.values():
            # The named file last: a header comes after the data file it names.
            written = sorted(file.parent.iterdir(), key=lambda entry, named=file: entry == named)  # type: ignore[misc]
            moves += [(entry, file.parent.parent / entry.name) for entry in written]
        progress.check()
        for source, target in moves:
            try:
                os.replace(source, target)
            except OSError as error:
                raise FileError(f"{target} cannot be written: {error.strerror or error}.", path=target) from None
