"""The parameters of an operation: unit, range, choices, a sentence; checked on construction.

A parameter is a dataclass field with an annotation such as
`Annotated[float, Quantity("mm", low=0.05, high=50.0)]`. Its sentence comes from the section
"Parameters" of the class docstring. Form, command line and JSON schema read `Parameter` only.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import re
import types
import typing
from dataclasses import dataclass
from typing import Any

from .docstrings import inherited
from .errors import ParameterError


@dataclass(frozen=True)
class Quantity:
    """A number with a unit and an inclusive range."""

    unit: str = ""
    low: float = -math.inf
    high: float = math.inf


@dataclass(frozen=True, init=False)
class Choice:
    """One of a few words. The title that people read is the word with spaces for underscores."""

    values: tuple[str, ...]

    def __init__(self, *values: str) -> None:
        object.__setattr__(self, "values", values)


SPELLED = {
    "tg132": "TG-132",
    "tre": "TRE",
    "roc": "ROC",
    "iou": "IoU",
    "ssim": "SSIM",
    "snr": "SNR",
    "roi": "ROI",
    "ivh": "IVH",
    "sd": "SD",
}


def title_of(name: str) -> str:
    """What people read for a name in scripts: `iou_thresholds` is `IoU thresholds`."""
    if name == "labels":
        return "Segmentation"
    first, *others = name.split("_")
    words = [SPELLED.get(first, first.capitalize()), *(SPELLED.get(word, word) for word in others)]
    return " ".join(words).replace("Bland altman", "Bland-Altman")


def unit_text(unit: str) -> str:
    """A unit as people read it: `mm2` is `mm\u00b2`, `intensity2 mm2` is `intensity\u00b2 mm\u00b2`."""
    return re.sub(r"(?<=[A-Za-z])[23](?![A-Za-z0-9])", lambda found: {"2": "\u00b2", "3": "\u00b3"}[found[0]], unit)


SHOWN = 120
"""Characters of a wrong value that a message shows."""

KINDS = {bool: "bool", int: "int", float: "float", str: "text"}


@dataclass(frozen=True)
class Parameter:
    """One field of an operation. `kind` is bool, int, float, text, choice or floats (a tuple of float)."""

    name: str
    kind: str
    default: Any
    quantity: Quantity
    choices: tuple[str, ...]
    description: str
    optional: bool

    @property
    def title(self) -> str:
        """What people read: the name without its unit, `sigma_mm` is `Sigma`."""
        words = self.name
        for suffix in ("_mm", "_mm2", "_mm3", "_ml", "_deg", "_degrees", "_percent", "_voxels"):
            words = words.removesuffix(suffix)
        return title_of(words)

    @property
    def unit(self) -> str:
        """The unit that goes behind the number."""
        return self.quantity.unit

    @property
    def range_text(self) -> str:
        """`0.05 to 50 mm`, `one of a, b` or an empty text."""
        if self.kind == "choice":
            return "one of " + ", ".join(self.choices)
        low, high = self.quantity.low, self.quantity.high
        unit = f" {self.unit}" if self.unit else ""
        if math.isinf(low) and math.isinf(high):
            return ""
        if math.isinf(high):
            return f"at least {low:g}{unit}"
        if math.isinf(low):
            return f"at most {high:g}{unit}"
        return f"{low:g} to {high:g}{unit}"

    def coerce(self, value: Any, operation: str) -> Any:
        """`value` in its type, or `ParameterError` that names field, value and what is allowed."""
        if value is None and self.optional:
            return None
        converted = self._convert(value)
        if converted is None or not self._in_range(converted):
            allowed = self.range_text or {
                "bool": "true or false",
                "int": "a whole number",
                "float": "a number",
                "floats": "numbers, separated by commas",
            }.get(self.kind, "a text")
            raise ParameterError(
                f"{operation}: {self.name} is {_shown(value)}; it must be {allowed}.",
                operation=operation,
                field=self.name,
                value=_shown(value),
            )
        return converted

    def _convert(self, value: Any) -> Any:
        if self.kind == "bool":
            return value if isinstance(value, bool) else None
        if self.kind in ("text", "choice"):
            return str(value) if isinstance(value, str) else None
        if self.kind == "floats":
            values = [value] if isinstance(value, (int, float)) else value
            if isinstance(values, str) or not hasattr(values, "__iter__"):
                return None
            numbers = [_number(v, float) for v in values]
            return None if None in numbers else tuple(numbers)
        return _number(value, int if self.kind == "int" else float)

    def _in_range(self, value: Any) -> bool:
        if self.kind == "choice":
            return value in self.choices
        if self.kind in ("int", "float"):
            return self.quantity.low <= value <= self.quantity.high
        if self.kind == "floats":
            return all(self.quantity.low <= v <= self.quantity.high for v in value)
        return True

    def parse(self, text: str, operation: str) -> Any:
        """The value that a command line or a cell of a table means."""
        word = text.strip()
        if self.optional and word.lower() in ("", "none", "null"):
            return None
        if self.kind == "bool" and word.lower() in ("true", "yes", "on", "1", "false", "no", "off", "0"):
            return word.lower() in ("true", "yes", "on", "1")
        if self.kind == "floats" and not word:
            return self.coerce((), operation)
        if self.kind in ("int", "float", "floats"):
            try:
                numbers = [float(part) for part in word.split(",")]
            except ValueError:
                return self.coerce(text, operation)
            return self.coerce(
                numbers if self.kind == "floats" else numbers[0] if len(numbers) == 1 else text, operation
            )
        return self.coerce(text, operation)

    def schema(self) -> dict[str, Any]:
        """JSON schema of the value."""
        types_ = {"bool": "boolean", "int": "integer", "float": "number", "text": "string", "choice": "string"}
        number: dict[str, Any] = {}
        if not math.isinf(self.quantity.low):
            number["minimum"] = self.quantity.low
        if not math.isinf(self.quantity.high):
            number["maximum"] = self.quantity.high
        default = list(self.default) if isinstance(self.default, tuple) else self.default
        schema: dict[str, Any] = {"title": self.title, "description": self.description, "default": default}
        if self.unit:
            schema["x-unit"] = self.unit
        if self.kind == "floats":
            schema |= {"type": "array", "items": {"type": "number", **number}}
        elif self.kind == "choice":
            schema |= {"type": "string", "enum": list(self.choices)}
        else:
            schema |= {"type": types_[self.kind], **number}
        if self.optional:
            schema["type"] = [schema["type"], "null"]
            if "enum" in schema:
                schema["enum"].append(None)
        return schema


def _number(value: Any, kind: type) -> Any:
    """`value` as a finite float or an exact int, None when it is not one."""
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    if not math.isfinite(number):
        return None
    if kind is float:
        return number
    return int(number) if number == int(number) else None


def _shown(value: Any) -> str:
    """The value for a message, which a page of text would not make clearer."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def parameters_of(cls: type) -> tuple[Parameter, ...]:
    """The parameters of an operation class in the order of its fields."""
    hints = _field_hints(cls)
    texts = inherited(cls, "Parameters")
    return tuple(_parameter(field, hints[field.name], texts.get(field.name, "")) for field in dataclasses.fields(cls))


def _field_hints(cls: type) -> dict[str, Any]:
    """The evaluated annotations of the dataclass fields alone.

    Class variables are left out, since Python 3.10 cannot evaluate a `ClassVar` without its type.
    """
    names = {field.name for field in dataclasses.fields(cls)}
    hints: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        own = {name: hint for name, hint in inspect.get_annotations(base).items() if name in names}
        fields = type("Fields", (), {"__annotations__": own, "__module__": base.__module__})
        hints |= typing.get_type_hints(fields, include_extras=True)
    return hints


def _parameter(field: dataclasses.Field[Any], hint: Any, description: str) -> Parameter:
    extras: list[Any] = []
    optional = False
    while True:
        if typing.get_origin(hint) is typing.Annotated:
            hint, *more = typing.get_args(hint)
            extras += more
        elif typing.get_origin(hint) in (typing.Union, types.UnionType):
            optional = True
            hint = next(arg for arg in typing.get_args(hint) if arg is not type(None))
        else:
            break
    quantity = next((e for e in extras if isinstance(e, Quantity)), Quantity())
    choice = next((e for e in extras if isinstance(e, Choice)), None)
    if choice is not None:
        kind = "choice"
    elif typing.get_origin(hint) is tuple:
        kind = "floats"
    elif hint in KINDS:
        kind = KINDS[hint]
    else:
        raise TypeError(f"{field.name}: {hint} is not a parameter type")
    return Parameter(field.name, kind, field.default, quantity, choice.values if choice else (), description, optional)
