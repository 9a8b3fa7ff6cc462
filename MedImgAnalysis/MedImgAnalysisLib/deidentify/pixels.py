"""What the header says about people in the pixels: burned-in text, overlays in spare bits, faces."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
WITH_TEXT = ("US", "IVUS", "ES", "XC", "GM", "OP", "OT", "SC")
"""Modalities whose images usually carry text: ultrasound, endoscopy, photographs, captured screens."""
WITH_FACES = ("CT", "MR", "PT", "NM")
FACE = re.compile(
    r"head|brain|skull|face|facial|neck|sinus|orbit|mandible|maxilla|pituitary|cerebr|neuro|kopf|schädel"
    r"|\bears?\b|\bjaws?\b"
)
NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99")


def annotated(dataset: Any) -> str:
    """Why text may be burned into the pixels; empty where the header gives no reason to think so."""
    said = str(dataset.get("BurnedInAnnotation", "") or "").upper()
    if said == "YES":
        return "images that say they hold burned-in text"
    kind = str(dataset.get("SOPClassUID", ""))
    if kind == SECONDARY_CAPTURE or kind.startswith(SECONDARY_CAPTURE + "."):
        return "secondary captures, which may be pictures of a screen"
    if said == "NO":
        return ""
    modality = str(dataset.get("Modality", "") or "")
    if modality in WITH_TEXT:
        return f"images of modality {modality}, which usually carry text"
    if any(word in str(dataset.get("ImageType", "")).upper() for word in ("SCREEN", "REPORT")):
        return "images that are screens or reports by their type"
    if modality in WITH_FACES and int(dataset.get("SamplesPerPixel") or 1) > 1:
        return "images in colour of a modality without colour, which usually carry text"
    return ""


def face(dataset: Any) -> bool:
    """Whether the patient could be recognised by a rendering of the skin."""
    if str(dataset.get("RecognizableVisualFeatures", "") or "").upper() == "YES":
        return True
    if str(dataset.get("Modality", "") or "") not in WITH_FACES:
        return False
    names = ("BodyPartExamined", "StudyDescription", "SeriesDescription", "ProtocolName")
    text = " ".join(str(dataset.get(name, "") or "") for name in names)
    words = [*dataset.get("AnatomicRegionSequence", [])]
    text += " ".join(str(item.get("CodeMeaning", "")) for item in words)
    return bool(FACE.search(text.lower())) or not dataset.get("BodyPartExamined")


def clear_spare_bits(dataset: Any) -> bool:
    """Clear the bits beside the stored ones, where old overlays are drawn; True when there was anything in them."""
    allocated, stored = int(dataset.get("BitsAllocated") or 0), int(dataset.get("BitsStored") or 0)
    high = int(dataset.get("HighBit") if dataset.get("HighBit") is not None else stored - 1)
    syntax = str(dataset.file_meta.get("TransferSyntaxUID", ""))
    if allocated not in (8, 16, 32) or not 0 < stored < allocated or syntax not in NATIVE or "PixelData" not in dataset:
        return False
    if high >= allocated or high - stored + 1 < 0:
        return False
    whole = len(dataset.PixelData) // (allocated // 8) * (allocated // 8)
    words = np.frombuffer(dataset.PixelData[:whole], f"<u{allocated // 8}")
    inside = (1 << stored) - 1 << high - stored + 1
    if int(dataset.get("PixelRepresentation") or 0) == 1:
        # The bits above a signed number repeat its sign; they are made again from it.
        kind = np.dtype(f"<i{allocated // 8}")
        clean = (words << (allocated - 1 - high)).view(kind) >> (allocated - stored) << (high - stored + 1)
        clean = clean.view(words.dtype)
    else:
        clean = words & np.asarray(inside, words.dtype)
    if np.array_equal(clean, words):
        return False
    dataset.PixelData = clean.tobytes() + dataset.PixelData[whole:]
    return True


def cut_surplus(dataset: Any) -> bool:
    """Cut off what follows the pixels of an uncompressed image; True when there was anything."""
    if str(dataset.file_meta.get("TransferSyntaxUID", "")) not in NATIVE or "PixelData" not in dataset:
        return False
    names = ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated")
    bits = int(dataset.get("NumberOfFrames") or 1) * math.prod(int(dataset.get(name) or 1) for name in names)
    needed = (bits + 15) // 16 * 2
    if len(dataset.PixelData) <= needed:
        return False
    surplus = dataset.PixelData[needed:]
    dataset.PixelData = dataset.PixelData[:needed]
    return any(surplus)
