"""How fast a leaderboard of many results is built, and how fast a browser sorts it."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np

from stormbench.benchmarks.leaderboard import build_boards, read_entries, write_site
from stormbench.benchmarks.results.images import Outcomes, write_result
from stormbench.benchmarks.results.settings import DataRecord, ModelRecord, Settings, SuiteRecord
from stormbench.benchmarks.suites.registry import SUITES
from stormbench.cells import CLEAN
from stormbench.datasets.preprocessing import Preprocessing

_CLASSES = 10
_SORTED_BY = ("mCE", "Mean", "Clean", "Model", "mCE", "Clean", "Rank")
_CHROMIUM = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")
# From the click until the browser has painted the rows in their new order.
_SORT = """async heading => {
  const cell = [...document.querySelectorAll('#models thead th')].find(each => each.innerText.includes(heading));
  const state = () => cell.getAttribute('aria-sort'), before = state(), begun = performance.now();
  cell.click();
  while (state() === before) await new Promise(resolve => setTimeout(resolve, 0));
  await new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve, 0)));
  return performance.now() - begun;
}"""


@dataclass(frozen=True)
class PageSpeed:
    """What a leaderboard took.

    Attributes:
        results: how many.
        images: of each.
        seconds: to read them, compute all figures, and write the page.
        processor_seconds: likewise, of the processor.
        megabytes: of the page.
        rows: in its table, published ones included.
        sorting: milliseconds of each sort in the browser; empty where there is none.
    """

    results: int
    images: int
    seconds: float
    processor_seconds: float
    megabytes: float
    rows: int
    sorting: tuple[float, ...]

    @property
    def typical_sort(self) -> float | None:
        """The median in milliseconds."""
        return median(self.sorting) if self.sorting else None


def measure_page(results: int, images: int = 1000) -> PageSpeed:
    """Makes up results of all cells, builds their page, and sorts it in Chromium where there is one.

    Args:
        results: how many.
        images: of each.
    """
    with tempfile.TemporaryDirectory() as folder:
        for number in range(results):
            _made_up(number, images, Path(folder, "results"))
        begun, worked = perf_counter(), process_time()
        boards = build_boards(read_entries(Path(folder, "results")))
        page = write_site(boards, Path(folder, "site"))
        seconds, processor = perf_counter() - begun, process_time() - worked
        rows = sum(len(board.rows) + len(board.context) for board in boards)
        return PageSpeed(results, images, seconds, processor, page.stat().st_size / 1e6, rows, _sorted(page))


def _made_up(number: int, images: int, folder: Path) -> None:
    suite, rng = SUITES["imagenet-c"], np.random.default_rng(number)
    cells = [(CLEAN, 0), *suite.cells]
    labels = rng.integers(_CLASSES, size=images)
    ranks = (rng.random((len(cells), images)) < 0.2 + 0.6 * (number % 40) / 40).astype(np.uint16)
    predictions = np.where(ranks > 0, (labels + 1) % _CLASSES, labels).astype(np.int32)
    keys = np.array([f"{index:06d}" for index in range(images)])
    name = f"some_network_{number:03d}.trained_on_in1k"
    settings = Settings(
        run=name,
        suite=SuiteRecord(name=suite.name, scale=suite.scale, geometry=suite.geometry, jpeg_quality=suite.jpeg_quality),
        model=ModelRecord(
            source=f"timm:{name}", digest="0123456789abcdef" * 4, classes=_CLASSES, preprocessing=Preprocessing()
        ),
        defense=None,
        data=DataRecord(
            name="val", images=images, classes=_CLASSES, fingerprint="fedcba9876543210" * 2, skipped=[], released=None
        ),
        seed=0,
        batch_size=32,
        versions={"stormbench": "made up"},
    )
    write_result(settings, cells, Outcomes(keys, labels, predictions, ranks), folder / f"{name}.json")


def _sorted(page_path: Path) -> tuple[float, ...]:
    executable = shutil.which("chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return ()
    if executable is None:
        return ()
    with sync_playwright() as playwright:
        browser: Any = playwright.chromium.launch(executable_path=executable, args=list(_CHROMIUM))
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(page_path.as_uri())
        page.wait_for_timeout(3000)
        times = tuple(float(page.evaluate(_SORT, heading)) for heading in _SORTED_BY)
        browser.close()
    return times
