"""The whitelist: what real Slicer offers on each class."""
import json
import os

PATH = os.path.join(os.path.dirname(__file__), "facts.json")
EVERY_QOBJECT = ("connect", "disconnect", "metaObject", "parent", "setParent", "children", "findChild", "findChildren",
                 "setProperty", "property", "tr")
EVERY_WRAPPER = ("className", "inherits", "help", "delete")


def name_of(s):
    return s.removeprefix("static ").split("(")[0]


class Facts:
    def __init__(self, path=PATH):
        d = json.load(open(path))
        self.d, self.C, self.Q, self.ui, self.py = d, d["classes"], d["qt"], d["designer"], d["python"]
        self._tables = {}

    def entry(self, cls):
        return self.C.get(cls) or self.Q.get(cls)

    def chain(self, cls):
        out = []
        while cls:
            e = self.entry(cls)
            if e is None:
                break
            out.append((cls, e))
            cls = e.get("b")
        return out

    def table(self, cls):
        """name -> (kind, owner, data); kinds: p(roperty) m(ethod) s(ignal) e(num key) E(num type). PythonQt lookup order."""
        t = self._tables.get(cls)
        if t is not None:
            return t
        t, chain = {}, self.chain(cls)
        for owner, e in reversed(chain):
            for k, v in e.get("e", {}).items():
                t.setdefault(k, ("E", owner, k))
                for key in v:
                    t[key] = ("e", owner, k)
        for n in EVERY_QOBJECT + EVERY_WRAPPER:
            t[n] = ("x", "QObject", None)
        for owner, e in reversed(chain):
            for n in e.get("m", ()):
                t[n] = ("m", owner, None)
            for n in e.get("st", ()):
                t[n] = ("m", owner, "static")
            for n in e.get("v", ()):
                t.setdefault(n, ("v", owner, None))
                t["py_q_" + n] = ("v", owner, None)
            sig = {}
            for s in e.get("s", ()):
                sig.setdefault(name_of(s), []).append(s)
            for n, l in sig.items():
                t[n] = ("s", owner, l)
            for key in ("sl", "inv", "dec"):
                for s in e.get(key, ()):
                    n = name_of(s)
                    t[n] = ("m", owner, (t[n][2] or []) + [s] if t.get(n, ("", "", None))[1] == owner and isinstance(t[n][2], list) and t[n][0] == "m" else [s])
        for owner, e in reversed(chain):
            for n, p in e.get("p", {}).items():
                if isinstance(p, str):
                    typ, w = (p[:-2], False) if p.endswith(" r") else (p, True)
                else:
                    typ, w = p[0], bool(p[2])
                t[n] = ("p", owner, (typ, w))
        if "objectName" in t:
            t["name"] = t["objectName"]
        for n in list(t):
            if t[n][0] == "m" and n + "_" not in t and n in ("exec", "print", "raise", "import", "del", "from"):
                t[n + "_"] = t[n]
        self._tables[cls] = t
        return t

    def signals(self, cls):
        out = {}
        for owner, e in reversed(self.chain(cls)):
            for s in e.get("s", ()):
                out[s] = owner
        return out

    def known(self, cls):
        return self.entry(cls) is not None


FACTS = Facts()


def normalized(sig):
    """QMetaObject::normalizedSignature for what people write in connect()."""
    sig = sig.strip()
    if sig[:1].isdigit():
        sig = sig[1:]
    n, _, a = sig.partition("(")
    a = a.rsplit(")", 1)[0]
    out = []
    for x in (y.strip() for y in a.split(",")) if a.strip() else ():
        if x.startswith("const ") and x.endswith("&"):
            x = x[6:-1].strip()
        elif x.startswith("const ") and not x.endswith("*"):
            x = x[6:].strip()
        x = x.replace(" *", "*").replace(" >", ">").strip()
        out.append(x)
    return n.strip() + "(" + ",".join(out) + ")"
