"""`medimg operations`, `medimg describe` and `medimg recipe-schema`."""

from __future__ import annotations

import argparse
import textwrap
from typing import Any

from .. import __version__, catalog, recipe
from ..docstrings import summary
from ..errors import ParameterError
from ..files.paths import DEFAULT_ENDINGS
from ..operation import Operation, Role
from ..parameters import Parameter
from .arguments import common
from .terminal import Terminal, aligned


def add(parsers: Any) -> None:
    """Add the commands."""
    listing = parsers.add_parser(
        "operations", parents=[common()], help="list what there is", description="List the operations."
    )
    listing.add_argument("--group", metavar="G", help="only those of a group or package, such as Denoise or filtering")
    listing.set_defaults(call=operations)
    one = parsers.add_parser(
        "describe",
        parents=[common()],
        help="parameters, units, ranges and roles of an operation",
        description="Describe an operation: inputs, outputs, parameters and presets.",
    )
    one.add_argument("name", metavar="NAME")
    one.set_defaults(call=describe)
    schema = parsers.add_parser(
        "recipe-schema",
        parents=[common()],
        help="print the JSON schema of recipes",
        description="Print the JSON schema of recipe files.",
    )
    schema.set_defaults(call=recipe_schema)


def operations(options: argparse.Namespace, terminal: Terminal) -> int:
    """Print the operations by group."""
    known = [(package, operation) for package, members in catalog.PACKAGES.items() for operation in members]
    if options.group is not None:
        wanted = options.group.casefold()
        chosen = [(p, op) for p, op in known if wanted in (p.casefold(), op.group.casefold())]
        if not chosen:
            groups = ", ".join(dict.fromkeys(op.group for _, op in known))
            raise ParameterError(
                f"There is no group {options.group!r}; there are {groups}.", field="group", value=options.group
            )
        known = chosen
    terminal.give(
        {
            "version": __version__,
            "operations": [
                {
                    "name": op.name,
                    "title": op.title,
                    "group": op.group,
                    "package": package,
                    "summary": summary(op.__doc__),
                    "inputs": [_role_data(role) for role in op.inputs()],
                    "outputs": [_role_data(role) for role in op.outputs()],
                }
                for package, op in known
            ],
        }
    )
    for group in dict.fromkeys(op.group for _, op in known):
        terminal.say(group)
        terminal.say(aligned([[f"  {op.name}", summary(op.__doc__)] for _, op in known if op.group == group]))
    return 0


def _role_data(role: Role) -> dict[str, Any]:
    return {"name": role.name, "kind": role.kind, "required": role.required, "many": role.many}


def describe(options: argparse.Namespace, terminal: Terminal) -> int:
    """Print all there is to know about an operation."""
    operation = catalog.find(options.name)
    terminal.give({"version": __version__, **operation.describe()})
    terminal.say(f"{operation.title} ({operation.name}), {operation.group}\n")
    for paragraph in str(operation.describe()["description"]).split("\n\n"):
        terminal.say(textwrap.fill(" ".join(paragraph.split()), 100) + "\n")
    _section(terminal, "Inputs", [_role_row(role) for role in operation.inputs()])
    _section(terminal, "Parameters", [_parameter_row(parameter) for parameter in operation.parameters()])
    _section(
        terminal,
        "Presets",
        [[name, ", ".join(f"{k}={v}" for k, v in values.items())] for name, values in operation.presets.items()],
    )
    _section(terminal, "Outputs", [_role_row(role) for role in operation.outputs()])
    terminal.say("Example\n  " + _example(operation))
    return 0


def _section(terminal: Terminal, title: str, rows: list[list[str]]) -> None:
    if rows:
        terminal.say(title)
        terminal.say(aligned([[f"  {row[0]}", *row[1:]] for row in rows]) + "\n")


def _role_row(role: Role) -> list[str]:
    kind = f"{role.kind}, several" if role.many else role.kind
    return [role.name, kind if role.required else f"{kind}, optional", role.description]


def _parameter_row(parameter: Parameter) -> list[str]:
    default = "not set" if parameter.default is None else str(parameter.default)
    kind = {"bool": "true or false", "text": "text", "int": "whole number", "float": "number", "floats": "numbers"}
    return [
        parameter.name,
        f"default {default}",
        parameter.range_text or kind.get(parameter.kind, ""),
        parameter.description,
    ]


def _example(operation: type[Operation]) -> str:
    inputs = [
        f"--in {role.name}={role.name}{DEFAULT_ENDINGS[role.kind]}" for role in operation.inputs() if role.required
    ]
    outputs = [f"--out {role.name}=new-{role.name}{DEFAULT_ENDINGS[role.kind]}" for role in operation.outputs()[:2]]
    return " ".join(["medimg apply", operation.name, *inputs, *outputs])


def recipe_schema(options: argparse.Namespace, terminal: Terminal) -> int:
    """Print the schema; it is JSON with and without `--json`."""
    Terminal(json=True).give(recipe.schema())
    return 0
