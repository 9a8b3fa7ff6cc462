"""Codes for segments: what a name means in SNOMED CT, and what kind of algorithm made it.

A segment that carries Slicer's terminology keeps it. Else its name is looked up among common ones; what is not
found there is called tissue, which says nothing, and that is said.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ..values import Segment
from .package import SCHEME, short

TERMINOLOGY = "TerminologyEntry"
TISSUE = "85756007"
ANATOMY = {
    "adrenal": ("23451007", "Adrenal gland"),
    "aorta": ("15825003", "Aorta"),
    "bladder": ("89837001", "Urinary bladder"),
    "bone": ("272673000", "Bone"),
    "brain": ("12738006", "Brain"),
    "brainstem": ("119238007", "Brain Stem"),
    "breast": ("76752008", "Breast"),
    "cerebellum": ("113305005", "Cerebellum"),
    "clavicle": ("51299004", "Clavicle"),
    "colon": ("71854001", "Colon"),
    "duodenum": ("38848004", "Duodenum"),
    "esophagus": ("32849002", "Esophagus"),
    "eye": ("81745001", "Eye"),
    "femur": ("71341001", "Femur"),
    "gallbladder": ("28231008", "Gallbladder"),
    "head": ("69536005", "Head"),
    "heart": ("80891009", "Heart"),
    "hippocampus": ("5366008", "Hippocampus"),
    "humerus": ("85050009", "Humerus"),
    "inferior vena cava": ("64131007", "Inferior vena cava"),
    "kidney": ("64033007", "Kidney"),
    "left ventricle": ("87878005", "Left ventricle"),
    "lateral ventricle": ("66720007", "Lateral Ventricle"),
    "liver": ("10200004", "Liver"),
    "lung": ("39607008", "Lung"),
    "mandible": ("91609006", "Mandible"),
    "optic nerve": ("18234004", "optic nerve"),
    "pancreas": ("15776009", "Pancreas"),
    "parotid": ("45289007", "Parotid gland"),
    "portal vein": ("32764006", "Portal vein"),
    "prostate": ("41216001", "Prostate"),
    "rectum": ("34402009", "Rectum"),
    "rib": ("113197003", "Rib"),
    "sacrum": ("54735007", "Sacrum"),
    "scapula": ("79601000", "Scapula"),
    "skin": ("39937001", "Skin"),
    "skull": ("89546000", "Skull"),
    "small intestine": ("30315005", "Small intestine"),
    "spinal cord": ("2748008", "Spinal cord"),
    "spine": ("421060004", "Spine"),
    "spleen": ("78961009", "Spleen"),
    "stomach": ("69695003", "Stomach"),
    "thyroid": ("69748006", "Thyroid"),
    "tongue": ("21974007", "Tongue"),
    "tooth": ("38199008", "Tooth"),
    "trachea": ("44567001", "Trachea"),
    "uterus": ("35039007", "Uterus"),
    "vertebra": ("51282000", "Vertebra"),
}
TISSUES = {
    "fat": ("55603005", "Fat"),
    "muscle": ("71616004", "Muscle"),
    "gray matter": ("389081007", "Gray Matter"),
    "white matter": ("389080008", "White Matter"),
}
ABNORMAL = {
    "cyst": ("367643001", "Cyst"),
    "edema": ("79654002", "Edema"),
    "lesion": ("52988006", "Lesion"),
    "mass": ("4147007", "Mass"),
    "necrosis": ("6574001", "Necrosis"),
    "nodule": ("27925004", "Nodule"),
    "tumor": ("108369006", "Neoplasm"),
}
SUBSTANCES = {"csf": ("65216001", "Cerebrospinal Fluid"), "cerebrospinal fluid": ("65216001", "Cerebrospinal Fluid")}
CATEGORIES = {
    ("91723000", "Anatomical Structure"): ANATOMY,
    ("85756007", "Tissue"): TISSUES,
    ("49755003", "Morphologically Abnormal Structure"): ABNORMAL,
    ("91720002", "Body Substance"): SUBSTANCES,
}
"""Category (CID 7150) and, by name, property type: codes and meanings in SNOMED CT."""
SIDES = {"l": ("7771000", "Left"), "r": ("24028007", "Right")}
SPELLINGS = {
    "grey": "gray",
    "oesophagus": "esophagus",
    "oedema": "edema",
    "tumour": "tumor",
    "gtv": "tumor",
    "neoplasm": "tumor",
    "femora": "femur",
    "vertebrae": "vertebra",
    "teeth": "tooth",
    "thyroid gland": "thyroid",
    "parotid gland": "parotid",
    "adrenal gland": "adrenal",
    "urinary bladder": "bladder",
    "gall bladder": "gallbladder",
    "brain stem": "brainstem",
    "vertebral column": "spine",
    "wm": "white matter",
    "gm": "gray matter",
    "ivc": "inferior vena cava",
}
FAMILIES = {
    "Threshold": ("123105", "Histogram Analysis"),
    "Classification": ("123107", "Cluster Analysis"),
    "Contours": ("123111", "Deformable Models"),
    "Grow": ("123101", "Neighborhood Analysis"),
    "Regions": ("123101", "Neighborhood Analysis"),
    "Clean up": ("123104", "Morphological Operations"),
}
"""Algorithm family (CID 7162) by group of the catalog."""


class Terms(NamedTuple):
    """Codes of a segment; `known` is False where nothing but "tissue" can be said. `side` is Left, Right or None."""

    category: Any
    kind: Any
    side: Any
    known: bool


def terms_of(segment: Segment) -> Terms:
    """The codes of a segment, from its terminology or its name."""
    entry = _entry(segment.tags.get(TERMINOLOGY, ""))
    if entry is not None:
        return entry
    words = re.sub(r"[^a-z]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", segment.name).lower()).split()
    sides = [word for word in words if word in ("left", "right", "l", "r")]
    rest = " ".join(word for word in words if word not in sides)
    for name, side in ((" ".join(words), ""), (rest, sides[0][0] if len(sides) == 1 else "")):
        for wanted in _spellings(name):
            for category, table in CATEGORIES.items():
                if wanted in table:
                    return Terms(_sct(*category), _sct(*table[wanted]), _sct(*SIDES[side]) if side else None, True)
    return Terms(_sct(TISSUE, "Tissue"), _sct(TISSUE, "Tissue"), None, False)


def _sct(value: str, meaning: str) -> Any:
    from pydicom.sr.coding import Code

    return Code(value, "SCT", meaning)


def _spellings(name: str) -> list[str]:
    """The name, in American spelling, and in the singular."""
    plain = re.sub(r"\b(" + "|".join(SPELLINGS) + r")\b", lambda found: SPELLINGS[found[1]], name)
    return list(dict.fromkeys([name, plain, name.removesuffix("s"), plain.removesuffix("s")]))


def _entry(text: str) -> Terms | None:
    """The codes in a terminology entry of Slicer (`list~category~type~modifier~...`), None where they say nothing."""
    from pydicom.sr.coding import Code

    parts = [part.split("^") for part in text.split("~")]
    if len(parts) < 4 or any(len(part) != 3 for part in parts[1:4]):
        return None
    category, kind, modifier = (
        Code(code, scheme, short(meaning)) if code and scheme else None for scheme, code, meaning in parts[1:4]
    )
    if category is None or kind is None or kind.value == TISSUE:
        return None
    return Terms(category, kind, modifier, True)


def family(group: str) -> Any:
    """The algorithm family of a group of operations; a code of our own where no standard one fits."""
    from pydicom.sr.coding import Code

    if group in FAMILIES:
        value, meaning = FAMILIES[group]
        return Code(value, "DCM", meaning)
    return Code(re.sub(r"[^a-z]+", "-", group.lower())[:16] or "operation", SCHEME, short(group or "Operation"))
