"""Five hundred results on one page."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stormbench.benchmarks.leaderboard import build_boards, read_entries
from stormbench.benchmarks.leaderboard.site import write_site

WriteRun = Callable[..., Path]
VERSIONS = dict.fromkeys(("python", "stormbench", "numpy", "scipy", "opencv-python", "Pillow", "torch"), "10.12.14")


@pytest.mark.slow
def test_five_hundred_results_fit_on_a_page_and_sort(
    write_run: WriteRun, tmp_path: Path, open_page: Callable[..., Any]
) -> None:
    for at in range(500):
        source = f"timm:some_network_{at:03d}.trained_on_in1k"
        write_run(f"run-{at:03d}", source=source, skill=at % 40 / 20, luck=at, versions=VERSIONS)
    page_path = write_site(build_boards(read_entries(tmp_path / "results")), tmp_path / "site")
    assert page_path.stat().st_size < 6_000_000
    page = open_page(page_path)
    rows = page.locator("#models tbody tr")
    assert rows.count() == 100
    total = int(page.locator("#count").inner_text().split(" of ")[1])
    assert total > 500
    heading = page.locator("#models thead th", has_text="mCE").first
    heading.click()
    page.locator("#models thead th[aria-sort=ascending]").wait_for()
    best = column(page)
    page.get_by_role("link", name="Next").press("Enter")
    page.locator("[aria-current=page]", has_text="2").wait_for()
    assert max(best) <= min(column(page))
    page.locator("#search").fill("network_12")
    assert rows.count() == 10
    page.locator("#search").fill("")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert rows.count() == total
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert rows.count() == 100


def column(page: Any) -> list[float]:
    """The mCE of the rows that are shown."""
    at = page.locator("#models thead th").all_inner_texts().index("mCE")
    texts = page.locator(f"#models tbody tr :is(td, th):nth-child({at + 1})").all_inner_texts()
    return [float(text.split()[0]) for text in texts]
