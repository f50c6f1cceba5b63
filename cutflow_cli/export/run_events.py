"""The events that a run was trained on, opened again to see what an export does to them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from cutflow_cli.errors import InputError
from cutflow_cli.evaluation.inputs import open_data
from cutflow_cli.evaluation.normalise import Normalised, normalise, require_usable
from cutflow_cli.evaluation.tally import tally
from cutflow_cli.events.schema import SPLITS, Role, Split
from cutflow_cli.events.table import EventsFile
from cutflow_cli.models.scores import column_name
from cutflow_cli.runs import Run
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

ROLES: tuple[Role, ...] = ("signal", "background")


@dataclass(frozen=True, slots=True)
class RunEvents:
    """Events, and the run whose flows are applied to them.

    Attributes:
        run: the run.
        events: with all that the run cuts on; its scores are columns such as `bdt.score`.
        notes: what to know of them, a sentence each.
    """

    run: Run
    events: EventsFile
    notes: tuple[str, ...] = ()

    def on_columns(self, flow: CutFlow) -> CutFlow:
        """Let a flow of the run, whatever its boundaries, cut on columns of the events.

        Of a run with folds the score of an event is that of the training which did not see it, for all flows.
        """
        replica = None if flow.kind == "consensus" or self.run.folds else flow.replica

        def renamed(step: LearnedCut) -> LearnedCut:
            if step.cut.observable not in self.run.manifest.scores:
                return step
            name = column_name(self.run.name, step.cut.observable, replica)
            return replace(step, cut=replace(step.cut, observable=name))

        return replace(flow, steps=tuple(map(renamed, flow.steps)))

    def totals(self) -> Normalised:
        """Count all events, from their weights alone."""
        return normalise(tally(self.events, []), self.events.metadata.processes)

    def require(self, totals: Normalised, split: Split, flow: CutFlow) -> None:
        """Check that a split can say what a flow of the run is worth.

        Args:
            totals: what `totals` gave.
            split: which split.
            flow: of the run.

        Raises:
            InputError: if it holds no signal or no background, or none of the flow's hypothesis.
        """
        where, there = str(self.events.path), totals.tally.hypotheses
        if flow.hypothesis is not None and flow.hypothesis not in there:
            points = ", ".join(f"{point:g}" for point in there) or "none"
            msg = f"{where}: has no signal of hypothesis {flow.hypothesis:g}; there are: {points}"
            raise InputError(msg)
        for role in ROLES:
            if not totals.of_class((), role, split, flow.hypothesis).total.events:
                counts = (totals.of_class((), role, one, flow.hypothesis).total.events for one in SPLITS)
                held = ", ".join(f"{one} {count}" for one, count in zip(SPLITS, counts, strict=True))
                folds = "; the run was trained with folds, for which all events test" if self.run.folds else ""
                msg = f"{where}: split {split!r} holds no {role} event (there are: {held}){folds}"
                raise InputError(msg)
        require_usable(totals, split, where)


def open_run_events(run: Run, data: Path | None) -> RunEvents:
    """Open the events of a run.

    Args:
        run: an opened run.
        data: the events file; None for the one that the run was trained on, as `train` was given it.

    Raises:
        InputError: if the file is not there, is damaged, or lacks a column; or if the run does not know its file.
    """
    known = run.manifest.data.get("path")
    if data is None and not isinstance(known, str):
        msg = f"{run.path}: does not say what it was trained on; give the events with --data"
        raise InputError(msg)
    path = Path(str(known)) if data is None else data
    if data is None and not path.is_file():
        msg = f"{path}: the events that the run was trained on are not there; give them with --data"
        raise InputError(msg)
    events, _ = open_data([run], [run.name], path)
    return RunEvents(run, events, tuple(_remarks(run, events)))


def _remarks(run: Run, events: EventsFile) -> list[str]:
    """Say whether these are other events than the run was trained on, or the same that have changed since."""
    found = []
    if events.digest != run.manifest.data.get("digest"):
        same = str(events.path) == run.manifest.data.get("path")
        what = (
            "has changed since the run was trained on it" if same else "holds other events than the run was trained on"
        )
        found.append(f"{events.path}: {what}")
    if run.folds:
        found.append(
            f"{run.path}: trained with folds; the cuts that it hands over are counted on all events, most of which "
            "went into them"
        )
    return found
