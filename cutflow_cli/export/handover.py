"""Hand a run's selection over to other programs: choose its flows, and write them in a dialect."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cutflow_cli.artifacts import Action, decide, written_file
from cutflow_cli.errors import InputError, UsageError, naming, nearest
from cutflow_cli.export.choose import Choice, choose, require_one
from cutflow_cli.export.dialect import ColumnNames, Dialect, ModelDialect, Remarking, Selections, describe
from cutflow_cli.export.models import export_model, require_score
from cutflow_cli.export.per_object import require_columns
from cutflow_cli.export.registry import find_dialect
from cutflow_cli.export.rounding import Rounding
from cutflow_cli.export.settle import Evaluation, settle
from cutflow_cli.selection.parse import ExpressionError

if TYPE_CHECKING:
    from cutflow_cli.export.settle import Progress
    from cutflow_cli.runs import Run
    from cutflow_cli.selection.cutflow import CutFlow


@dataclass(frozen=True, slots=True)
class Export:
    """An exported selection.

    Attributes:
        content: text in the dialect, with a line break at its end; bytes for a model.
        notes: what was left out on request, a sentence each.
        warnings: what a user should know before using it, a sentence each.
    """

    content: str | bytes
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The text.

        Raises:
            TypeError: for a model, which is none.
        """
        if isinstance(self.content, bytes):
            msg = "a model is bytes, no text"
            raise TypeError(msg)
        return self.content


def export_cuts(
    run: Run,
    dialect: str = "text",
    *,
    choice: Choice | None = None,
    columns: ColumnNames | None = None,
    preselection: bool = True,
    rounding: Rounding | None = None,
    report: Path | None = None,
    data: Path | None = None,
    progress: Progress | None = None,
) -> Export:
    """Write the selection that a run learned.

    Args:
        run: an opened run.
        dialect: a name of `registry.DIALECTS` or `registry.MODEL_DIALECTS`.
        choice: which flows; None for the consensus, all working points and hypotheses.
        columns: what the names in code mean: the source's columns, for the files that were ingested, or the
            features, for the events file, to which the preselection has been applied. None for the source's.
        preselection: whether to render it.
        rounding: round boundaries to values that one would publish; None to leave them as they are.
        report: a report directory in which the selection was evaluated, for dialects that give its cut-flow table; with
            `rounding` the table is counted anew on the events of the report.
        data: events on which the cost of rounding, or that table, is counted, or a model is tried; None for those that
            the run was trained on.
        progress: called with the share done and a few words while events are counted.

    Raises:
        InputError: if the run has no cuts, cuts on something that is no feature of it, or holds an expression that is
            not in the language; if events or report that were named can't be used; or if a model that was made
            disagrees with the run.
        UsageError: if the dialect or what is chosen does not exist, or if the dialect can't say it; code on the
            source's columns can't say observables of objects.
    """
    found = find_dialect(dialect)
    if columns is not None and not found.executes:
        msg = f"--columns is for code; --format {dialect} gives features with their expressions, leave it away"
        raise UsageError(msg)
    evaluation = Evaluation(report, data)
    evaluation.check(found, rounding, model=isinstance(found, ModelDialect))
    if isinstance(found, ModelDialect):
        require_score(run, dialect)
    if not run.flows:
        msg = f"{run.path}: holds no cuts to export; train again"
        raise InputError(msg)
    flows, notes = _choose(run, found, choice or Choice(), tabled=report is not None or data is not None)
    kept, left_out = _preselection(run, columns, wanted=preselection)
    settled = settle(
        run,
        tuple(_checked(run, flow) for flow in flows),
        rounding,
        evaluation,
        tabled=found.report != "none",
        progress=progress,
    )
    selections = Selections(
        run=run.name,
        method=run.manifest.method,
        flows=settled.flows,
        features=(*run.manifest.features, *run.manifest.spectators),
        preselection=kept,
        per_object=run.manifest.per_object,
        columns=columns or "source",
        replicas=run.manifest.replicas[1] - run.manifest.replicas[0],
        folds=len(run.folds),
        seed=run.manifest.seed,
        recommended=run.manifest.recommended,
        data=_data_path(run),
        digest=run.manifest.digest,
        rounded=settled.rounded,
        costs=settled.costs,
        table=settled.table,
    )
    notes = (*left_out, *notes, *settled.notes)
    warnings = tuple(_warnings(run, flows) + _rounding_warnings(run, selections, rounding))
    if isinstance(found, ModelDialect):
        model, said = export_model(run, found, selections, data)
        return Export(model, (*notes, *_on_rounding(selections, ""), *said), warnings)
    text, said = _rendered(run, found, selections)
    return Export(text, (*notes, *_on_rounding(selections, text), *said), warnings)


def _choose(
    run: Run, dialect: Dialect | ModelDialect, choice: Choice, *, tabled: bool
) -> tuple[tuple[CutFlow, ...], tuple[str, ...]]:
    """Choose flows as a dialect can carry them, and say which working point was taken unasked."""
    recommended = run.manifest.recommended
    notes: tuple[str, ...] = ()
    if not dialect.several and choice.working_point is None and recommended is not None:
        choice = replace(choice, working_point=recommended)
        notes = (f"working point {recommended}, the recommended one; --working-point takes another",)
    flows = choose(run.flows, choice)
    points = len({flow.working_point for flow in flows})
    if dialect.several and points > 1:
        best = "" if recommended is None else f", of which {recommended} is the recommended one"
        notes = (f"all {points} working points{best}; --working-point takes one",)
    if not dialect.several or (tabled and dialect.report != "none"):
        require_one(flows, dialect.name)
    if dialect.executes:
        _require_no_score(run, flows, dialect.name)
    return flows, notes


def _rendered(run: Run, dialect: Dialect, selections: Selections) -> tuple[str, tuple[str, ...]]:
    try:
        if dialect.executes and not dialect.objects:
            require_columns(selections, dialect.name, str(run.path))
        text = dialect.render(selections)
    except ExpressionError as error:  # the run's fault, not the user's
        msg = f"{run.path / 'run.json'}: {error}"
        raise InputError(msg) from error
    return text, dialect.remarks(text) if isinstance(dialect, Remarking) else ()


def _on_rounding(selections: Selections, text: str) -> tuple[str, ...]:
    """Say what was rounded and what that costs, where the export itself does not."""
    found: list[str] = []
    if "→" not in text:  # a language without comments
        found += [f"rounded: {one}" for what in selections.rounded for one in what]
    if "cost of rounding" not in text:
        several = len(selections.flows) > 1
        found += [
            f"{describe(flow, selections)}: {cost}" if several else str(cost)
            for flow, cost in zip(selections.flows, selections.costs, strict=False)
        ]
    return tuple(found)


def _require_no_score(run: Run, flows: tuple[CutFlow, ...], dialect: str) -> None:
    """Refuse code for cuts on a score, which nobody but this program computes."""
    for name in dict.fromkeys(name for flow in flows for name in flow.columns):
        if name in run.manifest.scores:
            msg = (
                f"{run.path}: cuts on its {name}, which no {dialect} code computes; --format text or json gives the "
                "threshold, and methods that cut on observables (lcf, cabin-scan, cut-and-count) give code"
            )
            raise UsageError(msg)


def save(out: Path, content: str | bytes, *, force: bool) -> Action:
    """Write an export to a file, unless it is there already.

    Args:
        out: the file.
        content: its content.
        force: replace a file with other content.

    Returns:
        DONE if the file holds this already, START if it was written.

    Raises:
        UsageError: if something else is there and `force` is not set.
    """
    written = content.encode() if isinstance(content, str) else content
    wanted = hashlib.sha256(written).hexdigest()
    with naming(out):
        existing = hashlib.sha256(out.read_bytes()).hexdigest() if out.is_file() else None
    action = decide(out, wanted, existing, force=force and existing != wanted)
    if action is Action.START:
        with written_file(out) as partial:
            partial.write_bytes(written)
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


def _rounding_warnings(run: Run, selections: Selections, rounding: Rounding | None) -> list[str]:
    """Say that rounding was asked for in vain, for want of errors."""
    if rounding is None or any(selections.rounded):
        return []
    if rounding.loss is not None:
        return [f"{run.path}: no boundary was rounded, every rounder one costs more than {rounding.loss:.2%}"]
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
