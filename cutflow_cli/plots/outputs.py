"""The output of networks for each mass hypothesis, in its window, with the cuts on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.evaluation.hypotheses import held_out_masses
from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.schema import ROLES, Split
from cutflow_cli.plots.learned import mass_label
from cutflow_cli.plots.score_filler import LOGIT_EDGES, Histogram, coarse_positions, coarser, logit
from cutflow_cli.plots.scores import consensus_columns
from cutflow_cli.plots.stream import of_hypothesis, passing
from cutflow_cli.runs import Run
from cutflow_cli.selection.cut import Cut


@dataclass(frozen=True, slots=True)
class OutputPanel:
    """One score in the windows of all hypotheses.

    Attributes:
        name: of the score.
        edges: of the bins of its logit, shape (bins + 1,).
        fractions: for background and signal the share of the events of each window in each bin, shape (2, masses,
            bins); NaN where a window has no positive weight.
        cuts: logit of the consensus' cut at each mass, by working point, each of shape (masses,).
    """

    name: str
    edges: NDArray[np.float64]
    fractions: NDArray[np.float64]
    cuts: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Outputs:
    """The scores of one run.

    Attributes:
        title: the run.
        split: the events shown.
        masses: rising, shape (masses,).
        held_out: which were not trained on, shape (masses,).
        panels: one for each score.
        axis: what the axis of masses says.
    """

    title: str
    split: Split
    masses: NDArray[np.float64]
    held_out: NDArray[np.bool_]
    panels: tuple[OutputPanel, ...]
    axis: str


class OutputFiller:
    """Fills the logit of a score for each hypothesis: its own signal, and all background, in its window.

    Args:
        column: the column of the events that holds the score.
        windows: the cuts that come before the cut on the score, by mass.
    """

    def __init__(self, column: str, windows: Mapping[float, tuple[Cut, ...]]) -> None:
        self._column, self._windows = column, windows
        self._histograms = {mass: [Histogram(LOGIT_EDGES) for _ in ROLES] for mass in windows}

    def fill(self, batch: EventBatch) -> None:
        """Add events."""
        logits = logit(batch.columns[self._column].astype(np.float64))
        for mass, cuts in self._windows.items():
            inside = passing(cuts, batch, of_hypothesis(batch, mass))
            for label, histogram in enumerate(self._histograms[mass]):
                mine: NDArray[np.bool_] = inside & (batch.label == label)
                histogram.fill(logits[mine], batch.weight[mine])

    def result(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return edges and fractions; see `OutputPanel`."""
        fine = [[histogram.shape for histogram in both] for both in self._histograms.values()]
        kept = coarse_positions([shape for both in fine for shape in both])
        fractions = np.full((len(ROLES), len(fine), len(kept) - 1), np.nan)
        for row, both in enumerate(fine):
            for label, shape in enumerate(both):
                area = coarser(shape, kept).unit_area()
                if area is not None:
                    fractions[label, row] = area[0]
        return LOGIT_EDGES[kept], fractions


def output_fillers(run: Run) -> dict[str, OutputFiller]:
    """Return what fills the scores of a run with selections for several mass points; empty for other runs."""
    fillers = {}
    for name, column in consensus_columns(run).items():
        windows: dict[float, tuple[Cut, ...]] = {}
        for flow in run.flows:
            mine = any(cut.observable == column for cut in flow.cuts)
            if mine and flow.kind == "consensus" and flow.hypothesis is not None:
                windows[flow.hypothesis] = tuple(cut for cut in flow.cuts if cut.observable != column)
        if len(windows) > 1:
            fillers[name] = OutputFiller(column, dict(sorted(windows.items())))
    return fillers


def window_columns(run: Run) -> tuple[str, ...]:
    """Return the columns that hold the windows of a run's hypotheses."""
    scores = set(consensus_columns(run).values())
    consensus = (flow for flow in run.flows if flow.kind == "consensus" and flow.hypothesis is not None)
    return tuple(
        dict.fromkeys(cut.observable for flow in consensus for cut in flow.cuts if cut.observable not in scores)
    )


def outputs_of(run: Run, split: Split, fillers: Mapping[str, OutputFiller]) -> Outputs | None:
    """Collect the filled scores of a run; None if there are none."""
    if not fillers:
        return None
    masses = sorted({flow.hypothesis for flow in run.flows if flow.hypothesis is not None})
    held_out = held_out_masses(run)
    columns = consensus_columns(run)
    panels = []
    for name, filler in fillers.items():
        edges, fractions = filler.result()
        panels.append(OutputPanel(name, edges, fractions, _cuts(run, columns[name], masses)))
    return Outputs(
        f"{run.name} ({run.manifest.method})",
        split,
        np.array(masses),
        np.array([mass in held_out for mass in masses]),
        tuple(panels),
        mass_label(run),
    )


def _cuts(run: Run, column: str, masses: list[float]) -> dict[str, NDArray[np.float64]]:
    """Collect the consensus' cuts on a score by working point, as logits."""
    found: dict[str, dict[float, float]] = {}
    for flow in run.flows:
        if flow.kind == "consensus" and flow.hypothesis is not None:
            for cut in flow.cuts:
                if cut.observable == column and cut.lower is not None:
                    found.setdefault(flow.working_point, {})[flow.hypothesis] = cut.lower
    return {
        point: logit(np.array([thresholds.get(mass, np.nan) for mass in masses])) for point, thresholds in found.items()
    }
