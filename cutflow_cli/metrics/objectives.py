"""What a selection is to make large: a figure of merit by name, or one that the user writes down."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cutflow_cli.errors import UsageError, nearest
from cutflow_cli.metrics.figures_of_merit import ADDITIVE, FIGURES_OF_MERIT, Numbers, Yields, figure_of_merit
from cutflow_cli.metrics.formula import QUANTITIES, Formula, parse_formula, require_defined

#: Shorter spellings of some names.
ALIASES = {"s_sqrt_b": "s_over_sqrt_b", "s_sqrt_s_plus_b": "s_over_sqrt_s_plus_b"}


@dataclass(frozen=True, slots=True)
class Objective:
    """A figure of merit to be maximised over selections.

    Attributes:
        name: a key of `FIGURES_OF_MERIT`, or the name of the formula.
        formula: the user's own figure; None for a known one.
        background_systematic: systematic uncertainty of B as a fraction of B, part of σ_B beside √Σw².
    """

    name: str
    formula: Formula | None = None
    background_systematic: float = 0.0

    @property
    def title(self) -> str:
        """What tables and figures call it."""
        return FIGURES_OF_MERIT[self.name] if self.formula is None else self.name

    @property
    def additive(self) -> bool:
        """Whether it is linear in S and B, so that few events are no advantage."""
        return self.formula is None and self.name in ADDITIVE

    def values(self, yields: Yields) -> Numbers:
        """Compute it for many selections.

        Args:
            yields: what they keep.

        Returns:
            Of the broadcast shape, −∞ where it is undefined, or where no signal is left.
        """
        if self.formula is None:
            return figure_of_merit(self.name, yields, self.background_systematic)
        S, B, variance, of_signal = np.broadcast_arrays(
            *np.atleast_1d(yields.S, yields.B, yields.B_variance, yields.S_variance)
        )
        with np.errstate(all="ignore"):
            sigma_b = np.sqrt(np.maximum(variance, 0.0) + (self.background_systematic * B) ** 2)
            flat = (np.ravel(column) for column in (S, B, np.sqrt(np.maximum(of_signal, 0.0)), sigma_b))
            value = self.formula.values(*flat).reshape(S.shape)
        return np.asarray(np.where(np.isfinite(value) & (S > 0), value, -np.inf))


def parse_objective(text: str, background_systematic: float = 0.0) -> Objective:
    """Read an objective: a name (dashes or underscores), or a formula in s, b, sigma_s and sigma_b.

    Args:
        text: what the user wrote.
        background_systematic: systematic uncertainty of B as a fraction of B.

    Raises:
        UsageError: if a name is unknown, the systematic uncertainty has no effect on the objective, or a formula is
            nowhere finite, or the same whatever S and B are.
        ExpressionError: if a formula is not in the language, or names something else; the message points there.
    """
    name = text.strip().replace("-", "_")
    name = ALIASES.get(name, name)
    if name in FIGURES_OF_MERIT:
        if background_systematic and name != "asimov":
            msg = f"--background-systematic: {text} knows of no uncertainty; choose --objective asimov or a formula"
            raise UsageError(msg)
        return Objective(name, None, background_systematic)
    differs = {part.strip() for part in text.split("-")} <= {"", *QUANTITIES}  # s - b is a formula, and so is -b
    if name.isidentifier() and not differs:
        known = [*FIGURES_OF_MERIT, "a formula such as 's/sqrt(b + sigma_b**2)'"]
        msg = f"--objective {text}: no such objective; {nearest(name, known)}"
        raise UsageError(msg)
    formula = parse_formula(text, FIGURES_OF_MERIT, option="--objective")
    if background_systematic and "sigma_b" not in formula.quantities:
        msg = f"--background-systematic: the objective {text} does not name sigma_b"
        raise UsageError(msg)
    lowest, highest = require_defined(formula, "--objective")
    if formula.quantities.isdisjoint({"s", "b"}) or highest - lowest <= 1e-9 * max(abs(lowest), abs(highest)):
        msg = f"--objective {formula}: does not depend on s or b, so it can't choose a selection; write it in them"
        raise UsageError(msg)
    return Objective(formula.name, formula, background_systematic)
