"""Hand a run's selection over to other programs: choose its flows, and write them in a dialect."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cutflow_cli.artifacts import Action, decide, digest, write_text
from cutflow_cli.errors import InputError, UsageError, nearest
from cutflow_cli.export.choose import Choice, choose, require_one
from cutflow_cli.export.cut_flow_table import read_cut_flow
from cutflow_cli.export.dialect import ColumnNames, Dialect, Remarking, Selections
from cutflow_cli.export.per_object import require_columns
from cutflow_cli.export.registry import find_dialect
from cutflow_cli.export.rounding import rounded_flow
from cutflow_cli.selection.parse import ExpressionError

if TYPE_CHECKING:
    from cutflow_cli.runs import Run
    from cutflow_cli.selection.cutflow import CutFlow


@dataclass(frozen=True, slots=True)
class Rounding:
    """How far boundaries may move when they are rounded.

    Attributes:
        within: as a fraction of each boundary; None for its own error.
    """

    within: float | None = None


@dataclass(frozen=True, slots=True)
class Export:
    """An exported selection.

    Attributes:
        text: in the dialect, with a line break at its end.
        notes: what was left out on request, a sentence each.
        warnings: what a user should know before using it, a sentence each.
    """

    text: str
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def export_cuts(
    run: Run,
    dialect: str = "text",
    *,
    choice: Choice | None = None,
    columns: ColumnNames | None = None,
    preselection: bool = True,
    rounding: Rounding | None = None,
    report: Path | None = None,
) -> Export:
    """Write the selection that a run learned.

    Args:
        run: an opened run.
        dialect: a name of `registry.DIALECTS`.
        choice: which flows; None for the consensus, all working points and hypotheses.
        columns: what the names in code mean: the source's columns, for the files that were ingested, or the
            features, for the events file, to which the preselection has been applied. None for the source's.
        preselection: whether to render it.
        rounding: round boundaries to values that one would publish; None to leave them as they are.
        report: a report directory in which the selection was evaluated, for dialects that give its cut-flow table.

    Raises:
        InputError: if the run has no cuts, cuts on something that is no feature of it, or holds an expression that is
            not in the language.
        UsageError: if the dialect or what is chosen does not exist, or if the dialect can't say it; code on the
            source's columns can't say observables of objects.
    """
    found = find_dialect(dialect)
    if columns is not None and not found.executes:
        msg = f"--columns is for code; --format {dialect} gives features with their expressions, leave it away"
        raise UsageError(msg)
    _require_report(found, report, rounding)
    if not run.flows:
        msg = f"{run.path}: holds no cuts to export; train again"
        raise InputError(msg)
    choice = choice or Choice()
    kept, notes = _preselection(run, columns, wanted=preselection)
    recommended = run.manifest.recommended
    if not found.several and choice.working_point is None and recommended is not None:
        choice = replace(choice, working_point=recommended)
        notes += (f"working point {recommended}, the recommended one; --working-point takes another",)
    flows = choose(run.flows, choice)
    if not found.several or report is not None:
        require_one(flows, dialect)
    if found.executes:
        _require_no_score(run, flows, dialect)
    exact = tuple(_checked(run, flow) for flow in flows)
    rounded = (
        () if rounding is None else tuple(rounded_flow(flow, run.manifest.dtypes, rounding.within) for flow in exact)
    )
    selections = Selections(
        run=run.name,
        method=run.manifest.method,
        flows=tuple(flow for flow, _ in rounded) or exact,
        features=(*run.manifest.features, *run.manifest.spectators),
        preselection=kept,
        per_object=run.manifest.per_object,
        columns=columns or "source",
        replicas=run.manifest.replicas[1] - run.manifest.replicas[0],
        folds=len(run.folds),
        seed=run.manifest.seed,
        data=_data_path(run),
        rounded=tuple(what for _, what in rounded),
        table=None if report is None else read_cut_flow(report, run, exact[0]),
    )
    try:
        if found.executes and not found.objects:
            require_columns(selections, dialect, str(run.path))
        text = found.render(selections)
    except ExpressionError as error:  # the run's fault, not the user's
        msg = f"{run.path / 'run.json'}: {error}"
        raise InputError(msg) from error
    if "→" not in text:  # a language without comments
        notes += tuple(f"rounded: {one}" for what in selections.rounded for one in what)
    if isinstance(found, Remarking):
        notes += found.remarks(text)
    return Export(text, notes, tuple(_warnings(run, flows) + _rounding_warnings(run, selections)))


def _require_report(dialect: Dialect, report: Path | None, rounding: Rounding | None) -> None:
    """Check that a report is given where it is needed, and nowhere else."""
    if dialect.report == "required" and report is None:
        msg = f"--format {dialect.name} gives a cut-flow table; add --report with a directory that `evaluate` wrote"
        raise UsageError(msg)
    if dialect.report == "none" and report is not None:
        msg = f"--report is for latex and hepdata, which give its cut-flow table; leave it away for {dialect.name}"
        raise UsageError(msg)
    if report is not None and rounding is not None:
        msg = "--report holds the cut flow of the boundaries as learned, not of those of --round; take one or the other"
        raise UsageError(msg)


def _require_no_score(run: Run, flows: tuple[CutFlow, ...], dialect: str) -> None:
    """Refuse code for cuts on a score, which nobody but this program computes."""
    for name in dict.fromkeys(cut.observable for flow in flows for cut in flow.cuts):
        if name in run.manifest.scores:
            msg = (
                f"{run.path}: cuts on its {name}, which no {dialect} code computes; --format text or json gives the "
                "threshold, and methods that cut on observables (lcf, cabin-scan, cut-and-count) give code"
            )
            raise UsageError(msg)


def save(out: Path, text: str, *, force: bool) -> Action:
    """Write an export to a file, unless it is there already.

    Args:
        out: the file.
        text: its content.
        force: replace a file with other content.

    Returns:
        DONE if the file holds this text already, START if it was written.

    Raises:
        UsageError: if something else is there and `force` is not set.
    """
    existing = digest(out.read_text(encoding="utf-8", errors="replace")) if out.is_file() else None
    action = decide(out, digest(text), existing, force=force and existing != digest(text))
    if action is Action.START:
        write_text(out, text)
    return action


def _checked(run: Run, flow: CutFlow) -> CutFlow:
    """Round boundaries to the columns' types, as they were when events were counted."""
    dtypes = run.manifest.dtypes
    for name in flow.observables:
        if name not in dtypes:
            msg = f"{run.path}: cuts on {name!r}, which is no feature of the run; {nearest(name, dtypes)}"
            raise InputError(msg)
    return flow.rounded(dtypes)


def _preselection(run: Run, columns: ColumnNames | None, *, wanted: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the conditions to render, and what to say of those that are not."""
    conditions = run.manifest.preselection
    if not wanted and not conditions:
        return (), ("the run has no preselection to leave out",)
    text = " and ".join(f"({condition})" if len(conditions) > 1 else condition for condition in conditions)
    if not wanted:
        return (), (f"preselection left out: {text}",)
    if columns == "features" and conditions:
        return (), (f"preselection left out, the events file's columns are after it: {text}",)
    return conditions, ()


def _data_path(run: Run) -> str | None:
    path = run.manifest.data.get("path")
    return path if isinstance(path, str) else None


def _rounding_warnings(run: Run, selections: Selections) -> list[str]:
    """Say that rounding was asked for in vain, for want of errors."""
    if not selections.rounded or any(selections.rounded):
        return []
    boundaries = [step for flow in selections.flows for step in flow.steps if step.active]
    if any(step.lower_error is not None or step.upper_error is not None for step in boundaries):
        return [f"{run.path}: no boundary was rounded, all are as round as they may be"]
    return [f"{run.path}: no boundary was rounded, none has an error (train with --replicas); or add --round-within"]


def _warnings(run: Run, flows: tuple[CutFlow, ...]) -> list[str]:
    empty = [flow for flow in flows if not flow.cuts]
    if not empty:
        return []
    points = ", ".join(dict.fromkeys(flow.working_point for flow in empty))
    return [f"{run.path}: no cut is active (working point {points}); the selection keeps every event"]
