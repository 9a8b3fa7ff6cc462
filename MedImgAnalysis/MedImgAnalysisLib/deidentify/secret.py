"""Names, UIDs and shifts of dates that follow from a secret: the same in every file, unknown without the secret."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from ..errors import FileError

SHORTEST = 16
SHORTEST_SHIFT, LONGEST_SHIFT = 30, 3650
MAX_BYTES = 1 << 16


@dataclass(frozen=True)
class Secret:
    """Whoever has it can compute the new names from the old ones, so it is kept apart from the results."""

    key: bytes

    @classmethod
    def new(cls) -> Secret:
        """A random one, which nobody can use again: the names differ from run to run."""
        return cls(secrets.token_bytes(32))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Secret:
        """The content of a file. Raises `FileError` when it cannot be read or is shorter than 16 bytes."""
        place = Path(path)
        try:
            with open(place, "rb") as stream:
                key = stream.read(MAX_BYTES + 1).strip()
        except OSError as error:
            raise FileError(f"{place}: the secret cannot be read: {error.strerror or error}.", path=place) from None
        if not SHORTEST <= len(key) <= MAX_BYTES:
            raise FileError(
                f"{place}: the secret has {len(key)} bytes; it needs {SHORTEST} to {MAX_BYTES}, and should be random, "
                "as from: openssl rand -hex 32.",
                path=place,
            )
        return cls(key)

    def patient(self, identity: str) -> str:
        """The new id of a patient: `P` and ten letters and digits."""
        return "P" + base64.b32encode(self._digest("patient", identity)).decode()[:10]

    def days(self, identity: str) -> int:
        """By how many days the dates of a patient move: 30 to 3650 into the past."""
        more = int.from_bytes(self._digest("days", identity)[:8], "big") % (LONGEST_SHIFT - SHORTEST_SHIFT + 1)
        return -SHORTEST_SHIFT - more

    def uid(self, old: str) -> str:
        """The new UID for an old one, under 2.25."""
        number = bytearray(self._digest("uid", old)[:16])
        number[6] = number[6] & 0x0F | 0x80
        number[8] = number[8] & 0x3F | 0x80
        return f"2.25.{int.from_bytes(number, 'big')}"

    def name(self, uid: str) -> str:
        """A file name for a new UID: the same for the same instance, whatever the old file was called."""
        return hashlib.sha256(uid.encode()).hexdigest()[:16]

    def _digest(self, purpose: str, text: str) -> bytes:
        return hmac.new(self.key, f"{purpose}\0{text}".encode(), hashlib.sha256).digest()
