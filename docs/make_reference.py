"""Make docs/operations.md from the catalog.

python docs/make_reference.py            # write the page
python docs/make_reference.py --check    # exit status 1 when it is not current
"""

from __future__ import annotations

import sys
from pathlib import Path

from MedImgAnalysisLib.catalog import OPERATIONS, PACKAGES
from MedImgAnalysisLib.docstrings import body
from MedImgAnalysisLib.operation import Operation, Role
from MedImgAnalysisLib.parameters import Parameter

PAGE = Path(__file__).resolve().parent / "operations.md"
HEAD = """# Operations

Made from the catalog by `python docs/make_reference.py`; do not edit. The same text is shown by
`medimg describe NAME` and in the panels. Lengths are millimetres, angles degrees, volumes millilitres.
"""


def page() -> str:
    """The text of the page."""
    parts = [HEAD, "| operation | title | module | what it does |\n| --- | --- | --- | --- |"]
    for package, operations in PACKAGES.items():
        for operation in operations:
            what = cell(operation.describe()["summary"])
            parts[-1] += f"\n| [`{operation.name}`](#{operation.name}) | {operation.title} | {package} | {what} |"
    return "\n\n".join([parts[0].rstrip(), parts[1], *(section(operation) for operation in OPERATIONS.values())]) + "\n"


def section(operation: type[Operation]) -> str:
    """The chapter of one operation."""
    repeats = "Repeats give the same bits." if operation().exact else "Repeats may differ."
    if operation.tolerance:
        repeats = (
            f"With the default parameters: {repeats.lower()} Otherwise, the relative difference that verifying "
            f"allows is {operation.tolerance:g}."
        )
    lines = [
        f"## {operation.name}",
        f"*{operation.title}*, group {operation.group}, revision {operation.revision}.",
        body(operation.__doc__),
        roles("Inputs", operation.inputs()),
    ]
    if operation.parameters():
        lines.append(parameters(operation.parameters()))
    lines.append(roles("Outputs", operation.outputs()))
    if operation.presets:
        presets = [
            f"* {name}: {', '.join(f'`{key}` = {shown(value)}' for key, value in values.items())}"
            for name, values in operation.presets.items()
        ]
        lines.append("**Presets**\n\n" + "\n".join(presets))
    lines.append(repeats)
    return "\n\n".join(lines)


def roles(title: str, entries: tuple[Role, ...]) -> str:
    """A table of inputs or outputs."""
    rows = [
        f"| `{r.name}` | {r.kind}{', several' if r.many else ''}{'' if r.required else ', optional'} "
        f"| {cell(r.description)} |"
        for r in entries
    ]
    return f"**{title}**\n\n| role | kind | |\n| --- | --- | --- |\n" + "\n".join(rows)


def parameters(entries: tuple[Parameter, ...]) -> str:
    """A table of parameters."""
    rows = [f"| `{p.name}` | {shown(p.default)} | {cell(p.range_text)} | {cell(p.description)} |" for p in entries]
    return "**Parameters**\n\n| name | default | allowed | |\n| --- | --- | --- | --- |\n" + "\n".join(rows)


def shown(value: object) -> str:
    """A value as one writes it on the command line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, list)):
        return ",".join(shown(item) for item in value)
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def cell(text: str) -> str:
    """Text that cannot end the cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def main(arguments: list[str]) -> int:
    """Write or check the page."""
    if "--check" in arguments:
        current = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page()
        print(f"{PAGE.name} is {'current' if current else 'not current: run python docs/make_reference.py'}")
        return 0 if current else 1
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
    print(PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
