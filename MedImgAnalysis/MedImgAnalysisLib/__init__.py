"""MedImgAnalysis: filtering, registration, segmentation and quality metrics for medical images.

One class per operation; the panel, the console call, the recipe step, the batch and the provenance
record are derived from it. Physical space is LPS millimetres throughout (scene nodes are RAS).
"""

__version__ = "0.1.0"
