"""A real browser without a screen: what it makes of a page, what it complains about, and what it wants to load."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--window-size=1400,1000",
)
ITS_OWN = re.compile(r"^https?://([\w-]+\.)*(google|gvt1|googleapis)\.com/")
"""What the browser asks for by itself."""


def browser() -> str:
    """The program; the test is skipped where there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no chromium on this computer")
    return found


@dataclass(frozen=True)
class Seen:
    """The page after its script has run, what the console says, and the addresses that were asked for."""

    text: str
    console: list[str]
    network: list[str]

    @property
    def shown(self) -> list[str]:
        """The cases whose rows are on the screen, in order."""
        rows = re.findall(r'<tr data-state="[^"]*"(?: class="([^"]*)")?><td class="first" title="([^"]*)"', self.text)
        return [unescape(name) for classes, name in rows if not {"away", "later"} & set(classes.split())]

    def of(self, identity: str) -> str:
        """The text of an element that has no others in it."""
        found = re.search(rf'id="{identity}"[^>]*>([^<]*)<', self.text)
        assert found is not None, identity
        return unescape(found.group(1))


def look(page: Path, view: str = "", milliseconds: int = 4000) -> Seen:
    """Open a page with `#view` and give what is there then."""
    with tempfile.TemporaryDirectory(prefix="browser-") as folder:
        log = Path(folder) / "network.json"
        done = subprocess.run(
            [
                browser(),
                *OPTIONS,
                f"--user-data-dir={folder}/profile",
                f"--log-net-log={log}",
                "--enable-logging=stderr",
                f"--virtual-time-budget={milliseconds}",
                "--dump-dom",
                page.absolute().as_uri() + (f"#{view}" if view else ""),
            ],
            capture_output=True,
            text=True,
            timeout=120,
        )
        requests = _requests(log)
    console = [line for line in done.stderr.splitlines() if ":CONSOLE" in line or "Content Security Policy" in line]
    return Seen(done.stdout, console, requests)


def _requests(log: Path) -> list[str]:
    """The addresses of requests that left the page, from the log of the browser's network."""
    try:
        events = json.loads(log.read_text(encoding="utf-8"))["events"]
    except ValueError:  # the browser ended while writing; every event is on its own line
        lines = (line.rstrip(",") for line in log.read_text(encoding="utf-8").splitlines())
        events = [json.loads(line) for line in lines if line.startswith('{"') and line.endswith("}")]
    found = [str(event.get("params", {}).get("url", "")) for event in events]
    outside = (address for address in found if address.startswith(("http:", "https:", "ws:", "wss:")))
    return sorted({address for address in outside if not ITS_OWN.match(address)})


def with_script(text: str, script: str, more: str) -> str:
    """The page with another script behind its own, allowed by its hash as the own one is."""
    policy = "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    other = "sha256-" + base64.b64encode(hashlib.sha256((script + more).encode()).digest()).decode()
    assert policy in text and script in text
    return text.replace(policy, other).replace(script, script + more)


def without_scripts(text: str) -> str:
    """The page as a browser shows it that runs no scripts: headless, chromium itself needs them to answer."""
    found, count = re.subn(r"script-src [^;]*;", "script-src &#x27;none&#x27;;", text, count=1)
    assert count == 1
    return found


def printed(page: Path, target: Path) -> str:
    """The words of the page on paper; a PDF in `target`. Skipped where pdftotext is missing."""
    if shutil.which("pdftotext") is None:
        pytest.skip("no pdftotext on this computer")
    with tempfile.TemporaryDirectory(prefix="browser-") as folder:
        subprocess.run(
            [
                browser(),
                *OPTIONS,
                f"--user-data-dir={folder}/profile",
                "--no-pdf-header-footer",
                f"--print-to-pdf={target}",
                page.absolute().as_uri(),
            ],
            capture_output=True,
            timeout=120,
            check=True,
        )
    return subprocess.run(["pdftotext", "-layout", str(target), "-"], capture_output=True, text=True, check=True).stdout
