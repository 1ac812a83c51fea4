"""Comparing models on the same images."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from stormbench.benchmarks.analysis.baselines import suite_baseline
from stormbench.benchmarks.analysis.compare import compare, conclusion
from stormbench.benchmarks.analysis.comparison import Difference
from stormbench.benchmarks.analysis.figures import sampled_figures
from stormbench.benchmarks.analysis.resampling import Resampled
from stormbench.benchmarks.analysis.summary import summarise
from stormbench.benchmarks.results.images import read_outcomes, read_result
from stormbench.benchmarks.results.run import ImageRun, Run
from stormbench.benchmarks.results.settings import SuiteRecord
from stormbench.cells import CLEAN
from stormbench.errors import InputError, ResultError
from stormbench.metrics import TEST_CORRUPTIONS, corruption_error, mean_corruption_error, relative_mean_corruption_error
from stormbench.metrics.baselines import load_baseline
from stormbench.metrics.estimates import Estimate
from stormbench.metrics.intervals import resampled_means
from stormbench.metrics.significance import holm, mcnemar

WriteRun = Callable[..., Path]
ALEXNET = load_baseline("alexnet")


def test_a_model_is_as_good_as_itself(write_run: WriteRun) -> None:
    path = write_run()
    comparison = compare([path, path])[0]
    assert comparison.indices["mce"].points == (0, 0, 0)
    assert {test.p_holm for test in comparison.cells} == {1.0}
    assert "cannot be told apart" in comparison.conclusion


def test_the_better_model_is_found_and_the_sentence_says_by_how_much(write_run: WriteRun) -> None:
    first, second = write_run("worse"), write_run("better", skill=0.8, luck=2)
    comparison = compare([first, second])[0]
    points = comparison.indices["mce"].points
    assert points.low < points.value < points.high < 0
    size = f"{-points.value:.1f} points of mCE [{-points.high:.1f}, {-points.low:.1f}] on the same 60 images"
    assert comparison.conclusion.startswith(f"better is better than worse by {size}")
    backward = compare([second, first])[0]
    assert backward.indices["mce"].points.value == -points.value
    assert "worse is worse than better by" in backward.conclusion


def test_pairing_makes_small_differences_sure(write_run: WriteRun) -> None:
    """Two models that differ on a few images only: apart by pairs, although their own intervals overlap."""
    first = write_run("first", images=200)
    rank = read_outcomes(first, read_result(first)).rank.copy()
    rank[:, ::20] = 0
    second = write_run("second", images=200, rank=rank)
    comparison = compare([first, second])[0]
    own = [summarise(Run.open(path), ALEXNET).mce for path in (first, second)]
    assert own[0] is not None
    assert own[1] is not None
    assert own[1].high > own[0].low
    assert comparison.indices["mce"].sure == -1


def test_a_corruption_on_which_the_better_model_is_worse_is_named(write_run: WriteRun) -> None:
    first = write_run("first", images=200)
    result = read_result(first)
    rank = read_outcomes(first, result).rank.copy()
    names = np.array([cell.corruption for cell in result.cells])
    rank[names == "pixelate"] = 1
    rank[names == "fog"] = 0
    rank[names == "snow"] = 0
    second = write_run("second", images=200, rank=rank)
    assert compare([first, second])[0].conclusion.endswith("; it is worse on pixelate.")


def test_where_models_cannot_be_told_apart_the_sentence_names_who_is_better_on_what() -> None:
    difference = Difference(80.0, 79.8, Estimate(-0.2, -1.0, 0.6))
    said = conclusion("A", "B", 100, {"mce": difference}, {"fog": -1, "snow": 1, "frost": 1})
    assert said == (
        "B and A cannot be told apart by mCE on the same 100 images: they differ by -0.2 [-1.0, 0.6] points; "
        "B is better on fog; B is worse on snow and frost."
    )


def test_many_results_are_compared_with_the_first(write_run: WriteRun) -> None:
    paths = [write_run(name, luck=luck) for luck, name in enumerate("abc")]
    assert [(c.first, c.second) for c in compare(paths)] == [
        ("a", "b"),
        ("a", "c"),
    ]
    with pytest.raises(InputError, match="at least two results, got 1"):
        compare(paths[:1])


def test_comparisons_are_json(write_run: WriteRun) -> None:
    document = compare([write_run("a"), write_run("b", luck=2)])[0].as_json()
    assert json.loads(json.dumps(document)) == document
    assert set(document["indices"]["mce"]["points"]) == {"value", "low", "high"}
    assert len(document["cells"]) == 76


SUITE = {"name": "imagenet-c", "scale": "imagenet", "geometry": None, "jpeg_quality": 85}
OTHERWISE = {
    "seed": {"seed": 1},
    "images (fingerprint)": {"fingerprint": "0" * 31 + "1"},
    "number of images": {"images": 61},
    "codec (JPEG quality)": {"suite": SuiteRecord(**SUITE | {"jpeg_quality": None})},
    "suite": {"suite": SuiteRecord(**SUITE | {"name": "cifar-c"})},
    "severity scale": {"suite": SuiteRecord(**SUITE | {"scale": "cifar"})},
}


@pytest.mark.parametrize("what", OTHERWISE)
def test_other_pixels_are_refused_with_the_reason(write_run: WriteRun, what: str) -> None:
    first, second = write_run("a"), write_run("b", **OTHERWISE[what])
    with pytest.raises(
        ResultError, match=rf"cannot be compared: their {what.replace('(', '.').replace(')', '.')} differs"
    ):
        compare([first, second])


def test_runs_with_other_cells_are_compared_where_both_ran(write_run: WriteRun) -> None:
    cells = [(CLEAN, 0), *(("fog", severity) for severity in range(1, 6))]
    comparison = compare([write_run("all"), write_run("some", cells=cells)])[0]
    assert list(comparison.corruptions) == ["fog"]
    assert "mce" not in comparison.indices
    assert any("Only 6 cells stand in both" in note for note in comparison.notes)
    with pytest.raises(ResultError, match="no cell in common"):
        compare([write_run("fog", cells=cells[1:2]), write_run("snow", cells=[("snow", 1)])])


def test_models_are_called_as_short_as_tells_them_apart(write_run: WriteRun) -> None:
    first, second = (write_run(name, source=f"{name}:net") for name in ("timm", "torchvision"))
    assert compare([first, second])[0].first == "timm:net"


def test_models_of_one_name_are_called_by_their_runs(write_run: WriteRun) -> None:
    comparison = compare([write_run(name, source="timm:net") for name in ("monday", "tuesday")])[0]
    assert (comparison.first, comparison.second) == ("monday", "tuesday")


def test_resampled_figures_follow_the_metrics_formulas(write_run: WriteRun) -> None:
    """Row by row, what is computed for all resamples at once equals what ``stormbench.metrics`` says."""
    path = write_run()
    run = Resampled.of(Run.open(path), 5)
    figures = sampled_figures(run, ALEXNET)
    for row in range(6):
        errors = {
            name: [run.means[row, run.columns[name, severity]] for severity in range(1, 6)] for name in TEST_CORRUPTIONS
        }
        clean = run.means[row, run.columns[CLEAN, 0]]
        relative = relative_mean_corruption_error(errors, clean, ALEXNET.errors, ALEXNET.clean or 0)
        assert figures.indices["mce"][row] == pytest.approx(mean_corruption_error(errors, ALEXNET.errors), rel=1e-12)
        assert figures.indices["relative_mce"][row] == pytest.approx(relative, rel=1e-12)
        for name in TEST_CORRUPTIONS:
            ce = corruption_error(errors[name], ALEXNET.errors[name])
            assert figures.corruptions[name][row] == pytest.approx(ce, rel=1e-12)


@pytest.mark.parametrize("kept", [0, 10**8], ids=["drawn anew", "shared draws"])
def test_resamples_are_the_bootstrap_of_the_metrics(
    write_run: WriteRun, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    monkeypatch.setattr("stormbench.metrics.estimates._KEPT_DRAWS", kept)
    path = write_run()
    result = read_result(path)
    outcomes = read_outcomes(path, result)
    expected = resampled_means((outcomes.rank >= 1).T, resamples=100, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(Resampled.of(ImageRun(path, result), 100).means[1:], expected)


def test_mcnemar_is_the_exact_binomial_test() -> None:
    pairs = np.array([(0, 0), (3, 3), (9, 1), (0, 12), (40, 61)])
    expected = [binomtest(int(a), int(a + b)).pvalue if a + b else 1.0 for a, b in pairs]
    np.testing.assert_allclose(mcnemar(pairs[:, 0], pairs[:, 1]), expected, rtol=1e-12)


def test_holm_is_never_below_the_single_test_nor_above_bonferroni() -> None:
    p = np.random.default_rng(0).random(50) ** 3
    adjusted = holm(p)
    assert (adjusted >= p).all()
    assert (adjusted <= np.minimum(1, 50 * p)).all()
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()


def coverage(images: int, trials: int, seed: int) -> tuple[float, float]:
    """How often the intervals of mCE, and of a paired difference of mCE, hold the true figure.

    Images differ in how hard they are; given that, every cell is an independent coin. The truth is the mean over many
    more images than any trial sees.
    """
    rng = np.random.default_rng(seed)
    columns = {
        (name, severity): index
        for index, (name, severity) in enumerate(
            (name, severity) for name in TEST_CORRUPTIONS for severity in range(1, 6)
        )
    }
    offset = np.tile(0.35 * np.arange(5) - 0.9, 15)

    def probabilities(hard: np.ndarray, skill: float) -> np.ndarray:
        return 1 / (1 + np.exp(-2 * (hard[:, None] + offset - skill)))

    def mce(means: np.ndarray) -> np.ndarray:
        return sampled_figures(Resampled(columns, means), ALEXNET).indices["mce"]

    population = rng.normal(size=200_000)
    truth = [mce(probabilities(population, skill).mean(axis=0)[None])[0] for skill in (0.0, 0.3)]
    held = np.zeros(2)
    for _ in range(trials):
        hard = rng.normal(size=images)
        wrong = np.hstack([rng.random((images, 75)) < probabilities(hard, skill) for skill in (0.0, 0.3)])
        drawn = rng.integers(images, size=(1000, images)) + images * np.arange(1000)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=1000 * images).reshape(1000, images) / images
        means = weights @ wrong
        first, second = mce(means[:, :75]), mce(means[:, 75:])
        for at, (samples, true) in enumerate(((first, truth[0]), (second - first, truth[1] - truth[0]))):
            low, high = np.quantile(samples, [0.025, 0.975])
            held[at] += low <= true <= high
    return held[0] / trials, held[1] / trials


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    for share in coverage(images=400, trials=1500, seed=0):
        assert 0.93 <= share <= 0.97


def test_suites_without_a_baseline_are_compared_by_mean_error(write_run: WriteRun) -> None:
    assert suite_baseline("cifar-c") is None
    suite = SuiteRecord(**SUITE | {"name": "cifar-c"})
    comparison = compare([write_run("a", suite=suite), write_run("b", skill=1, suite=suite)])[0]
    assert not comparison.baseline
    assert "points of mean error" in comparison.conclusion
