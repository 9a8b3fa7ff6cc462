"""Filters: an image in, an image on the same grid out."""

from .gaussian import Gaussian
from .median import Median

FILTERS = (Gaussian, Median)
