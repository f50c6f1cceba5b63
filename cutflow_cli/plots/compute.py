"""From runs and events to the arrays that figures show, in two passes over the events for all runs together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cutflow_cli.events.schema import Split
from cutflow_cli.events.table import EventsFile
from cutflow_cli.plots.arrays import Distributions, Panel
from cutflow_cli.plots.learned import feature_of, flow_title, is_sequential, main_flow
from cutflow_cli.plots.outputs import Outputs, output_fillers, outputs_of, window_columns
from cutflow_cli.plots.sampling import sample_classes, sampled_binning
from cutflow_cli.plots.scan import Scan, scan_of, scanned_flows
from cutflow_cli.plots.score_filler import ScoreFiller
from cutflow_cli.plots.scores import Scores, consensus_columns, scores_of
from cutflow_cli.plots.stream import Consumer, PanelFiller, Population, fill_all
from cutflow_cli.runs import Run
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow


@dataclass(frozen=True, slots=True)
class Computed:
    """What the figures of one run show of the events.

    Attributes:
        distributions: of the observables that it cuts on; None for a run that cuts on a score.
        scores: of its score; None for a run without one.
        scan: its cuts against their targets; None for a run that is no scan.
        outputs: its scores in the windows of mass hypotheses; None for a run that has no such.
    """

    distributions: Distributions | None = None
    scores: Scores | None = None
    scan: Scan | None = None
    outputs: Outputs | None = None


def compute(runs: Sequence[Run], events: EventsFile, split: Split) -> tuple[Computed, ...]:
    """Compute what the figures show of the events.

    Args:
        runs: the runs.
        events: the events, with every observable that the runs cut on.
        split: which events to use; scores are shown on the training split too.

    Returns:
        One for each run.

    Raises:
        InputError: if the events lack an observable, or the split holds no events.
    """
    flows = [None if run.manifest.scores else main_flow(run) for run in runs]
    groups = [
        [] if flow is None else panel_populations(flow, is_sequential(run))
        for run, flow in zip(runs, flows, strict=True)
    ]
    populations = [population for group in groups for population in group]
    scanned = [name for run in runs for flow in scanned_flows(run) for name in flow.observables]
    columns = tuple(dict.fromkeys((*(population.observable for population in populations), *scanned)))
    samples = sample_classes(events, columns, split) if columns else ()
    fillers = [PanelFiller(population, sampled_binning(population, samples)) for population in populations]
    splits = dict.fromkeys((split, "train"))
    scores: list[dict[str, dict[Split, ScoreFiller]]] = [
        {name: {part: ScoreFiller(column) for part in splits} for name, column in consensus_columns(run).items()}
        for run in runs
    ]
    outputs = [output_fillers(run) for run in runs]
    consumers: dict[Split, list[Consumer]] = {
        part: [filled[part] for by_score in scores for filled in by_score.values()] for part in splits
    }
    consumers[split] += [*fillers, *(filler for by_score in outputs for filler in by_score.values())]
    if any(consumers.values()):
        more = [column for run in runs for column in (*consensus_columns(run).values(), *window_columns(run))]
        fill_all(events, tuple(dict.fromkeys((*columns, *more))), consumers)
    queue = iter(fillers)
    return tuple(
        Computed(
            None if flow is None else _distributions(run, flow, [next(queue) for _ in flow.steps]),
            scores_of(run, split, filled),
            scan_of(run, samples),
            outputs_of(run, split, windows),
        )
        for run, flow, filled, windows in zip(runs, flows, scores, outputs, strict=True)
    )


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
