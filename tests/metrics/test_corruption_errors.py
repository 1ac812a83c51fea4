import tomllib
from pathlib import Path

import numpy as np
import pytest

from stormbench.corruptions import CORRUPTIONS, IMAGENET_C
from stormbench.errors import InputError
from stormbench.metrics import (
    TEST_CORRUPTIONS,
    corruption_error,
    load_baseline,
    mean_corruption_error,
    mean_error,
    relative_corruption_error,
    relative_mean_corruption_error,
    unnormalised_corruption_error,
)
from stormbench.metrics.baselines import published_rows

ALEXNET = load_baseline("alexnet")


def random_errors(seed: int) -> dict[str, list[float]]:
    return {
        name: row.tolist()
        for name, row in zip(TEST_CORRUPTIONS, np.random.default_rng(seed).random((15, 5)), strict=True)
    }


def literal_mce(
    errors: dict[str, list[float]], baseline: dict[str, list[float]], clean: float, baseline_clean: float
) -> float:
    """The paper's formula, written out; both cleans 0 for the plain mCE."""
    total = 0.0
    for name in TEST_CORRUPTIONS:
        above = sum(errors[name][s] - clean for s in range(5))
        below = sum(baseline[name][s] - baseline_clean for s in range(5))
        total += above / below
    return 100 * total / 15


def test_the_fifteen_are_the_registrys() -> None:
    assert tuple(name for name in IMAGENET_C if CORRUPTIONS[name].group != "extra") == TEST_CORRUPTIONS


def test_alexnet_against_itself_is_exactly_100() -> None:
    errors = ALEXNET.errors
    assert mean_corruption_error(errors, errors) == 100.0
    assert relative_mean_corruption_error(errors, ALEXNET.clean, errors, ALEXNET.clean) == 100.0


def test_against_the_literal_formula() -> None:
    errors, baseline = random_errors(0), random_errors(1)
    assert mean_corruption_error(errors, baseline) == pytest.approx(literal_mce(errors, baseline, 0, 0), abs=1e-12)
    assert relative_mean_corruption_error(errors, 0.2, baseline, 0.05) == pytest.approx(
        literal_mce(errors, baseline, 0.2, 0.05), abs=1e-9
    )


def test_it_is_the_mean_of_ratios() -> None:
    baseline = random_errors(2)
    errors = {name: [2 * e if name == "fog" else 0.0 for e in row] for name, row in baseline.items()}
    halved = {name: [e / 2 for e in row] for name, row in baseline.items()}
    assert mean_corruption_error({n: [e / 2 for e in row] for n, row in errors.items()}, halved) == pytest.approx(
        200 / 15
    )


def test_a_baseline_of_means_does_as_well() -> None:
    errors, baseline = random_errors(0), random_errors(1)
    means = {name: float(np.mean(row)) for name, row in baseline.items()}
    assert mean_corruption_error(errors, means) == mean_corruption_error(errors, baseline)
    assert relative_mean_corruption_error(errors, 0.1, means, 0.1) == relative_mean_corruption_error(
        errors, 0.1, baseline, 0.1
    )


def test_plain_means() -> None:
    errors = random_errors(3)
    assert mean_error(errors) == pytest.approx(100 * np.mean(list(errors.values())))
    assert unnormalised_corruption_error(errors["fog"]) == pytest.approx(100 * np.mean(errors["fog"]))


def test_validation_corruptions_never_enter() -> None:
    errors = random_errors(0)
    assert mean_corruption_error({**errors, "spatter": [1.0] * 5}, ALEXNET.errors) == mean_corruption_error(
        errors, ALEXNET.errors
    )
    assert mean_error({**errors, "spatter": [1.0] * 5}) == mean_error(errors)


@pytest.mark.parametrize("which", ["errors", "baseline"])
def test_a_missing_corruption_is_named(which: str) -> None:
    tables = {"errors": random_errors(0), "baseline": random_errors(1)}
    del tables[which]["glass_blur"]
    with pytest.raises(InputError, match=f"{which} table lacks glass_blur"):
        mean_corruption_error(**tables)


@pytest.mark.parametrize("bad", [[0.1] * 4, [0.1] * 6, [], 0.5, [[0.1] * 5]])
def test_wrong_numbers_of_severities_are_refused(bad: object) -> None:
    with pytest.raises(InputError, match="fog: want 5 errors"):
        mean_corruption_error({**random_errors(0), "fog": bad}, ALEXNET.errors)


@pytest.mark.parametrize("bad", [43.5, -0.1, float("nan")])
def test_percent_and_nonsense_are_refused(bad: float) -> None:
    with pytest.raises(InputError, match=r"fog: errors are fractions"):
        mean_corruption_error({**random_errors(0), "fog": [0.1, 0.1, 0.1, 0.1, bad]}, ALEXNET.errors)
    with pytest.raises(InputError, match="fractions"):
        relative_mean_corruption_error(random_errors(0), bad, ALEXNET.errors, 0.435)


def test_a_baseline_that_measures_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="no error"):
        corruption_error([0.1] * 5, [0.0] * 5)
    with pytest.raises(InputError, match="loses nothing"):
        relative_corruption_error([0.1] * 5, 0.1, [0.2] * 5, 0.2)


def test_published_rows_are_the_mean_of_their_published_columns() -> None:
    """Each CE was rounded to whole percents, so their mean is within 0.5 of the mCE (in fact within 0.3)."""
    rows = [row for row in published_rows() if row.corruption_errors]
    assert len(rows) == 6
    for row in rows:
        errors = {
            name: np.clip(np.array(ALEXNET.errors[name]) * ce / 134, 0, 1)  # scaled, so that 134 % stays below 1
            for name, ce in zip(TEST_CORRUPTIONS, row.corruption_errors, strict=True)
        }
        assert mean_corruption_error(errors, ALEXNET.errors) * 1.34 == pytest.approx(row.mce, abs=0.3)


def test_transcribed_relative_mce_follows_from_the_published_columns(shared: Path) -> None:
    models = tomllib.loads((shared / "facts/baselines.toml").read_text())["paper"]["models"]
    for row in published_rows():
        if not row.corruption_errors:
            continue
        name = row.model.replace("VGG-19 with batch normalisation", "VGG-19_BN")
        clean, _, relative, *_ = models[name]
        means = {
            c: float(np.mean(ALEXNET.errors[c])) * ce / 100
            for c, ce in zip(TEST_CORRUPTIONS, row.corruption_errors, strict=True)
        }
        ours = relative_mean_corruption_error(
            {c: [min(m, 1.0)] * 5 for c, m in means.items()}, clean / 100, ALEXNET.errors, 0.435
        )
        assert ours == pytest.approx(relative, abs=2.0), row.model  # brightness turns half a percent into four


def test_shipped_figures_are_those_of_the_facts(shared: Path) -> None:
    facts = tomllib.loads((shared / "facts/baselines.toml").read_text())
    by_severity = facts["alexnet"]["imagenet_c"]["error_by_severity"]
    means = facts["alexnet"]["imagenet_c"]["error_mean"]
    assert {name: list(row) for name, row in ALEXNET.errors.items()} == {
        n: r for n, r in by_severity.items() if n != "status"
    }
    for name in TEST_CORRUPTIONS:
        assert np.mean(ALEXNET.errors[name]) == pytest.approx(means[name], abs=5e-7)
    assert mean_error(ALEXNET.errors) == pytest.approx(100 * means["mean_15"], abs=5e-5)
    assert facts["alexnet"]["clean"]["error"] == pytest.approx(100 * ALEXNET.clean)


def test_resnet50_decimals_round_to_the_published_column(shared: Path) -> None:
    decimals = tomllib.loads((shared / "facts/baselines.toml").read_text())["resnet50"]["per_corruption_ce_decimals"]
    row = next(row for row in published_rows() if row.model == "ResNet-50" and row.corruption_errors)
    published = dict(zip(TEST_CORRUPTIONS, row.corruption_errors, strict=True))
    assert {name: round(value) for name, value in decimals.items()} == {name: published[name] for name in decimals}
