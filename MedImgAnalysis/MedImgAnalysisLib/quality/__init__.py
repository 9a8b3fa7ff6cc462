"""Image quality: images in, tables and curves out."""

from .compare_images import CompareImages
from .features.measure_features import MeasureFeatures
from .low_contrast import LowContrast
from .measure_mr_quality import MeasureMrQuality
from .measure_signal import MeasureSignal
from .modulation_transfer import ModulationTransfer
from .noise_power_spectrum import NoisePowerSpectrum
from .quality_report import QualityReport
from .uniformity import Uniformity

QUALITY = (
    MeasureSignal,
    MeasureMrQuality,
    Uniformity,
    NoisePowerSpectrum,
    ModulationTransfer,
    LowContrast,
    CompareImages,
    QualityReport,
    MeasureFeatures,
)
