"""Settings of cut and count, with HEP ML LAB's as a preset.

`preset="hml"` is `CutAndCount` of HEP ML LAB (arXiv:2405.02888, hep-ml-lab 0.4.3). Its scan, with `search="bins"`: 50
equal bins between least and greatest value, candidate boundaries at the bin edges where the sign of (background >
signal) changes, all pairs a < b of them with the four shapes x ≤ a, x ≥ a, a ≤ x ≤ b, x ≤ a or x ≥ b, and the best
accuracy of unweighted events, which its cross entropy of hard decisions is but for a factor. Reproduced with it: bins
that are closed on both sides, so that a value on an edge counts in two; that the last candidate is never tried as a
one-sided cut; and that a cut is made even where none would be better. Not reproduced, since they contradict the
publication: the mask of a sequential flow that is overwritten, so that a cut was trained on what the one before kept
of all events rather than of those left; the fit that starts over with each batch; the failure on missing values, which
here pass no cut; and the cut at zero where no edge is a candidate (here: no cut).

Where our defaults differ, and why:

1. *Accuracy of the simulated events* depends on how many were simulated. Default: the median discovery significance of
   the expected events, with the statistical error of the background.
2. *Bins* make the cut depend on the outermost value. Default: every place between two values is tried (`exact`).
3. *A parallel flow combines cuts that do not know of each other*, and may be worse than one of them. Default: each
   observable sees what the cuts before it keep, and the most useful comes first (`sequential`, `greedy`).
4. *The best of many places is too good*: the last hundred background events always have a gap that a pair of
   boundaries can use. A cut must leave `min_effective_events`, every boundary must raise the figure of merit by
   `min_gain`, and it must do so on events that it was not chosen on: a region found on one half of the training split
   is judged on the other, and the other way round (`cross_check`).
5. *The best next cut is not the first of the best cuts*: a significance gains most from one observable's far tail,
   where no events are left for the others to work on. A cut must keep `min_signal_efficiency` of the signal that
   reaches it. On mock1 of arXiv:2503.22498 (100 000 events, default figure of merit) the significance on the test
   half rises from 1.4 to 3.6 by this rule; a sample in which one observable does all is better off without it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal

from pydantic import Field

from cutflow_cli.metrics.figures_of_merit import ADDITIVE, DEFAULT_FIGURE, MIN_EFFECTIVE_EVENTS
from cutflow_cli.models.protocol import Settings
from cutflow_cli.models.setting_types import FigureName
from cutflow_cli.models.weights import NegativeWeights

Strategy = Literal["parallel", "sequential"]
Order = Literal["given", "greedy"]
Search = Literal["exact", "bins"]


class CutAndCountSettings(Settings):
    """Settings of `cut-and-count`.

    Attributes:
        preset: `hml` for HEP ML LAB's scan.
        strategy: whether an observable sees all events (`parallel`) or those that earlier cuts keep (`sequential`).
        order: in a sequential flow, the observables as `given`, or at each step the one that gains most (`greedy`);
            None for `greedy` if sequential.
        fom: the figure of merit, a key of `FIGURES_OF_MERIT`.
        background_systematic: of `asimov`: systematic uncertainty of B, as a fraction.
        class_weights: what S and B count: expected events (`physical`) or simulated ones (`unit`).
        negative_weights: what the search does with negative weights; yields elsewhere always keep them.
        search: try every place between two values (`exact`), or bin edges where the classes cross (`bins`).
        bins: how many bins.
        min_effective_events: with `exact`, effective events of each class that a cut must leave; additive figures of
            merit, which do not profit from small numbers, have no such guard.
        min_signal_efficiency: with `exact`, share of the signal left that each cut must keep; additive figures of
            merit have no such guard.
        min_gain: with `exact`, share of the figure of merit by which each boundary must raise it.
        cross_check: with `exact`, only take a cut, and a second boundary, whose like, found on either half of the
            events, raises the figure of merit of the other half by `min_gain`.
        bootstrap: give each replica its own Poisson(1) weights; None for yes if there is more than one.
    """

    preset: Literal["hml"] | None = None
    strategy: Strategy = "sequential"
    order: Order | None = None
    fom: FigureName = DEFAULT_FIGURE
    background_systematic: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    class_weights: Literal["physical", "unit"] = "physical"
    negative_weights: NegativeWeights = "keep"
    search: Search = "exact"
    bins: int = Field(default=50, ge=2, le=100_000)
    min_effective_events: float = Field(default=MIN_EFFECTIVE_EVENTS, ge=0, allow_inf_nan=False)
    min_signal_efficiency: float = Field(default=0.75, ge=0, lt=1)
    min_gain: float = Field(default=1e-3, ge=0, allow_inf_nan=False)
    cross_check: bool = True
    bootstrap: bool | None = None

    @property
    def greedy(self) -> bool:
        """Whether the order is found rather than given."""
        return self.strategy == "sequential" and self.order != "given"

    def unused(self, chosen: Collection[str]) -> Mapping[str, str]:
        """What the strategy, the search or the figure of merit has no use for."""
        unused: dict[str, str] = {}
        if self.strategy == "parallel" and self.order == "greedy":
            unused["order"] = "greedy: in a parallel flow no cut sees another, so that their order means nothing"
        if self.search == "exact":
            unused["bins"] = "the exact search has no bins; leave it out, or choose --search bins"
        else:
            why = "the search over bins has no such rule; leave it out, or choose --search exact"
            unused.update(
                dict.fromkeys(("min_effective_events", "min_signal_efficiency", "min_gain", "cross_check"), why)
            )
        if self.search == "exact" and self.fom in ADDITIVE:
            why = f"{self.fom} does not profit from small numbers and has no such rule"
            unused["min_effective_events"] = unused["min_signal_efficiency"] = why
        if self.fom != "asimov":
            unused["background_systematic"] = f"{self.fom} knows of no uncertainty; choose --fom asimov"
        return unused


#: What the publication does where our defaults differ (hep-ml-lab 0.4.3, `CutAndCount`).
PRESETS: dict[str, dict[str, Any]] = {
    "hml": {
        "strategy": "parallel",
        "order": "given",
        "fom": "accuracy",
        "class_weights": "unit",
        "search": "bins",
        "bins": 50,
        "bootstrap": False,
    }
}
