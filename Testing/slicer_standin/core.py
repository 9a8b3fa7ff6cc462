"""PythonQt semantics on PySide6 objects.  Code whose module is not part of this package sees every QObject the way
PythonQt shows it (properties are attributes, only whitelisted names exist, connect('sig(type)', fn), tuples instead of
lists, int-like enums); code of this package sees plain PySide6."""
import enum
import inspect
import math
import os
import sys
import traceback

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("PYSIDE6_OPTION_PYTHON_ENUM", "0x03")
os.environ.setdefault("PYSIDE63_OPTION_PYTHON_ENUM", "0x03")

from PySide6 import QtCore, QtGui, QtNetwork, QtPrintSupport, QtSvg, QtUiTools, QtWidgets  # noqa: E402
import shiboken6  # noqa: E402

from .facts import FACTS, normalized  # noqa: E402

APP = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["slicer-standin"])
APP.setStyle("Fusion")

QObject = QtCore.QObject
_og = QObject.__getattribute__
_oset = object.__setattr__
ERRORS = []          # exceptions raised inside slots (PythonQt prints them and goes on)
NOTES = []           # reads of unmodelled behaviour etc.
_native = {}


class NotModelled(NotImplementedError):
    """The name exists in real Slicer, but this stand-in has no behaviour for it."""


def internal(frame):
    n = frame.f_globals.get("__name__", "")
    return n.startswith("slicer_standin") or n.startswith(("PySide6", "shiboken6", "shibokensupport"))


def native(cls):
    """Nearest ancestor that is a real class (PySide6 or one of our stand-ins)."""
    r = _native.get(cls)
    if r is None:
        for k in cls.__mro__:
            if k.__module__.startswith(("PySide6", "slicer_standin")) and FACTS.known(k.__name__):
                r = k
                break
        else:
            r = QObject
        _native[cls] = r
    return r


# ------------------------------------------------------------------ values
def to_user(v):
    if isinstance(v, list):
        return tuple(to_user(x) for x in v)         # PythonQt turns every QList into a tuple
    return v


def to_prop(typ, v):
    """PythonQt's non-strict conversions for writing a property."""
    if typ == "bool":
        return bool(v)
    if typ in ("int", "uint", "long", "qlonglong"):
        if isinstance(v, float):
            return math.floor(v)
        if isinstance(v, (bool, enum.Enum)):
            return int(v)
        if not isinstance(v, int):
            raise TypeError
        return v
    if typ in ("double", "float", "qreal"):
        if not isinstance(v, (int, float)) and not hasattr(v, "__float__"):
            raise TypeError
        return float(v)
    if typ == "QString":
        return v if isinstance(v, str) else str(v)
    if typ == "QColor" and isinstance(v, QtGui.QColor):
        return QtGui.QColor.fromRgba(QtGui.QColor.rgba(v))
    if typ == "QStringList":
        if isinstance(v, str) or not hasattr(v, "__iter__"):
            raise TypeError
        return [str(x) for x in v]
    return v


def _coerced(fn, args):
    sigs = getattr(fn, "__signature__", None)
    if sigs is None:
        return None
    for s in sigs if isinstance(sigs, list) else [sigs]:
        ps = [p for p in s.parameters.values() if p.name != "self"]
        if len(ps) < len(args):
            continue
        out, ok = [], True
        for p, a in zip(ps, args):
            t = p.annotation
            try:
                if isinstance(t, type) and issubclass(t, enum.Enum) and isinstance(a, int) and not isinstance(a, t):
                    a = t(int(a))
                elif t is int and isinstance(a, float):
                    a = math.floor(a)
                elif t is float and isinstance(a, int):
                    a = float(a)
                elif t is str and not isinstance(a, str):
                    a = str(a)
            except ValueError:
                ok = False
            out.append(a)
        if not ok or out == list(args):
            continue
        try:
            return (fn(*out),)
        except TypeError:
            continue
    return None


class Method:
    """A slot / invokable / wrapped method as PythonQt shows it."""
    __slots__ = ("obj", "name", "fn")

    def __init__(self, obj, name, fn):
        self.obj, self.name, self.fn = obj, name, fn

    def __call__(self, *args, **kw):
        if kw:
            raise TypeError("PythonQt methods take no keyword arguments: %s" % self.name)
        try:
            return to_user(self.fn(*args))
        except TypeError as e:
            r = _coerced(self.fn, args) if "called with wrong argument" in str(e) else None
            if r is None:
                raise ValueError("Could not find matching overload for given arguments: %r\n%s.%s: %s" % (
                    args, type(self.obj).__name__, self.name, e)) from None
            return to_user(r[0])

    def __eq__(self, o):
        return isinstance(o, Method) and o.obj is self.obj and o.name == self.name

    def __hash__(self):
        return hash((id(self.obj), self.name))

    def __repr__(self):
        return "<qt slot %s of %s instance>" % (self.name, type(self.obj).__name__)


# ------------------------------------------------------------------ signals
def arity(fn):
    """Number of signal arguments PythonQt passes: co_argcount for Python functions without *args, else all (None)."""
    f, minus = fn, 0
    if inspect.ismethod(fn):
        f, minus = fn.__func__, 1
    code = getattr(f, "__code__", None)
    if code is None or not inspect.isfunction(f) or code.co_flags & inspect.CO_VARARGS:
        return None
    return max(0, code.co_argcount - minus)


def invoke(fn, args):
    n = arity(fn)
    try:
        return fn(*(args if n is None else args[:n]))
    except Exception as e:                       # PythonQt prints and swallows
        ERRORS.append(e)
        traceback.print_exc()


class Relay:
    def __init__(self, fn):
        self.fn = fn

    def __call__(self, *args):
        invoke(self.fn, tuple(to_user(a) for a in args))


def state(obj):
    """Private per-object state (python-side signal lists, property values)."""
    d = _og(obj, "__dict__")
    s = d.get("_sq")
    if s is None:
        s = d["_sq"] = {"sig": {}, "v": {}, "relay": []}
    return s


def is_standin_signal(obj, sig):
    owner = FACTS.signals(native(type(obj)).__name__).get(sig)
    return owner in FACTS.C if owner else None


def connect(obj, sig, fn):
    s = normalized(sig)
    st = is_standin_signal(obj, s)
    if st is None:
        known = sorted(x for x in FACTS.signals(native(type(obj)).__name__) if x.split("(")[0] == s.split("(")[0])
        raise AttributeError("QObject::connect() signal '%s' does not exist on %s%s" % (
            sig, native(type(obj)).__name__, ("; did you mean " + ", ".join(known)) if known else ""))
    if not callable(fn) and not isinstance(fn, SigProxy):
        raise TypeError("connect(%r): %r is not callable" % (sig, fn))
    if st:
        state(obj)["sig"].setdefault(s, []).append(fn)
        return True
    r = Relay(fn)
    ok = QObject.connect(obj, QtCore.SIGNAL(s), r)
    if not ok:
        raise AttributeError("Qt 6 refused signal %s on %s" % (s, type(obj).__name__))
    state(obj)["relay"].append((s, fn, r))
    return True


def disconnect(obj, sig, fn=None):
    s = normalized(sig)
    st = is_standin_signal(obj, s)
    if st is None:
        raise AttributeError("QObject::disconnect() signal '%s' does not exist on %s" % (sig, type(obj).__name__))
    found = False
    if st:
        lst = state(obj)["sig"].get(s, [])
        for f in list(lst):
            if fn is None or f == fn:
                lst.remove(f)
                found = True
                if fn is not None:
                    break
        return found
    rel = state(obj)["relay"]
    for e in list(rel):
        if e[0] == s and (fn is None or e[1] == fn):
            QObject.disconnect(obj, QtCore.SIGNAL(s), e[2])
            rel.remove(e)
            found = True
            if fn is not None:
                break
    return found


def emit(obj, sig, *args):
    """Emit a stand-in signal (the signature must exist in the real API)."""
    if is_standin_signal(obj, sig) is None:
        raise AssertionError("harness bug: %s has no signal %s" % (type(obj).__name__, sig))
    if QObject.signalsBlocked(obj):
        return
    for f in list(state(obj)["sig"].get(sig, ())):
        invoke(f, args)


class SigProxy:
    def __init__(self, obj, name, sigs):
        self.obj, self.name, self.sigs = obj, name, sigs

    def connect(self, fn):
        return connect(self.obj, self.sigs[0], fn)

    def disconnect(self, fn=None):
        return disconnect(self.obj, self.sigs[0], fn)

    def emit(self, *args):
        return self(*args)

    def __call__(self, *args):
        if is_standin_signal(self.obj, self.sigs[0]):
            s = next((x for x in self.sigs if (x.count(",") + 1 if not x.endswith("()") else 0) == len(args)), self.sigs[0])
            emit(self.obj, s, *args)
        else:
            _og(self.obj, self.name).emit(*args)


# ------------------------------------------------------------------ attribute protocol
def find_children(obj, typ, name=None, out=None):
    out = [] if out is None else out
    for c in QObject.children(obj):
        ok = name is None or c.objectName() == name
        if ok and (QObject.inherits(c, typ) or any(k.__name__ == typ for k in type(c).__mro__) if isinstance(typ, str) else isinstance(c, typ)):
            out.append(c)
        find_children(c, typ, name, out)
    return out


def _connect_user(self, sig, *a):
    if len(a) == 1:
        return connect(self, sig, a[0])
    receiver, slot = a[0], normalized(a[1])
    n = slot.split("(")[0]
    k = FACTS.table(native(type(receiver)).__name__).get(n)
    if k is None:
        raise AttributeError("no slot %s on %s" % (slot, type(receiver).__name__))
    return connect(self, sig, SigProxy(receiver, n, k[2]) if k[0] == "s" else Method(receiver, n, raw_method(receiver, n)))


EXTRA = {
    "connect": _connect_user,
    "disconnect": lambda self, sig, fn=None, *a: disconnect(self, sig, fn),
    "className": lambda self: native(type(self)).__name__ if type(self).__module__.startswith(("PySide6", "slicer_standin")) else type(self).__name__,
    "inherits": lambda self, n: n in [c for c, _ in FACTS.chain(native(type(self)).__name__)],
    "help": lambda self: None,
    "delete": lambda self: shiboken6.delete(self),
    "findChild": lambda self, t, name=None: (find_children(self, t, name) or [None])[0],
    "findChildren": lambda self, t, name=None: tuple(find_children(self, t, name)),
    "children": lambda self: tuple(QObject.children(self)),
    "property": lambda self, n: to_user(QObject.property(self, n)),
    "setProperty": lambda self, n, v: QObject.setProperty(self, n, v),
}
DIALOG_ANSWERS = []      # tests push answers (int result codes); empty -> reject
DIALOGS_SHOWN = []


def _exec(self):
    DIALOGS_SHOWN.append((native(type(self)).__name__, self.windowTitle(), self.text() if isinstance(self, QtWidgets.QMessageBox) else ""))
    return DIALOG_ANSWERS.pop(0) if DIALOG_ANSWERS else 0


def raw_method(self, name):
    n = name[:-1] if name.endswith("_") and not hasattr(type(self), name) else name
    try:
        return _og(self, n)
    except AttributeError:
        pass

    def missing(*a):
        raise NotModelled("%s.%s exists in Slicer but is not modelled by the stand-in" % (type(self).__name__, name))
    return missing


def user_get(self, name):
    cls = type(self)
    nat = native(cls)
    if cls is not nat:
        for k in cls.__mro__:
            if k is nat:
                break
            if name in k.__dict__:
                return _og(self, name)
    d = _og(self, "__dict__")
    if cls is not nat and name in d and not name.startswith("_sq") and not isinstance(d[name], QtCore.SignalInstance):
        return d[name]
    k = FACTS.table(nat.__name__).get(name)
    if k is not None:
        kind, owner, data = k
        if kind == "p":
            n = "objectName" if name == "name" else name
            mo = QObject.metaObject(self)
            if mo.indexOfProperty(n) < 0:
                if hasattr(nat, n):                   # forwarded (slicer.app -> QApplication)
                    v = _og(self, n)
                    return to_user(v() if callable(v) else v)
                raise NotModelled("%s.%s is a real property without behaviour in the stand-in" % (nat.__name__, name))
            return to_user(QObject.property(self, n))
        if kind == "x" and name in EXTRA:
            return EXTRA[name].__get__(self)
        if kind in ("m", "x"):
            if name in ("exec", "exec_") and isinstance(self, QtWidgets.QDialog):
                return lambda: _exec(self)
            return Method(self, name, raw_method(self, name))
        if kind == "s":
            return SigProxy(self, name, data)
        if kind in ("e", "E"):
            return getattr(nat, name)
        if kind == "v":
            return raw_method(self, name.removeprefix("py_q_"))
    if bytes(name, "utf8") in [bytes(x) for x in QObject.dynamicPropertyNames(self)]:
        return to_user(QObject.property(self, name))
    for c in QObject.children(self):
        if c.objectName() == name:
            return c
    raise AttributeError("%s has no attribute named '%s'" % (nat.__name__, name))


def _getattribute(self, name):
    if name.startswith("__") or internal(sys._getframe(1)):
        return _og(self, name)
    return user_get(self, name)


def make_setattr(orig):
    def _setattr(self, name, value):
        if name.startswith("__") or internal(sys._getframe(1)):
            return orig(self, name, value)
        nat = native(type(self))
        k = FACTS.table(nat.__name__).get(name)
        if k is not None and k[0] == "p":
            typ, writable = k[2]
            if not writable:
                raise AttributeError("Property '%s' of %s object is not writable" % (name, nat.__name__))
            try:
                ok = QObject.setProperty(self, "objectName" if name == "name" else name, to_prop(typ, value))
            except TypeError:
                ok = False
            if not ok:
                raise AttributeError("Property '%s' of type '%s' does not accept an object of type %s (%r)" % (name, typ, type(value).__name__, value))
            return None
        if type(self) is not nat:
            return orig(self, name, value)
        if k is not None:
            raise AttributeError("%s '%s' can not be overwritten on %s object" % ({"s": "Signal"}.get(k[0], "Slot"), name, nat.__name__))
        if bytes(name, "utf8") in [bytes(x) for x in QObject.dynamicPropertyNames(self)]:
            QObject.setProperty(self, name, value)
            return None
        raise AttributeError("'%s' does not exist on %s and creating new attributes on C++ objects is not allowed" % (name, nat.__name__))
    return _setattr


# tp_setattro of every PySide class is replaced; the base of all Shiboken types keeps the generic one
_SETATTR = make_setattr(next(k for k in QObject.__mro__ if k.__name__ == "Object").__setattr__)
_DIALOG_STATICS = {"QMessageBox": ("information", "warning", "critical", "question", "about", "aboutQt"),
                   "QInputDialog": ("getText", "getItem", "getInt", "getDouble", "getMultiLineText"),
                   "QFileDialog": ("getOpenFileName", "getOpenFileNames", "getSaveFileName", "getExistingDirectory")}


def _instancecheck(cls, inst):
    """PythonQt class wrappers are flat: isinstance(qt.QPushButton(), qt.QWidget) is False in Slicer."""
    if not type.__instancecheck__(cls, inst):
        return False
    if not isinstance_strict or not type.__instancecheck__(QObject, inst) or internal(sys._getframe(1)):
        return True
    return cls is native(type(inst)) or native(cls) is not cls


isinstance_strict = True


_PENDING = set()


def single_shot(msec, fn):
    """QTimer.singleShot(msec, callable)."""
    timer = QtCore.QTimer()
    _PENDING.add(timer)
    timer.setSingleShot(True)

    def fire():
        _PENDING.discard(timer)
        invoke(fn, ())
    QObject.connect(timer, QtCore.SIGNAL("timeout()"), fire)
    timer.start(int(msec))


def patch():
    QObject.__getattribute__ = _getattribute
    type(QObject).__instancecheck__ = _instancecheck
    for mod in (QtCore, QtGui, QtWidgets, QtNetwork, QtPrintSupport, QtSvg, QtUiTools):
        for k in dir(mod):
            c = getattr(mod, k)
            if isinstance(c, type) and issubclass(c, QObject) and "__setattr__" in c.__dict__:
                c.__setattr__ = _SETATTR
    name0 = QtGui.QColor.name           # value classes are not proxied; the one call Slicer makes with an int enum
    QtGui.QColor.name = lambda self, f=0: name0(self, QtGui.QColor.NameFormat(int(f)))
    QtCore.QTimer.singleShot = staticmethod(single_shot)
    for cls, names in _DIALOG_STATICS.items():
        for n in names:
            def f(*a, _n=cls + "." + n):
                DIALOGS_SHOWN.append((_n, a[1] if len(a) > 1 else "", a[2] if len(a) > 2 else ""))
                return DIALOG_ANSWERS.pop(0) if DIALOG_ANSWERS else ("" if "File" in _n or "Text" in _n or "Directory" in _n else 0)
            setattr(getattr(QtWidgets, cls), n, staticmethod(f))


def process_events():
    QtWidgets.QApplication.processEvents()
