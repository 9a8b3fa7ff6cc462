"""Features of segments by the definitions of the Image Biomarker Standardisation Initiative, one family a file."""
