"""Trains recipes alike, scores and attacks what they gave, and joins it in one table with paired differences."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stormbench.benchmarks.evaluation.attack import attack
from stormbench.benchmarks.evaluation.evaluate import evaluate
from stormbench.benchmarks.results.campaigns import Campaign, Figure, RecipeRow, TrainedRow, write_campaign
from stormbench.benchmarks.results.run import ImageRun
from stormbench.benchmarks.results.tradeoffs import Share
from stormbench.benchmarks.suites.corruptions import CorruptionSuite
from stormbench.benchmarks.training.begun import images_record
from stormbench.benchmarks.training.recipes import train_recipe
from stormbench.cells import CLEAN
from stormbench.corruptions import CORRUPTIONS
from stormbench.datasets import Geometry, ImageSet
from stormbench.defenses.attacks import Ball
from stormbench.defenses.robustness import Budget, Role
from stormbench.defenses.robustness.budgets import CURVE
from stormbench.defenses.robustness.outcomes import ATTACKERS
from stormbench.defenses.training.card import TrainingCard
from stormbench.defenses.training.recipe import Recipe
from stormbench.errors import InputError
from stormbench.metrics.estimates import Estimate
from stormbench.metrics.intervals import resampled_means

Report = Callable[[str, int, int], None]
Values = NDArray[np.float64]
_RESAMPLES = 1000


@dataclass(frozen=True, kw_only=True)
class CampaignPlan:
    """What is done with every recipe.

    Attributes:
        recipes: the rows.
        seeds: every recipe is trained once with each.
        train: training images.
        test: test images, of the same classes.
        suite: how test images are prepared, and which corruptions are scored.
        arch: network (``build_network``).
        geometry: how training images are brought to one size.
        ball: radius and norm of the test's attacks.
        budget: how hard they try.
        passes: give every recipe so many passes per training image instead of its own epochs.
        limit: score only the first so many test images.
        attacked: attack only the first so many.
        workers: of scoring and attacks.
        device: where networks run.
        report: called with what is being done, images done and all.
    """

    recipes: Sequence[Recipe]
    train: ImageSet
    test: ImageSet
    suite: CorruptionSuite
    seeds: Sequence[int] = (0,)
    arch: str = "small"
    geometry: Geometry | None = None
    ball: Ball = field(default_factory=lambda: Ball("linf", 8 / 255))
    budget: Budget = CURVE
    passes: int | None = None
    limit: int | None = None
    attacked: int | None = 200
    workers: int = 0
    device: str = "cpu"
    report: Report = lambda *_: None

    def __post_init__(self) -> None:
        names = [recipe.name for recipe in self.recipes]
        if not names or len(set(names)) < len(names) or len(set(self.seeds)) < len(self.seeds) or not self.seeds:
            raise InputError("a campaign has at least one recipe and one seed, and none twice")
        if self.train.classes != self.test.classes:
            raise InputError(f"{self.train.name} and {self.test.name} have other classes")
        if pools := [recipe.name for recipe in self.recipes if recipe.pools != "one"]:
            raise InputError(f"a campaign has no teacher for {', '.join(pools)}; train them with stormbench train")

    def common(self, what: str) -> dict[str, Any]:
        """What ``score`` and ``attack`` have in common."""
        return {
            "workers": self.workers,
            "device": self.device,
            "progress": lambda done, total: self.report(what, done, total),
        }


@dataclass(frozen=True)
class Measured:
    """One network with its test images' outcomes.

    Attributes:
        card: of the training.
        clean: right or not, ``(images,)``.
        wrong: wrong or not in each cell, ``(cells, images)``.
        groups: the group of each cell's corruption.
        robust: right or not under the worst attack of each image, ``(attacked,)``.
        first: right or not under the first attack.
        row: its counts.
    """

    card: TrainingCard
    clean: NDArray[np.bool_]
    wrong: NDArray[np.bool_]
    groups: tuple[str, ...]
    robust: NDArray[np.bool_]
    first: NDArray[np.bool_]
    row: TrainedRow


def campaign(plan: CampaignPlan, out: Path, *, name: str | None = None) -> tuple[Path, Campaign]:
    """Trains, scores and attacks every recipe under every seed; what an earlier try has finished is used again.

    Args:
        plan: what is done.
        out: folder; each network and its results lie in ``out/RECIPE.seed-N``.
        name: of the campaign; by default the folder's.

    Returns:
        The path of ``out/NAME.campaign.json``, and what it holds.

    Raises:
        StormbenchError: see ``stormbench.errors``; finished stages are kept.
    """
    title = name or out.resolve().name
    measured = {recipe.name: [_measure(plan, recipe, seed, out) for seed in plan.seeds] for recipe in plan.recipes}
    train, test = images_record(plan.train, plan.geometry), images_record(plan.test, None)
    found = Campaign(
        created=datetime.now(UTC).replace(microsecond=0),
        name=title,
        arch=plan.arch,
        train=train["name"],
        train_fingerprint=train["fingerprint"],
        test=test["name"],
        test_fingerprint=test["fingerprint"],
        suite=plan.suite.name,
        norm=plan.ball.norm,
        eps=plan.ball.eps,
        budget=plan.budget.name,
        equal_passes=plan.passes,
        seeds=list(plan.seeds),
        rows=[summarised(each, measured.get("standard"), measured.get("pgd-at")) for each in measured.values()],
        networks=[each.row for networks in measured.values() for each in networks],
    )
    path = out / f"{title}.campaign.json"
    return path, write_campaign(found, path)


def _measure(plan: CampaignPlan, recipe: Recipe, seed: int, out: Path) -> Measured:
    how = at_equal_passes(recipe, plan.passes) if plan.passes else recipe
    how, what = replace(how, seed=seed), f"{recipe.name}, seed {seed}"
    folder = out / f"{recipe.name}.seed-{seed}"
    model, card = train_recipe(
        how,
        plan.train,
        folder,
        arch=plan.arch,
        geometry=plan.geometry,
        device=plan.device,
        report=lambda step: plan.report(f"training {what}", step.images, step.total),
    )
    scored = evaluate(
        f"net:{model}",
        plan.test,
        plan.suite,
        out=folder,
        name="score",
        limit=plan.limit,
        **plan.common(f"scoring {what}"),
    )
    attacked = attack(
        f"net:{model}",
        plan.test,
        plan.suite,
        out=folder,
        name="attack",
        eps=plan.ball.eps,
        norm=plan.ball.norm,
        budget=plan.budget,
        limit=plan.attacked,
        **plan.common(f"attacking {what}"),
    )
    return measured_of(card, seed, ImageRun(*scored), ImageRun(*attacked))


def at_equal_passes(recipe: Recipe, passes: int) -> Recipe:
    """A recipe with as many epochs as come nearest to so many passes per training image, at least one."""
    return replace(recipe, epochs=max(1, round(passes / (passes_of(recipe) * recipe.replays))))


def passes_of(recipe: Recipe) -> float:
    """Passes per image and step."""
    from torch import nn

    from stormbench.defenses.training.build import build_objective

    return build_objective(nn.Identity(), recipe).passes


def measured_of(card: TrainingCard, seed: int, scored: ImageRun, attacked: ImageRun) -> Measured:
    """A trained network with its outcomes, from its stored runs.

    Raises:
        ResultError: outcomes are missing or do not fit.
    """
    record, under, robust = attacked.result.adversarial, attacked.attack, attacked.robust
    assert record is not None  # an attack has its record,
    assert under is not None  # its outcomes,
    assert robust is not None  # and every budget an adaptive row
    counted = [cell for cell in scored.result.cells if cell.corruption != CLEAN]
    cells = [(cell.corruption, cell.severity) for cell in counted]
    clean = ~scored.wrong([(CLEAN, 0)])[0]
    first = next(at for at, row in enumerate(record.rows) if row.role == Role.ADAPTIVE)
    row = TrainedRow(
        recipe=card.recipe.name,
        seed=seed,
        weights=card.weights,
        epochs=len(card.history),
        seconds=sum(step.get("seconds", 0.0) for step in card.history),
        collapsed=card.collapsed,
        clean=Share(count=int(clean.sum()), images=len(clean)),
        corrupted=Share(count=sum(c.wrong for c in counted), images=sum(c.images for c in counted))
        if counted
        else None,
        robust=Share(count=int(robust.sum()), images=record.images),
        attacks={row.attack: row.correct for row in record.rows if row.role in ATTACKERS},
        verdict=record.verdict,
        results=[scored.path.name, attacked.path.name],
    )
    groups = tuple(CORRUPTIONS[corruption].group for corruption, _ in cells)
    return Measured(card, clean, scored.wrong(cells), groups, robust, under.correct[first], row)


def summarised(
    networks: Sequence[Measured], standard: Sequence[Measured] | None, pgd: Sequence[Measured] | None
) -> RecipeRow:
    """The row of a recipe.

    Args:
        networks: of its seeds.
        standard: the networks of ``standard``, whose corruption error is subtracted.
        pgd: the networks of ``pgd-at``, whose robust accuracy is subtracted.
    """
    card, groups = networks[0].card, networks[0].groups
    recipe = card.recipe
    names = list(dict.fromkeys(groups))
    unseen = [name for name in names if name not in recipe.trained_on]
    corrupted = _errors(networks, names)
    robust = [each.robust.astype(float) for each in networks]
    return RecipeRow(
        recipe=recipe.name,
        digest=card.recipe_digest,
        source=recipe.source,
        departures=list(recipe.departures),
        trained_on=list(recipe.trained_on),
        passes=card.passes,
        total_passes=card.passes * recipe.epochs * recipe.replays,
        clean=figure([each.clean.astype(float) for each in networks]),
        corrupted=figure(corrupted) if names else None,
        groups={name: figure(_errors(networks, [name])) for name in names},
        unseen=figure(_errors(networks, unseen)) if unseen else None,
        robust=figure(robust),
        gap=figure([each.first.astype(float) - each.robust for each in networks]),
        less_standard=figure(_less(corrupted, _errors(standard, names))) if standard and names else None,
        less_pgd=figure(_less(robust, [each.robust.astype(float) for each in pgd])) if pgd else None,
    )


def _errors(networks: Sequence[Measured], groups: Sequence[str]) -> list[Values]:
    """For each network, the share of the cells of some groups in which each image is wrong, ``(images,)``."""
    return [each.wrong[[group in groups for group in each.groups]].mean(axis=0) for each in networks] if groups else []


def _less(ours: Sequence[Values], theirs: Sequence[Values]) -> list[Values]:
    """Differences on the same images, seed by seed."""
    return [one - other for one, other in zip(ours, theirs, strict=True)]


def figure(values: Sequence[Values]) -> Figure:
    """The mean over seeds and images in percent, with the interval of a bootstrap over images.

    Args:
        values: one number for each image, ``(images,)``, of each seed.
    """
    mean = np.mean(values, axis=0)
    drawn = resampled_means(mean[:, None], resamples=_RESAMPLES, rng=np.random.default_rng(0))[:, 0]
    estimate = Estimate.of(100 * np.concatenate([[mean.mean()], drawn]))
    seeds = [100 * float(each.mean()) for each in values]
    return Figure(value=estimate.value, low=estimate.low, high=estimate.high, seeds=seeds)
