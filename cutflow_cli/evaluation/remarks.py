"""What a reader of a report should know, in words."""

from __future__ import annotations

from collections.abc import Sequence

from cutflow_cli.evaluation.comparison import label, overtraining_warnings
from cutflow_cli.evaluation.normalise import Normalised
from cutflow_cli.evaluation.report import Report
from cutflow_cli.events.not_finite import count_not_finite, what_cuts_do
from cutflow_cli.events.table import EventsFile
from cutflow_cli.runs import Run


def notes_on(runs: Sequence[Run], names: Sequence[str], events: EventsFile, counted: Normalised) -> tuple[str, ...]:
    """Say how runs and events were understood.

    Args:
        runs: the runs.
        names: what tables call them.
        events: the events.
        counted: what was counted of them.
    """
    notes = [*events.notes, *_of_folds(runs, names, events)]
    for run, name in zip(runs, names, strict=True):
        trained_on = run.manifest.data.get("digest")
        if trained_on is not None and trained_on != events.digest:
            notes.append(
                f"{events.path}: not the events that run {name!r} was trained on ({run.manifest.data.get('path')}); "
                "if it holds the same events in other splits, the quoted split is not independent of the training"
            )
        if run.manifest.preselection != events.metadata.preselection:
            here, there = (
                " and ".join(f"({condition})" for condition in conditions) or "none"
                for conditions in (events.metadata.preselection, run.manifest.preselection)
            )
            notes.append(f"{events.path}: its preselection is {here}, that of run {name!r} was {there}")
    scores = {name for columns in events.derived for name in columns.names}
    cut_on = {name for prefix in counted.tally.prefixes for cut in prefix for name in cut.names}
    for name, (missing, infinite) in counted.tally.not_finite.items():
        if name in scores:
            if not name.endswith("]"):  # once for all replicas
                notes.append(
                    f"{events.path}: {missing} events have no {name!r}, for want of a feature; they pass no cut"
                )
            continue
        if name not in cut_on:
            continue
        counts = count_not_finite(missing, infinite)
        notes.append(f"{events.path}: feature {name!r} has {counts}; {what_cuts_do(missing, infinite)}")
    if len(counted.tally.hypotheses) > 1:
        notes.append(
            f"{events.path}: the signal has {len(counted.tally.hypotheses)} mass points; selections trained for all "
            "are quoted on their sum, and on each under its hypothesis in the Parquet tables"
        )
    return tuple(notes)


def _of_folds(runs: Sequence[Run], names: Sequence[str], events: EventsFile) -> list[str]:
    """Say what is counted of runs with folds."""
    folded = [name for run, name in zip(runs, names, strict=True) if run.folds]
    if not folded:
        return []
    those = ", ".join(repr(name) for name in folded)
    which = (
        "all events are quoted, as split 'test'"
        if events.folds is not None
        else "the quoted split is that of the others"
    )
    which_runs = "run" if len(folded) == 1 else "runs"
    return [f"{events.path}: {which_runs} {those}: each event is judged by the training that did not see it; {which}"]


def warnings_of(report: Report, counted: Normalised) -> tuple[str, ...]:
    """Say what a reader should worry about: numbers that are undefined, empty selections, overtraining.

    Args:
        report: its tables.
        counted: what was counted of the events.
    """
    split = report.manifest.split
    kept = (counted.of_class((), role, split, None) for role in ("signal", "background"))
    found = [f"{one.undefined}; yields are undefined" for one in kept if one.undefined]
    masses: dict[str, list[float]] = {}
    for row in report.empty_selections:
        if row.hypothesis is not None:
            masses.setdefault(label(row.run, row.working_point, None), []).append(row.hypothesis)
    for name, those in masses.items():
        points = ", ".join(f"{mass:g}" for mass in those)
        found.append(f"{name}: keeps no signal event of split {split!r} for hypothesis {points}")
    return (*found, *overtraining_warnings(report.quoted_comparisons, split))
