"""ROC curves of runs: of their scores, of the working points of a scan, or the broken line of a single selection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cutflow_cli.evaluation.additive import Additive, Arrays
from cutflow_cli.evaluation.normalise import Normalised
from cutflow_cli.evaluation.rows import CurveKind, NamedFlow
from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.schema import SPLITS, Split
from cutflow_cli.metrics.classification import efficiency
from cutflow_cli.metrics.curves import RocCurve, polygon
from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.score_histogram import ScoreHistograms
from cutflow_cli.metrics.systematics import BackgroundSystematics
from cutflow_cli.models.scores import column_name
from cutflow_cli.runs import Run
from cutflow_cli.selection.cutflow import CONSENSUS_REPLICA, CutFlow, Kind

__all__ = ["CurveKind", "OperatingPoint", "RunCurve", "ScoreCollector", "run_curves"]


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A selection of a run in the plane of its curve.

    Attributes:
        flow: the selection.
        signal: signal efficiency.
        background: background efficiency.
        recommended: whether the run's numbers are quoted for it.
    """

    flow: CutFlow
    signal: Estimate
    background: Estimate
    recommended: bool


@dataclass(frozen=True, slots=True)
class RunCurve:
    """The ROC curve of a run, all signal against all background.

    Attributes:
        run: what tables call the run.
        method: its method.
        kind: whether it is the curve of a score, the broken line through the working points of a scan, or that through
            a single selection.
        split: the events counted.
        replica: its number; −1 for the consensus.
        curve: all its points, loosest last: `curve.signal.efficiency`, `curve.background.error` and so on;
            `curve.thinned(500)` for a figure. None where it is undefined.
        points: the run's selections for all signal, such as the chosen threshold; those of its kind of flow
            (replica or consensus).
        reason: why there is no curve.
    """

    run: str
    method: str
    kind: CurveKind
    split: Split
    replica: int
    curve: RocCurve | None
    points: tuple[OperatingPoint, ...] = ()
    reason: str | None = None

    @property
    def flow_kind(self) -> Kind:
        """Whether it is the curve of a replica or of the consensus."""
        return "consensus" if self.replica == CONSENSUS_REPLICA else "replica"


class ScoreCollector(Additive):
    """Collects histograms of the main scores of runs from a stream of events.

    Args:
        runs: the runs; those without a score are passed over.
        names: what tables call them.
        totals: all events, normalised; their scales turn the weights of a split into yields.
        splits: which splits are wanted.
        systematics: of the background, fractions of it; shifts by variations are not followed along the thresholds.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        names: Sequence[str],
        totals: Normalised,
        splits: Sequence[Split],
        systematics: BackgroundSystematics | None = None,
    ) -> None:
        self.splits = tuple(splits)
        self._totals = totals
        # Of each split a cell for the signal, one for background without an uncertainty of its own, one for each with.
        chosen = systematics or BackgroundSystematics()
        own = [name for name, _ in chosen.own]
        self._relative = (chosen.common, *(fraction for _, fraction in chosen.own))
        self._cells = 1 + len(self._relative)
        self._cell = np.array(
            [
                0 if one.role == "signal" else 2 + own.index(one.name) if one.name in own else 1
                for one in totals.processes
            ],
            dtype=np.int64,
        )
        self._columns = {
            (name, replica): column_name(name, run.manifest.scores[0], number)
            for run, name in zip(runs, names, strict=True)
            if run.manifest.scores
            for replica, number in ((CONSENSUS_REPLICA, None), *((r, r) for r in range(*run.manifest.replicas)))
        }
        self.start()

    def start(self) -> None:
        """Forget all events."""
        self._histograms = {key: ScoreHistograms(self._cells * len(self.splits)) for key in self._columns}

    def sums(self) -> Arrays:
        """Return the contents of all histograms."""
        return [histograms.sums for histograms in self._histograms.values()]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are needed."""
        return tuple(self._columns.values())

    def add(self, batch: EventBatch) -> None:
        """Take a batch of events."""
        place = np.full(len(SPLITS), -1)
        for position, split in enumerate(self.splits):
            place[SPLITS.index(split)] = position
        rows = np.flatnonzero(place[batch.split] >= 0)
        weight = self._totals.scaled_weights(batch)[rows]
        cell = (place[batch.split[rows]] * self._cells + self._cell[batch.process[rows]]).astype(np.int64)
        for key, column in self._columns.items():
            self._histograms[key].add(batch.columns[column][rows], cell, weight)

    def curve(self, name: str, replica: int, split: Split) -> RocCurve:
        """Return the curve of a run's replica, or consensus, on a split."""
        first = self.splits.index(split) * self._cells
        return self._histograms[name, replica].curve(first, range(first + 1, first + self._cells), self._relative)

    def __contains__(self, run: str) -> bool:
        return any(name == run for name, _ in self._columns)


def run_curves(
    flows: Sequence[NamedFlow],
    events: Normalised,
    scores: ScoreCollector,
    quoted: dict[str, str],
    systematics: BackgroundSystematics | None = None,
) -> tuple[RunCurve, ...]:
    """Make the curves of all runs, of each replica and the consensus, on the splits that the scores were collected for.

    A run with selections for single mass points and no score has none.

    Args:
        flows: all flows.
        events: their tally, normalised.
        scores: the scores of the same events.
        quoted: the working point that each run is quoted at.
        systematics: of the background.
    """
    groups: dict[tuple[str, int], list[NamedFlow]] = {}
    for named in flows:
        groups.setdefault((named.run, named.flow.replica), []).append(named)
    return tuple(
        curve for members in groups.values() for curve in _of_group(members, events, scores, quoted, systematics)
    )


def _of_group(
    members: Sequence[NamedFlow],
    events: Normalised,
    scores: ScoreCollector,
    quoted: dict[str, str],
    systematics: BackgroundSystematics | None,
) -> Iterator[RunCurve]:
    first, replica = members[0], members[0].flow.replica
    flows = [named.flow for named in members if named.flow.hypothesis is None]
    continuous = first.run in scores
    if not flows and not continuous:
        return
    kind: CurveKind = "score" if continuous else "working points" if len(flows) > 1 else "selection"
    for split in scores.splits:
        points = tuple(_point(flow, events, split, quoted[first.run]) for flow in flows)
        reason = _undefined(events, split)
        curve = None
        if reason is None:
            curve = (
                scores.curve(first.run, replica, split) if continuous else _through(flows, events, split, systematics)
            )
        yield RunCurve(first.run, first.method, kind, split, replica, curve, points, reason)


def _point(flow: CutFlow, events: Normalised, split: Split, quoted: str) -> OperatingPoint:
    signal, background = (events.of_class(flow.cuts, role, split, None) for role in ("signal", "background"))
    of_signal = signal.weighted(lambda: efficiency(signal.passed, signal.total))
    of_background = background.weighted(lambda: efficiency(background.passed, background.total))
    return OperatingPoint(flow, of_signal, of_background, recommended=flow.working_point == quoted)


def _undefined(events: Normalised, split: Split) -> str | None:
    """Say why a split has no curve: a class that can't be normalised, or whose weights add up to nothing."""
    for role in ("signal", "background"):
        kept = events.of_class((), role, split, None)
        if kept.undefined is not None:
            return kept.undefined
        if kept.total.sumw <= 0:
            return f"the weights of the {role} in split {split!r} do not add up to a positive number"
    return None


def _through(
    flows: Sequence[CutFlow], events: Normalised, split: Split, systematics: BackgroundSystematics | None
) -> RocCurve:
    sums = []
    moved: list[float] = []
    for role in ("signal", "background"):
        kept = [events.of_class(flow.cuts, role, split, None) for flow in flows]
        every = (*(one.passed for one in kept), kept[0].total)
        sums.append([(one.sumw, one.sumw2) for one in every])
        if role == "background" and (systematics or events.shifts is not None):
            whole = events.of_class((), role, split, None)
            moved = [one.relative_uncertainty(systematics) * abs(one.passed.sumw) for one in (*kept, whole)]
    return polygon(sums[0], sums[1], moved or None)
