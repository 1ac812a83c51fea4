"""Sequences and adversarial evaluations on the leaderboard, in comparisons and as submissions."""

import csv
import io
import json
import random
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stormbench.benchmarks.analysis.compare import compare
from stormbench.benchmarks.analysis.comparison import ATTACKED
from stormbench.benchmarks.analysis.metrics import METRICS
from stormbench.benchmarks.analysis.sequence_summary import summarise_sequences
from stormbench.benchmarks.evaluation.evaluate import evaluate
from stormbench.benchmarks.leaderboard import Board, build_boards, find_baselines, read_entries
from stormbench.benchmarks.leaderboard.charts import _styles as styles
from stormbench.benchmarks.leaderboard.charts import board_charts, clean_errors
from stormbench.benchmarks.leaderboard.ranks import Rank
from stormbench.benchmarks.leaderboard.site import render, write_site
from stormbench.benchmarks.leaderboard.submissions import add_result
from stormbench.benchmarks.leaderboard.texts import as_csv, as_latex, as_markdown
from stormbench.benchmarks.results.arrays import arrays_from
from stormbench.benchmarks.results.documents import seal_of
from stormbench.benchmarks.results.images import OUTCOME_ARRAYS
from stormbench.benchmarks.results.run import Run
from stormbench.benchmarks.results.sequences import (
    SequenceResult,
    read_sequence_outcomes,
    read_sequence_result,
    write_sequence_result,
)
from stormbench.benchmarks.results.settings import Settings
from stormbench.benchmarks.suites.registry import SUITES
from stormbench.cells import CLEAN
from stormbench.defenses.robustness.outcomes import attack_arrays
from stormbench.defenses.robustness.verdict import Verdict
from stormbench.errors import ResultError
from stormbench.files import npz
from stormbench.metrics import TEST_PERTURBATIONS, mean_flip_rate, mean_top5_distance, wilson
from stormbench.metrics.baselines import Baseline, load_baseline, write_baseline
from stormbench.metrics.estimates import Estimate

WriteRun = Callable[..., Path]
NETWORK = "python:stormbench.benchmarks.demo.networks:"


@pytest.fixture(scope="module")
def sequences(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sequences")
    for name in ("plain", "noisy"):
        suite = SUITES["cifar-p"].narrowed(TEST_PERTURBATIONS, [1])
        evaluate(f"{NETWORK}{name}", "digits", suite, out=folder, limit=8, name=name)
    return folder


def test_sequences_have_a_board_of_their_own(sequences: Path) -> None:
    (board,) = build_boards(read_entries(sequences))
    assert board.index == "flip_probability"
    assert board.title == "cifar-p on 8 images of digits"
    page = render([board])
    assert "level 1" in page
    assert "Flip probability" in page


ALEXNET = "measured: torchvision:alexnet@IMAGENET1K_V1 on 50000 images of val, run alexnet"


def made_up(name: str, suite: str, source: str = "made up for this test") -> Baseline:
    flips, distances = dict.fromkeys(TEST_PERTURBATIONS, 0.1), dict.fromkeys(TEST_PERTURBATIONS, 2.0)
    sources = dict.fromkeys(("flip_probability", "top5_distance"), source)
    fields = {"flip_probability": flips, "top5_distance": distances}
    return Baseline.model_validate({"name": name, "suite": suite, "sources": sources, **fields})


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    write_baseline(made_up("made-up", "cifar-p"), tmp_path / "baseline.json")
    return tmp_path / "baseline.json"


def test_sequences_are_normalised_by_a_baseline_that_is_named(sequences: Path, baseline: Path) -> None:
    baselines = find_baselines([str(baseline)])
    (board,) = build_boards(read_entries(sequences, baselines))
    assert board.index == "mfr"
    for row in board.rows:
        assert row.run is not None
        assert isinstance(row.run.result, SequenceResult)
        expected = summarise_sequences(Run.open(row.run.path), baselines["cifar-p"]).mfr
        assert expected is not None
        assert str(row.figures["mfr"]) == str(expected)


def charted(board: Board, boards: list[Board]) -> dict[str, set[str]]:
    """By the title of each scatter plot, which kinds of models are in it."""
    charts = [chart for chart in board_charts(board, clean_errors(boards)) if " against " in chart.title]
    return {chart.title: {point["group"] for point in chart.specification["datasets"]["points"]} for chart in charts}


def no_violation(page: Any) -> None:
    """Draws every chart, and lets axe-core look at the page."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed").Axe()
    for place in page.locator(".chart").all():
        place.scroll_into_view_if_needed()
        place.locator("svg").wait_for()
    found = axe.run(page).response["violations"]
    assert not [(each["id"], each["nodes"][0]["html"][:200]) for each in found]


def as_imagenet_p(path: Path, folder: Path) -> Path:
    """The same outcomes as if they were of ImageNet-P."""
    result = read_sequence_result(path)
    old = Settings(**{name: getattr(result, name) for name in Settings.model_fields})
    suite = old.suite.model_copy(update={"name": "imagenet-p"})
    cells = [(key, cell.frames) for key, cell in zip(result.keys, result.cells, strict=True)]
    outcomes = read_sequence_outcomes(path, result)
    target = folder / path.name
    write_sequence_result(old.model_copy(update={"suite": suite}), cells, outcomes, target)
    return target


def test_published_flip_rates_stand_by_themselves_where_the_baseline_is_another(
    sequences: Path, write_run: WriteRun, tmp_path: Path, open_page: Callable[..., Any]
) -> None:
    """Published mFR is over AlexNet's rate; beside figures over another model's rate it would mislead."""
    folder = tmp_path / "results"
    for name in ("plain", "noisy"):
        path = as_imagenet_p(sequences / f"{name}.json", folder)
        model = read_sequence_result(path).model
        for images in (20, 60, 30):
            named = {"digest": model.digest, "source": model.source, "images": images}
            write_run(f"{name}-clean-{images}", cells=[(CLEAN, 0)], **named)
    boards = build_boards(read_entries(folder, {"imagenet-p": made_up("another", "imagenet-p")}))
    board = next(board for board in boards if board.index == "mfr")
    assert board.title.endswith("measured against another")
    assert all("not AlexNet" in row.flags[0] for row in board.rows)
    assert charted(board, boards) == {
        "Clean error against mFR": {"measured"},
        "Clean error against mFR, as published": {"published by others"},
    }
    assert "measured against another" in as_markdown(boards)
    *_, measured, published = board_charts(board, clean_errors(boards))
    marks = [[layer["mark"]["type"] for layer in chart.specification["layer"]] for chart in (measured, published)]
    assert marks == [["rule", "rule", "point", "text"], ["point", "text"]]  # published figures have no intervals
    no_violation(open_page(write_site(boards, tmp_path / "site")))
    most = next(each for each in boards if each.rows[0].images == 60).rows[0]
    identity = (most.run.result.model.digest if most.run else "", "")
    assert clean_errors(boards)[identity] == most.figures["clean_error"]  # of the run with the most images


def test_a_baseline_is_not_alexnet_for_its_name(sequences: Path, tmp_path: Path) -> None:
    as_imagenet_p(sequences / "plain.json", tmp_path / "results")
    (board,) = build_boards(read_entries(tmp_path / "results", {"imagenet-p": made_up("alexnet", "imagenet-p")}))
    assert "measured against alexnet" in board.title
    assert not board.like_published


def test_published_flip_rates_stand_beside_those_over_alexnet(
    sequences: Path, write_run: WriteRun, tmp_path: Path
) -> None:
    folder = tmp_path / "results"
    model = read_sequence_result(as_imagenet_p(sequences / "plain.json", folder)).model
    write_run("clean", cells=[(CLEAN, 0)], digest=model.digest, source=model.source)
    boards = build_boards(read_entries(folder, {"imagenet-p": made_up("alexnet", "imagenet-p", ALEXNET)}))
    board = next(board for board in boards if board.index == "mfr")
    assert "measured against" not in board.title
    assert charted(board, boards) == {"Clean error against mFR": {"measured", "published by others"}}


def test_both_indices_of_sequences_are_compared_with_intervals(sequences: Path) -> None:
    baseline = made_up("another", "cifar-p")
    paths = [sequences / "plain.json", sequences / "noisy.json"]
    comparison = compare(paths, baseline=baseline)[0]
    for name in ("mfr", "mt5d"):
        difference = comparison.indices[name]
        found = [summarise_sequences(Run.open(path), baseline) for path in paths]
        samples = found[1].samples[name] - found[0].samples[name]
        assert difference.points == Estimate.of(samples)
        assert difference.points.low < difference.points.high
    assert set(comparison.corruptions) == set(TEST_PERTURBATIONS)


def test_sequences_are_compared_pairwise(sequences: Path, baseline: Path) -> None:
    paths = [sequences / "plain.json", sequences / "noisy.json"]
    comparison = compare(paths)[0]
    assert "flip probability" in comparison.conclusion
    assert len(comparison.corruptions) == 10
    assert not comparison.cells
    normalised = compare(paths, baseline=load_baseline(baseline))[0]
    assert normalised.conclusion.count("mFR") == 1
    flips = comparison.indices["flip_probability"]
    assert normalised.indices["mfr"].first == pytest.approx(10 * flips.first)
    assert normalised.indices["mfr"].points == pytest.approx([10 * bound for bound in flips.points])


def test_sequences_and_images_are_not_compared(sequences: Path, write_run: WriteRun) -> None:
    with pytest.raises(ResultError, match="one is of images, one of sequences"):
        compare([sequences / "plain.json", write_run()])


def test_sequences_are_taken_in(sequences: Path, tmp_path: Path) -> None:
    assert "flip_probability" in add_result(sequences / "plain.json", tmp_path).figures
    with pytest.raises(ResultError, match="the very same outcomes"):
        add_result(sequences / "plain.json", tmp_path)


def test_noise_at_a_high_level_alone_has_a_board_and_no_rank(tmp_path: Path) -> None:
    suite = SUITES["cifar-p"].narrowed(["gaussian_noise"], [2])
    evaluate(f"{NETWORK}plain", "digits", suite, out=tmp_path / "results", limit=4, name="plain")
    (board,) = build_boards(read_entries(tmp_path / "results"))
    assert board.rows[0].rank is None
    assert "gaussian_noise, level 2" in render([board])


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_damaged_sequences_are_refused_without_a_traceback(sequences: Path, tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    for suffix in (".json", ".npz"):
        content = bytearray((sequences / f"plain{suffix}").read_bytes())
        for _ in range(draw.randint(0, 4)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        (tmp_path / f"plain{suffix}").write_bytes(content)
    document = (tmp_path / "plain.json").read_text(errors="replace")
    resealed = {"outcomes": {"file": "plain.npz", "sha256": sha256((tmp_path / "plain.npz").read_bytes()).hexdigest()}}
    with suppress(ValueError, AttributeError):
        changed = json.loads(document) | resealed
        (tmp_path / "plain.json").write_text(json.dumps(changed | {"seal": seal_of(changed)}))
    with suppress(ResultError):
        read_entries(tmp_path)


def test_attacked_models_are_ranked_by_robust_accuracy(write_attacked: WriteRun, tmp_path: Path) -> None:
    for name, adaptive in {"strong": 50, "weak": 4, "weaker": 1}.items():
        write_attacked(name, adaptive, luck=adaptive)
    (board,) = build_boards(read_entries(tmp_path / "results"))
    assert board.title == "Adversarial attacks (linf, radius 8/255, quick budget) on 60 images of val"
    assert [(row.short, row.rank) for row in board.rows] == [
        ("strong", Rank(1, 1)),
        ("weak", Rank(2, 3)),
        ("weaker", Rank(2, 3)),
    ]
    assert [row.verdict.partition(":")[0] for row in board.rows] == ["withstood these attacks", *["not robust"] * 2]
    assert "withstood these attacks: it was told so" in render([board])


def test_the_verdict_is_drawn(write_attacked: WriteRun, tmp_path: Path) -> None:
    for name, adaptive in {"strong": 50, "weak": 4}.items():
        write_attacked(name, adaptive, luck=adaptive)
    boards = build_boards(read_entries(tmp_path / "results"))
    (chart,) = board_charts(boards[0], clean_errors(boards))
    assert chart.title == "Clean accuracy against robust accuracy"
    points = chart.specification["datasets"]["points"]
    assert {point["short"]: point["group"] for point in points} == {
        "strong": "withstood these attacks",
        "weak": "not robust",
    }
    assert all(point["x_low"] <= point["x"] <= point["x_high"] for point in points)


def test_robust_accuracies_are_compared_under_one_threat(write_attacked: WriteRun) -> None:
    first, second = write_attacked("weak", 4), write_attacked("strong", 50, luck=2)
    comparison = compare([first, second])[0]
    difference = comparison.indices["robust_accuracy"]
    assert difference.sure == -1
    assert difference.points.low > 50
    assert "strong is better than weak by 76.7 points of robust accuracy" in comparison.conclusion
    (test,) = [test for test in comparison.cells if test.corruption == ATTACKED]
    assert (test.only_first_wrong, test.only_second_wrong) == (46, 0)
    assert test.sure == -1
    other = write_attacked("other", 30, luck=3, eps=4 / 255)
    comparison = compare([first, other])[0]
    assert "robust_accuracy" not in comparison.indices
    assert any("other norms, radii or budgets" in note for note in comparison.notes)


def test_robust_accuracies_are_paired(write_attacked: WriteRun, tmp_path: Path) -> None:
    """Two models whose own intervals overlap are told apart where one withstands all that the other does, and more."""
    first, second = write_attacked("first", 30), write_attacked("second", 38, luck=2)
    points = compare([first, second])[0].indices["robust_accuracy"]
    assert points.sure == -1
    assert points.points.value == pytest.approx(100 * 8 / 60)
    (board,) = build_boards(read_entries(tmp_path / "results"))
    assert [(row.short, row.rank) for row in board.rows] == [("second", Rank(1, 1)), ("first", Rank(2, 2))]
    own = [row.figures["robust_accuracy"].interval for row in board.rows]
    assert own[0] is not None
    assert own[1] is not None
    assert own[0].low < own[1].high


def test_attacks_that_left_counts_only_are_flagged_and_compared_without_pairing(
    write_attacked: WriteRun, tmp_path: Path
) -> None:
    paths = [write_attacked("first", 4), write_attacked("second", 50, luck=2)]
    for path in paths:
        as_schema_2(path)
    comparison = compare(paths)[0]
    assert comparison.indices["robust_accuracy"].sure == -1
    assert any("without pairing" in note for note in comparison.notes)
    (board,) = build_boards(read_entries(tmp_path / "results"))
    assert all("only counts were kept" in row.flags[0] for row in board.rows)
    with pytest.raises(ResultError, match="only counts were kept"):
        add_result(paths[0], tmp_path / "board")


def as_schema_2(path: Path) -> None:
    """As an attack was written before outcomes by image were kept."""
    document = json.loads(path.read_text()) | {"schema_version": 2}
    del document["adversarial"]["by_image"]
    beside = path.with_suffix(".npz")
    arrays = arrays_from(beside.read_bytes(), [*OUTCOME_ARRAYS, *attack_arrays(gradients=False)], "here")
    beside.write_bytes(npz({name: arrays[name] for name in OUTCOME_ARRAYS}))
    document["outcomes"]["sha256"] = sha256(beside.read_bytes()).hexdigest()
    path.write_text(json.dumps(document | {"seal": seal_of(document)}))


def test_every_kind_is_printed_the_same_everywhere_and_as_the_metrics_say(
    sequences: Path, write_run: WriteRun, write_attacked: WriteRun, tmp_path: Path
) -> None:
    folder, baseline = tmp_path / "results", made_up("another", "imagenet-p")
    path = as_imagenet_p(sequences / "noisy.json", folder)
    write_run("scored")
    write_attacked("attacked", 23, luck=3)
    boards = build_boards(read_entries(folder, {"imagenet-p": baseline}), published=False)
    page, markdown, latex = render(boards), as_markdown(boards), as_latex(boards)
    rows = list(csv.DictReader(io.StringIO(as_csv(boards))))
    printed = 0
    for row in rows:
        lines = [line for line in (*markdown.splitlines(), *latex.splitlines()) if f" {row['model']} " in line]
        assert len(lines) == 2
        for key in (metric.name for metric in METRICS if row.get(metric.name)):
            value, low, high = row[key], row[f"{key}_low"], row[f"{key}_high"]
            assert all(f" {value} [{low}, {high}] " in line for line in lines)
            assert f"{value} <small>[{low}, {high}]</small>" in page
            printed += 1
    assert printed == 5 + 4 + 2
    found = {key: row[key] for row in rows for key in row if row[key]}
    result = read_sequence_result(path)
    flips = {cell.perturbation: cell.flip_probability for cell in result.cells}
    distances = {cell.perturbation: cell.top5_distance or 0.0 for cell in result.cells}
    low, high = (100 * bound for bound in wilson(23, 60))
    assert found["mfr"] == f"{mean_flip_rate(flips, baseline.flip_probability):.1f}"
    assert found["mt5d"] == f"{mean_top5_distance(distances, baseline.top5_distance):.1f}"
    assert found["flip_probability"] == f"{100 * sum(flips.values()) / 10:.2f}"
    assert found["robust_accuracy"] == f"{100 * 23 / 60:.1f}"
    assert (found["robust_accuracy_low"], found["robust_accuracy_high"]) == (f"{low:.1f}", f"{high:.1f}")


def test_a_verdict_looks_the_same_on_every_board() -> None:
    assert len({style for group in Verdict for style in styles([str(group)])}) == len(Verdict)
    assert styles(["not robust", "measured"])[0] == styles(["not robust"])[0]
