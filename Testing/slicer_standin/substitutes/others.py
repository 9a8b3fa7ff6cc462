"""slicer.i18n, slicer.cli, slicer.testing, slicer.packaging."""

from __future__ import annotations

from ..record import RECORD
from ..toolkit import NotModelled


def tr(text: str) -> str:
    return text


def translate(context: str, text: str) -> str:
    return text


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


I18N = {"tr": tr, "translate": translate}
CLI = {"run": run, "runSync": runSync}
TESTING = {"exitSuccess": exitSuccess, "exitFailure": exitFailure}
PACKAGING = {"pip_ensure": pip_ensure}
