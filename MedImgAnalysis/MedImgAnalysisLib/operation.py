"""The one base class from which everything else is derived.

An operation is a frozen dataclass: its fields are the parameters, its `run` does the work on plain
values. Roles (inputs and outputs) are read from the signature of `run` and nothing else:

    def run(self, image: Image, mask: Mask | None = None, *, progress: Progress = SILENT) -> Image

Several outputs are a `NamedTuple`; a single one is named by its kind (`image`, `labels`, `table`...).
`run` is pure: same inputs and parameters, same result; no globals, no files, no scene.
"""

from __future__ import annotations

import collections.abc
import copy
import dataclasses
import inspect
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, TypeVar

from .docstrings import body, inherited, summary
from .errors import ParameterError
from .frames import Frames
from .geometry import Grid
from .parameters import Parameter, parameters_of, title_of
from .progress import SILENT, Progress
from .values import Kind

Same = TypeVar("Same", bound="Operation")


@dataclass(frozen=True)
class Role:
    """An input or output.

    `kind` is image, mask, labels, transform, landmarks, table, curves, surface, or frames (all images of a 4-D
    one at once). An input of another kind can be given frames of it; the operation then runs on each. `several` says
    that the value is always frames, as it is for an output that is annotated `TransformFrames`.
    """

    name: str
    kind: str
    required: bool = True
    many: bool = False
    description: str = ""
    several: bool = False

    @property
    def title(self) -> str:
        """What people read."""
        return title_of(self.name)


class Operation:
    """Base of all operations. Subclasses are `@dataclass(frozen=True)` and define `run`.

    Class attributes
    ----------------
    name
        Stable word that scenes, recipes and the command line use.
    title, group
        What people read.
    revision
        Raised when the same inputs and parameters give another result than before.
    memory_factor
        Peak extra bytes per input byte (of the float32 image), for planning a run.
    memory_bytes
        Peak extra bytes besides, whatever the size of the image.
    measuring_factor
        The same factor for `whole`.
    deterministic, tolerance
        Whether a repeated run gives the same bits; else the relative difference that verifying allows.
        `exact` answers for given parameters.
    vector
        Whether images with several components are filtered component by component.
    finite_only
        Whether NaN and infinite voxels are refused (they spread or have no rank in most filters).
    squares
        Whether values are squared on the way, so that magnitudes beyond 1e17, or all below 1e-17, are refused.
    presets
        Named parameter sets, each a mapping from field to value.
    keeps
        Output image role to the input image role whose quantity it still shows (unit, window and level).
    keeps_grid
        Whether images that come out are on the grid of the first image; False where changing it is the purpose.
    works_in_mask
        Whether only the box of the mask and the halo around it are worked on.
    measured_by
        Names of the parameters that the numbers of `whole` depend on.
    why_whole
        Clause that says what of the whole image a result voxel depends on, where there is no halo.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    group: ClassVar[str]
    revision: ClassVar[int] = 1
    memory_factor: ClassVar[float] = 4.0
    memory_bytes: ClassVar[float] = 0.0
    measuring_factor: ClassVar[float] = 0.0
    deterministic: ClassVar[bool] = True
    tolerance: ClassVar[float] = 0.0
    vector: ClassVar[bool] = False
    finite_only: ClassVar[bool] = True
    squares: ClassVar[bool] = False
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    keeps: ClassVar[Mapping[str, str]] = {}
    keeps_grid: ClassVar[bool] = True
    works_in_mask: ClassVar[bool] = False
    measured_by: ClassVar[tuple[str, ...]] = ()
    why_whole: ClassVar[str] = ""
    known: ClassVar[Any] = None
    core: ClassVar[tuple[int, int, int] | None] = None

    run: ClassVar[Any]

    def __post_init__(self) -> None:
        for parameter in self.parameters():
            value = parameter.coerce(getattr(self, parameter.name), self.name)
            object.__setattr__(self, parameter.name, value)
        self.check()

    def check(self) -> None:
        """Refuse combinations of parameters that make no sense, with `ParameterError`."""

    @property
    def exact(self) -> bool:
        """Whether a repeated run with these parameters gives the same bits."""
        return self.deterministic

    def halo(self, grid: Grid) -> tuple[int, ...] | None:
        """Voxels along (i, j, k) around a voxel on which its result can depend, apart from the numbers of `whole`.

        None when it depends on more than that.
        """
        return None

    def whole(self, inputs: Mapping[str, Any], progress: Progress = SILENT) -> Any:
        """The numbers of the whole image that the result depends on besides the neighbourhood; None without any.

        `inputs` are as `run` gets them. A local operation that is told its numbers (`knowing`) gives on a part of the
        image what it gives there on the whole one.
        """
        return None

    def growth(self, grids: Sequence[Grid]) -> float:
        """Voxels of the result for each voxel of the first image; `grids` are those of all images."""
        return 1.0

    def moves_only(self) -> bool:
        """Whether an image that comes out with a transform has the values of the input, elsewhere."""
        return True

    def effort(self, grid: Grid) -> float:
        """How much more work a voxel of `grid` is than with the defaults in voxels of 1 mm, roughly."""
        return 1.0

    def knowing(self: Same, numbers: Any, core: tuple[int, int, int] | None = None) -> Same:
        """This operation with the numbers of `whole`, which `run` then takes as they are.

        `core` is an axis (0 is i) and the range of voxels along it that are wanted; the others may stay as they are.
        """
        told = copy.copy(self)
        object.__setattr__(told, "known", numbers)
        object.__setattr__(told, "core", core)
        return told

    @classmethod
    @cache
    def parameters(cls) -> tuple[Parameter, ...]:
        """The parameters in the order of the fields."""
        return parameters_of(cls)

    @classmethod
    @cache
    def inputs(cls) -> tuple[Role, ...]:
        """The input roles in the order of the signature of `run`."""
        hints = typing.get_type_hints(cls.run, include_extras=True)
        texts = inherited(cls, "Inputs")
        return tuple(
            _role(name, hints[name], argument.default is inspect.Parameter.empty, texts.get(name, ""))
            for name, argument in inspect.signature(cls.run).parameters.items()
            if name not in ("self", "progress")
        )

    @classmethod
    @cache
    def outputs(cls) -> tuple[Role, ...]:
        """The output roles: the fields of the returned `NamedTuple`, or one role named by its kind.

        A field that may be None is an output that is made only when a parameter asks for it.
        """
        hint = typing.get_type_hints(cls.run, include_extras=True)["return"]
        texts = inherited(cls, "Outputs")
        if isinstance(hint, type) and hasattr(hint, "_fields"):
            fields = typing.get_type_hints(hint, include_extras=True)
            return tuple(
                _role(name, fields[name], not _optional(fields[name]), texts.get(name, "")) for name in hint._fields
            )
        kind = _kind(hint)[0]
        return (_role(kind, hint, True, texts.get(kind, "")),)

    @classmethod
    def named(cls, result: Any) -> dict[str, Any]:
        """What `run` returned, by output role."""
        if isinstance(result, tuple) and hasattr(result, "_asdict"):
            return dict(result._asdict())
        return {cls.outputs()[0].name: result}

    @classmethod
    def from_parameters(cls, values: Mapping[str, Any]) -> Operation:
        """The operation with these parameters; unknown names raise `ParameterError`."""
        known = [parameter.name for parameter in cls.parameters()]
        for name in values:
            if name not in known:
                raise ParameterError(
                    f"{cls.name} has no parameter {name!r}; it has {', '.join(known) or 'none'}.",
                    operation=cls.name,
                    field=name,
                )
        return cls(**values)

    @classmethod
    def preset(cls, name: str) -> Operation:
        """The operation with the parameters of a preset."""
        if name not in cls.presets:
            raise ParameterError(
                f"{cls.name} has no preset {name!r}; it has {', '.join(cls.presets) or 'none'}.",
                operation=cls.name,
                field="preset",
                value=name,
            )
        return cls.from_parameters(cls.presets[name])

    def values(self) -> dict[str, Any]:
        """The parameters as JSON values."""
        plain = dataclasses.asdict(self)  # type: ignore[call-overload]
        return {name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()}

    @classmethod
    def describe(cls) -> dict[str, Any]:
        """All that a panel, a command line or a reader needs to know, as JSON values."""
        return {
            "name": cls.name,
            "title": cls.title,
            "group": cls.group,
            "revision": cls.revision,
            "summary": summary(cls.__doc__),
            "description": body(cls.__doc__),
            "inputs": [dataclasses.asdict(role) for role in cls.inputs()],
            "outputs": [dataclasses.asdict(role) for role in cls.outputs()],
            "parameters": cls.schema(),
            "presets": {k: dict(v) for k, v in cls.presets.items()},
            "deterministic": cls.deterministic,
            "memory_factor": cls.memory_factor,
        }

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """JSON schema of the parameters."""
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": cls.title,
            "type": "object",
            "properties": {p.name: p.schema() for p in cls.parameters()},
            "additionalProperties": False,
        }


def _role(name: str, hint: Any, required: bool, description: str) -> Role:
    kind, many = _kind(hint)
    return Role(name, kind, required, many, description, _several(hint))


def _optional(hint: Any) -> bool:
    """Whether None is allowed: an output that the operation makes only when a parameter asks for it."""
    return type(None) in typing.get_args(hint)


def _several(hint: Any) -> bool:
    """Whether a role annotation is `Frames`, of whatever kind."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return any(_several(part) for part in typing.get_args(hint))
    return (hint.__origin__ if typing.get_origin(hint) is typing.Annotated else hint) is Frames


def _kind(hint: Any) -> tuple[str, bool]:
    """Kind of a role annotation, and whether it is a sequence of them."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _kind(next(arg for arg in typing.get_args(hint) if arg is not type(None)))
    if origin is typing.Annotated:
        return next(extra.name for extra in hint.__metadata__ if isinstance(extra, Kind)), False
    if origin in (collections.abc.Sequence, list, tuple):
        return _kind(typing.get_args(hint)[0])[0], True
    return hint.kind, False
