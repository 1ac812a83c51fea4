"""Lists the rows that a budget runs, and what they cost."""

from dataclasses import dataclass

from stormbench.defenses.attacks.ball import Ball
from stormbench.defenses.attacks.registry import make_attack
from stormbench.defenses.robustness.budgets import Budget, Role, Row, doublings, with_settings


@dataclass(frozen=True)
class Subject:
    """What an evaluation has to know of the model.

    Attributes:
        random: it draws.
        fixable: its draws can be fixed, so that the fixed-draw control can be run.
        defended: there is an undefended model to make oblivious attacks on.
        sources: names of other models for transfer.
        classes: how many.
    """

    random: bool
    fixable: bool
    defended: bool
    sources: tuple[str, ...]
    classes: int


def fixed_rows(budget: Budget, subject: Subject, ball: Ball) -> list[Row]:
    """The rows that do not depend on how many draws the lead attack settles on."""
    lead = with_settings(budget.lead, steps=budget.lead_steps)
    draws = budget.first_draws if subject.random else 1
    rows = [Row(Role.CLEAN), Row(Role.NOISE, f"noise:tries={budget.tries},draws={draws}")]
    if subject.defended:
        rows += [Row(Role.UNDEFENDED, lead), Row(Role.OBLIVIOUS, lead)]
    rows += [Row(Role.TRANSFER, lead, source=name) for name in subject.sources]
    if subject.fixable:
        rows.append(Row(Role.FIXED_DRAW, lead))
    if subject.random:
        rows.append(Row(Role.WARNING, lead))
    rows.append(Row(Role.LARGE, with_settings(lead, draws=draws)))
    if budget.queries and ball.norm == "linf":
        queries = budget.query_draws if subject.random else 1
        rows.append(Row(Role.GRADIENT_FREE, f"square:queries={budget.queries},draws={queries}"))
    return rows


def other_rows(budget: Budget, draws: int) -> list[Row]:
    """The attacks that join the lead attack once it has settled on so many draws."""
    draws = min(draws, budget.others_draws)
    return [Row(Role.ADAPTIVE, with_settings(spec, draws=draws)) for spec in budget.others]


def lead_rows(budget: Budget, subject: Subject) -> list[Row]:
    """The lead attack, from its first to its last doubling."""
    return [
        Row(Role.ADAPTIVE, with_settings(budget.lead, steps=steps, draws=draws))
        for steps, draws in doublings(budget, random=subject.random)
    ]


def possible_rows(budget: Budget, subject: Subject, ball: Ball) -> list[Row]:
    """Every row that an evaluation may come to run, whenever the lead attack settles."""
    leads = lead_rows(budget, subject)
    others = [row for lead in leads for row in other_rows(budget, make_attack(lead.attack).draws)]
    return list(dict.fromkeys([*fixed_rows(budget, subject, ball), *leads, *others]))


def cost_of(budget: Budget, subject: Subject, ball: Ball) -> int:
    """The most passes per image that an evaluation can take, if the lead attack never settles."""
    most = budget.most_draws if subject.random else 1
    rows = [*fixed_rows(budget, subject, ball), *lead_rows(budget, subject), *other_rows(budget, most)]
    return sum(passes_of(row) for row in rows)


def passes_of(row: Row) -> int:
    """Passes through the model for each image."""
    return make_attack(row.attack).gradients if row.attack else 1
