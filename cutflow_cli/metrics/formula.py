"""Figures of merit that the user writes down, as expressions in s, b, sigma_s and sigma_b."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.propagation import propagated, total_uncertainty
from cutflow_cli.metrics.significance import numbers, undefined
from cutflow_cli.selection.evaluate import evaluate
from cutflow_cli.selection.parse import ExpressionError, parse_arithmetic
from cutflow_cli.selection.tree import Name, Node, names, walk

OPTION = "--fom"
#: What a formula may name, and what it is.
QUANTITIES: dict[str, str] = {
    "s": "expected signal events",
    "b": "expected background events",
    "sigma_s": "statistical error of s",
    "sigma_b": "uncertainty of b: statistics of the simulation and systematics",
}
_NAMED = re.compile(r"\s*([^\W\d]\w*)\s*=(?!=)\s*")


@dataclass(frozen=True, slots=True)
class Formula:
    """A figure of merit of the user.

    Attributes:
        name: what tables call it.
        text: the expression as it was written.
        node: the expression.
    """

    name: str
    text: str
    node: Node

    def __str__(self) -> str:
        return self.name if self.name == self.text else f"{self.name} = {self.text}"

    @property
    def quantities(self) -> frozenset[str]:
        """Which of `QUANTITIES` it names."""
        return frozenset(names(self.node))

    @property
    def of_background(self) -> bool:
        """Whether it depends on the background."""
        return not {"b", "sigma_b"}.isdisjoint(self.quantities)

    def value(self, s: float, b: float, sigma_s: float, sigma_b: float) -> float:
        """Compute it; division by zero and the like give infinity or NaN."""
        return float(self.values(*(np.array([value]) for value in (s, b, sigma_s, sigma_b)))[0])

    def values(
        self, s: NDArray[np.float64], b: NDArray[np.float64], sigma_s: NDArray[np.float64], sigma_b: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Compute it for many selections, each array of shape (selections,)."""
        columns = {"s": s, "b": b, "sigma_s": sigma_s, "sigma_b": sigma_b}
        return np.asarray(evaluate(self.node, columns, len(s)), dtype=np.float64)

    def estimate(self, signal: Estimate, background: Estimate, background_uncertainty: float = 0.0) -> Estimate:
        """Compute it for measured S and B, with its statistical error by numerical derivatives (`propagated`).

        Where it has a corner or a step (`where`, `min`, `floor`) within the errors of S and B, its error is that of
        the side on which it lies.

        Args:
            signal: S with its error.
            background: B with its statistical error √Σw².
            background_uncertainty: systematic uncertainty of B as a fraction of B.
        """
        if (missing := undefined(signal, background)) is not None:
            return missing
        value, error = propagated(self.value, signal, background, background_uncertainty)
        if not math.isfinite(value):
            (S, sigma_S), (B, _) = numbers(signal), numbers(background)
            at = {"s": S, "b": B, "sigma_s": sigma_S, "sigma_b": total_uncertainty(background, background_uncertainty)}
            used = ", ".join(f"{name} = {at[name]:.4g}" for name in names(self.node))
            because = background.reason if B == 0 and background.reason else "it divides by zero or the like"
            return Estimate.undefined(f"{because}; {self.name} is not finite" + (f" at {used}" if used else ""))
        if not math.isfinite(error):
            return Estimate(value, None, f"{self.name} has no derivative here, so no error is known")
        return Estimate(value, error, signal.reason or background.reason)


@lru_cache(maxsize=64)
def range_of(node: Node) -> tuple[float, float] | None:
    """Return the lowest and the highest finite value of a formula over yields of any size; None if it has none.

    Yields and their errors are 0 or between 10⁻⁹ and 10¹⁵ events, on a grid and, for what is finite in a window alone,
    at 20 000 places between. A formula that is finite in less than some permille of a yield can be missed.
    """
    steps = np.concatenate([[0.0], np.logspace(-9, 15, 13)])
    grid = np.stack([axis.ravel() for axis in np.meshgrid(*[steps] * len(QUANTITIES))])
    between = 10 ** np.random.default_rng(0).uniform(-9, 15, (len(QUANTITIES), 20_000))
    columns = dict(zip(QUANTITIES, np.concatenate([grid, between], axis=1), strict=True))
    values = np.asarray(evaluate(node, columns, len(columns["s"])), dtype=np.float64)
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if len(finite) else None


def require_defined(formula: Formula, option: str = OPTION) -> tuple[float, float]:
    """Refuse a formula that no selection has a value of, and return the lowest and the highest value of it.

    Raises:
        UsageError: if it is not finite for any yields (`range_of`).
    """
    found = range_of(formula.node)
    if found is None:
        msg = f"{option} {formula}: is not finite for any s and b, as where it divides by zero; mend it"
        raise UsageError(msg)
    return found


def parse_formula(text: str, taken: Collection[str] = (), option: str = OPTION) -> Formula:
    """Read a formula, `name = expression` or the expression alone, which then is its own name.

    Args:
        text: what the user wrote.
        taken: names that tables use already.
        option: what it was given with, for messages.

    Raises:
        ExpressionError: if it is not in the language, or names something else; the message points there.
        UsageError: if its name is taken.
    """
    named = _NAMED.match(text)
    begin = named.end() if named else 0
    try:
        node = parse_arithmetic(text[begin:], f"{option}: ")
    except ExpressionError as error:
        raise ExpressionError(error.reason, text, begin + error.position, f"{option}: ") from error
    for part in walk(node):
        if isinstance(part, Name) and part.name not in QUANTITIES:
            place = re.search(rf"(?<![\w.]){re.escape(part.name)}(?![\w.])", text[begin:])
            reason = f"no quantity {part.name!r}; there are s, b, and their errors sigma_s, sigma_b"
            raise ExpressionError(reason, text, begin + (place.start() if place else 0), f"{option}: ")
    formula = Formula("", text, node)
    try:
        formula.value(1.0, 1.0, 1.0, 1.0)
    except InputError as error:  # `sum` and the like, over objects that a yield has none of
        raise ExpressionError(str(error), text, begin, f"{option}: ") from error
    expression = text[begin:].strip()
    name = named[1] if named else expression
    if name in taken:
        msg = f"{option} {text}: there is a number called {name!r} already; give it another name"
        raise UsageError(msg)
    return Formula(name, expression, node)
