"""The evaluation tells the truth about models whose truth is known."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from stormbench.defenses import defend
from stormbench.defenses.attacks import Ball, make_attack
from stormbench.defenses.base import RandomDefense
from stormbench.defenses.robustness import BUDGETS, Budget, Role, Row, Verdict, robust_accuracy
from stormbench.defenses.robustness import robust_accuracy as evaluation
from stormbench.defenses.robustness.budgets import doublings
from stormbench.defenses.robustness.robust_accuracy import evaluate, examine, worst_of
from stormbench.defenses.robustness.rows import Judged, Target, is_random, undefended_model
from stormbench.defenses.robustness.schedule import Subject, cost_of, fixed_rows
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

    def run(rows: Sequence[Row]) -> dict[Row, Judged]:
        return {row: outcome(row) for row in rows}

    def outcome(row: Row) -> Judged:
        share = 1.0
        if row.role is Role.ADAPTIVE:
            share = left[len(asked)]
            asked.append(row)
        right = torch.arange(100) < round(100 * share)
        return Judged(torch.full((100,), float(len(asked))), right, right)  # the last is the most dangerous

    seen: list[Figures] = []
    monkeypatch.setattr(evaluation, "judge_figures", lambda found: seen.append(found) or judge_figures(found))
    evaluate(run, budget, Subject(True, True, True, (), 10), Ball("linf", 0.1))
    assert [make_attack(row.attack).draws for row in asked] == [1, 2, 4, 8][:rounds]
    assert seen[0].last_fall == pytest.approx(fall)


def test_repeats_under_a_seed_and_leaves_the_model_alone() -> None:
    defended = Jitter(Bright(), seed=1).train()
    state = defended.randomness.generator.get_state()
    once, twice = (robust_accuracy(defended, IMAGES, LABELS, eps=0.08, budget=SMALL, seed=3) for _ in range(2))
    assert all(
        torch.equal(getattr(once.rows[row], name), getattr(twice.rows[row], name))
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
    assert Role.FIXED_DRAW not in {row.role for row in fixed_rows(SMALL, subject, Ball("linf", 0.1))}
    assert torch.equal(torch.get_rng_state(), state)


def test_attacks_are_joined_by_danger_and_judged_by_other_draws() -> None:
    def judged(danger: list[float], correct: list[bool]) -> Judged:
        return Judged(torch.tensor(danger), torch.tensor(correct), ~torch.tensor(correct))

    rule, vote = worst_of([judged([0.5, -1.0], [True, False]), judged([0.1, 2.0], [False, True])])
    assert rule.tolist() == [True, True]  # not the unluckier of the two judgements
    assert vote.tolist() == [False, False]


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


@pytest.mark.parametrize("name", BUDGETS)
def test_budgets_double_and_tell_their_cost(name: str) -> None:
    budget = BUDGETS[name]
    rounds = list(doublings(budget, random=True))
    assert [draws for _, draws in rounds] == [budget.first_draws * 2**i for i in range(len(rounds))]
    assert rounds[-1][1] == budget.most_draws
    subject = examine(Target(Jitter(Bright())), IMAGES, LABELS)
    bare = examine(Target(Bright()), IMAGES, LABELS)
    ball = Ball("linf", 0.1)
    assert cost_of(budget, subject, ball) > cost_of(budget, bare, ball) > 2 * budget.lead_steps


def test_bad_input() -> None:
    with pytest.raises(UnknownNameError, match="budget"):
        robust_accuracy(Bright(), IMAGES, LABELS, eps=0.1, budget="quik")
    with pytest.raises(InputError, match="no images"):
        robust_accuracy(Bright(), IMAGES[:0], LABELS[:0], eps=0.1, budget=SMALL)
    with pytest.raises(InputError, match="eps is a distance"):
        robust_accuracy(Bright(), IMAGES, LABELS, eps=300, budget=SMALL)
    with pytest.raises(ModelError, match="has 4 classes"):
        robust_accuracy(Bright(), IMAGES, LABELS + 4, eps=0.1, budget=SMALL)
