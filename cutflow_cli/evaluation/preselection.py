"""Where a cut flow begins: what the events' preselection had removed before they were written.

An events file says of each process how many events there were before its preselection and after each condition, in all
splits together. The cuts are counted on one split, which is a random part of what the preselection left.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.evaluation.depth_counter import Prefix
from cutflow_cli.evaluation.normalise import Normalised
from cutflow_cli.evaluation.rows import ALL_SPLITS, CutFlowRow, FlowName, NamedFlow
from cutflow_cli.events.schema import SPLITS, Role, Split
from cutflow_cli.metrics.classification import efficiency
from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.yields import Sums

#: What the first row of a cut flow with a preselection is called.
ALL_EVENTS = "all events"

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Preselection:
    """The preselection of an events file, and what is known of the events before it.

    Attributes:
        conditions: as text, in order.
        events: what is in the file.
        sums: by the position of a process, sums before any condition and after each; without the processes of which
            that is not known.
        points: by the position of a process, the mass points that it has events of in the file; NaN for events
            without.
    """

    conditions: tuple[str, ...]
    events: Normalised
    sums: dict[int, tuple[Sums, ...]]
    points: dict[int, tuple[float, ...]]

    def of(self, process: Role | int, hypothesis: float | None) -> tuple[Sums, ...] | None:
        """Sum a process or a class before any condition and after each.

        The file counts processes, not mass points: those of a signal process with several can't be told apart here,
        though its remaining events can. A process with events of one mass point is taken to have had no other.

        Args:
            process: position of a process, or a class.
            hypothesis: mass point of the signal; None for all.

        Returns:
            Sums, one more than there are conditions; None where they are not known, for a class if those of any
            process of it are not.
        """
        if not isinstance(process, int):
            found = [self.of(one, hypothesis) for one in self.positions(process)]
            known = [sums for sums in found if sums is not None]
            if not known or len(known) < len(found):
                return None
            return tuple(sum(stage, Sums()) for stage in zip(*known, strict=True))
        if process not in self.sums:
            return None
        if hypothesis is not None and self.events.processes[process].role == "signal":
            if len(self.points[process]) != 1 or math.isnan(self.points[process][0]):
                return None
            if self.points[process][0] != hypothesis:
                return (Sums(),) * (len(self.conditions) + 1)
        return self.sums[process]

    def positions(self, process: Role | int) -> list[int]:
        """Return the positions of the processes of a class, or that of the process itself."""
        if isinstance(process, int):
            return [process]
        return [position for position, one in enumerate(self.events.processes) if one.role == process]

    def total_efficiency(self, prefix: Prefix, process: Role | int, split: Split, hypothesis: float | None) -> Estimate:
        """Share of all events, those before the preselection, that is left after some cuts.

        Args:
            prefix: the cuts applied so far.
            process: position of a process, or a class.
            split: where the cuts are counted.
            hypothesis: mass point of the signal; None for all.
        """
        before = self.of(process, hypothesis)
        if before is None:
            return Estimate.undefined("what the preselection removed is not known")
        tally, chosen = self.events.tally, self.positions(process)
        points = slice(None)
        if hypothesis is not None and self.events.processes[chosen[0]].role == "signal":
            point = tally.hypotheses.index(hypothesis) + 1
            points = slice(point, point + 1)
        column = SPLITS.index(split)
        whole, passed = (tally.sums[stage, points][:, chosen] for stage in (0, tally.prefixes[prefix]))
        return share_of_all(
            before[0],
            whole.sum(axis=2).reshape(-1, 3),
            whole[:, :, column].reshape(-1, 3),
            passed[:, :, column].reshape(-1, 3),
        )


def share_of_all(before: Sums, whole: Floats, split: Floats, passed: Floats) -> Estimate:
    """Share of all events that passes preselection and cuts, where the cuts are counted on a split.

    ε = Σ_i B_i η_i / A with η_i = c_i/b_i, where A is the sum of weights of all events, and for each part i (process,
    mass point) B_i that of the preselected in all splits, b_i of those in the split, c_i of those of them that pass the
    cuts. Events that fail the preselection (F), are in other splits (r_i), or are in the split and pass (c_i) or fail
    (d_i) are different ones, so that their sums are independent, each with the variance Σw². First-order propagation
    with A = F + Σ B_i, B_i = r_i + b_i, b_i = c_i + d_i and s_i = B_i/b_i gives

        A² var(ε) = ε² V_F + Σ_i [(η_i−ε)² V_r,i + (η_i−ε+s_i(1−η_i))² V_c,i + (η_i−ε−s_i η_i)² V_d,i],

    which for unit weights and one part is the sum in quadrature of the relative errors of the preselection's efficiency
    (all splits) and of the cuts' (split), and without cuts is `efficiency`. It holds for many events in each sum and
    sums of weights many times their errors; where no event passes it vanishes, as that of `efficiency`.

    Args:
        before: sums over all events.
        whole: number of events, Σw and Σw² of the preselected, shape (parts, 3).
        split: the same in the split.
        passed: the same after the cuts.
    """
    if before.events == 0:
        return Estimate.undefined("there are no events to pass")
    if before.sumw == 0:
        return Estimate.undefined("the weights add up to zero: an efficiency is undefined")
    (_, B, V_B), (_, b, V_b), (_, c, V_c) = whole.T, split.T, passed.T
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(V_B == 0, 1.0, B / b)
        eta = np.where(V_B == 0, 0.0, c / b)
    if not (np.isfinite(scale) & (scale > 0)).all():
        return Estimate.undefined("the split can't stand for the whole")
    if passed[:, 0].sum() == split[:, 0].sum() and whole[:, 0].sum() == before.events:
        return Estimate(1.0, 0.0)  # every event passes; sums in another order may differ in the last digit
    value = float((B * eta).sum()) / before.sumw
    V_failed, V_others, V_cut = (np.maximum(0.0, one) for one in (before.sumw2 - V_B.sum(), V_B - V_b, V_b - V_c))
    gain = eta - value
    parts = gain**2 * V_others + (gain + scale * (1 - eta)) ** 2 * V_c + (gain - scale * eta) ** 2 * V_cut
    return Estimate(value, math.sqrt(value**2 * V_failed + parts.sum()) / abs(before.sumw))


def find_preselection(
    conditions: Sequence[str], events: Normalised, where: str
) -> tuple[Preselection | None, tuple[str, ...]]:
    """Find out what is known of the events before the preselection.

    Args:
        conditions: the preselection, in order.
        events: what is in the file.
        where: the file, for notes.

    Returns:
        The preselection, None where nothing is known of any process; and what a reader should know, a sentence for
        each process of which it is not.
    """
    if not conditions:
        return None, ()
    held = events.tally.sums[0, ..., 0].sum(axis=2)  # (1 + mass points, processes)
    masses = (math.nan, *events.tally.hypotheses)
    sums: dict[int, tuple[Sums, ...]] = {}
    points: dict[int, tuple[float, ...]] = {}
    notes = []
    for position, process in enumerate(events.processes):
        found = tuple(Sums(one.events, one.sumw, one.sumw2) for one in process.preselected)
        here = int(held[:, position].sum())
        if len(found) == len(conditions) + 1 and found[-1].events == here:
            sums[position] = found
            points[position] = tuple(masses[code] for code in np.flatnonzero(held[:, position]))
            continue
        problem = "does not say what its preselection removed"
        if len(found) == len(conditions) + 1:
            problem = f"its preselection left {found[-1].events} events, not the {here} in the file,"
        notes.append(f"{where}: {problem} of process {process.name!r}, whose cut flow begins after the preselection")
    return Preselection(tuple(conditions), events, sums, points) if sums else None, tuple(notes)


def preselection_rows(
    named: NamedFlow, before: Preselection, hypothesis: float | None, process: Role | int
) -> Iterator[CutFlowRow]:
    """Make the rows of a cut flow before position 0; none where the sums are not known (see `Preselection.of`).

    The first, at −(conditions + 1), is all events, the last the events in the file. They count all splits, so that
    yields need no scaling.
    """
    stages = before.of(process, hypothesis)
    if stages is None:
        return
    flow = named.flow
    name = before.events.processes[process].name if isinstance(process, int) else process
    of = (named.run, flow.working_point, flow.kind, flow.replica)
    yield from rows_of_conditions(of, hypothesis, name, before.conditions, stages)


def rows_of_conditions(
    of: FlowName, hypothesis: float | None, process: str, conditions: Sequence[str], sums: Sequence[Sums]
) -> Iterator[CutFlowRow]:
    """Make the rows of one process before position 0.

    Args:
        of: the flow.
        hypothesis: mass point of the signal counted.
        process: its name, or a class.
        conditions: the preselection, as text.
        sums: before any condition and after each.
    """
    previous = sums[0]
    for number, (cut, here) in enumerate(zip((ALL_EVENTS, *conditions), sums, strict=True)):
        step, total = efficiency(here, previous), efficiency(here, sums[0])
        yield CutFlowRow(
            *of, ALL_SPLITS, hypothesis, number - len(sums),
            cut, process, here.events, here.n_eff, here.sumw, math.sqrt(here.sumw2),
            step.value, step.error, None, None, total.value, total.error,
        )  # fmt: skip
        previous = here
