"""The settings of methods whose cuts can be refined for an objective."""

from __future__ import annotations

from collections.abc import Collection

from cutflow_cli.errors import UsageError
from cutflow_cli.metrics.objectives import Objective, parse_objective

#: Settings that only a refinement uses.
OF_REFINEMENT = ("background_systematic", "min_effective_background", "optimism_folds")


def goal_of(objective: str | None, background_systematic: float) -> Objective | None:
    """Return what cuts are refined for; None for the method's own loss alone.

    Args:
        objective: a name or a formula (`parse_objective`); None or `bce` for none.
        background_systematic: systematic uncertainty of B as a fraction of B.

    Raises:
        UsageError: if it is unknown, or the systematic uncertainty has no effect on it.
        ExpressionError: if a formula is not in the language.
    """
    if objective is None or objective.strip().lower() == "bce":
        return None
    return parse_objective(objective, background_systematic)


def refuse_unused(goal: Objective | None, chosen: Collection[str], instead: str) -> None:
    """Refuse what only a refinement uses where there is none, and a guard where the objective has none.

    Args:
        goal: the objective.
        chosen: names of settings that the user gave.
        instead: what to add, for the message.

    Raises:
        UsageError: at the first.
    """
    for name in OF_REFINEMENT:
        if name in chosen and goal is None:
            msg = f"--{name.replace('_', '-')}: only an objective uses it; leave it out, or add {instead}"
            raise UsageError(msg)
    if goal is not None and goal.additive and "min_effective_background" in chosen:
        msg = f"--min-effective-background: {goal.title} does not profit from small numbers and has no such rule"
        raise UsageError(msg)
