"""The errors that MedImgAnalysis raises.

Every message says what is wrong and what would be right, in one line. The attributes carry the
data that a caller acts on (which field, which file), so no caller has to parse a message.
"""

from __future__ import annotations

from typing import Any


class MedImgError(Exception):
    """Base of all errors that are the answer to a request rather than a bug."""

    def __init__(self, message: str, **data: Any) -> None:
        super().__init__(" ".join(message.split()))
        self.data = {key: value for key, value in data.items() if value is not None}

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["data"][name]
        except KeyError:
            raise AttributeError(name) from None

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep `data` when the error crosses a process boundary."""
        return _rebuild, (type(self), str(self), self.data)

    def as_json(self) -> dict[str, Any]:
        """`{"kind": ..., "message": ..., <data>}` with values that `json` accepts."""
        plain = (str, int, float, bool, list, dict)
        data = {key: value if isinstance(value, plain) else str(value) for key, value in self.data.items()}
        return {"kind": type(self).__name__, "message": str(self), **data}


def _rebuild(kind: type[MedImgError], message: str, data: dict[str, Any]) -> MedImgError:
    return kind(message, **data)


class ParameterError(MedImgError, ValueError):
    """A parameter has a value outside its range. Data: `operation`, `field`, `value`."""


class RecipeError(MedImgError, ValueError):
    """A recipe cannot be run as it is written. Data: `step`."""


class InputError(MedImgError, ValueError):
    """An input cannot be used for this operation. Data: `role`."""


class GeometryError(InputError):
    """Grids or coordinate systems do not fit each other."""


class EmptyResultError(InputError):
    """The inputs were fine and nothing was found in them: an answer, but no segment. Data: `segments`, how many."""


class FileError(InputError):
    """A file cannot be read or written. Data: `path`."""


class MissingPackageError(MedImgError, ImportError):
    """An optional package is not installed. Data: `package`."""


class Cancelled(MedImgError):
    """The user asked to stop; nothing was changed."""

    def __init__(self, message: str = "Cancelled; nothing was changed.", **data: Any) -> None:
        super().__init__(message, **data)
