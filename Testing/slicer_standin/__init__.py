"""Slicer's Qt side for tests without Slicer: `qt`, `ctk`, `slicer.app`, `slicer.qMRML...` on PySide6.

Code outside this package sees every Qt object as Slicer's PythonQt shows it: properties are attributes, only the
names that Slicer really offers exist (`facts.json`), signals connect as `connect("clicked(bool)", function)`. A name
that Slicer lacks raises AttributeError; a real name whose behaviour is not written here raises NotModelled. Code
inside the package sees plain PySide6. Tests use it through the fixtures of Testing/panels/conftest.py.
"""
