"""Image quality: images in, tables and curves out."""

QUALITY = ()
