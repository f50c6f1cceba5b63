"""Settings of the box search.

No publication is reproduced here: the four papers optimise a proxy and name this as what should come next. Why each
default is what it is:

1. *The box with the largest figure of merit on the training split is too good*: of all boxes with as few background
   events it has by chance the fewest. On mock1 of arXiv:2503.22498 a plain search finds Z = 5.8 on 100 000 training
   events and has 3.9 on fresh ones, where 4.64 is possible. So the background is predicted from one- and
   two-dimensional distributions and only corrected by what is counted (`smooth`, see `tables` and `landscape`).
2. *Every boundary uses a chance fluctuation*: it is charged `chance` · n^⅓ events where n are kept (`kernel`), as far
   as counts decide, and must add the share `min_gain` of the objective. On 60 000 events of a slepton search one event
   instead left a Z of 1.65 on train that was 1.57 on fresh events; so it is 1.59 and 1.57. Predictions fluctuate less,
   but over many observables it adds up: the share is what one boundary on an observable without any use gains, half of
   √(1/N_s + 1/N_b) (the scale of Kolmogorov and Smirnov). With three observables of use among twenty and 3000 events
   the plain 0.002 cut on all twenty, for a Z of 1.20 on train and 0.36 on fresh events; so it is three, 1.03 and 0.86.
3. *A prediction can be wrong*: its error is measured on looser boxes and on the box found, and what is known of the
   background must be worth `min_effective_events`.
4. *What is left of the optimism is estimated* by repeating the search without a fifth of the events at a time
   (`optimism_folds`), and printed beside the objective.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator

from cutflow_cli.errors import UsageError
from cutflow_cli.metrics.figures_of_merit import DEFAULT_FIGURE, MIN_EFFECTIVE_EVENTS
from cutflow_cli.metrics.objectives import parse_objective
from cutflow_cli.models.protocol import Settings
from cutflow_cli.models.weights import NegativeWeights


def _several(folds: int) -> int:
    if folds == 1:
        msg = "give at least 2 parts, or 0 for no estimate"
        raise ValueError(msg)
    return folds


#: Parts of the training split by which an optimism is estimated; 0 for no estimate.
OptimismFolds = Annotated[int, Field(ge=0), AfterValidator(_several)]
OPTIMISM_FOLDS = 5


class BoxSettings(Settings):
    """Settings of `box`.

    Attributes:
        objective: what the box is to make large: a figure of merit by name, or a formula in s, b, sigma_s, sigma_b.
        background_systematic: systematic uncertainty of B as a fraction of B, part of σ_B.
        signal_efficiencies: rather than one box for the objective, the box of least background for each of these.
        max_cuts: on how many observables to cut at most; None for all that are of use.
        class_weights: what S and B count: expected events (`physical`) or simulated ones (`unit`).
        negative_weights: what the search does with negative weights; yields elsewhere always keep them.
        smooth: predict the background from one- and two-dimensional distributions, rather than count it only.
        bins: equal shares of both classes at which boundaries are tried; there are more in the tails.
        min_effective_events: see `cutflow_cli.models.box.landscape.Landscape`; additive objectives have no such guard.
        min_gain: share of the objective that each boundary must add; None for `landscape.chance_gain`.
        chance: times n^⅓ is what each boundary is taken to reject by chance where n background events are kept.
        starts: how many climbs: eight from boxes between loose and tight, the others from the best so far with some
            cuts opened. For given signal efficiencies half as many, for each.
        optimism_folds: parts of the training split by which the optimism is estimated; 0 for no estimate.
        bootstrap: give each replica its own Poisson(1) weights; None for yes if there is more than one.
    """

    objective: str = DEFAULT_FIGURE
    background_systematic: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    signal_efficiencies: tuple[float, ...] = ()
    max_cuts: int | None = Field(default=None, ge=1)
    class_weights: Literal["physical", "unit"] = "physical"
    negative_weights: NegativeWeights = "keep"
    smooth: bool = True
    bins: int = Field(default=100, ge=4, le=2000)
    min_effective_events: float = Field(default=MIN_EFFECTIVE_EVENTS, ge=0, allow_inf_nan=False)
    min_gain: float | None = Field(default=None, ge=0, lt=1)
    chance: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    starts: int = Field(default=20, ge=1)
    optimism_folds: OptimismFolds = OPTIMISM_FOLDS
    bootstrap: bool | None = None

    @field_validator("objective")
    @classmethod
    def _known(cls, text: str) -> str:
        try:
            parse_objective(text)
        except UsageError as error:
            raise ValueError(str(error).removeprefix(f"--objective {text}: ")) from error
        return text

    @field_validator("signal_efficiencies")
    @classmethod
    def _shares(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < value < 1 for value in values) or len(set(values)) != len(values):
            msg = "give different numbers between 0 and 1"
            raise ValueError(msg)
        return tuple(sorted(values))

    def refuse_unused(self, chosen: Collection[str]) -> None:
        """Refuse a guard where the objective has none."""
        if "min_effective_events" in chosen and parse_objective(self.objective).additive:
            msg = f"--min-effective-events: {self.objective} does not profit from small numbers and has no such rule"
            raise UsageError(msg)


PRESETS: dict[str, dict[str, Any]] = {}
