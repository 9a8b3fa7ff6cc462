"""What Slicer's Python offers on each Qt, CTK and Slicer class, read from facts.json."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

EVERY_OBJECT = (
    "connect", "disconnect", "metaObject", "parent", "setParent", "children", "findChild", "findChildren",
    "setProperty", "property", "tr", "className", "inherits", "help", "delete",
)  # fmt: skip
KEYWORDS = ("exec", "print", "raise", "import", "del", "from")


class Member(NamedTuple):
    """A name on a class. `kind`: property, method, signal, key, enum, virtual or builtin; `owner`: its class."""

    kind: str
    owner: str
    data: object = None


def name_of(signature: str) -> str:
    """`clicked` from `clicked(bool)`."""
    return signature.removeprefix("static ").split("(")[0]


def normalized(signature: str) -> str:
    """What Qt makes of a signature that people write in connect()."""
    signature = signature.strip()
    if signature[:1].isdigit():
        signature = signature[1:]
    name, _, arguments = signature.partition("(")
    types = []
    for text in arguments.rsplit(")", 1)[0].split(",") if arguments.strip(") ") else ():
        text = text.strip()
        if text.startswith("const ") and text.endswith("&"):
            text = text[6:-1].strip()
        elif text.startswith("const ") and not text.endswith("*"):
            text = text[6:].strip()
        types.append(text.replace(" *", "*").replace(" >", ">").strip())
    return f"{name.strip()}({','.join(types)})"


class Facts:
    """Look-up in facts.json. Of classes outside the subset only the name is known (`is_named`)."""

    def __init__(self, path: Path) -> None:
        content = json.loads(path.read_text(encoding="utf-8"))
        self.slicer: dict[str, dict] = content["classes"]
        self.qt: dict[str, dict] = content["qt"]
        self.designer = set(content["designer"])
        self.python: dict[str, list[str]] = content["python"]
        self.named: dict[str, str] = content["named"]
        self.qt_named = set(content["qtNamed"])

    def entry(self, name: str | None) -> dict | None:
        return self.slicer.get(name) or self.qt.get(name)

    def known(self, name: str) -> bool:
        return self.entry(name) is not None

    def chain(self, name: str | None) -> list[tuple[str, dict]]:
        """The class and its bases, as (name, entry)."""
        found = []
        while (entry := self.entry(name)) is not None:
            found.append((name, entry))
            name = entry.get("b")
        return found

    def enums(self, name: str) -> dict[str, dict[str, int]]:
        """The enum types that the class itself declares."""
        declared = (self.entry(name) or {}).get("e", {})
        return {key: declared[value] if isinstance(value, str) else value for key, value in declared.items()}

    @cache  # noqa: B019 - one object for the whole run
    def members(self, name: str) -> dict[str, Member]:
        """All names on the class in PythonQt's order of look-up: property, slot, signal, enum key, built-in."""
        chain = list(reversed(self.chain(name)))
        found: dict[str, Member] = {}
        for owner, _ in chain:
            for enum, keys in self.enums(owner).items():
                found.setdefault(enum, Member("enum", owner))
                found |= {key: Member("key", owner, enum) for key in keys}
        found |= {key: Member("builtin", "QObject") for key in EVERY_OBJECT}
        for owner, entry in chain:
            found |= self._callables(owner, entry)
        for owner, entry in chain:
            for key, what in entry.get("p", {}).items():
                if isinstance(what, str):  # 'int' or, read-only, 'int r'
                    what = (what.removesuffix(" r"), "", "" if what.endswith(" r") else "set")
                found[key] = Member("property", owner, (what[0], bool(what[2])))
        if "objectName" in found:
            found["name"] = found["objectName"]
        for key in KEYWORDS:
            if key in found:
                found.setdefault(key + "_", found[key])
        return found

    def _callables(self, owner: str, entry: dict) -> dict[str, Member]:
        found = {key: Member("method", owner) for key in (*entry.get("m", ()), *entry.get("st", ()))}
        for key in entry.get("v", ()):
            found.setdefault(key, Member("virtual", owner))
            found["py_q_" + key] = Member("virtual", owner)
        signals: dict[str, list[str]] = {}
        for signature in entry.get("s", ()):
            signals.setdefault(name_of(signature), []).append(signature)
        found |= {key: Member("signal", owner, overloads) for key, overloads in signals.items()}
        for signature in (*entry.get("sl", ()), *entry.get("inv", ()), *entry.get("dec", ())):
            found[name_of(signature)] = Member("method", owner)
        return found

    @cache  # noqa: B019
    def signals(self, name: str) -> dict[str, str]:
        """Signature -> declaring class."""
        return {signature: owner for owner, entry in reversed(self.chain(name)) for signature in entry.get("s", ())}

    def enum_value(self, text: str) -> int | None:
        """The number of `QFrame::Box|QFrame::Raised`; None when a part does not exist."""
        total = 0
        for part in text.split("|"):
            scope, _, key = part.strip().rpartition("::")
            for owner, _ in self.chain(scope.split("::")[0]):
                values = [keys[key] for keys in self.enums(owner).values() if key in keys]
                if values:
                    total |= values[0]
                    break
            else:
                return None
        return total


FACTS = Facts(Path(__file__).with_name("facts.json"))
