"""From runs and events to the arrays that figures show, in two passes over the events for all runs together."""

from __future__ import annotations

from collections.abc import Sequence

from cutflow_cli.events.schema import Split
from cutflow_cli.events.table import EventsFile
from cutflow_cli.plots.arrays import Distributions, Panel, WorkingPoint
from cutflow_cli.plots.learned import feature_of, flow_title, is_sequential, main_flow
from cutflow_cli.plots.stream import EfficiencyCounter, PanelFiller, Population, choose_all_binnings, fill_all
from cutflow_cli.runs import Run
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow


def compute(
    runs: Sequence[Run], events: EventsFile, split: Split
) -> tuple[list[Distributions | None], list[WorkingPoint]]:
    """Compute distributions and working points of all runs.

    Args:
        runs: the runs.
        events: the events, with every observable that the runs cut on.
        split: which events to use.

    Returns:
        For each run its distributions (None for a run without cuts), and the working points of all flows.

    Raises:
        InputError: if the events lack an observable, or the split holds no events.
    """
    flows = [(run, main_flow(run)) for run in runs]
    populations = [[] if flow is None else panel_populations(flow, is_sequential(run)) for run, flow in flows]
    counters = [(run, flow, EfficiencyCounter(flow)) for run in runs for flow in run.flows]
    needed = dict.fromkeys(name for run in runs for flow in run.flows for name in flow.observables)
    if not needed:
        return [None] * len(runs), []
    columns = tuple(needed)
    flat = [population for group in populations for population in group]
    binnings = choose_all_binnings(events, columns, flat, split)
    fillers = [PanelFiller(population, binning) for population, binning in zip(flat, binnings, strict=True)]
    fill_all(events, columns, fillers, [counter for _, _, counter in counters], split)
    queue = iter(fillers)
    distributions = [
        None if flow is None else _distributions(run, flow, [next(queue) for _ in flow.steps]) for run, flow in flows
    ]
    points = []
    for run, flow, counter in counters:
        background, signal, limit = counter.result()
        points.append(WorkingPoint(run.name, flow, signal, background, limit))
    return distributions, points


def panel_populations(flow: CutFlow, sequential: bool) -> list[Population]:
    """Return which events each panel of a flow shows.

    Args:
        flow: the flow; one panel per step, inactive ones included.
        sequential: whether a panel shows only what the earlier applied cuts kept.
    """
    populations: list[Population] = []
    earlier: list[Cut] = []
    for step in flow.steps:
        applied = step.active and step.cut.region is not Region.ALL
        populations.append(Population(step.cut.observable, tuple(earlier), step.cut, applied, flow.hypothesis))
        if sequential and applied:
            earlier.append(step.cut)
    return populations


def _distributions(run: Run, flow: CutFlow, fillers: Sequence[PanelFiller]) -> Distributions:
    panels = []
    for step, filler in zip(flow.steps, fillers, strict=True):
        filled = filler.result()
        background, signal = filled.shapes
        feature = feature_of(run, step.cut.observable)
        earlier = len(filler.population.earlier)
        panels.append(Panel(feature, step, filled.binning, signal, background, earlier))
    return Distributions(flow_title(run, flow), is_sequential(run), tuple(panels))
