"""Behaviour of the CTK and MRML widgets; importing this package registers all of it."""

from . import choices, containers, nodes, numbers, ranges, scene, segments, subjects, tables, texts

__all__ = ["choices", "containers", "nodes", "numbers", "ranges", "scene", "segments", "subjects", "tables", "texts"]
