"""Seconds per megavoxel of operations with their defaults, as Testing/benchmarks/memory.py printed them.

Two threads, 192 voxels along each axis, the mean of int16 and float32, on a busy machine: rough, and on the slow side.
"""

PROBE_SECONDS = 0.00096
"""What `rates.probe_seconds` was on that computer."""

SECONDS_PER_MEGAVOXEL: dict[str, float] = {
    "adaptive_histogram": 0.047,
    "apply_mask": 0.0087,
    "bilateral": 0.44,
    "body_mask": 0.2,
    "canny": 0.19,
    "check_integrity": 0.0091,
    "correct_bias": 0.33,
    "crop": 0.0014,
    "curvature_diffusion": 0.19,
    "curvature_flow": 0.082,
    "deconvolve": 0.22,
    "fill_missing": 0.016,
    "filter_response": 0.047,
    "gaussian": 0.016,
    "gradient_diffusion": 0.11,
    "gradient_magnitude": 0.0084,
    "grey_morphology": 0.012,
    "laplacian_of_gaussian": 0.048,
    "laplacian_sharpening": 0.0068,
    "learn_standard_scale": 0.014,
    "match_histogram": 0.022,
    "median": 0.045,
    "nonlocal_means": 1.6,
    "normalise_percentile": 0.026,
    "normalise_range": 0.0079,
    "normalise_zscore": 0.014,
    "pad": 0.0085,
    "regularise_slices": 0.0051,
    "reorient": 0.0043,
    "resample": 0.018,
    "shrink": 0.0028,
    "sigmoid": 0.018,
    "sobel": 0.033,
    "standardise_landmarks": 0.04,
    "subtract_background": 0.04,
    "top_hat": 0.012,
    "total_variation": 0.59,
    "unsharp_mask": 0.019,
    "vesselness": 0.47,
    "wavelet": 0.084,
    "window": 0.0087,
    "zero_crossings": 0.068,
}
