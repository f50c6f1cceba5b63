"""From runs and events to the arrays that figures show, in two passes over the events for all runs together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cutflow_cli.evaluation.normalise import Normalised
from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.schema import Split
from cutflow_cli.events.table import EventsFile
from cutflow_cli.metrics.figures_of_merit import MIN_EFFECTIVE_EVENTS
from cutflow_cli.plots.arrays import Distributions, Panel
from cutflow_cli.plots.bins import Bins, binned_columns, bins_of
from cutflow_cli.plots.learned import feature_of, flow_title, is_sequential, main_flow
from cutflow_cli.plots.outputs import OutputFiller, Outputs, output_fillers, outputs_of, window_columns
from cutflow_cli.plots.sampling import sample_classes, sampled_binning
from cutflow_cli.plots.scan import Scan, scan_of, scanned_flows
from cutflow_cli.plots.score_filler import ScoreFiller
from cutflow_cli.plots.scores import Scores, consensus_columns, scores_of
from cutflow_cli.plots.stack_filler import ScoreStackFiller, StackFiller
from cutflow_cli.plots.stacking import Pile, before_cuts, n_minus_1, stack_of
from cutflow_cli.plots.stacks import Stack
from cutflow_cli.plots.stream import Consumer, PanelFiller, Population, fill_all, whole_sample
from cutflow_cli.runs import Run
from cutflow_cli.selection.cut import Cut
from cutflow_cli.selection.cutflow import CutFlow


@dataclass(frozen=True, slots=True)
class Computed:
    """What the figures of one run show of the events.

    Attributes:
        distributions: of the observables that it cuts on; None for a run that cuts on a score.
        scores: of its score; None for a run without one.
        scan: its cuts against their targets; None for a run that is no scan.
        outputs: its scores in the windows of mass hypotheses; None for a run that has no such.
        stack: the observables before any cut, per process; None for a run that cuts on a score.
        n_minus_1: the observable of each cut after all others, per process; None for a run that applies no cut.
        bins: its cuts against the observable that they are binned in; None for a run whose cuts are not.
    """

    distributions: Distributions | None = None
    scores: Scores | None = None
    scan: Scan | None = None
    outputs: Outputs | None = None
    stack: Stack | None = None
    n_minus_1: Stack | None = None
    bins: Bins | None = None


def compute(
    runs: Sequence[Run], events: EventsFile, split: Split, min_effective_events: float = MIN_EFFECTIVE_EVENTS
) -> tuple[Computed, ...]:
    """Compute what the figures show of the events.

    Args:
        runs: the runs.
        events: the events, with every observable that the runs cut on.
        split: which events to use; scores are shown on the training split too.
        min_effective_events: effective background events below which what divides by them is not shown.

    Returns:
        One for each run.

    Raises:
        InputError: if the events lack an observable, or the split holds no events.
    """
    wanted = [_Wanted.of(run, events) for run in runs]
    if not any(one.needs_events for one in wanted):
        return tuple(Computed() for _ in runs)
    totals = whole_sample(events)
    columns = tuple(dict.fromkeys(name for one in wanted for name in one.sampled))
    samples = sample_classes(events, columns, split, totals) if columns else ()
    filling = [_Filling.of(one, samples, split, len(totals.processes)) for one in wanted]
    consumers: dict[Split, list[Consumer]] = {part: [] for part in dict.fromkeys((split, "train"))}
    for one in filling:
        for part, those in one.consumers(split):
            consumers[part] += those
    more = [name for one in wanted for name in one.scored]
    fill_all(events, tuple(dict.fromkeys((*columns, *more))), consumers, totals)
    return tuple(one.computed(samples, totals, split, min_effective_events) for one in filling)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What figures of a run need of the events."""

    run: Run
    flow: CutFlow | None
    populations: tuple[Population, ...]
    piles: tuple[Pile | None, Pile | None]

    @classmethod
    def of(cls, run: Run, events: EventsFile) -> _Wanted:
        flow = None if run.manifest.scores else main_flow(run)
        populations = () if flow is None else tuple(panel_populations(flow, is_sequential(run)))
        return cls(run, flow, populations, (before_cuts(run, events.dtypes), n_minus_1(run, events.dtypes)))

    @property
    def sampled(self) -> list[str]:
        """The columns that bins are chosen from."""
        scanned = [name for flow in scanned_flows(self.run) for name in flow.observables]
        stacked = [name for pile in self.piles if pile is not None for name in pile.columns]
        earlier = [cut for population in self.populations for cut in population.earlier]
        panels = [population.observable for population in self.populations]
        return [
            *panels,
            *(name for cut in earlier for name in cut.columns),
            *scanned,
            *stacked,
            *binned_columns(self.run),
        ]

    @property
    def scored(self) -> list[str]:
        """The columns that hold scores, and the windows of mass hypotheses."""
        stacked = [name for pile in self.piles if pile is not None for name in pile.all_columns]
        return [*consensus_columns(self.run).values(), *window_columns(self.run), *stacked]

    @property
    def needs_events(self) -> bool:
        """Whether there is anything to show of the events."""
        return bool(self.sampled or self.scored)


@dataclass(frozen=True, slots=True)
class _Filling:
    """The histograms of one run."""

    wanted: _Wanted
    panels: list[PanelFiller]
    scores: dict[str, dict[Split, ScoreFiller]]
    outputs: dict[str, OutputFiller]
    stacks: list[tuple[Pile, list[StackFiller | ScoreStackFiller]] | None]

    @classmethod
    def of(cls, wanted: _Wanted, samples: Sequence[EventBatch], split: Split, processes: int) -> _Filling:
        parts = dict.fromkeys((split, "train"))
        return cls(
            wanted,
            [PanelFiller(population, sampled_binning(population, samples)) for population in wanted.populations],
            {
                name: {part: ScoreFiller(column) for part in parts}
                for name, column in consensus_columns(wanted.run).items()
            },
            output_fillers(wanted.run),
            [None if pile is None else (pile, pile.fillers(samples, processes)) for pile in wanted.piles],
        )

    def consumers(self, split: Split) -> Iterator[tuple[Split, list[Consumer]]]:
        """Yield what takes the events of each split."""
        yield split, [*self.panels, *self.outputs.values()]
        yield split, [filler for stack in self.stacks if stack is not None for filler in stack[1]]
        for by_split in self.scores.values():
            for part, filler in by_split.items():
                yield part, [filler]

    def computed(self, samples: Sequence[EventBatch], totals: Normalised, split: Split, least: float) -> Computed:
        """Collect the filled histograms."""
        run, flow = self.wanted.run, self.wanted.flow
        before, without = (
            None if one is None else stack_of(one[0], [filler.result() for filler in one[1]], totals, split, least)
            for one in self.stacks
        )
        return Computed(
            None if flow is None else _distributions(run, flow, self.panels),
            scores_of(run, split, self.scores),
            scan_of(run, samples),
            outputs_of(run, split, self.outputs),
            before,
            without,
            bins_of(run, samples),
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
        populations.append(Population(step.cut.observable, tuple(earlier), step.cut, step.applied, flow.hypothesis))
        if sequential and step.applied:
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
