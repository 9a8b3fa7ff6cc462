"""Time and memory of filters and preparation beside their peers, in one run on the same images.

    python Testing/benchmarks/filtering.py                            # a small image, all cases
    python Testing/benchmarks/filtering.py --size 512x512x300 --only gaussian median

Each case runs in a process of its own. After a first round, which is not counted where there are others, the tools take
turns, ours before each peer, until `--repeat` rounds or `--seconds` are over. Shown are the median time, the median
of the ratios to ours of the same turn and the ratio of the smallest times, the peak of memory beyond image and program,
and for denoising the PSNR against the image without noise. Slow cases are timed on the middle slices of the image
("size"). Tools that are not installed are left out. Other work on the machine makes all of it slower, and tools
that use many threads most.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from filtering_cases import LIMITS, NOISE, cases

DENOISING = ("gaussian", "median", "bilateral", "gradient d", "curvature", "wavelet", "non-local", "total")
HEAD = """| case | size | tool | s | ratio | of minima | peak MB | PSNR |
| --- | --- | --- | --: | --: | --: | --: | --: |"""


def memory(field: str) -> float:
    """`VmRSS` (now) or `VmHWM` (peak) in MB; NaN where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024
    except (OSError, StopIteration):
        return float("nan")


def as_array(result: Any) -> np.ndarray:
    """The voxels of what a tool gave."""
    import SimpleITK as sitk

    if isinstance(result, tuple):
        result = result[0]
    return sitk.GetArrayFromImage(result) if isinstance(result, sitk.Image) else np.asarray(result)


def images(case: str, size: tuple[int, ...], dtype: str, real: str | None) -> tuple[np.ndarray | None, np.ndarray]:
    """(clean or None, noisy) of a case: computed, or a real image with noise, cut to the limit of the case."""
    most = next((limit * 10**6 for name, limit in LIMITS.items() if case.startswith(name)), 10**12)
    if real is None:
        depth = min(size[2], max(1, most // (size[0] * size[1])))
        return cases()[case].make((*size[:2], depth), dtype)
    import SimpleITK as sitk

    clean = sitk.GetArrayFromImage(sitk.ReadImage(real, sitk.sitkFloat32))
    # Noise of a twentieth of what is bright, scaled to that of the phantom.
    clean *= 20 * NOISE / float(np.percentile(clean, 99))
    depth = min(len(clean), max(1, most // clean[0].size))
    clean = clean[(len(clean) - depth) // 2 :][:depth]
    noisy = clean + np.random.default_rng(1).normal(0, NOISE, clean.shape).astype(np.float32)
    return clean, np.rint(noisy).astype(dtype) if np.dtype(dtype).kind in "iu" else noisy.astype(dtype)


def measure(case: str, size: tuple[int, ...], options: argparse.Namespace) -> dict[str, Any]:
    """Seconds by round, peak MB and PSNR of the tools of a case, in this process."""
    import SimpleITK as sitk
    from MedImgAnalysisLib.blockwise import set_thread_count

    if options.threads:
        set_thread_count(options.threads)
    clean, noisy = images(case, size, options.type, options.image)
    image = sitk.GetImageFromArray(noisy)
    image.SetSpacing(cases()[case].spacing)
    tools = cases()[case].tools
    found: dict[str, Any] = {tool: {"seconds": [], "own": []} for tool in tools}
    started = time.perf_counter()

    def timed(tool: str) -> float:
        start = time.perf_counter()
        tools[tool](image, noisy)
        return time.perf_counter() - start

    for tool, run in tools.items():
        before = memory("VmRSS")
        try:
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak starts from here
        except OSError:
            before = float("nan")
        start = time.perf_counter()
        output = run(image, noisy)
        found[tool]["first"] = time.perf_counter() - start
        found[tool]["peak"] = memory("VmHWM") - before
        result = as_array(output) if case.startswith(DENOISING) else np.empty(0)
        same = clean is not None and case.startswith(DENOISING) and result.shape == clean.shape
        error = float(np.mean([np.square(a - b, dtype=float).mean() for a, b in zip(result, clean)])) if same else 0.0
        span = float(clean.max() - clean.min()) if same else 0.0
        found[tool]["psnr"] = 10 * float(np.log10(span**2 / error)) if error > 0 else float("nan")
        del output, result
    for _ in range(options.repeat):
        for tool in tools:
            if time.perf_counter() - started > options.seconds and found[tool]["seconds"]:
                continue
            # What takes longer than all rounds together is not run again.
            known = found[tool]["first"] > options.seconds / 2
            own = timed("ours")
            found[tool]["seconds"].append(own if tool == "ours" else found[tool]["first"] if known else timed(tool))
            found[tool]["own"].append(own)
    return {"size": "x".join(str(n) for n in image.GetSize()), "tools": found}


def rows(case: str, found: dict[str, Any]) -> list[str]:
    """Lines of the table."""
    lines = []
    for tool, one in found["tools"].items():
        ratio = minima = ""
        if tool != "ours":
            ratio = f"{statistics.median(s / own for s, own in zip(one['seconds'], one['own'])):.1f}"
            minima = f"{min(one['seconds']) / min(one['own']):.1f}"
        psnr = f"{one['psnr']:.1f}" if case.startswith(DENOISING) else ""
        lines.append(
            f"| {case} | {found['size']} | {tool} | {statistics.median(one['seconds']):.3f} | {ratio} | {minima} | "
            f"{one['peak']:.0f} | {psnr} |"
        )
    return lines


def main(arguments: list[str]) -> int:
    """Run the cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="128x128x64", help="voxels along i, j, k")
    parser.add_argument("--type", default="int16", help="numpy type of the image")
    parser.add_argument("--image", help="a clean image of yours for the cases of denoising, to which noise is added")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60.0, help="after which no round of a case starts")
    parser.add_argument("--threads", type=int, default=0, help="0: as many as there are")
    parser.add_argument("--only", nargs="*", default=[], help="words; cases that contain one of them")
    parser.add_argument("--one", metavar="CASE", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    size = tuple(int(n) for n in options.size.split("x"))
    if options.one:
        print(json.dumps(measure(options.one, size, options)))
        return 0
    print(f"{options.image or options.size} {options.type}, up to {options.repeat} rounds\n\n{HEAD}", flush=True)
    for case in cases():
        if options.only and not any(word in case for word in options.only):
            continue
        if options.image and not case.startswith(DENOISING):
            continue
        command = [sys.executable, __file__, *arguments, "--one", case]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(
                f"| {case} | failed: {(done.stderr.strip().splitlines() or ['stopped'])[-1]} | | | | | | |", flush=True
            )
            continue
        print("\n".join(rows(case, json.loads(done.stdout.strip().splitlines()[-1]))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
