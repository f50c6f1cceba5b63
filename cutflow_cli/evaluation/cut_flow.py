"""The rows of `cutflow.parquet`: every process and class after every cut of every flow."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from cutflow_cli.evaluation.normalise import Normalised
from cutflow_cli.evaluation.preselection import Preselection, preselection_rows
from cutflow_cli.evaluation.rows import CutFlowRow, FlowName, NamedFlow
from cutflow_cli.evaluation.tables import hypotheses_of
from cutflow_cli.events.schema import Role, Split
from cutflow_cli.metrics.classification import efficiency
from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.yields import Sums

#: What the row at position 0 is called.
BEFORE = "before any cut"
#: The classes in the order of the rows.
CLASSES: tuple[Role, Role] = ("signal", "background")


def cut_flow_rows(
    flows: Iterable[NamedFlow], events: Normalised, before: Preselection | None = None
) -> tuple[CutFlowRow, ...]:
    """Count every process and both classes after every cut of every flow, on every split.

    In a flow that was trained for all mass points the background is the same for each, and given once.

    Args:
        flows: whose cuts were counted.
        events: the tally of these flows, normalised.
        before: the preselection, with which each cut flow begins where it is known; None where there was none.
    """
    rows: list[CutFlowRow] = []
    for named in flows:
        for hypothesis in hypotheses_of(named.flow, events):
            roles: tuple[Role, ...] = CLASSES
            if hypothesis is not None and named.flow.hypothesis is None:
                roles = ("signal",)
            processes = [process for role in roles for process in (role, *_members(events, role))]
            if before is not None:
                for process in processes:
                    rows.extend(preselection_rows(named, before, hypothesis, process))
            for split in events.splits():
                for process in processes:
                    rows.extend(_process_rows(named, events, before, hypothesis, split, process))
    return tuple(rows)


def _members(events: Normalised, role: Role) -> list[int]:
    """Processes that need rows beside those of their class."""
    members = [position for position, process in enumerate(events.processes) if process.role == role]
    return [position for position in members if events.processes[position].name != role]


def _process_rows(
    named: NamedFlow,
    events: Normalised,
    before: Preselection | None,
    hypothesis: float | None,
    split: Split,
    process: Role | int,
) -> Iterator[CutFlowRow]:
    flow = named.flow

    def after(cuts: int) -> Sums:
        if isinstance(process, int):
            return events.of_process(flow.cuts[:cuts], process, split, hypothesis)
        return events.of_class(flow.cuts[:cuts], process, split, hypothesis).passed

    name = events.processes[process].name if isinstance(process, int) else process
    prefixes = [flow.cuts[:position] for position in range(len(flow.cuts) + 1)]
    of_all = [
        Estimate(None) if before is None else before.total_efficiency(prefix, process, split, hypothesis)
        for prefix in prefixes
    ]
    yield from rows_of_cuts(
        (named.run, flow.working_point, flow.kind, flow.replica), split, hypothesis, name,
        tuple(map(str, flow.cuts)), [after(position) for position in range(len(flow.cuts) + 1)], of_all,
    )  # fmt: skip


def rows_of_cuts(
    of: FlowName,
    split: Split | Literal["all"],
    hypothesis: float | None,
    process: str,
    cuts: Sequence[str],
    sums: Sequence[Sums],
    of_all: Sequence[Estimate],
) -> Iterator[CutFlowRow]:
    """Make the rows of one process from position 0 on: the one place where their efficiencies are computed.

    Args:
        of: the flow.
        split: the events counted.
        hypothesis: mass point of the signal counted.
        process: its name, or a class.
        cuts: in words.
        sums: before any cut and after each; those of weights are NaN where they can't be normalised.
        of_all: the share of all events, those before the preselection, likewise.
    """
    total = previous = sums[0]
    for position, (cut, here, whole) in enumerate(zip((BEFORE, *cuts), sums, of_all, strict=True)):
        usable = not math.isnan(here.sumw)
        step, cumulative = (
            efficiency(here, one) if usable else Estimate.undefined("not normalised") for one in (previous, total)
        )
        yield CutFlowRow(
            *of, split, hypothesis, position, cut, process, here.events,
            here.n_eff if usable else None,
            here.sumw if usable else None,
            math.sqrt(here.sumw2) if usable else None,
            step.value, step.error, cumulative.value, cumulative.error, whole.value, whole.error,
        )  # fmt: skip
        previous = here
