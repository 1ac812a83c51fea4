"""The curve: what is counted at each point, beside which dedicated models, and across lambdas."""

from pathlib import Path
from typing import Any

import pytest
import torch

from stormbench.benchmarks.analysis.names import short_name
from stormbench.benchmarks.analysis.tradeoff import by_width, gaps, rank_correlation
from stormbench.benchmarks.experiments.points import Plan
from stormbench.benchmarks.experiments.tradeoff import tradeoff
from stormbench.benchmarks.leaderboard import is_curve
from stormbench.benchmarks.models.loading import load_model
from stormbench.benchmarks.results.tradeoffs import Point, Share, Tradeoff, read_tradeoff
from stormbench.benchmarks.suites.registry import SUITES
from stormbench.datasets import open_images
from stormbench.defenses.attacks import Ball
from stormbench.defenses.oat import ConditionalModel, NetworkSpec, Recipe
from stormbench.defenses.oat.card import write_checkpoint
from stormbench.defenses.robustness.budgets import find_budget
from stormbench.errors import InputError, ModelError, ResultError


def checkpoint(folder: Path, **spec: Any) -> Path:
    torch.manual_seed(0)
    model = ConditionalModel(NetworkSpec(**{"arch": "small", "channels": 4, "code_length": 8} | spec))
    path = folder / "model.safetensors"
    write_checkpoint(model, path, recipe=Recipe(), data={}, versions={}, history=[])
    return path


@pytest.fixture(scope="module")
def conditional(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("curve"), lambdas=(0.0, 1.0), widths=(0.5, 1.0), residual=True)


@pytest.fixture(scope="module")
def dedicated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("rival"), lambdas=(1.0,), encoding=None, dual=False)


@pytest.fixture(scope="module")
def measured(
    conditional: Path, dedicated: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Tradeoff, Plan]:
    plan = Plan(
        images=open_images("digits"),
        suite=SUITES["cifar-c"].narrowed(["contrast"], [1, 3]),
        ball=Ball("linf", 8 / 255),
        limit=20,
        attacked=8,
        batch_size=8,
    )
    path, found = tradeoff(conditional, plan, out=tmp_path_factory.mktemp("out"), name="both", dedicated=[dedicated])
    return path, found, plan


def test_a_source_names_lambda_and_width(conditional: Path, dedicated: Path) -> None:
    model = load_model(f"oat:{conditional}@lam=1,width=0.5")
    assert model.source == f"oat:{conditional}@lam=1,width=0.5"
    assert model.num_classes == 10
    digests = {load_model(f"oat:{conditional}@{chosen}").digest for chosen in ("lam=0", "lam=1", "lam=1,width=0.5")}
    assert len(digests) == 3
    assert load_model(f"oat:{dedicated}").source == f"oat:{dedicated}@lam=1"
    assert short_name(model.source) == f"{conditional.parent.name} lam=1 width=0.5"


@pytest.mark.parametrize(
    ("chosen", "error", "message"),
    [
        ("", ModelError, "names no trade-off; write oat:.*@lam=LAMBDA with one of 0, 1"),
        ("@lam=0.5", InputError, "lambda 0.5 was not trained; this model knows 0, 1"),
        ("@lam=1,width=0.75", InputError, "width 0.75 was not trained; this model has 0.5, 1"),
        ("@lambda=1", InputError, "there is no setting 'lambda'; there are: lam, width"),
        ("@lam=much", InputError, "wants float, not 'much'"),
    ],
)
def test_a_source_that_cannot_be_is_refused(
    conditional: Path, chosen: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        load_model(f"oat:{conditional}{chosen}")


def test_every_lambda_and_width_is_a_point_of_two_results(measured: tuple[Path, Tradeoff, Plan]) -> None:
    path, found, _ = measured
    assert path.name == "both.tradeoff.json"
    assert is_curve(path)
    assert read_tradeoff(path) == found
    assert [(point.width, point.lam) for point in found.points] == [(0.5, 0), (0.5, 1), (1, 0), (1, 1)]
    for point in (*found.points, *found.dedicated):
        assert (point.clean.images, point.robust.images) == (20, 8)
        assert (point.cells, point.corrupted and point.corrupted.images) == (2, 40)
        names = {attack.partition(",draws")[0] for attack in point.attacks}
        assert {"apgd:loss=ce,steps=20", "apgd:loss=dlr,steps=20"} < names
        assert point.robust.count <= max(point.attacks.values())
        assert all((path.parent / "both" / name).is_file() for name in point.results)
    narrow, wide = found.points[0], found.points[2]
    assert narrow.operations < 0.4 * wide.operations
    assert narrow.parameters < wide.parameters


def test_transfers_are_every_pair_at_every_width(measured: tuple[Path, Tradeoff, Plan]) -> None:
    pairs = {(each.width, each.made_at, each.tested_at) for each in measured[1].transfers}
    assert pairs == {(width, made, tested) for width in (0.5, 1) for made in (0, 1) for tested in (0, 1)}


def test_a_second_try_finds_what_the_first_has_done(
    measured: tuple[Path, Tradeoff, Plan], conditional: Path, dedicated: Path
) -> None:
    path, found, plan = measured
    before = {file.name: file.stat().st_mtime_ns for file in (path.parent / "both").iterdir()}
    _, again = tradeoff(conditional, plan, out=path.parent, name="both", dedicated=[dedicated])
    assert again.model_copy(update={"created": found.created}) == found
    assert {file.name: file.stat().st_mtime_ns for file in (path.parent / "both").iterdir()} == before


def point(lam: float, clean: int, robust: int, width: float = 1.0) -> Point:
    return Point(
        model="oat:m.safetensors",
        lam=lam,
        width=width,
        clean=Share(count=clean, images=100),
        robust=Share(count=robust, images=50),
        attacks={},
        corrupted=None,
        cells=0,
        operations=1,
        parameters=1,
        results=[],
    )


def test_figures_by_hand(measured: tuple[Path, Tradeoff, Plan]) -> None:
    points = [point(0.0, 80, 10), point(0.2, 79, 15), point(1.0, 70, 14), point(0.0, 60, 5, width=0.5)]
    curve = measured[1].model_copy(update={"points": points, "dedicated": [point(1.0, 75, 16), point(1.0, 0, 0)]})
    assert list(by_width(curve)) == [0.5, 1]
    # Ranks 1 2 3 against 1 3 2: 1 - 6 * 2 / (3 * 8).
    assert rank_correlation(by_width(curve)[1]) == pytest.approx(0.5)
    assert rank_correlation(by_width(curve)[0.5]) is None
    [gap] = gaps(curve)
    assert gap == pytest.approx((1.0, -5.0, -4.0))
    assert points[0].clean.interval == pytest.approx((0.7112, 0.8666), abs=1e-3)


def test_what_is_no_trade_off_is_refused(tmp_path: Path, measured: tuple[Path, Tradeoff, Plan]) -> None:
    text = measured[0].read_text()
    broken = tmp_path / "broken.json"
    for old, new in (('"images":20', '"images":1'), ('"norm":"linf"', '"norm":"l7"'), ('"lam":1.0', '"lam":2.0')):
        assert old in text.replace(": ", ":")
        broken.write_text(text.replace(": ", ":").replace(old, new))
        with pytest.raises(ResultError, match="is not a trade-off of schema 1"):
            read_tradeoff(broken)
    assert not is_curve(tmp_path / "none.json")
    with pytest.raises(ResultError, match=r"cannot read .*none\.json"):
        read_tradeoff(tmp_path / "none.json")


def test_budgets_are_found_by_name() -> None:
    assert find_budget("curve").others == ("apgd:loss=ce,steps=20", "apgd:loss=dlr,steps=20")
    assert find_budget("standard").name == "standard"
    with pytest.raises(InputError, match="no budget named 'curved'"):
        find_budget("curved")
