"""Image quality: images in, tables and curves out."""

from .compare_images import CompareImages
from .measure_signal import MeasureSignal
from .modulation_transfer import ModulationTransfer
from .noise_power_spectrum import NoisePowerSpectrum

QUALITY = (MeasureSignal, NoisePowerSpectrum, ModulationTransfer, CompareImages)
