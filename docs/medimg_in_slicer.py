"""Runs `medimg` inside the Slicer application and always ends it with the exit status of the command.

    Slicer --no-splash --no-main-window --python-script docs/medimg_in_slicer.py run recipe.json --in ...

Without this wrapper an error would leave Slicer running, and a batch waiting.
"""

import sys
import traceback

status = 2
try:
    from MedImgAnalysisLib.__main__ import main

    status = main(sys.argv[1:])
except BaseException:  # noqa: BLE001 - whatever happens, Slicer must end
    traceback.print_exc()
finally:
    sys.stdout.flush()
    sys.exit(status)
