"""From the selections of a run to stacks of expected events: before any cut, and after all cuts but one (N−1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cutflow_cli.evaluation.normalise import Normalised
from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.schema import SPLITS, FeatureInfo, Role, Split
from cutflow_cli.metrics.figures_of_merit import MIN_EFFECTIVE_EVENTS
from cutflow_cli.metrics.yields import expected_events
from cutflow_cli.plots.binned_panels import common_boundaries, edges_of
from cutflow_cli.plots.binning import aligned
from cutflow_cli.plots.learned import feature_of, flow_title, shown_flows
from cutflow_cli.plots.moving import moved_boundaries, of_bins, s_over_sqrt_b
from cutflow_cli.plots.sampling import sampled_binning
from cutflow_cli.plots.scores import consensus_columns
from cutflow_cli.plots.stack_filler import FilledStack, ScoreStackFiller, Shown, StackFiller
from cutflow_cli.plots.stacks import MOST_PROCESSES, Counts, Lower, Stack, StackPanel
from cutflow_cli.plots.stream import Population
from cutflow_cli.runs import Run
from cutflow_cli.selection.binned import BinnedCut
from cutflow_cli.selection.cut import Region
from cutflow_cli.selection.cutflow import CutFlow


@dataclass(frozen=True, slots=True)
class Pile:
    """A figure of stacks that is yet to be filled.

    Attributes:
        run: whose.
        flows: the selections shown, rounded to the columns' types.
        shown: the panels.
        lower: what the lower panels show.
    """

    run: Run
    flows: tuple[CutFlow, ...]
    shown: tuple[Shown, ...]
    lower: Lower

    @property
    def scores(self) -> dict[str, str]:
        """The columns that are scores of the run, and what it calls them."""
        return {column: name for name, column in consensus_columns(self.run).items()}

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns needed that are no scores: bins are chosen from a sample of them."""
        return tuple(dict.fromkeys(name for name in self.all_columns if name not in self.scores))

    @property
    def all_columns(self) -> tuple[str, ...]:
        """All columns needed."""
        names = (name for one in self.shown for cut in (one.cut, *one.others) for name in cut.columns)
        return tuple(dict.fromkeys(names))

    def fillers(self, samples: Sequence[EventBatch], processes: int) -> list[StackFiller | ScoreStackFiller]:
        """Return what fills the panels.

        Args:
            samples: of the events, with `columns`.
            processes: how many there are.
        """
        return [
            ScoreStackFiller(one, processes) if one.observable in self.scores else self._filler(one, samples, processes)
            for one in self.shown
        ]

    def _filler(self, one: Shown, samples: Sequence[EventBatch], processes: int) -> StackFiller:
        others = tuple(cut for cut in one.others if cut.observable not in self.scores)
        applied = one.cut.region is not Region.ALL
        binning = sampled_binning(Population(one.observable, others, one.cut, applied, one.hypothesis), samples)
        return StackFiller(one, aligned(binning, edges_of(one.cut)), processes)


def n_minus_1(run: Run, dtypes: Mapping[str, str]) -> Pile | None:
    """Show for each applied cut its observable after all other cuts; None for a run that applies no cut.

    Of a cut that differs by bin of another observable the events inside the bins are shown. The step that keeps these
    is left out: all others imply it.

    Args:
        run: the run.
        dtypes: the types of the columns.
    """
    flows = tuple(_rounded(flow, dtypes) for flow in shown_flows(run))
    shown: list[Shown] = []
    for flow in flows:
        applied = [step for step in flow.steps if step.applied]
        for position, step in enumerate(applied):
            if isinstance(step.cut, BinnedCut) and step.cut.is_range:
                continue
            others = tuple(other.cut for number, other in enumerate(applied) if number != position)
            if isinstance(step.cut, BinnedCut):
                inside = BinnedCut.range_of(step.cut.binned_in, step.cut.edges)
                others = others if inside in others else (inside, *others)
            shown.append(Shown(step, others, flow.hypothesis))
    return Pile(run, flows, tuple(shown), "boundaries") if shown else None


def before_cuts(run: Run, dtypes: Mapping[str, str]) -> Pile | None:
    """Show the observables of a run before any cut; None for a run that cuts on a score, or on nothing.

    Args:
        run: the run.
        dtypes: the types of the columns.
    """
    flows = () if run.manifest.scores else tuple(_rounded(flow, dtypes) for flow in shown_flows(run)[:1])
    steps = {step.cut.observable: step for flow in flows for step in flow.steps}
    shown = tuple(Shown(step, (), flows[0].hypothesis) for step in steps.values())
    return Pile(run, flows, shown, "bins") if shown else None


def _rounded(flow: CutFlow, dtypes: Mapping[str, str]) -> CutFlow:
    """Round boundaries; those on a column that is not there are left, and reading it says so."""
    steps = (replace(step, cut=step.cut.rounded(dtypes.get(step.cut.observable, "float64"))) for step in flow.steps)
    return replace(flow, steps=tuple(steps))


def stack_of(
    pile: Pile, filled: Sequence[FilledStack], totals: Normalised, split: Split, least: float = MIN_EFFECTIVE_EVENTS
) -> Stack:
    """Collect the filled panels of a figure.

    Args:
        pile: the figure.
        filled: its panels.
        totals: all events, normalised.
        split: the events shown.
        least: effective background events below which S/√B is not quoted.
    """
    broken = _not_normalised(totals, split)
    signal, background = (
        [one for one in _members(totals, role) if one not in broken] for role in ("signal", "background")
    )
    groups, names = _groups(totals, filled, background)
    panels = tuple(
        _panel(pile, shown, one, groups, signal, least) for shown, one in zip(pile.shown, filled, strict=True)
    )
    kept = None
    if pile.lower == "boundaries" and len(pile.flows) == 1:
        S, B = filled[0].kept_by(signal), filled[0].kept_by(background)
        kept = expected_events(S, "signal"), expected_events(B, "background")
    notes = tuple(
        f"left out: {totals.processes[one].name}, for which the split {split!r} can't stand" for one in broken
    )
    title = flow_title(pile.run, pile.flows[0])
    if len(pile.flows) > 1:
        title = f"{pile.run.name} ({pile.run.manifest.method}), {pile.flows[0].working_point}"
    alone = pile.lower == "bins" or not any(one.others for one in pile.shown)
    shown = "before any cut" if alone else "each after all other cuts (N−1)"
    return Stack(title, f"{shown}, {split} split scaled to all events", names, panels, pile.lower, least, kept, notes)


def _panel(
    pile: Pile, shown: Shown, filled: FilledStack, groups: Sequence[Sequence[int]], signal: Sequence[int], least: float
) -> StackPanel:
    processes = tuple(filled.of(group) for group in groups)
    everything = sum(processes, Counts.nothing(len(filled.binning.edges) - 1))
    own = None
    if pile.lower == "boundaries" and isinstance(shown.cut, BinnedCut):
        members = [one for group in groups for one in group]
        both = filled.rest_of(signal), filled.rest_of(members)
        rest = {side: (both[0][side], both[1][side]) for side in filled.rest}
        moved, few = common_boundaries(shown.cut, filled.binning.edges, (filled.of(signal), everything), rest, least)
        own = s_over_sqrt_b(filled.kept_by(signal), filled.kept_by(members), least)
    elif pile.lower == "boundaries":
        moved, few = moved_boundaries(filled.cut, filled.binning.edges, filled.of(signal), everything, least)
    else:
        moved, few = of_bins(filled.binning, filled.of(signal), everything, least)
    score = pile.scores.get(shown.observable)
    feature = feature_of(pile.run, shown.observable) if score is None else FeatureInfo(score.replace("_", " "))
    members = [*signal, *(one for group in groups for one in group)]
    heading = None
    if len(pile.flows) > 1:
        heading = f"mass hypothesis {shown.hypothesis:g}"
    return StackPanel(
        feature, shown.step, filled.cut, filled.binning, filled.logits, processes, filled.of(signal),
        int(filled.missing[members].sum()), moved, few, heading, own,
    )  # fmt: skip


def _groups(
    totals: Normalised, filled: Sequence[FilledStack], background: Sequence[int]
) -> tuple[list[list[int]], tuple[str, ...]]:
    """Order processes by their mean share of the panels, and put the smallest together where there are too many."""
    shares = np.zeros(len(background))
    for one in filled:
        sizes = np.array([np.abs(one.counts[position].sumw).sum() for position in background])
        shares += sizes / (sizes.sum() or 1.0)
    ranked = [background[place] for place in np.argsort(-shares, kind="stable").tolist()]
    names = [totals.processes[position].name for position in ranked]
    if len(ranked) <= MOST_PROCESSES:
        return [[position] for position in ranked], tuple(names)
    shown = MOST_PROCESSES - 1
    rest = len(ranked) - shown
    return [*([position] for position in ranked[:shown]), ranked[shown:]], (*names[:shown], f"{rest} other processes")


def _members(totals: Normalised, role: Role) -> list[int]:
    return [position for position, process in enumerate(totals.processes) if process.role == role]


def _not_normalised(totals: Normalised, split: Split) -> list[int]:
    """Return the processes that a split can't stand for: its weights of them add up to nothing, or the other sign."""
    return [int(one) for one in np.flatnonzero(np.isnan(totals.scale[:, :, SPLITS.index(split)]).any(axis=0))]
