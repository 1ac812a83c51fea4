"""Trade-off curves: held against their results, drawn, printed the same everywhere, and taken in."""

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from stormbench.benchmarks.leaderboard import Board, Curve, build_boards, read_curves, read_entries
from stormbench.benchmarks.leaderboard.charts import curve_chart
from stormbench.benchmarks.leaderboard.curves import CURVE_COLUMNS
from stormbench.benchmarks.leaderboard.site import render, write_site
from stormbench.benchmarks.leaderboard.submissions import add_curve
from stormbench.benchmarks.leaderboard.texts import as_latex, as_markdown, curves_as_csv
from stormbench.benchmarks.results.images import read_result
from stormbench.benchmarks.results.tradeoffs import Point, Share, Tradeoff, Transfer, write_tradeoff
from stormbench.cells import CLEAN
from stormbench.cli.tables.tradeoffs import print_tradeoff
from stormbench.errors import ResultError
from stormbench.metrics import wilson

WriteRun = Callable[..., Path]
CELLS = [(CLEAN, 0), ("fog", 1), ("fog", 5)]
ATTACK = "pgd:step=0.125,steps=20,draws=1"
LAMBDAS = (0.0, 0.3, 1.0)


@pytest.fixture
def make_point(write_run: WriteRun, write_attacked: WriteRun, tmp_path: Path) -> Callable[..., Point]:
    """A point, and the two results that it is made of."""
    made = []

    def make(lam: float, width: float, kept: int, name: str = "oats", folder: str = "wide") -> Point:
        source = f"oat:runs/{name}/model.safetensors@lam={lam:g},width={width:g}"
        common = {"source": source, "folder": tmp_path / "results" / folder, "luck": len(made)}
        stem = f"{name}-{lam:g}-{width:g}"
        made.append(stem)
        scored = read_result(write_run(f"{stem}.score", cells=CELLS, skill=1 - lam / 2, **common))
        attacked = write_attacked(f"{stem}.attack", kept, **common)
        record = read_result(attacked).adversarial
        assert record is not None
        clean, *corrupted = scored.cells
        return Point(
            model=source,
            lam=lam,
            width=width,
            clean=Share(count=60 - clean.wrong, images=60),
            robust=Share(count=kept, images=60),
            attacks={row.attack: row.correct for row in record.rows if row.role == "adaptive"},
            corrupted=Share(count=sum(cell.wrong for cell in corrupted), images=120),
            cells=2,
            operations=int(3_000_000 * width),
            parameters=int(80_000 * width),
            results=[f"{stem}.score.json", f"{stem}.attack.json"],
        )

    return make


@pytest.fixture
def write_curve(make_point: Callable[..., Point], tmp_path: Path) -> Callable[..., Path]:
    def write(name: str = "wide", **changes: Any) -> Path:
        points = [make_point(lam, width, 5 + int(30 * lam)) for width in (0.5, 1.0) for lam in LAMBDAS]
        fields: dict[str, Any] = {
            "created": datetime(2026, 11, 21, tzinfo=UTC),
            "name": name,
            "checkpoint": "runs/oats/model.safetensors",
            "weights": "0123456789abcdef" * 4,
            "architecture": "small",
            "data": "val",
            "fingerprint": "fedcba9876543210" * 2,
            "suite": "imagenet-c",
            "norm": "linf",
            "eps": 8 / 255,
            "budget": "quick",
            "side": 32,
            "points": points,
            "dedicated": [make_point(0.3, 1.0, 12, name="pgd")],
            "transfers": [
                Transfer(width=1, made_at=a, tested_at=b, attack="pgd", right=Share(count=10, images=60))
                for a in LAMBDAS
                for b in LAMBDAS
            ],
        }
        path = tmp_path / "results" / "wide.tradeoff.json"
        write_tradeoff(Tradeoff(**(fields | changes)), path)
        return path

    return write


@pytest.fixture
def curve(write_curve: Callable[..., Path]) -> Curve:
    (found,) = read_curves(write_curve().parent)
    return found


@pytest.fixture
def boards(curve: Curve) -> list[Board]:
    return build_boards(read_entries(curve.path.parent), published=False)


def test_every_point_is_held_against_its_results(curve: Curve, boards: list[Board]) -> None:
    assert curve.recounted == len(curve.points) == 7
    assert sum(len(board.rows) for board in boards) == 14  # its results are rows like any others
    assert "were held against" in render(boards, [curve])


def changed(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


TAMPERED: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "a clean count": (lambda d: d["points"][0]["clean"].update(count=59), "the clean accuracy"),
    "a robust count": (lambda d: d["points"][4]["robust"].update(count=60), "the robust accuracy"),
    "a number of images": (lambda d: d["dedicated"][0]["robust"].update(images=61), "the robust accuracy"),
    "one attack": (lambda d: d["points"][1]["attacks"].update({ATTACK: 3}), "the accuracies under each attack"),
    "a corrupted count": (lambda d: d["points"][2]["corrupted"].update(count=0), "the corrupted images"),
    "the attacks": (lambda d: d["points"][1]["attacks"].update({"another": 3}), "not attacked alike"),
    "more right than images": (lambda d: d["points"][1]["attacks"].update({ATTACK: 99}), "more right answers"),
    "a pair of lambdas": (lambda d: d["transfers"].pop(), "not every pair"),
    "a pair twice": (lambda d: d["transfers"].__setitem__(0, d["transfers"][1]), "not every pair"),
    "too many points": (lambda d: d.update(dedicated=100 * d["dedicated"]), "a curve has fewer"),
    "the model": (lambda d: d["points"][3].update(model="oat:other"), "the model"),
    "the images": (lambda d: d.update(fingerprint="0123456789abcdef" * 2), "the images"),
    "the radius": (lambda d: d.update(eps=1 / 255), "the attack"),
    "the results": (lambda d: d["points"][0].update(results=d["points"][1]["results"]), "the model"),
    "only the score": (lambda d: d["points"][0]["results"].pop(), "a score and an attack"),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_what_disagrees_with_its_results_is_refused(
    write_curve: Callable[..., Path], tmp_path: Path, what: str
) -> None:
    change, message = TAMPERED[what]
    path = write_curve()
    changed(path, change)
    with pytest.raises(ResultError, match=message):
        read_curves(path.parent)
    with pytest.raises(ResultError, match=message):
        add_curve(path, tmp_path / "board")
    assert not (tmp_path / "board").exists()


@pytest.mark.parametrize("name", ["..", "../wide", "/etc", "", "x" * 300, "a\0b", "wide/../wide", "\u202ewide"])
def test_names_lead_nowhere_else(write_curve: Callable[..., Path], tmp_path: Path, name: str) -> None:
    path = write_curve(name=name)
    (found,) = read_curves(path.parent)
    assert found.recounted == 0
    assert "rest on this file alone" in found.remark
    assert "\u202e" not in render([], [found])
    with pytest.raises(ResultError, match="do not all lie beside it"):
        add_curve(path, tmp_path / "board")


def test_a_curve_is_filed_with_its_results(curve: Curve, tmp_path: Path) -> None:
    filed = add_curve(curve.path, tmp_path / "board")
    assert filed.tradeoff == curve.tradeoff
    assert filed.recounted == 7
    assert len(read_entries(tmp_path / "board")) == 14
    with pytest.raises(ResultError, match="very same outcomes"):
        add_curve(curve.path, tmp_path / "board")


def test_every_output_prints_the_counts_shares(curve: Curve, boards: list[Board], tmp_path: Path) -> None:
    write_site(boards, tmp_path / "site", [curve])
    page = (tmp_path / "site" / "index.html").read_text()
    markdown, latex = as_markdown(boards, [curve]), as_latex(boards, [curve])
    rows = list(csv.DictReader(io.StringIO((tmp_path / "site" / "tradeoffs.csv").read_text())))
    assert curves_as_csv([curve]) == (tmp_path / "site" / "tradeoffs.csv").read_text()
    assert len(rows) == 7
    for row, point in zip(rows, curve.points, strict=True):
        assert (row["model"], float(row["lambda"]), float(row["width"])) == (point.model, point.lam, point.width)
        for key, share in (("clean_accuracy", point.clean), ("robust_accuracy", point.robust)):
            value, low, high = (f"{100 * part:.1f}" for part in (share.count / share.images, *wilson(*share_of(share))))
            assert (row[key], row[f"{key}_low"], row[f"{key}_high"]) == (value, low, high)
            assert f"{value} <small>[{low}, {high}]</small>" in page
            assert f"{value} [{low}, {high}]" in markdown
            assert f"{value} [{low}, {high}]" in latex
    assert all(column.meaning in page.replace("&#39;", "'") for column in CURVE_COLUMNS)


def share_of(share: Share) -> tuple[int, int]:
    return share.count, share.images


def test_a_line_a_width_and_dedicated_models_as_points(curve: Curve) -> None:
    points = curve_chart(curve).specification["datasets"]["points"]
    lines = {(point["group"], point["line"]) for point in points}
    assert lines == {("width 0.5", True), ("width 1", True), ("trained for one lambda", False)}
    assert all(point["x_low"] <= point["x"] <= point["x_high"] for point in points)
    assert {point["operations"] for point in points} == {"1.5", "3"}


def test_the_chart_is_drawn_and_its_table_opens(
    curve: Curve, boards: list[Board], tmp_path: Path, open_page: Callable[..., Any]
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed").Axe()
    page = open_page(write_site(boards, tmp_path / "site", [curve]), width=390)
    place = page.locator("#trade-0")
    place.scroll_into_view_if_needed()
    place.locator("svg").wait_for()
    texts = place.locator("svg text").all_text_contents()
    assert {"width 0.5", "width 1", "trained for one lambda"} <= set(texts)
    page.get_by_text("Every point of wide").focus()
    page.keyboard.press("Enter")
    assert page.get_by_text("On the diagonal the attack knows the lambda").is_visible()
    found = axe.run(page).response["violations"]
    assert not [(each["id"], each["nodes"][0]["html"][:200]) for each in found]
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_the_terminal_shows_curves(write_curve: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    path = write_curve(architecture="[bold]\x1b[31m")
    (found,) = read_curves(path.parent)
    print_tradeoff(found.tradeoff, path)
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "[bold]" in said


def test_hostile_curves_stay_text(write_curve: Callable[..., Path], boards: list[Board]) -> None:
    hostile = "</script><script>alert(1)</script>"
    path = write_curve(name=hostile, data=hostile, checkpoint=hostile, architecture=hostile, suite=hostile)

    def poison(document: dict[str, Any]) -> None:
        for point in document["points"] + document["dedicated"]:
            point.update(model=hostile, attacks={hostile: 1})

    changed(path, poison)
    (found,) = read_curves(path.parent)
    assert "<script>alert" not in render(boards, [found])
    assert as_markdown(boards, [found]).count("<script>") == 0


@pytest.mark.parametrize("text", ["[" * 100_000, "{}", "", '{"kind": ["tradeoff"]}', "\xff"])
def test_what_is_no_curve_is_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_bytes(text.encode("latin-1"))
    assert read_curves(tmp_path) == []


def test_what_calls_itself_a_curve_and_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"kind": "tradeoff"}')
    with pytest.raises(ResultError, match="is not a trade-off of schema"):
        read_curves(tmp_path)
