"""Size and speed of the report of a cohort, in a real browser.

    python Testing/benchmarks/report.py [CASES ...]

Makes cohorts with three slice pictures and 35 columns per case, writes their reports, opens them in chromium and says
how long it takes until the table can be used, and how long a sort and a filter take. Without chromium only the size
and the time of writing are given.
"""

from __future__ import annotations

import platform
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from browser_testing import NAMES, look, with_script
from cases_testing import recipe_data
from cohort_testing import made_cohort
from MedImgAnalysisLib.batch.report import as_html
from MedImgAnalysisLib.pages.cohort_page import SCRIPT
from MedImgAnalysisLib.recipe import Recipe

REPEATS = 3
MEASURE = """
addEventListener('DOMContentLoaded', () => {
  const ready = performance.now(), out = document.createElement('p');
  const timed = act => {
    const start = performance.now();
    act();
    document.getElementById('cases').getBoundingClientRect();
    return performance.now() - start;
  };
  const layout = timed(() => {});
  const heads = [...document.querySelectorAll('th[data-key] button')];
  const sort = timed(() => heads[6].click());
  const state = document.getElementById('state');
  const filter = timed(() => { state.value = 'outliers'; state.dispatchEvent(new Event('change')); });
  out.id = 'times';
  out.textContent = [ready, layout, sort, filter].map(x => x.toFixed(0)).join(' ');
  document.body.append(out);
});
"""


def measure(count: int) -> None:
    """Print one line for a cohort of `count` cases."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cases = made_cohort(count, folder)
        start = time.perf_counter()
        text = as_html(folder, Recipe.from_data(recipe_data(name="Organ volumes")), cases, ["age", "site"])
        seconds = time.perf_counter() - start
        page = folder / "report.html"
        page.write_text(with_script(text, SCRIPT, MEASURE), "utf-8")
        line = f"{count:5d} cases  {page.stat().st_size / 1e6:5.1f} MB  {text.count('<img '):5d} pictures  "
        line += f"written in {seconds:.1f} s"
        if any(map(shutil.which, NAMES)):
            found = [look(page, milliseconds=60_000) for _ in range(REPEATS)]
            times = [[int(t) for t in re.findall(r'id="times">([\d ]+)<', seen.text)[0].split()] for seen in found]
            ready, layout, sort, view = (min(values) for values in zip(*times, strict=True))
            line += f"; read {ready} ms, first layout {layout} ms, sort {sort} ms, filter {view} ms"
        print(line, flush=True)


if __name__ == "__main__":
    print(f"{platform.platform()}, Python {platform.python_version()}")
    for number in map(int, sys.argv[1:] or ["5", "60", "1000"]):
        measure(number)
