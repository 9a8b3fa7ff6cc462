"""Work in a thread while the application stays usable; everything the user sees happens on the main thread.

The thread never touches the scene or a widget. It puts messages into a queue, and a timer of the main
thread takes them out.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any

import qt

from ..errors import Cancelled
from ..progress import Progress

PERIOD_MS = 5
YIELD_SECONDS = 0.01


class Runner:
    """Runs one function at a time.

    Parameters
    ----------
    on_progress
        Called with (fraction, message).
    on_warning
        Called with a sentence.
    on_end
        Called once with (result, None) or (None, error) when the function has ended.

    All three are called on the main thread.
    """

    def __init__(
        self,
        on_progress: Callable[[float, str], None],
        on_warning: Callable[[str], None],
        on_end: Callable[[Any, BaseException | None], None],
    ) -> None:
        self._on_progress, self._on_warning, self._on_end = on_progress, on_warning, on_end
        self._messages: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._progress: Progress | None = None
        self._timer = qt.QTimer()
        self._timer.interval = PERIOD_MS
        self._timer.connect("timeout()", self._drain)

    @property
    def running(self) -> bool:
        """Whether a function has been started whose end has not been told yet."""
        return self._thread is not None

    def start(self, function: Callable[[Progress], Any]) -> None:
        """Call `function(progress)` in a thread."""
        if self._thread is not None:
            raise RuntimeError("a run is going on")
        messages: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        progress = Progress(
            lambda fraction, message: messages.put(("progress", (fraction, message))),
            lambda sentence: messages.put(("warning", sentence)),
        )

        def work() -> None:
            try:
                messages.put(("result", function(progress)))
            except BaseException as error:  # noqa: BLE001  any error has to reach the main thread
                messages.put(("error", error))

        self._messages, self._progress = messages, progress
        self._thread = threading.Thread(target=work, name="MedImgAnalysis", daemon=True)
        self._thread.start()
        self._timer.start()

    def cancel(self) -> None:
        """Ask the function to stop; `on_end` comes when it has."""
        if self._progress is not None:
            self._progress.cancel()

    def stop(self, seconds: float = 1.0) -> None:
        """Ask the function to stop, wait for it a little and tell nobody of its end."""
        thread, self._thread = self._thread, None
        self.cancel()
        self._timer.stop()
        if thread is not None:
            thread.join(seconds)

    def _drain(self) -> None:
        # Qt holds the interpreter lock while it waits for events, so the thread gets to run Python only here.
        time.sleep(YIELD_SECONDS)
        latest: tuple[float, str] | None = None
        while self._thread is not None:
            try:
                kind, content = self._messages.get_nowait()
            except queue.Empty:
                break
            if kind == "progress":
                latest = content
            elif kind == "warning":
                self._on_warning(content)
            else:
                self._finish(kind, content)
                return
        if latest is not None and self._thread is not None:
            self._on_progress(*latest)

    def _finish(self, kind: str, content: Any) -> None:
        cancelled = self._progress is not None and self._progress.cancelled
        self._timer.stop()
        self._thread = self._progress = None
        if kind == "error":
            self._on_end(None, content)
        elif cancelled:
            self._on_end(None, Cancelled())
        else:
            self._on_end(content, None)
