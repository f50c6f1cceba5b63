"""What an export settles on events before it is written: round boundaries, what they cost, and the cut-flow table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.export.cut_flow_table import CutFlowTable, count_cut_flow, read_cut_flow, report_events
from cutflow_cli.export.rounding import Rounded, Rounding, rounded_flow

if TYPE_CHECKING:
    from collections.abc import Callable

    from cutflow_cli.events.schema import Split
    from cutflow_cli.export.dialect import Format
    from cutflow_cli.export.rounding_cost import Cost, Spent
    from cutflow_cli.export.run_events import RunEvents
    from cutflow_cli.runs import Run
    from cutflow_cli.selection.cutflow import CutFlow

    Progress: TypeAlias = Callable[[float, str], None]
    #: A rounded flow, what was rounded, and what the search spent; None where a distance was the limit.
    _Found: TypeAlias = tuple[CutFlow, tuple[Rounded, ...], Spent | None]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Where numbers of a selection come from.

    Attributes:
        report: a report directory in which the selection as learned was evaluated.
        data: an events file to count it on, instead of the one that the run was trained on.
    """

    report: Path | None = None
    data: Path | None = None

    def check(self, dialect: Format, rounding: Rounding | None, *, model: bool) -> None:
        """Check that events and reports are given where they are needed, and nowhere else.

        Raises:
            UsageError: if not.
        """
        if dialect.report == "required" and self.report is None and self.data is None:
            msg = (
                f"--format {dialect.name} gives a cut-flow table; add --report with a directory that `evaluate` wrote, "
                "or --data with events to count"
            )
            raise UsageError(msg)
        if dialect.report == "none" and self.report is not None:
            msg = f"--report is for latex and hepdata, which give its cut-flow table; leave it away for {dialect.name}"
            raise UsageError(msg)
        if self.report is not None and self.data is not None:
            msg = "--report says itself which events it has evaluated; take either it or --data"
            raise UsageError(msg)
        if self.data is not None and rounding is None and dialect.report == "none" and not model:
            msg = (
                "--data is what rounding is counted on, what latex and hepdata make a table of, and what an onnx "
                f"model is tried on; leave it away for {dialect.name} without --round"
            )
            raise UsageError(msg)


@dataclass(frozen=True, slots=True)
class Settled:
    """Flows as they are to be written.

    Attributes:
        flows: the flows.
        rounded: for each flow the boundaries that were rounded; empty if none were to be.
        costs: for each flow what that costs; empty if nothing was rounded or the events are not there.
        table: the cut-flow table of the only flow.
        notes: what a user should know, a sentence each.
    """

    flows: tuple[CutFlow, ...]
    rounded: tuple[tuple[Rounded, ...], ...] = ()
    costs: tuple[Cost, ...] = ()
    table: CutFlowTable | None = None
    notes: tuple[str, ...] = ()


def settle(
    run: Run,
    flows: tuple[CutFlow, ...],
    rounding: Rounding | None,
    evaluation: Evaluation,
    *,
    tabled: bool,
    progress: Progress | None = None,
) -> Settled:
    """Round boundaries, say what that costs, and make the cut-flow table.

    Args:
        run: an opened run.
        flows: chosen of it, boundaries rounded to their columns' types.
        rounding: how to round; None for not at all.
        evaluation: where numbers come from.
        tabled: whether the dialect takes a cut-flow table.
        progress: called with the share done and a few words while events are counted.

    Raises:
        InputError: if the events or the report that were named can't be used, or rounding depends on events that
            are not there.
    """
    if rounding is not None:
        return _rounded(run, flows, rounding, evaluation, tabled=tabled, progress=progress)
    if evaluation.report is not None:
        return Settled(flows, table=read_cut_flow(evaluation.report, run, flows[0]))
    if evaluation.data is not None and tabled:
        from cutflow_cli.export.run_events import open_run_events

        opened = open_run_events(run, evaluation.data)
        return Settled(flows, table=count_cut_flow(opened, flows[0], "test"), notes=opened.notes)
    return Settled(flows)


def _rounded(
    run: Run,
    flows: tuple[CutFlow, ...],
    rounding: Rounding,
    evaluation: Evaluation,
    *,
    tabled: bool,
    progress: Progress | None = None,
) -> Settled:
    from cutflow_cli.export.run_events import open_run_events

    split: Split = "test"
    data = evaluation.data
    if evaluation.report is not None:
        data, split = report_events(evaluation.report, run)
    try:
        opened = open_run_events(run, data)
        found, left = _round(run, flows, rounding, opened)
        costs = _costs(opened, flows, found, split, progress)
    except InputError as error:
        if data is not None or rounding.loss is not None:
            raise
        found, _ = _round(run, flows, rounding, None)
        return Settled(*_separated(found), notes=(f"what rounding costs was not computed: {error}",))
    table = None
    if tabled and data is not None:
        table = count_cut_flow(opened, found[0][0], split)
    return Settled(*_separated(found), costs=costs, table=table, notes=(*opened.notes, *left))


def _round(
    run: Run, flows: tuple[CutFlow, ...], rounding: Rounding, opened: RunEvents | None
) -> tuple[list[_Found], list[str]]:
    """Round all flows; where a price is the limit, on the events. Say which of several were left as they are."""
    if rounding.loss is None:
        return [(*rounded_flow(flow, run.manifest.dtypes, rounding.within), None) for flow in flows], []
    from cutflow_cli.export.round_to_loss import NothingToLoseError, round_to_loss

    assert opened is not None
    found: list[_Found] = []
    left: list[str] = []
    for flow in flows:
        try:
            found.append(round_to_loss(opened, flow, rounding))
        except NothingToLoseError as error:
            if len(flows) == 1:
                raise
            found.append((flow, (), None))
            left.append(f"not rounded: {error}")
    return found, left


def _costs(
    opened: RunEvents, flows: tuple[CutFlow, ...], found: list[_Found], split: Split, progress: Progress | None
) -> tuple[Cost, ...]:
    """Count the flows before and after; nothing where nothing was rounded."""
    if not any(what for _, what, _ in found):
        return ()
    from cutflow_cli.export.rounding_cost import rounding_costs

    costs = rounding_costs(opened, flows, [flow for flow, _, _ in found], split, progress)
    return tuple(replace(cost, spent=spent) for cost, (_, _, spent) in zip(costs, found, strict=True))


def _separated(found: list[_Found]) -> tuple[tuple[CutFlow, ...], tuple[tuple[Rounded, ...], ...]]:
    return tuple(flow for flow, _, _ in found), tuple(what for _, what, _ in found)
