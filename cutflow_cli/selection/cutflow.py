"""An ordered list of cuts, what it was trained for, and how its cuts spread over replicas."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import InputError, nearest
from cutflow_cli.selection.binned import BinnedCut, expressions
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.spread import half_interval
from cutflow_cli.selection.tree import And, Node

Kind = Literal["replica", "consensus"]

#: The consensus has no replica number; files hold this instead.
CONSENSUS_REPLICA = -1
#: How the note of a step begins on which replicas do not agree.
TIED = "replicas disagree, no region has a majority"


@dataclass(frozen=True, slots=True)
class LearnedCut:
    """One step of a flow: a cut and what training says about it.

    Attributes:
        cut: the cut as learned; `active` alone says whether it is applied.
        active: whether the flow applies it.
        lower_error: half the 16-84 % interval of the lower boundary over the agreeing replicas (None for one replica).
        upper_error: the same for the upper boundary.
        agreement: share of the replicas that chose this region (or this inactivity), or, where no region has a
            majority, the one chosen most; None for one replica.
        importance: the method's learned importance; they sum to one over the flow (None where a method has none).
        n_minus_1_loss: balanced error of the flow on train without this cut, minus that with it (without minus the
            flow as applied); positive means that the cut helps. None where it was not computed.
        note: why the cut is inactive, or what a reader should know of it, in words.
        bins: of a `BinnedCut` what was learned in each bin, bin by bin; empty for other cuts. Its own boundaries and
            errors are there; `from_bins` puts them together.
    """

    cut: Cut
    active: bool = True
    lower_error: float | None = None
    upper_error: float | None = None
    agreement: float | None = None
    importance: float | None = None
    n_minus_1_loss: float | None = None
    note: str | None = None
    bins: tuple[LearnedCut, ...] = ()

    @property
    def applied(self) -> bool:
        """Whether the flow applies it and it has a boundary, so that it may drop events."""
        return self.active and self.cut.region is not Region.ALL

    @classmethod
    def from_bins(cls, binned_in: str, edges: tuple[float, ...], bins: tuple[LearnedCut, ...]) -> LearnedCut:
        """Put together what was learned in each bin of an observable.

        Args:
            binned_in: the observable.
            edges: of the bins, rising.
            bins: one step for each bin, all of one observable; an inactive one keeps all events of its bin.

        Raises:
            InputError: if edges and bins do not fit each other.
        """
        cuts = tuple(one.cut if one.active else Cut(one.cut.observable, Region.ALL) for one in bins)
        cut = BinnedCut.of(binned_in, edges, cuts)
        # In the bins' own observable it is the range of the bins itself that is kept.
        active = cut.is_range or any(member.region is not Region.ALL for member in cuts)
        return cls(cut, active, agreement=_least([one.agreement for one in bins]), bins=bins)

    def rounded(self, dtypes: Mapping[str, str]) -> LearnedCut:
        """Round all numbers of the cut to what its columns can hold.

        Args:
            dtypes: the type of each column of the cut.
        """
        bins = tuple(one.rounded(dtypes) for one in self.bins)
        return replace(self, cut=self.cut.rounded_for(dtypes), bins=bins)


@dataclass(frozen=True, slots=True)
class CutFlow:
    """Cuts in the order in which they are applied, and what they were trained for.

    Attributes:
        steps: the learned cuts, inactive ones included.
        working_point: `default`, or for example `signal_efficiency=0.5`.
        target: the number in the working point; None for `default`.
        hypothesis: signal mass hypothesis that the flow was trained for; None where there is one selection for all.
        kind: `replica` for one training, `consensus` for what the replicas agree on.
        replica: number of the replica, -1 for the consensus.
    """

    steps: tuple[LearnedCut, ...]
    working_point: str = "default"
    target: float | None = None
    hypothesis: float | None = None
    kind: Kind = "replica"
    replica: int = field(default=0)

    @property
    def cuts(self) -> tuple[Cut, ...]:
        """The cuts that are applied, in order: active, and with a boundary."""
        return tuple(step.cut for step in self.steps if step.applied)

    @property
    def observables(self) -> tuple[str, ...]:
        """The observables of all steps, in order."""
        return tuple(step.cut.observable for step in self.steps)

    @property
    def binnings(self) -> tuple[tuple[str, tuple[float, ...]], ...]:
        """Observables that cuts are binned in, with the edges of the bins, each once; empty for most flows."""
        cuts = (step.cut for step in self.steps)
        return tuple(dict.fromkeys((cut.binned_in, cut.edges) for cut in cuts if isinstance(cut, BinnedCut)))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the applied cuts need, each once, in order."""
        return tuple(dict.fromkeys(name for cut in self.cuts for name in cut.columns))

    def step_masks(self, columns: Mapping[str, NDArray[Any]]) -> list[NDArray[np.bool_]]:
        """Say for each applied cut which events it keeps, whatever the other cuts do.

        Args:
            columns: the observables, each of shape (events,).

        Returns:
            One mask of shape (events,) for each of `cuts`.

        Raises:
            InputError: if an observable is not among the columns.
        """
        for name in self.columns:
            if name not in columns:
                msg = f"the selection cuts on {name!r}, which the events lack: "
                raise InputError(msg + nearest(name, columns))
        return [cut.keeps(columns) for cut in self.cuts]

    def mask(self, columns: Mapping[str, NDArray[Any]], events: int) -> NDArray[np.bool_]:
        """Say for each event whether all cuts keep it.

        Args:
            columns: the observables, each of shape (events,).
            events: the number of events, which a flow without cuts can't read off a column.
        """
        mask = np.ones(events, dtype=np.bool_)
        for passed in self.step_masks(columns):
            mask &= passed
        return mask

    def expression(self) -> Node | None:
        """Return the whole flow as one expression tree, or None if it keeps everything."""
        parts = [part for part in expressions(self.cuts) if part is not None]
        if not parts:
            return None
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def rounded(self, dtypes: Mapping[str, str]) -> CutFlow:
        """Round each boundary to what its column can hold; do so before counting anything.

        Args:
            dtypes: the type of each observable's column.

        Raises:
            InputError: if an observable has no type.
        """
        for name in (name for step in self.steps for name in step.cut.columns):
            if name not in dtypes:
                msg = f"the selection cuts on {name!r}, whose type is not known; {nearest(name, dtypes)}"
                raise InputError(msg)
        steps = tuple(step.rounded(dtypes) for step in self.steps)
        return replace(self, steps=steps)


def consensus(flows: Sequence[CutFlow]) -> CutFlow:
    """Combine replicas of one flow by majority, cut by cut.

    For each observable the region (or inactivity) that most replicas chose is taken; a tie makes it inactive.
    Boundaries are the median over the replicas that agree, errors half their 16-84 % interval. The result is a
    selection of its own: apply it to events, never average the replicas' metrics instead. It treats cuts one by one,
    so where replicas found different *combinations* of cuts it may be worse than any of them; `agreement` shows that.

    Args:
        flows: the replicas' flows, with the same observables in the same order and the same working point.

    Returns:
        The consensus, of kind `consensus` and replica -1.

    Raises:
        InputError: if there are no flows, or if they are not repeats of one flow.
    """
    if not flows:
        msg = "no replicas to combine"
        raise InputError(msg)
    first = flows[0]
    same = all(
        (flow.observables, flow.binnings, flow.working_point, flow.hypothesis)
        == (first.observables, first.binnings, first.working_point, first.hypothesis)
        for flow in flows
    )
    if not same:
        msg = "these flows are not repeats of one training: observables or working points differ"
        raise InputError(msg)
    steps = tuple(_agree([flow.steps[position] for flow in flows]) for position in range(len(first.steps)))
    return replace(first, steps=steps, kind="consensus", replica=CONSENSUS_REPLICA)


def _agree(steps: Sequence[LearnedCut]) -> LearnedCut:
    """Find the cut that most replicas of one step agree on."""
    cut = steps[0].cut
    if isinstance(cut, BinnedCut):
        together = LearnedCut.from_bins(
            cut.binned_in, cut.edges, tuple(_agree(those) for those in zip(*(step.bins for step in steps), strict=True))
        )
        return replace(together, importance=_mean([step.importance for step in steps]))

    def choice(step: LearnedCut) -> Region:
        return step.cut.region if step.active else Region.ALL

    votes = Counter(choice(step) for step in steps).most_common()
    tied = len(votes) > 1 and votes[0][1] == votes[1][1]
    winner = Region.ALL if tied else votes[0][0]
    agreeing = [step for step in steps if choice(step) is winner]
    share = len(agreeing) / len(steps)
    lower, lower_error = _median([step.cut.lower for step in agreeing] if winner.has_lower else [])
    upper, upper_error = _median([step.cut.upper for step in agreeing] if winner.has_upper else [])
    note = _commonest_note(agreeing)
    if tied:
        chosen = ", ".join(f"{'no cut' if region is Region.ALL else region.value} {count}" for region, count in votes)
        share, note = votes[0][1] / len(steps), f"{TIED} ({chosen})"
    if lower is not None and upper is not None and lower > upper:
        # Medians cross only where a replica's own boundaries do; an empty window would keep nothing.
        winner, lower, upper, note = Region.ALL, None, None, "the replicas' boundaries cross"
    return LearnedCut(
        cut=Cut(steps[0].cut.observable, winner, lower, upper),
        active=winner is not Region.ALL,
        lower_error=lower_error if winner.has_lower and len(agreeing) > 1 else None,
        upper_error=upper_error if winner.has_upper and len(agreeing) > 1 else None,
        agreement=share if len(steps) > 1 else None,
        importance=_mean([step.importance for step in steps]),
        n_minus_1_loss=None,
        note=note,
    )


def _commonest_note(steps: Sequence[LearnedCut]) -> str | None:
    notes = Counter(step.note for step in steps)
    return notes.most_common(1)[0][0] if notes else None


def _median(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    numbers = [value for value in values if value is not None]
    if not numbers:
        return None, None
    middle = float(np.median(numbers))
    if not np.isfinite(numbers).all():  # a boundary at infinity is a choice, not a measurement with a spread
        return middle, None
    return middle, float(half_interval(numbers))


def _least(values: Sequence[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)


def _mean(values: Sequence[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return float(np.mean(numbers)) if numbers else None
