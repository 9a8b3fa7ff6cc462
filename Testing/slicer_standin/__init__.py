"""Slicer as its Python sees it, on PySide6: strict stand-ins for qt, ctk, slicer.app and the MRML widgets."""
