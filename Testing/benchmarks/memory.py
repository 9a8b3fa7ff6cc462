"""Peak memory and time of each operation beside what it declares, each in a process of its own.

    python Testing/benchmarks/memory.py                       # table of all filters
    python Testing/benchmarks/memory.py gaussian median --size 128 --type int16

Memory is in multiples of the image in the type that filters work in (float32, float64 for more than 16 bits), beyond
the inputs, with the result. `whole` is that of taking the numbers of the whole image before a run in slabs.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]

HEAD = """| operation | type | peak | declared | whole | declared | s per megavoxel |
| --- | --- | --: | --: | --: | --: | --: |"""


def measure(name: str, size: int, dtype: str, threads: int) -> dict[str, float]:
    """Peak memory, that of the numbers, and seconds of one operation with its defaults."""
    import contract_inputs
    import numpy as np
    import SimpleITK as sitk
    from measuring import PeakMemory
    from MedImgAnalysisLib import blockwise, catalog, rates
    from MedImgAnalysisLib.execution import prepare
    from MedImgAnalysisLib.plan import amount_of_work, extents
    from MedImgAnalysisLib.progress import Progress

    blockwise.set_thread_count(threads)
    quiet = Progress(on_warning=lambda sentence: None)
    kind = catalog.find(name)

    def inputs(edge: int) -> dict:
        contract_inputs.SIZE_KJI = (edge,) * 3
        values = contract_inputs.examples(kind)
        if kind.name in ("check_integrity", "regularise_slices"):
            values["positions"] = contract_inputs.positions(edge)
        for role in kind.inputs():
            value = values.get(role.name)
            if role.kind == "image" and isinstance(value, sitk.Image):
                values[role.name] = sitk.Cast(value, {"int16": sitk.sitkInt16, "float32": sitk.sitkFloat32}[dtype])
        return prepare(kind(), values, quiet)

    small = inputs(20)
    kind().run(**small, progress=quiet)  # what is loaded on first use is no memory of the operation
    kind().whole(small, quiet)
    large = inputs(size)
    images = extents(kind(), large)
    unit = sum(one.working_bytes for one in images) / 1e6
    unit *= max(1.0, kind().growth([one.grid for one in images]))
    voxels = amount_of_work(kind(), large)
    whole = 0.0
    if kind.halo is not None and kind().halo(images[0].grid) is not None:
        with PeakMemory() as peak:
            kind().whole(large, quiet)
        whole = peak.extra_mb / unit
    times, highest = [], 0.0
    for _ in range(3):
        started = time.perf_counter()
        with PeakMemory() as peak:
            result = kind().run(**large, progress=quiet)
        times.append(time.perf_counter() - started)
        highest = max(highest, (peak.extra_mb - kind.memory_bytes / 1e6) / unit)
        del result
        if sum(times) > 8:
            break
    del np
    return {
        "peak": highest,
        "whole": whole,
        "seconds": statistics.median(times) / voxels,
        "declared": kind.memory_factor,
        "declared_whole": kind.measuring_factor,
        "probe": rates.probe_seconds(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--package", default="filtering")
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--type", choices=["int16", "float32"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--one", action="store_true", help="measure here and print JSON")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.names[0], options.size, options.type, options.threads)))
        return
    from MedImgAnalysisLib.catalog import PACKAGES

    names = options.names or [operation.name for operation in PACKAGES[options.package]]
    print(HEAD)
    probes = []
    for name in names:
        for dtype in [options.type] if options.type else ["int16", "float32"]:
            command = [sys.executable, __file__, name, "--one", "--type", dtype]
            command += ["--size", str(options.size), "--threads", str(options.threads)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                print(
                    f"| {name} | {dtype} | {(done.stderr.strip().splitlines() or ['stopped'])[-1][:90]} |  |  |  |  |"
                )
                continue
            found = json.loads(done.stdout.splitlines()[-1])
            probes.append(found["probe"])
            print(
                f"| {name} | {dtype} | {found['peak']:.2f} | {found['declared']:.2f} | {found['whole']:.2f} | "
                f"{found['declared_whole']:.2f} | {found['seconds']:.4g} |",
                flush=True,
            )
    print(f"\nprobe: {statistics.median(probes):.4g} s")


if __name__ == "__main__":
    main()
