"""Whether pictures can be drawn here: asked in a child process, because a missing OpenGL ends it hard."""

from __future__ import annotations

import signal
import subprocess
import sys
from functools import cache
from pathlib import Path

from .standalone import inside_slicer

SECONDS = 60

TEST = """
import vtk
vtk.vtkLogger.SetStderrVerbosity(vtk.vtkLogger.VERBOSITY_OFF)
window = vtk.vtkRenderWindow()
window.SetOffScreenRendering(1)
window.SetSize(16, 16)
renderer = vtk.vtkRenderer()
renderer.SetBackground(0, 1, 0)
window.AddRenderer(renderer)
window.Render()
grab = vtk.vtkWindowToImageFilter()
grab.SetInput(window)
grab.ReadFrontBufferOff()
grab.Update()
raise SystemExit(0 if grab.GetOutput().GetScalarComponentAsFloat(8, 8, 0, 1) > 200 else 3)
"""


@cache
def probe() -> str | None:
    """Why no picture can be drawn on this machine, None when it can. Asked once per process.

    Drawing without OpenGL is a segmentation fault in VTK, which no `try` can catch; so a child
    process draws a test picture first.
    """
    if inside_slicer():
        return None
    library = Path(__file__).resolve().parents[2]  # a file of the user's working folder must not stand for a module
    try:
        done = subprocess.run(
            [sys.executable, "-c", TEST], cwd=library, capture_output=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"the OpenGL test could not be run ({type(error).__name__})"
    if done.returncode == 0:
        return None
    if done.returncode < 0:
        ended = signal.Signals(-done.returncode).name
        return f"there is no usable OpenGL on this machine (the test picture ended with {ended}); install Mesa with EGL"
    return f"there is no usable OpenGL on this machine (the test picture ended with status {done.returncode})"
