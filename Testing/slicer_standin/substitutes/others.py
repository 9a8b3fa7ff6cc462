"""slicer.i18n, slicer.cli, slicer.testing, slicer.packaging."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

from ..record import RECORD
from ..toolkit import NotModelled


def translate(context: str, text: str) -> str:
    import slicer

    return slicer.app.translate(context, text)


def tr(text: str) -> str:
    return translate(getContext(sys._getframe(1).f_code.co_filename), text)


@cache
def getContext(sourceFile: str) -> str:
    path = Path(sourceFile)
    package = path.parent.name + "." if (path.parent / "__init__.py").is_file() else ""
    return package + path.stem


def run(
    module, node=None, parameters=None, wait_for_completion=False, delete_temporary_files=True, update_display=True
):
    raise NotModelled("command line modules do not run here")


def runSync(module, node=None, parameters=None, delete_temporary_files=True, update_display=True):
    raise NotModelled("command line modules do not run here")


def exitSuccess() -> None:
    """The test run goes on."""


def exitFailure(message: str = "") -> None:
    raise AssertionError(message)


def pip_ensure(requirements, *arguments, **keywords) -> None:
    """Recorded; what is asked for is taken to be there."""
    RECORD.messages.append(f"pip_ensure: {requirements}")


I18N = {"tr": tr, "translate": translate, "getContext": getContext}
CLI = {"run": run, "runSync": runSync}
TESTING = {"exitSuccess": exitSuccess, "exitFailure": exitFailure}
PACKAGING = {"pip_ensure": pip_ensure}
