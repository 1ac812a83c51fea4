"""A real browser that has no network."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stormbench.benchmarks.leaderboard import build_boards, read_entries, write_site

ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
Open = Callable[..., Any]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=executable, args=list(ARGUMENTS))
        yield launched
        launched.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Open]:
    """Opens a site from its files and gives the page; fails if it asks for anything or complains of anything."""
    contexts, complaints = [], []

    def open_site(page_path: Path, *, width: int = 1280, height: int = 900, scheme: str = "light") -> Any:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, offline=True)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.on(
            "request", lambda request: complaints.append(request.url) if request.url != page_path.as_uri() else None
        )
        page.goto(page_path.as_uri())
        return page

    yield open_site
    for context in contexts:
        context.close()
    assert not complaints


@pytest.fixture
def make_site(tmp_path: Path) -> Callable[..., Path]:
    def make(folder: Path = tmp_path / "results", **options: Any) -> Path:
        return write_site(build_boards(read_entries(folder), **options), tmp_path / "site")

    return make
