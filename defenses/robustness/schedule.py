"""Lists the rows that a budget runs, and what they cost."""

from dataclasses import dataclass

from stormbench.defenses.attacks.registry import ATTACKS, make_attack
from stormbench.defenses.robustness.budgets import (
    Budget,
    Role,
    Row,
    doublings,
    fitted,
    settings_of,
    with_settings,
)
from stormbench.errors import InputError


@dataclass(frozen=True)
class Subject:
    """What an evaluation has to know of the model.

    Attributes:
        random: it draws.
        fixable: its draws can be fixed, so that the fixed-draw control can be run.
        defended: there is an undefended model to make oblivious attacks on.
        sources: names of other models for transfer.
        classes: how many.
        differentiable: its logits have a gradient.
    """

    random: bool
    fixable: bool
    defended: bool
    sources: tuple[str, ...]
    classes: int
    differentiable: bool = True


_FEWEST_QUERIES = 500  # of the attack without gradients on a model that has none


def check_budget(budget: Budget, subject: Subject) -> None:
    """Refuses a budget that cannot judge the model.

    Raises:
        InputError: so it is.
    """
    if subject.random and not budget.for_random:
        raise InputError(
            f"the model draws, and the {budget.name} budget is for models that do not: one lucky draw would count as a "
            "success; choose rand, standard or thorough"
        )


def fixed_rows(budget: Budget, subject: Subject) -> list[Row]:
    """The rows that do not depend on how many draws the lead attack settles on."""
    draws = budget.first_draws if subject.random else 1
    rows = [Row(Role.CLEAN), Row(Role.NOISE, f"noise:tries={budget.tries},draws={draws}")]
    if control := control_attack(budget, subject):
        rows += _following_rows(control, subject, draws)
    queries = budget.queries if subject.differentiable else max(budget.queries, _FEWEST_QUERIES)
    if queries:
        draws = budget.query_draws if subject.random else 1
        rows.append(Row(Role.GRADIENT_FREE, f"square:queries={queries},draws={draws}"))
    return rows


def control_attack(budget: Budget, subject: Subject) -> str:
    """The attack that controls are made with: the lead attack, or the first that follows gradients; empty if none."""
    if budget.lead:
        return fitted(with_settings(budget.lead, steps=budget.lead_steps), subject.classes)
    following = (spec for spec in _others(budget, subject) if _follows(spec))
    return next(following, "")


def _following_rows(control: str, subject: Subject, draws: int) -> list[Row]:
    """Controls by an attack that follows gradients, of whichever models have one."""
    rows = [Row(Role.UNDEFENDED, control), Row(Role.OBLIVIOUS, control)] if subject.defended else []
    rows += [Row(Role.TRANSFER, control, source=name) for name in subject.sources]
    if not subject.differentiable:
        return rows
    if subject.fixable:
        rows.append(Row(Role.FIXED_DRAW, control))
    if subject.random:
        single = "draws" not in settings_of(control)[1]
        rows.append(Row(Role.WARNING, control if single else with_settings(control, draws=1)))
    return [*rows, Row(Role.LARGE, _with_draws(control, draws))]


def other_rows(budget: Budget, subject: Subject, draws: int) -> list[Row]:
    """The attacks that join the lead attack once it has settled on so many draws."""
    draws = min(draws, budget.others_draws)
    specs = [spec for spec in _others(budget, subject) if subject.differentiable or not _follows(spec)]
    roles = (Role.ADAPTIVE if _follows(spec) else Role.GRADIENT_FREE for spec in specs)
    return [Row(role, _with_draws(spec, draws)) for role, spec in zip(roles, specs, strict=True)]


def lead_rows(budget: Budget, subject: Subject) -> list[Row]:
    """The lead attack, from its first to its last doubling; none where the model has no gradient."""
    rounds = doublings(budget, random=subject.random) if subject.differentiable else ()
    lead = fitted(budget.lead, subject.classes)
    return [Row(Role.ADAPTIVE, with_settings(lead, steps=steps, draws=draws)) for steps, draws in rounds]


def possible_rows(budget: Budget, subject: Subject) -> list[Row]:
    """Every row that an evaluation may come to run, whenever the lead attack settles."""
    leads = lead_rows(budget, subject)
    settled = [make_attack(lead.attack).draws for lead in leads] or [most_draws(budget, subject)]
    others = [row for draws in settled for row in other_rows(budget, subject, draws)]
    return list(dict.fromkeys([*fixed_rows(budget, subject), *leads, *others]))


def most_draws(budget: Budget, subject: Subject) -> int:
    """The most draws of a gradient."""
    return budget.most_draws if subject.random else 1


def cost_of(budget: Budget, subject: Subject) -> int:
    """The most passes per image that an evaluation can take, if no attack settles and no image is broken."""
    others = other_rows(budget, subject, most_draws(budget, subject))
    rows = [*fixed_rows(budget, subject), *lead_rows(budget, subject), *others]
    return sum(passes_of(row) for row in rows)


def _others(budget: Budget, subject: Subject) -> list[str]:
    return [fitted(spec, subject.classes) if budget.fitted else spec for spec in budget.others]


def _follows(spec: str) -> bool:
    """Whether an attack follows gradients."""
    return ATTACKS[settings_of(spec)[0]].needs == "gradients"


def _with_draws(spec: str, draws: int) -> str:
    """A specification with so many draws, unless it says how many."""
    return spec if "draws" in settings_of(spec)[1] else with_settings(spec, draws=draws)


def passes_of(row: Row) -> int:
    """Passes through the model for each image."""
    return make_attack(row.attack).gradients if row.attack else 1
