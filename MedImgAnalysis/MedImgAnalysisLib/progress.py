"""How a long run reports and how it is stopped.

An operation gets a `Progress`, calls `report` at least twice a second where its back end can, and
lets `Cancelled` pass through. The object is thread-safe: a panel cancels from the main thread while
the operation works in another.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import SimpleITK as sitk

from .errors import Cancelled

T = TypeVar("T")

PATIENCE = 0.1
"""Seconds between two looks at the wish to stop."""

logger = logging.getLogger("MedImgAnalysis")


class Progress:
    """Reports a fraction from 0 to 1, texts and warnings; carries the wish to stop.

    Parameters
    ----------
    on_progress
        Called with (fraction, message) from the working thread.
    on_warning
        Called with a sentence from the working thread. Default: the `MedImgAnalysis` logger.
    """

    def __init__(
        self,
        on_progress: Callable[[float, str], None] | None = None,
        on_warning: Callable[[str], None] | None = None,
    ) -> None:
        self._on_progress = on_progress
        self._on_warning = on_warning or logger.warning
        self._stop = threading.Event()

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked to stop."""
        return self._stop.is_set()

    def cancel(self) -> None:
        """Ask the run to stop; it raises `Cancelled` within half a second."""
        self._stop.set()

    def check(self) -> None:
        """Raise `Cancelled` if somebody asked to stop."""
        if self.cancelled:
            raise Cancelled()

    def report(self, fraction: float, message: str = "") -> None:
        """Say how far the run is (0 to 1), and stop here if asked to."""
        self.check()
        if self._on_progress is not None:
            self._on_progress(min(max(float(fraction), 0.0), 1.0), message)

    def warn(self, sentence: str) -> None:
        """Say something the user must know about the result; it is kept in the provenance record."""
        self._on_warning(sentence)

    def part(self, start: float, stop: float, name: str = "") -> Progress:
        """A `Progress` whose 0 to 1 is `start` to `stop` of this one; its warnings begin with `name`, if given."""
        return _Part(self, start, stop, name)


class _Part(Progress):
    def __init__(self, whole: Progress, start: float, stop: float, name: str = "") -> None:
        super().__init__(on_warning=(lambda sentence: whole.warn(f"{name}: {sentence}")) if name else whole.warn)
        self._whole, self._start, self._span = whole, start, stop - start

    @property
    def cancelled(self) -> bool:
        return self._whole.cancelled

    def cancel(self) -> None:
        self._whole.cancel()

    def report(self, fraction: float, message: str = "") -> None:
        self._whole.report(self._start + self._span * min(max(float(fraction), 0.0), 1.0), message)


class Recorder(_Part):
    """Passes everything on to `whole` and keeps each warning once, in `warnings`."""

    def __init__(self, whole: Progress) -> None:
        super().__init__(whole, 0.0, 1.0)
        self.warnings: list[str] = []

    def warn(self, sentence: str) -> None:
        if sentence not in self.warnings:
            self.warnings.append(sentence)
            self._whole.warn(sentence)


class Quiet(Progress):
    """Stops when `whole` does, reports and warns nothing: for a short step within another one."""

    def __init__(self, whole: Progress) -> None:
        super().__init__(on_warning=lambda sentence: None)
        self._whole = whole

    @property
    def cancelled(self) -> bool:
        return self._whole.cancelled

    def cancel(self) -> None:
        self._whole.cancel()


SILENT = Progress()
"""Reports nothing and never stops: the default of every operation."""


class Watch(sitk.Command):
    """Calls a function at the events of a SimpleITK process; an exception in it ends the process.

    SimpleITK prints the traceback of what a plain function raises and turns it into a RuntimeError without a
    reason. Here it is silent, and `check` raises what was raised.
    """

    def __init__(self, function: Callable[[], None]) -> None:
        super().__init__()
        self._function = function
        self._error: BaseException | None = None

    def Execute(self) -> None:
        """Called by SimpleITK."""
        try:
            self._function()
        except BaseException as error:
            self._error = error
            raise

    def check(self) -> None:
        """Raise what ended the process, if it was the function."""
        if self._error is not None:
            raise self._error


def run_filter(filter_: Any, *images: sitk.Image, progress: Progress = SILENT, message: str = "") -> Any:
    """Execute a SimpleITK filter with progress and cancel.

    Filters raise after `Abort`; registration methods ignore it and need their own flag, see
    `registration`. Filters that send no progress events (N4, connected components) must be run in
    steps or blocks instead.
    """
    progress.check()

    def on_event() -> None:
        if progress.cancelled:
            filter_.Abort()
        else:
            progress.report(filter_.GetProgress(), message)

    watch = Watch(on_event)
    filter_.AddCommand(sitk.sitkProgressEvent, watch)
    try:
        result = filter_.Execute(*images)
    except RuntimeError:
        progress.check()
        watch.check()
        raise
    finally:
        filter_.RemoveAllCommands()
    progress.check()
    return result


def waited(function: Callable[..., T], *arguments: Any, progress: Progress) -> T:
    """The result of a call that cannot be stopped; a stop leaves it to end by itself and raises at once."""
    progress.check()
    box: list[Any] = []

    def work() -> None:
        try:
            box.append((function(*arguments), None))
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            box.append((None, error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(PATIENCE)
        progress.check()
    result, error = box[0]
    if error is not None:
        raise error
    return result
