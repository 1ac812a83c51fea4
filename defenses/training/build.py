"""From a recipe to what the loop runs: objective, optimiser, plan, average and detector."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from stormbench.defenses.specs import find, read_settings
from stormbench.defenses.training.averages import Average, NoAverage
from stormbench.defenses.training.collapse import CollapseDetector
from stormbench.defenses.training.contracts import Differentiable, Inner, Space
from stormbench.defenses.training.distributed import OneDevice, Strategy
from stormbench.defenses.training.inners.pgd import PGD, Draw, NoInner
from stormbench.defenses.training.loop import Load, Plan, Progress, Report, Training
from stormbench.defenses.training.objective import RecipeObjective
from stormbench.defenses.training.optimisers import Schedule, device_of
from stormbench.defenses.training.pools import Sizes, TwoPools, Weights
from stormbench.defenses.training.recipe import Recipe, parts_of
from stormbench.defenses.training.registry import (
    AVERAGES,
    INNERS,
    OPTIMISERS,
    POOLS,
    SCHEDULES,
    SPACES,
    TERMS,
    UPDATES,
    VIEWS,
    Part,
)
from stormbench.errors import InputError
from stormbench.registry import Registry

_PACKAGE = "stormbench.defenses.training"
_PROBE = PGD(steps=5, step=2 / 255)  # of the collapse detector, as in the source


def make(registry: Registry[Part], spec: str, *arguments: Any) -> Any:
    """Builds the part that a specification names.

    Args:
        registry: where the name stands.
        spec: the name, and after a colon the settings that differ from the defaults.
        arguments: positional ones of the part's constructor.

    Raises:
        UnknownNameError: there is no such part.
        InputError: a setting is unknown, cannot be read or is out of range.
    """
    name, _, settings = spec.partition(":")
    entry = registry[name.strip()]
    if not entry.target:
        if settings:
            raise InputError(f"{spec!r}: {entry.name} has no settings")
        return None
    module, _, target = entry.target.partition(":")
    build: Callable[..., Any] = find(f"{_PACKAGE}.{module}:{target}")
    return build(*arguments, **read_settings(build, settings, spec))


@dataclass(frozen=True)
class Parts:
    """The parts of a recipe that need no model, built and checked against each other."""

    space: Space
    inner: Inner | None
    terms: list[Any]

    @classmethod
    def of(cls, recipe: Recipe) -> "Parts":
        """Builds them.

        Raises:
            InputError: parts do not fit each other.
        """
        inner = make(INNERS, recipe.inner)
        parts = cls(
            make(SPACES, recipe.space),
            None if isinstance(inner, NoInner) else inner,
            [make(TERMS, spec) for spec in parts_of(recipe.objective)],
        )
        parts._check(recipe)
        return parts

    def _check(self, recipe: Recipe) -> None:
        moved = any(term.needs_moved for term in self.terms)
        if not self.terms:
            raise InputError(f"recipe {recipe.name}: the objective names no term")
        if moved and self.inner is None:
            raise InputError(f"recipe {recipe.name}: its objective needs moved images, but inner is none")
        if self.inner is not None and not isinstance(self.inner, Draw) and not isinstance(self.space, Differentiable):
            raise InputError(f"recipe {recipe.name}: {recipe.space} can be drawn from, not ascended; use inner = draw")


def build_objective(model: nn.Module, recipe: Recipe) -> RecipeObjective:
    """The objective of a recipe around a model.

    Raises:
        InputError: a specification is wrong, or parts do not fit each other.
    """
    parts = Parts.of(recipe)
    return RecipeObjective(
        model,
        parts.space,
        parts.inner,
        parts.terms,
        order=recipe.passes,
        perturbation=make(UPDATES, recipe.update),
    )


def build_training(
    model: nn.Module,
    recipe: Recipe,
    load: Load,
    count: int,
    *,
    labelled: int | None = None,
    settings: dict[str, Any] | None = None,
    checkpoint: Path | None = None,
    report: Report | None = None,
    strategy: Strategy | None = None,
) -> Training:
    """The loop of a recipe, ready to run.

    Args:
        model: is trained in place; from images ``(B, 3, H, W)`` in [0, 1] to logits ``(B, K)``.
        recipe: how.
        load: gives images and labels for a tensor of indices ``(B,)``.
        count: how many images there are.
        labelled: how many of the images, the first ones, have labels of their own; None for all.
        settings: what else a continued training must have in common with the interrupted one.
        checkpoint: file of the state after every epoch.
        report: called after every step.
        strategy: on which devices; by default where the model is.

    Raises:
        InputError: a specification is wrong, or parts do not fit each other.
    """
    strategy = strategy or OneDevice(device_of(model))
    model.to(strategy.device)
    objective = build_objective(model, recipe)
    optimiser = make(OPTIMISERS, recipe.optimiser, model.parameters())
    schedule: Schedule = make(SCHEDULES, recipe.schedule)
    rate = optimiser.defaults["lr"]
    average: Average | None = make(AVERAGES, recipe.average, model)
    pools = make_pools(recipe, mixed=labelled is not None)
    sizes = Sizes(labelled or count, count - (labelled or count), recipe.batch)
    plan = Plan(
        epochs=recipe.epochs,
        batch_size=recipe.batch,
        seed=recipe.seed,
        rate_at=lambda share: rate * schedule(share),
        settings={"recipe": asdict(recipe), "images": count} | (settings or {}),
        views=(
            *(make(VIEWS, spec) for spec in parts_of(recipe.views)),
            *([Weights(pools, sizes.labelled)] if pools else []),
        ),
        replays=recipe.replays,
        whole_batches=recipe.replays > 1,
        order=(lambda generator: pools.order(sizes, generator)) if pools else None,
    )
    watch = (
        None
        if recipe.on_collapse == "ignore"
        else CollapseDetector(_PROBE, objective.space, on_collapse=recipe.on_collapse)
    )
    return Training(
        objective,
        optimiser,
        load,
        count,
        plan,
        checkpoint,
        report or (lambda _: None),
        strategy,
        average or NoAverage(),
        watch,
    )


def make_pools(recipe: Recipe, *, mixed: bool) -> TwoPools | None:
    """The mixture of labelled and pseudo-labelled images; None where all images have labels.

    Args:
        recipe: names it.
        mixed: whether there are pseudo-labelled images.

    Raises:
        InputError: the recipe wants images that are not there, or has no use for those that are.
    """
    pools: TwoPools | None = make(POOLS, recipe.pools)
    if mixed and pools is None:
        raise InputError(f"recipe {recipe.name} has no use for images without labels; rst and rst-trades have")
    if pools is not None and not mixed:
        raise InputError(f"recipe {recipe.name} needs images without labels and a teacher: --unlabelled and --teacher")
    return pools


def train_model(model: nn.Module, recipe: Recipe, load: Load, count: int, **options: Any) -> list[Progress]:
    """Trains a model in place by a recipe; arguments and errors as ``build_training`` and ``Training.run``."""
    return build_training(model, recipe, load, count, **options).run()
