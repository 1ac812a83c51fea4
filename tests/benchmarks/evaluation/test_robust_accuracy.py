"""Adversarial evaluations of a data set: in shards, resumable, the same whatever the workers, kept with the result."""

from dataclasses import replace
from pathlib import Path

import pytest

from stormbench.benchmarks import load_model
from stormbench.benchmarks.analysis.summary import summarise
from stormbench.benchmarks.evaluation.attack import attack
from stormbench.benchmarks.evaluation.evaluate import score
from stormbench.benchmarks.models.model import Model
from stormbench.benchmarks.results.attacks import AdversarialRecord
from stormbench.benchmarks.results.images import read_outcomes, read_result
from stormbench.benchmarks.results.run import Run
from stormbench.defenses.robustness import BUDGETS, Budget
from stormbench.defenses.robustness.budgets import chosen_attacks
from stormbench.errors import InputError, ResultError, SettingsChangedError, UnknownNameError

PLAIN = "python:stormbench.benchmarks.demo.networks:plain"
SMALL = Budget(
    "small",
    "for tests",
    lead="pgd:step=0.3",
    lead_steps=4,
    others=("apgd:steps=3",),
    first_draws=1,
    most_draws=2,
    others_draws=1,
    queries=5,
    query_draws=1,
    tries=2,
    vote=3,
    judge=3,
)


@pytest.fixture(scope="module")
def plain() -> Model:
    return load_model(PLAIN)


def run(model: Model, out: Path, **changes: object) -> tuple[Path, AdversarialRecord]:
    settings: dict[str, object] = {"eps": 0.1, "budget": SMALL, "limit": 20, "batch_size": 8, "defense": "rain"}
    path, result = attack(model, "digits", "cifar-c", out=out, **(settings | changes))  # type: ignore[arg-type]
    assert result.adversarial is not None
    assert read_result(path) == result
    return path, result.adversarial


def test_the_record_adds_up_and_names_every_attack(plain: Model, tmp_path: Path) -> None:
    path, found = run(plain, tmp_path)
    assert found.images == 20
    roles = [row.role for row in found.rows]
    assert roles[:5] == ["clean", "noise", "undefended", "oblivious", "fixed draw"]
    assert {"single draw", "large eps", "gradient-free", "adaptive"} <= set(roles)
    adaptive = [row for row in found.rows if row.role in ("adaptive", "gradient-free")]
    assert found.gradients_per_image == sum(row.passes for row in adaptive)
    assert found.correct.adaptive <= found.correct.clean
    assert [file.name for file in tmp_path.iterdir() if file.suffix == ".unfinished"] == []
    result = read_result(path)
    assert read_outcomes(path, result).rank.shape == (1, 20)
    assert summarise(Run.open(path), None).clean is not None


def test_an_undefended_model_is_attacked_by_the_same_call(plain: Model, tmp_path: Path) -> None:
    _, found = run(plain, tmp_path, defense=None, norm="l2", eps=1.0)
    assert found.correct.oblivious is None
    assert found.correct.fixed_draw is None
    assert {row.role for row in found.rows} == {"clean", "noise", "large eps", "adaptive", "gradient-free"}


@pytest.mark.slow
def test_counts_do_not_depend_on_workers(plain: Model, tmp_path: Path) -> None:
    alone, together = (run(plain, tmp_path / str(workers), workers=workers)[1] for workers in (0, 2))
    assert alone == together


def test_an_interrupted_run_continues_to_the_same_counts(plain: Model, tmp_path: Path) -> None:
    class StopError(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done >= 60:
            raise StopError

    _, whole = run(plain, tmp_path / "whole")
    with pytest.raises(StopError):
        run(plain, tmp_path / "cut", progress=stop)
    seen: list[int] = []
    _, cut = run(plain, tmp_path / "cut", progress=lambda done, _: seen.append(done))
    assert seen[0] == 60
    assert cut == whole


def test_a_finished_run_is_returned_and_a_changed_one_refused(plain: Model, tmp_path: Path) -> None:
    path, first = run(plain, tmp_path, name="run")
    written = path.stat().st_mtime_ns
    assert run(plain, tmp_path, name="run") == (path, first)
    assert path.stat().st_mtime_ns == written
    with pytest.raises(SettingsChangedError, match=r"attack\.eps 0\.1, this run has 0\.2"):
        run(plain, tmp_path, name="run", eps=0.2)
    score(plain, "digits", "cifar-c", out=tmp_path, name="other", limit=5)
    with pytest.raises(ResultError, match="result of another command"):
        run(plain, tmp_path, name="other")


def test_the_cost_is_told_before(plain: Model, tmp_path: Path) -> None:
    told: list[tuple[int, float]] = []
    run(plain, tmp_path, announce=lambda passes, seconds: told.append((passes, seconds)))
    ((passes, seconds),) = told
    assert passes == 1 + 2 + 4 * 5 + 6 + 4 + 8 + 4
    assert seconds > 0


def test_transfer_from_another_model(plain: Model, tmp_path: Path) -> None:
    _, found = run(plain, tmp_path, sources={"plain": PLAIN})
    assert [row.source for row in found.rows if row.role == "transfer"] == ["plain"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"eps": 300}, "eps is a distance between pixels"),
        ({"defense": "rain:sihft=1"}, "there is no setting 'sihft'"),
        ({"norm": "l1"}, "norm is linf or l2"),
    ],
)
def test_bad_input(changes: dict[str, object], message: str, plain: Model, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        run(plain, tmp_path, **changes)
    assert not list(tmp_path.glob("*.json"))


def test_unknown_budget(plain: Model, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="budget"):
        run(plain, tmp_path, budget="quik")


def test_autoattack_continues_its_cascade_to_the_same_counts(plain: Model, tmp_path: Path) -> None:
    """Each attack gets what the one before left, also from the journal of an interrupted run and on workers."""

    class StopError(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done >= 70:
            raise StopError

    others = ("fgsm", "apgd:steps=3,targets=9,loss=dlr", "square:queries=9")
    small = replace(BUDGETS["autoattack"], name="small+", others=others)
    how: dict[str, object] = {"defense": None, "budget": small, "eps": 0.03}
    _, whole = run(plain, tmp_path / "whole", **how)
    with pytest.raises(StopError):
        run(plain, tmp_path / "cut", progress=stop, **how)
    _, cut = run(plain, tmp_path / "cut", **how)
    assert cut == whole
    left = [row.correct for row in whole.rows if row.role in ("adaptive", "gradient-free")]
    assert left == sorted(left, reverse=True)
    assert left[-1] == whole.correct.adaptive
    with pytest.raises(InputError, match="the model draws"):
        run(plain, tmp_path / "random", budget="autoattack")


def test_named_attacks_leave_the_same_record(plain: Model, tmp_path: Path) -> None:
    budget = chosen_attacks(["pgd:steps=3", "deepfool:steps=2,candidates=2"])
    _, found = run(plain, tmp_path, budget=budget, defense=None)
    assert found.budget == "pgd:steps=3+deepfool:steps=2,candidates=2"
    assert [row.attack for row in found.rows if row.role == "adaptive"] == [
        "pgd:steps=3,draws=1",
        "deepfool:steps=2,candidates=2,draws=1",
    ]
