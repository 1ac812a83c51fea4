"""The page in a real browser, opened from its file, without a network."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

WriteRun = Callable[..., Path]
Open = Callable[..., Any]
MakeSite = Callable[..., Path]
HOSTILE = {
    "script": "<script>alert(1)</script>",
    "closing": "</script><img src=x onerror=alert(2)>",
    "quotes": '"\'`onmouseover=alert(3) x="',
    "right to left": "timm:\u202egnp.exe\u2066\u200f",
    "template": "{{ 7 * 7 }}{% raw %}",
    "entity": "&lt;b&gt;&amp;",
    "long": "x" * 4096,
    "newlines": "a\nb\r\nc\u2028d",
    "formula": "=1+1|cmd",
    "latex": "\\input{/etc/passwd} 100% $x_1^2$ #~&",
    "markdown": "[a](javascript:alert(4)) | **b** `c`",
}


@pytest.fixture
def site(write_run: WriteRun, make_site: MakeSite) -> Path:
    for at, name in enumerate(("alpha", "beta", "gamma")):
        write_run(name, skill=0.6 * at, luck=at)
    write_run("gamma-rain", source="torchvision:gamma", skill=0.2, luck=7, defense="rain:shift=0.05")
    return make_site()


def names(page: Any) -> list[str]:
    found: list[str] = page.locator("#models tbody th > a > bdi, #models tbody th > bdi:first-child").all_inner_texts()
    return found


def column(page: Any, heading: str) -> list[str]:
    at = page.locator("#models thead th").all_inner_texts().index(heading)
    found: list[str] = page.locator(f"#models tbody tr :is(td, th):nth-child({at + 1})").all_inner_texts()
    return [text.split()[0] for text in found if text.strip()]


def wait_until_sorted(page: Any, heading: str, order: str) -> None:
    """The table sorts a moment after the click."""
    page.locator(f"#models thead th[aria-sort={order}]", has_text=heading).first.wait_for()


def test_sorting_by_mouse(site: Path, open_page: Open) -> None:
    page = open_page(site)
    heading = page.locator("#models thead th", has_text="mCE").first
    heading.click()
    wait_until_sorted(page, "mCE", "ascending")
    ascending = [float(text) for text in column(page, "mCE")]
    assert ascending == sorted(ascending)
    heading.click()
    wait_until_sorted(page, "mCE", "descending")
    descending = [float(text) for text in column(page, "mCE") if text]
    assert descending == sorted(descending, reverse=True)


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_sorting_by_keyboard(site: Path, open_page: Open, key: str) -> None:
    page = open_page(site)
    page.locator("#search").focus()
    for _ in range(30):
        page.keyboard.press("Tab")
        if "Clean error" in page.evaluate("document.activeElement.closest('th')?.innerText ?? ''"):
            break
    page.keyboard.press(key)
    wait_until_sorted(page, "Clean error", "ascending")
    figures = [float(text) for text in column(page, "Clean error")]
    assert len(figures) > 4
    assert figures == sorted(figures)


def test_searching_and_filtering(site: Path, open_page: Open) -> None:
    page = open_page(site)
    total = len(names(page))
    page.locator("[data-filter=kind]").select_option("measured")
    assert sorted(names(page)) == ["alpha", "beta", "gamma", "gamma"]
    assert page.locator("#count").inner_text() == f"4 of {total}"
    page.locator("[data-filter=defense]").select_option("rain:shift=0.05")
    assert names(page) == ["gamma"]
    page.locator("[data-filter=defense]").select_option("")
    page.locator("#search").fill("bet")
    assert names(page) == ["beta"]
    page.locator("#search").fill("")
    page.locator("[data-filter=kind]").select_option("")
    assert len(names(page)) == total


def test_opening_a_model(site: Path, open_page: Open) -> None:
    page = open_page(site)
    section = page.locator("details.model", has=page.locator("summary", has_text="alpha"))
    assert not section.locator("table").is_visible()
    page.get_by_role("link", name="alpha").click()
    section.locator("table").wait_for(state="visible")
    assert "0123456789abcdef" * 4 in section.inner_text()
    assert section.locator("tbody tr").count() == 15
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_charts_are_drawn_without_moving_anything(site: Path, open_page: Open) -> None:
    page = open_page(site)
    page.evaluate(
        "window.shift = 0; new PerformanceObserver(list => list.getEntries().forEach(entry => shift += entry.value))"
        ".observe({type: 'layout-shift', buffered: true})"
    )
    for place in page.locator(".chart").all():
        place.scroll_into_view_if_needed()
        place.locator("svg").wait_for()
        assert place.evaluate(
            "each => each.querySelector('svg').getBoundingClientRect().height <= each.clientHeight + 1"
        )
    assert page.locator(".chart").count() == 3
    assert page.evaluate("shift") < 0.02


@pytest.mark.parametrize("width", [390, 1280], ids=["phone", "desk"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_hard_to_reach(site: Path, open_page: Open, width: int, scheme: str) -> None:
    """axe-core finds no violation, the page does not scroll sideways, and nothing overlaps its frame."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed").Axe()
    page = open_page(site, width=width, scheme=scheme)
    for details in page.locator("details.model").all():
        details.evaluate("each => each.open = true")
    for place in page.locator(".chart").all():
        place.scroll_into_view_if_needed()
        place.locator("svg").wait_for()
    # The policy of the page forbids foreign scripts, so axe comes in by the debugger, which stands above it.
    found = axe.run(page).response["violations"]
    assert not [(each["id"], each["nodes"][0]["html"][:200]) for each in found]
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_hostile_names_stay_text(write_run: WriteRun, make_site: MakeSite, open_page: Open) -> None:
    for at, text in enumerate(HOSTILE.values()):
        write_run(
            f"run-{at}",
            source=text,
            defense=text,
            data=text,
            skipped=[text],
            versions={text: text},
            luck=at,
            digest=f"{at:064x}",
        )
    path = make_site()
    page = open_page(path)
    for details in page.locator("details.model").all():
        details.evaluate("each => each.open = true")
    for place in page.locator(".chart").all():
        place.scroll_into_view_if_needed()
        place.locator("svg").wait_for()
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 4
    text = page.locator("body").inner_text()
    for shown in (
        "<script>alert(1)</script>",
        "\\u202egnp.exe\\u2066\\u200f",
        "{{ 7 * 7 }}{% raw %}",
        "&lt;b&gt;",
        "a\\nb",
    ):
        assert shown in text
    assert "\u202e" not in path.read_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    data = json.loads(
        page.locator("#specifications").inner_text(timeout=1000) or page.locator("#specifications").text_content()
    )
    assert data


def test_policy_stops_scripts_that_are_not_ours(site: Path, browser: Any, tmp_path: Path) -> None:
    """Even if something slipped through escaping, it would not run."""
    injected = tmp_path / "injected.html"
    injected.write_text(site.read_text().replace("<main>", "<main><script>window.pwned = 1</script>"))
    page = browser.new_context(offline=True).new_page()
    page.goto(injected.as_uri())
    assert page.evaluate("window.pwned") is None
    assert page.locator("#models thead th[aria-sort], #models .dt-column-order").count() > 0


def test_the_page_reads_without_scripts(site: Path, browser: Any) -> None:
    page = browser.new_context(java_script_enabled=False, offline=True).new_page()
    page.goto(site.as_uri())
    assert page.locator("#models tbody tr").count() > 4
    assert not page.locator(".controls").is_visible()


def test_printing_draws_all_charts(site: Path, open_page: Open) -> None:
    page = open_page(site)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.wait_for_function("[...document.querySelectorAll('.chart')].every(each => each.querySelector('svg'))")
    page.emulate_media(media="print")
    assert not page.locator(".controls").is_visible()
