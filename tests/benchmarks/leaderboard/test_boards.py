"""Ranks, versions, flags, and that every output says the same."""

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stormbench.benchmarks.analysis.summary import summarise
from stormbench.benchmarks.leaderboard import Board, build_boards, read_entries
from stormbench.benchmarks.leaderboard.entries import result_files
from stormbench.benchmarks.leaderboard.ranks import Rank, beaten_by_intervals, places, surely_beaten
from stormbench.benchmarks.leaderboard.site import render
from stormbench.benchmarks.leaderboard.texts import as_csv, as_latex, as_markdown
from stormbench.benchmarks.results.documents import seal_of
from stormbench.benchmarks.results.images import read_result
from stormbench.benchmarks.results.run import Run
from stormbench.benchmarks.results.settings import InferenceRecord, SuiteRecord
from stormbench.cells import CLEAN
from stormbench.datasets import Geometry
from stormbench.errors import MissingDependencyError, ResultError
from stormbench.metrics import TEST_CORRUPTIONS, mean_corruption_error, wilson
from stormbench.metrics.baselines import load_baseline, published_rows
from stormbench.metrics.estimates import Estimate

WriteRun = Callable[..., Path]
ALEXNET = load_baseline("alexnet")
CELLS = [(CLEAN, 0), *((name, severity) for name in TEST_CORRUPTIONS for severity in range(1, 6))]


@pytest.fixture
def boards(write_run: WriteRun, tmp_path: Path) -> list[Board]:
    for at, name in enumerate(("worst", "middle", "best")):
        write_run(name, skill=0.9 * at, luck=at)
    write_run("twin", source="torchvision:twin", skill=1.8, luck=2)
    return build_boards(read_entries(tmp_path / "results"))


def test_models_that_cannot_be_told_apart_share_places(boards: list[Board]) -> None:
    ranks = {row.short: str(row.rank) for row in boards[0].rows}
    assert ranks == {"best": "1–2", "twin": "1–2", "middle": "3", "worst": "4"}


def test_places_follow_what_is_sure() -> None:
    """In a chain of models where only the ends are surely apart, the middle shares places with both."""
    beaten = np.zeros((3, 3), dtype=bool)
    beaten[2, 0] = True
    assert places(beaten) == [Rank(1, 2), Rank(1, 3), Rank(2, 3)]


def test_places_of_models_that_are_not_surely_apart_overlap() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        samples = rng.normal(size=(12, 1)) + rng.normal(size=(12, 400)) * 0.5
        beaten = surely_beaten(list(samples), 400)
        ranks = places(beaten)
        for i in range(12):
            for j in range(12):
                if not beaten[i, j] and not beaten[j, i]:
                    assert ranks[i].best <= ranks[j].worst


def test_without_shared_resamples_intervals_must_lie_apart() -> None:
    estimates = [Estimate(50, 40, 60), Estimate(58, 50, 66), Estimate(80, 70, 90)]
    assert places(beaten_by_intervals(estimates, higher_is_better=True)) == [Rank(2, 3), Rank(2, 3), Rank(1, 1)]
    assert places(beaten_by_intervals(estimates, higher_is_better=False)) == [Rank(1, 2), Rank(1, 2), Rank(3, 3)]


def test_every_output_prints_the_same_figures_as_the_metrics(boards: list[Board], tmp_path: Path) -> None:
    page, markdown, latex = render(boards), as_markdown(boards), as_latex(boards)
    rows = {row["model"]: row for row in csv.DictReader(io.StringIO(as_csv(boards))) if row["kind"] == "measured"}
    assert len(rows) == 4
    for path in result_files(tmp_path / "results"):
        result = read_result(path)
        summary = summarise(Run.open(path), ALEXNET)
        errors = {name: [result.cell(name, at).error for at in range(1, 6)] for name in TEST_CORRUPTIONS}  # type: ignore[union-attr]
        clean = result.cell("clean", 0)
        assert clean is not None
        assert summary.mce is not None
        low, high = (100 * bound for bound in wilson(clean.wrong, clean.images))
        row = rows[result.model.source]
        assert row["mce"] == f"{mean_corruption_error(errors, ALEXNET.errors):.1f}"
        assert (row["mce_low"], row["mce_high"]) == (f"{summary.mce.low:.1f}", f"{summary.mce.high:.1f}")
        assert (row["clean_error"], row["clean_error_low"]) == (f"{100 * clean.error:.1f}", f"{low:.1f}")
        assert row["clean_error_high"] == f"{high:.1f}"
        for key in ("mce", "relative_mce", "mean_error", "clean_error"):
            printed = f"{row[key]} [{row[f'{key}_low']}, {row[f'{key}_high']}]"
            for text in (line for line in (*markdown.splitlines(), *latex.splitlines()) if result.model.source in line):
                assert printed in text
            assert f"{row[key]} <small>[{row[f'{key}_low']}, {row[f'{key}_high']}]</small>" in page
        for (name, severity), error in summary.errors.items():
            assert name == "clean" or f"{100 * result.cell(name, severity).error:.1f} <small>{error.brackets}" in page  # type: ignore[union-attr]


def test_published_rows_stand_apart_with_their_source(boards: list[Board]) -> None:
    published = [row for row in csv.DictReader(io.StringIO(as_csv(boards))) if row["kind"] == "published"]
    expected = [row for row in published_rows() if row.mce is not None]
    assert [(row["model"], float(row["mce"]), row["source"]) for row in published] == [
        (row.model, row.mce, row.source) for row in expected
    ]
    assert not any(row["rank_best"] or row["mce_low"] for row in published)
    assert len(re.findall('class="kind published"', render(boards))) == len(expected)


def test_published_rows_can_be_left_out_and_belong_to_their_suite(write_run: WriteRun, tmp_path: Path) -> None:
    path = write_run()
    assert not build_boards(read_entries(path.parent), published=False)[0].context
    suite = read_result(path).suite.model_copy(update={"name": "cifar-c"})
    write_run("other", suite=suite, folder=tmp_path / "cifar")
    assert not build_boards(read_entries(tmp_path / "cifar"))[0].context


def redated(path: Path, days: int) -> None:
    document = json.loads(path.read_text())
    document["created"] = (read_result(path).created - timedelta(days=days)).isoformat()
    path.write_text(json.dumps(document | {"seal": seal_of(document)}))


def test_versions_of_one_model_line_up(write_run: WriteRun, tmp_path: Path) -> None:
    for at, digest in enumerate(("aa12" * 16, "bb34" * 16, "cc56" * 16)):
        redated(write_run(f"run-{at}", source="checkpoint:net.pth@resnet18", digest=digest, luck=at), days=10 * at)
    board = build_boards(read_entries(tmp_path / "results"))[0]
    (row,) = board.rows
    assert row.run is not None
    assert row.run.result.run == "run-0"
    assert [old.run.result.run for old in row.earlier if old.run] == ["run-1", "run-2"]
    page = render([board])
    assert "Earlier versions of this model" in page
    assert "bb34bb34bb34" in page
    assert row.flags == ("results here name 3 different sets of weights checkpoint:net.pth@resnet18",)


def test_other_pixels_are_other_boards(write_run: WriteRun, tmp_path: Path) -> None:
    write_run("a")
    write_run("b", fingerprint="0123456789abcdef" * 2)
    write_run("c", seed=1)
    boards = build_boards(read_entries(tmp_path / "results"))
    assert [board.title.partition(" (")[2] for board in boards] == [
        "set 1: fingerprint fedcba987654; seed 0)",
        "set 2: fingerprint 0123456789ab; seed 0)",
        "set 3: fingerprint fedcba987654; seed 1)",
    ]
    assert {row.rank for board in boards for row in board.rows} == {Rank(1, 1)}
    assert any("different sets of images" in flag for board in boards for row in board.rows for flag in row.flags)


SUITE = SuiteRecord(name="imagenet-c", scale="imagenet", geometry=None, jpeg_quality=85)
FEWER = [cell for cell in CELLS if cell[1] in (0, 1, 3)]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seed": 7}, ("seed 0", "seed 7")),
        ({"cells": FEWER}, ("severities 1, 2, 3, 4, 5", "severities 1, 3")),
        ({"cells": CELLS[:11]}, ("corruptions (15 of them)", "corruptions gaussian_noise, shot_noise")),
        ({"cells": CELLS[1:]}, ("clean images scored", "clean images not scored")),
        ({"suite": SUITE.model_copy(update={"jpeg_quality": None})}, ("JPEG quality 85", "JPEG quality none")),
        ({"suite": SUITE.model_copy(update={"scale": "cifar"})}, ("severity scale imagenet", "severity scale cifar")),
        (
            {"suite": SUITE.model_copy(update={"geometry": Geometry(256, 224)})},
            ("geometry none", "geometry resize 256, crop 224, interpolation bilinear"),
        ),
        (
            {"inference": InferenceRecord(precision="bf16", compiled=False, channels_last=True)},
            ("arithmetic none", "arithmetic precision bf16, compiled False, channels_last True"),
        ),
    ],
)
def test_boards_of_one_title_say_how_they_differ(
    write_run: WriteRun, tmp_path: Path, changes: dict[str, Any], said: tuple[str, str]
) -> None:
    write_run("a")
    write_run("b", **changes)
    boards = build_boards(read_entries(tmp_path / "results"), published=False)
    told = {board.rows[0].short: board.title.partition(": ")[2].removesuffix(")") for board in boards}
    assert (told["a"], told["b"]) == said


def test_what_was_skipped_is_said(write_run: WriteRun, tmp_path: Path) -> None:
    write_run(skipped=["n01/broken.jpg"])
    board = build_boards(read_entries(tmp_path / "results"))[0]
    assert "1 images were skipped" in board.rows[0].flags[0]
    assert "1 images: n01/broken.jpg" in render([board])


def test_spreadsheets_get_no_formulas(write_run: WriteRun, tmp_path: Path) -> None:
    for at, name in enumerate(("=1+1", "+cmd", "-2+3", "@sum")):
        write_run(f"run-{at}", source=name, luck=at)
    rows = csv.DictReader(io.StringIO(as_csv(build_boards(read_entries(tmp_path / "results"), published=False))))
    assert sorted(row["model"] for row in rows) == ["'+cmd", "'-2+3", "'=1+1", "'@sum"]


def test_latex_and_markdown_escape(write_run: WriteRun, tmp_path: Path) -> None:
    write_run(source=r"timm:a_b & 50% \input{x} | $y$ <i>", luck=3)
    boards = build_boards(read_entries(tmp_path / "results"), published=False)
    assert r"timm:a\_b \& 50\% \textbackslash{}input\{x\} \textbar{} \$y\$ \textless{}i\textgreater{}" in as_latex(
        boards
    )
    assert r"timm:a\_b \& 50% \\input{x} \| $y$ \<i\>" in as_markdown(boards)


def test_one_broken_result_is_named(write_run: WriteRun, tmp_path: Path) -> None:
    write_run("sound")
    write_run("tampered").with_suffix(".npz").write_bytes(b"PK")
    with pytest.raises(ResultError, match=r"tampered\.npz is not the file"):
        read_entries(tmp_path / "results")
    with pytest.raises(ResultError, match="there is no result"):
        read_entries(tmp_path / "nowhere")


def test_unfinished_runs_are_passed_over(write_run: WriteRun, tmp_path: Path) -> None:
    write_run("sound")
    (tmp_path / "results/half.unfinished/deep").mkdir(parents=True)
    (tmp_path / "results/half.unfinished/deep/settings.json").write_text("{}")
    assert [run.path.name for run in read_entries(tmp_path / "results")] == ["sound.json"]


@pytest.mark.parametrize("library", ["vl_convert", "itables"])
def test_missing_libraries_are_named_with_the_remedy(
    boards: list[Board], monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    from stormbench.benchmarks.leaderboard import libraries

    monkeypatch.setitem(__import__("sys").modules, library, None)
    libraries.vega_embed.cache_clear()
    libraries.datatables.cache_clear()
    with pytest.raises(MissingDependencyError, match=r"pip install 'stormbench\[leaderboard\]'"):
        render(boards)


def test_the_page_is_bounded(boards: list[Board]) -> None:
    page = render(boards).encode()
    assert len(page) < 2_500_000
    assert b"http://" not in page.split(b"<script")[0]
