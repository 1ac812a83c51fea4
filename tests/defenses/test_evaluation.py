"""The evaluation tells the truth about models whose truth is known."""

import importlib
import itertools
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from stormbench.defenses import defend
from stormbench.defenses.attacks import Ball, make_attack, run_attack
from stormbench.defenses.base import RandomDefense
from stormbench.defenses.robustness import BUDGETS, Budget, Role, Row, Verdict, robust_accuracy
from stormbench.defenses.robustness.budgets import KNOWING, chosen_attacks, doublings, with_settings
from stormbench.defenses.robustness.outcomes import NOT_FINITE, SOUND, ZERO, AttackOutcomes, Judged
from stormbench.defenses.robustness.robust_accuracy import evaluate, examine
from stormbench.defenses.robustness.rows import Target, is_random, undefended_model
from stormbench.defenses.robustness.schedule import Subject, cost_of, fixed_rows, possible_rows
from stormbench.defenses.robustness.verdict import Figures, judge_figures
from stormbench.errors import InputError, ModelError, UnknownNameError

SMALL = Budget(
    "small",
    "for tests",
    lead="pgd:step=0.3",
    lead_steps=6,
    others=("apgd:loss=dlr,steps=6",),
    first_draws=2,
    most_draws=8,
    others_draws=2,
    queries=20,
    query_draws=2,
    tries=3,
    vote=9,
    judge=5,
)


class Bright(nn.Module):
    """Says how bright an image is, in four steps; right on flat images, and as robust as the steps are wide."""

    def forward(self, images: Tensor) -> Tensor:
        centres = torch.tensor([0.2, 0.4, 0.6, 0.8], device=images.device)
        mean = images.mean(dim=(1, 2, 3))[:, None]
        return 200 * (mean * centres - centres**2 / 2)  # the nearest centre wins


class Jitter(RandomDefense):
    """Adds one random shade to each image: a defense of a sort, which averaging sees through."""

    def transform(self, images: Tensor) -> Tensor:
        shade = 0.1 * (self.randomness.uniform(images, 1, 1, 1) - 0.5)
        return (images + shade).clamp(0, 1)


class Rounded(nn.Module):
    """Hides its gradient behind a rounding, and is no safer for it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.model((images * 255).round() / 255) + 0 * images.sum()
        return logits


LABELS = torch.arange(40) % 4
IMAGES = (0.2 + 0.2 * LABELS).view(-1, 1, 1, 1).expand(-1, 3, 12, 12).clone()


def test_a_safe_radius_is_withstood_and_a_larger_one_is_not() -> None:
    safe = robust_accuracy(Bright(), IMAGES, LABELS, eps=0.05, budget=SMALL)
    assert safe.verdict is Verdict.WITHSTOOD
    assert safe.counts == {"clean": 40, "oblivious": None, "adaptive": 40, "fixed_draw": None, "noise": 40}
    lost = robust_accuracy(Bright(), IMAGES, LABELS, eps=0.15, budget=SMALL)
    assert lost.verdict is Verdict.NOT_ROBUST
    assert lost.counts["adaptive"] == 0


def test_a_random_defense_is_judged_with_all_controls() -> None:
    defended = Jitter(Bright(), seed=1)
    result = robust_accuracy(defended, IMAGES, LABELS, eps=0.18, budget=SMALL, batch_size=7)
    roles = {row.role for row in result.rows}
    assert roles == set(Role) - {Role.TRANSFER}
    assert result.correct(Role.UNDEFENDED) == 0
    assert result.counts["fixed_draw"] == 0
    assert result.counts["clean"] == 40
    assert result.counts["adaptive"] == 0
    assert result.verdict is Verdict.NOT_ROBUST
    draws = [row.attack for row in result.rows if row.role is Role.ADAPTIVE]
    assert draws == ["pgd:step=0.3,steps=6,draws=2", "apgd:loss=dlr,steps=6,draws=2"]
    assert result.gradients_per_image == 6 * 2 + 7 * 2 + 21 * 2
    low, high = result.intervals["adaptive"] or (1, 1)
    assert low == pytest.approx(0, abs=1e-9)
    assert high == pytest.approx(1.96**2 / (40 + 1.96**2), rel=1e-3)  # Wilson's, by hand


@pytest.mark.parametrize(
    ("left", "rounds", "fall"),
    [
        ([0.6, 0.5, 0.4, 0.3], 4, 0.1),  # never settles
        ([0.6, 0.5, 0.48, 0.3], 3, 0.02),  # two points are settled
        ([0.6, 0.65, 0.65, 0.3], 3, 0.0),  # to move up is to move
        ([0.3, 0.02, 0.0, 0.0], 2, 0.28),  # what is left cannot move by more
        ([0.0, 0.0, 0.0, 0.0], 1, 0.0),
    ],
)
def test_draws_are_doubled_until_the_figure_moves_by_two_points_or_less(
    left: list[float], rounds: int, fall: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = replace(SMALL, first_draws=1, others=())
    asked: list[Row] = []

    def run(rows: Sequence[Row], settled: Judged | None = None) -> dict[Row, Judged]:
        assert settled is None
        return {row: outcome(row) for row in rows}

    def outcome(row: Row) -> Judged:
        share = 1.0
        if row.role is Role.ADAPTIVE:
            share = left[len(asked)]
            asked.append(row)
        right = np.arange(100) < round(100 * share)
        return judged(np.full(100, float(len(asked))), right)  # the last is the most dangerous

    seen: list[Figures] = []
    module = importlib.import_module("stormbench.defenses.robustness.robust_accuracy")
    monkeypatch.setattr(module, "judge_figures", lambda found: seen.append(found) or judge_figures(found))
    evaluate(run, budget, Subject(True, True, True, (), 10))
    assert [make_attack(row.attack).draws for row in asked] == [1, 2, 4, 8][:rounds]
    assert seen[0].last_fall == pytest.approx(fall)


def test_repeats_under_a_seed_and_leaves_the_model_alone() -> None:
    defended = Jitter(Bright(), seed=1).train()
    state = defended.randomness.generator.get_state()
    once, twice = (robust_accuracy(defended, IMAGES, LABELS, eps=0.08, budget=SMALL, seed=3) for _ in range(2))
    assert all(
        np.array_equal(getattr(once.rows[row], name), getattr(twice.rows[row], name))
        for row in once.rows
        for name in ("danger", "correct", "correct_vote")
    )
    assert torch.equal(defended.randomness.generator.get_state(), state)
    assert defended.training


def test_masked_gradients_are_not_mistaken_for_robustness() -> None:
    result = robust_accuracy(Rounded(Bright()), IMAGES, LABELS, eps=0.15, budget=SMALL, undefended=Bright())
    assert result.correct(Role.OBLIVIOUS) == 0  # the union takes the transferred attack
    assert result.verdict is Verdict.NOT_ROBUST
    alone = robust_accuracy(Rounded(Bright()), IMAGES, LABELS, eps=0.102, budget=SMALL)
    assert alone.verdict is Verdict.UNDETERMINED
    assert "masked" in alone.reason


def test_transfer_rows_name_their_source() -> None:
    result = robust_accuracy(Bright(), IMAGES, LABELS, eps=0.15, budget=SMALL, sources={"twin": Bright()})
    (row,) = (row for row in result.rows if row.role is Role.TRANSFER)
    assert row.name.startswith("transfer twin pgd")
    assert result.correct(Role.TRANSFER) == 0


def test_hidden_randomness_is_found() -> None:
    class Noisy(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = Bright()(images + 0.01 * torch.randn_like(images))
            return logits

    state = torch.get_rng_state()
    assert is_random(Noisy(), IMAGES[:1])
    assert not is_random(Bright(), IMAGES[:1])
    subject = examine(Target(Noisy()), IMAGES, LABELS)
    assert subject.random
    assert not subject.fixable  # it draws from torch's own generator, which nobody can fix for it
    assert Role.FIXED_DRAW not in {row.role for row in fixed_rows(SMALL, subject)}
    assert torch.equal(torch.get_rng_state(), state)


def test_attacks_are_joined_by_danger_and_judged_by_other_draws() -> None:
    first = judged(np.array([0.5, -1.0]), np.array([True, False]), vote=np.array([False, True]))
    second = judged(np.array([0.1, 2.0]), np.array([False, True]), vote=np.array([True, False]))
    rule, vote = AttackOutcomes.of([first, second]).worst([0, 1])
    assert rule.tolist() == [True, True]  # not the unluckier of the two judgements
    assert vote.tolist() == [False, False]


def judged(danger: np.ndarray, right: np.ndarray, *, vote: np.ndarray | None = None, gradient: int = SOUND) -> Judged:
    states = np.full(len(danger), gradient, dtype=np.uint8)
    return Judged(danger, right, right if vote is None else vote, states)


def test_the_undefended_model_is_found_under_all_layers(model: nn.Module) -> None:
    assert undefended_model(defend(defend(model, "rain"), "rain:shift=0")) is model
    assert undefended_model(model) is None


FIGURES = {
    "clean": 0.9,
    "adaptive": 0.5,
    "white_box": 0.5,
    "oblivious": 0.8,
    "noise": 0.85,
    "gradient_free": 0.7,
    "transfer": 0.8,
    "fixed_draw": 0.0,
    "large_eps": 0.0,
    "chance": 0.1,
    "last_fall": 0.0,
}


@pytest.mark.parametrize(
    ("changes", "verdict", "reason"),
    [
        ({}, Verdict.WITHSTOOD, "50.0 % of 90.0 % accuracy is left"),
        ({"adaptive": 0.09}, Verdict.NOT_ROBUST, "leaves 9.0 %"),
        ({"adaptive": 0.26}, Verdict.NOT_ROBUST, "leaves 26.0 %, one that does not 80.0 %"),
        ({"noise": 0.4}, Verdict.UNDETERMINED, "random noise does better"),
        ({"gradient_free": 0.4}, Verdict.UNDETERMINED, "without gradients does better"),
        ({"transfer": 0.4}, Verdict.UNDETERMINED, "transferred attack does better"),
        ({"fixed_draw": 0.6}, Verdict.UNDETERMINED, "knowing the draw does not help"),
        ({"large_eps": 0.2}, Verdict.UNDETERMINED, "huge radius"),
        ({"last_fall": 0.05}, Verdict.RAISES_COST, "5.0 points"),
        (
            {"last_fall": 0.02, "oblivious": None, "gradient_free": None, "fixed_draw": None},
            Verdict.WITHSTOOD,
            "settled",
        ),
    ],
)
def test_verdicts(changes: dict[str, float | None], verdict: Verdict, reason: str) -> None:
    found, why = judge_figures(Figures(**(FIGURES | changes)))  # type: ignore[arg-type]
    assert found is verdict
    assert reason in why


WORDS = {"images": 1000}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"clean": 0.1, "adaptive": 0.1, "oblivious": 0.1}, "not attacked, the model is right on 10.0 % [8.3, 12.0]"),
        ({"images": 20, "adaptive": 0.3}, "is not told apart from guessing, 10.0 % [2.8, 30.1]"),
        ({"large_eps": 0.2}, "even with a huge radius: the gradients are masked"),
        ({"no_gradient": 0.05}, "the gradient is zero on 5.0 % of the images"),
        ({"not_finite": 0.05}, "the gradient is NaN or infinite on 5.0 % of the images"),
        ({"first_look": True}, "50.0 % of 90.0 % accuracy is left after a first look; only a larger budget"),
        ({"white_box": None}, "no attack that follows the gradient was run"),
    ],
)
def test_each_doubt_has_its_own_sentence_and_none_is_praise(changes: dict[str, Any], reason: str) -> None:
    found, why = judge_figures(Figures(**(FIGURES | WORDS | changes)))
    assert found is Verdict.UNDETERMINED
    assert reason in why
    assert ";" not in why.replace("; only a larger", "")  # no other doubt
    assert "withstood" not in why


def test_less_than_guessing_is_not_robust() -> None:
    two = {"chance": 0.5, "adaptive": 0.3, "white_box": 0.3, "oblivious": 0.8, "large_eps": 0.0}
    found, why = judge_figures(Figures(**(FIGURES | WORDS | two)))
    assert found is Verdict.NOT_ROBUST
    assert "30.0 %, less than guessing (50.0 %)" in why


def test_a_cascade_attacks_only_what_is_left() -> None:
    shown: list[int] = []

    class Counting(Bright):
        def forward(self, images: Tensor) -> Tensor:
            shown.append(len(images))
            return super().forward(images)

    budget = replace(
        SMALL, lead="", lead_steps=0, queries=0, cascade=True, others=("fgsm", "pgd:steps=3", "square:queries=4")
    )
    found = robust_accuracy(Counting(), IMAGES, LABELS, eps=0.103, budget=budget)
    stages = [outcome for row, outcome in found.rows.items() if row.role in (Role.ADAPTIVE, Role.GRADIENT_FREE)]
    assert [row.attack for row in found.rows][-1] == "square:queries=4,draws=1"
    assert [row.role for row in found.rows][-3:] == [Role.ADAPTIVE, Role.ADAPTIVE, Role.GRADIENT_FREE]
    right = [stage.correct for stage in stages]
    assert all((later <= earlier).all() for earlier, later in itertools.pairwise(right))
    assert np.array_equal(right[-1], found.adaptive)
    assert not found.adaptive.any()
    assert sum(shown) < 40 * 20


def test_autoattack_is_not_for_models_that_draw() -> None:
    for name in ("autoattack", "autoattack+"):
        with pytest.raises(InputError, match=f"the model draws, and the {re.escape(name)} budget"):
            robust_accuracy(Jitter(Bright()), IMAGES, LABELS, eps=0.1, budget=name)
    found = robust_accuracy(
        Jitter(Bright()), IMAGES[:4], LABELS[:4], eps=0.15, budget=replace(BUDGETS["rand"], others=("fgsm",))
    )
    assert [row.attack for row in found.rows if row.role is Role.ADAPTIVE] == ["fgsm:draws=20"]


class Masked(nn.Module):
    """A model whose gradient is gone: it is rounded away, zero, or no number."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = Bright()(images)
        if self.how == "detached":
            return logits.detach()
        if self.how == "rounded":
            return logits.detach() + 0 * images.sum()
        if self.how == "scaled":
            return 3000 * logits
        hidden = (images - images.detach()).sum(dim=(1, 2, 3), keepdim=True).flatten(1)
        return logits + hidden.sqrt()  # 0, with an infinite slope


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("detached", "no attack that follows the gradient was run"),
        ("rounded", "the gradient is zero on"),
        ("scaled", "the gradient is zero on"),
        ("infinite", "the gradient is NaN or infinite on"),
    ],
)
def test_models_whose_gradient_vanishes_are_undetermined(how: str, reason: str) -> None:
    found = robust_accuracy(Masked(how), IMAGES, LABELS, eps=0.03, budget=replace(SMALL, others=(), queries=5))
    assert found.verdict is Verdict.UNDETERMINED
    assert reason in found.reason
    states = {int(state) for judged in found.rows.values() for state in judged.gradient}
    assert states <= {SOUND, ZERO, NOT_FINITE}
    if how == "detached":
        assert {row.role for row in found.rows} == {Role.CLEAN, Role.NOISE, Role.GRADIENT_FREE}


@pytest.mark.parametrize("name", ["standard", "thorough", "autoattack", "autoattack+", "rand"])
@pytest.mark.parametrize("classes", [2, 3])
def test_budgets_fit_models_of_few_classes(name: str, classes: int) -> None:
    """DLR needs three classes, and four with targets: the margin stands in."""

    class Few(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            mean = images.mean(dim=(1, 2, 3))
            return torch.stack([-mean, mean, mean - 5][:classes], dim=1)

    budget = BUDGETS[name]
    rows = possible_rows(budget, examine(Target(Few()), IMAGES, LABELS % 2))
    assert not any("loss=dlr" in row.attack for row in rows if classes == 2 or "targets=" in row.attack)
    for row in rows:
        if row.attack and row.role is Role.ADAPTIVE:
            cheap = with_settings(row.attack, steps=1, restarts=1, draws=1)
            run_attack(make_attack(cheap), Few(), IMAGES[:2], LABELS[:2] % 2, Ball("linf", 0.1))


def test_attacks_can_be_named() -> None:
    budget = chosen_attacks(["pgd:steps=3", "apgd:steps=2,loss=margin,targets=2", "square:queries=5"])
    found = robust_accuracy(Bright(), IMAGES, LABELS, eps=0.15, budget=budget)
    attacks = [row.attack for row in found.rows if row.role in (Role.ADAPTIVE, Role.GRADIENT_FREE)]
    assert attacks == [
        "pgd:steps=3,draws=1",
        "apgd:steps=2,loss=margin,targets=2,draws=1",
        "square:queries=5,draws=1",
    ]
    assert {row.role for row in found.rows} == {*(Role(role) for role in ("clean", "noise", "large eps")), *KNOWING}
    with pytest.raises(UnknownNameError, match="did you mean pgd"):
        chosen_attacks(["pdg"])
    with pytest.raises(InputError, match="name each attack once"):
        chosen_attacks(["pgd", "pgd"])


@pytest.mark.parametrize("name", BUDGETS)
def test_budgets_double_and_tell_their_cost(name: str) -> None:
    budget = BUDGETS[name]
    rounds = list(doublings(budget, random=True))
    if budget.lead:
        assert [draws for _, draws in rounds] == [budget.first_draws * 2**i for i in range(len(rounds))]
        assert rounds[-1][1] == budget.most_draws
    subject = examine(Target(Jitter(Bright())), IMAGES, LABELS)
    bare = examine(Target(Bright()), IMAGES, LABELS)
    assert cost_of(budget, subject) > cost_of(budget, bare) > 2 * budget.lead_steps
    assert len(set(possible_rows(budget, bare))) == len(possible_rows(budget, bare))


def test_bad_input() -> None:
    with pytest.raises(UnknownNameError, match="budget"):
        robust_accuracy(Bright(), IMAGES, LABELS, eps=0.1, budget="quik")
    with pytest.raises(InputError, match="no images"):
        robust_accuracy(Bright(), IMAGES[:0], LABELS[:0], eps=0.1, budget=SMALL)
    with pytest.raises(InputError, match="eps is a distance"):
        robust_accuracy(Bright(), IMAGES, LABELS, eps=300, budget=SMALL)
    with pytest.raises(ModelError, match="has 4 classes"):
        robust_accuracy(Bright(), IMAGES, LABELS + 4, eps=0.1, budget=SMALL)
