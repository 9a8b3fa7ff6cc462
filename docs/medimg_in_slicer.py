"""Runs `medimg` inside the Slicer application and always ends it with the exit status of the command.

    Slicer --no-splash --no-main-window --python-script docs/medimg_in_slicer.py run recipe.json --in ...

Slicer goes on after a script that fails, and a batch would wait for it without end. Here every end is one: a result,
an error, a wrong request, Ctrl-C, a package that is missing. A dialog that something opens is closed and named on the
error stream, since nobody is there to answer it. The status is that of the command: 0 done, 1 some cases failed,
2 wrong request or a fault of the program, 130 cancelled.
"""

import os
import sys
import threading
import traceback

SECONDS_TO_LEAVE = 60
"""Slicer has so long to close its modules after the command; then the process ends at once, with the same status."""
LOOK_MILLISECONDS = 200


def run(words):
    """The exit status of a command, whatever happens in it."""
    try:
        from MedImgAnalysisLib.__main__ import main

        return int(main(words))
    except SystemExit as end:  # --help and --version end so
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 2
    except KeyboardInterrupt:
        say("medimg: Cancelled.")
        return 130
    except ImportError as error:
        say(f"medimg: {error}. Install the extension, or give its folder with --additional-module-paths.")
        return 2
    except BaseException:  # noqa: BLE001 - whatever it is, Slicer must end
        say(traceback.format_exc())
        return 2


def say(text):
    """Print to the error stream, if there is one."""
    try:
        print(text, file=sys.stderr, flush=True)
    except (OSError, ValueError, AttributeError):
        os.environ["MEDIMG_LAST_ERROR"] = text[:1000]


def refuse_dialogs():
    """Close every dialog that waits for an answer; the timer that does it, None where there is no Qt."""
    try:
        import qt
    except ImportError:
        return None

    def look():
        dialog = qt.QApplication.activeModalWidget()
        if dialog is not None:
            say(f"medimg: a dialog was closed: {dialog.windowTitle or type(dialog).__name__}")
            (dialog.reject if hasattr(dialog, "reject") else dialog.close)()

    timer = qt.QTimer()
    timer.setInterval(LOOK_MILLISECONDS)
    timer.connect("timeout()", look)
    timer.start()
    return timer


def leave(status):
    """End Slicer with this status; an output that nobody reads any more must not keep it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            # The interpreter would try once more at its end and give another status.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1 if stream is sys.stdout else 2)
    last = threading.Timer(SECONDS_TO_LEAVE, os._exit, [status])
    last.daemon = True
    last.start()
    sys.exit(status)


guard = refuse_dialogs()
leave(run(sys.argv[1:]))
