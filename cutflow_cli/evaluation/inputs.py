"""Runs and events that belong together: names, features, splits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cutflow_cli.apply import as_run
from cutflow_cli.artifacts import file_digest
from cutflow_cli.errors import InputError, UsageError, nearest
from cutflow_cli.evaluation.folded import by_fold
from cutflow_cli.evaluation.rows import NamedFlow
from cutflow_cli.events.plain import open_parquet
from cutflow_cli.events.schema import HYPOTHESIS, SPLIT
from cutflow_cli.events.splits import SplitFractions
from cutflow_cli.events.table import DerivedColumns, EventsFile, open_events
from cutflow_cli.models.scores import Scorer, load_scorer, score_columns, with_columns
from cutflow_cli.runs import CUTS, Run, open_run


def name_runs(runs: Sequence[Run]) -> list[str]:
    """Name runs for the tables: by their directory, or by the whole path where directories share a name.

    Raises:
        UsageError: if a run is given twice, or none is.
    """
    paths = [run.path.resolve() for run in runs]
    if not paths:
        msg = "no runs to evaluate; name run directories, or files of cuts with --cuts"
        raise UsageError(msg)
    for run, path in zip(runs, paths, strict=True):
        if paths.count(path) > 1:
            msg = f"{run.path}: this run is named twice"
            raise UsageError(msg)
    names = [run.name for run in runs]
    return [name if names.count(name) == 1 else str(run.path) for name, run in zip(names, runs, strict=True)]


def open_data(runs: Sequence[Run], names: Sequence[str], data: Path) -> tuple[EventsFile, list[Run]]:
    """Open the events with all that the runs cut on, split as for training.

    A run's scores become columns of the events, `bdt.score` for the consensus and `bdt.score[3]` for a replica.

    Args:
        runs: the runs.
        names: what tables call them.
        data: the events file.

    Returns:
        The events, and the runs with flows that cut on columns of these events.

    Raises:
        InputError: if the events lack a feature, or a run's scores can't be computed.
        UsageError: if runs split a file without splits differently, or take hypotheses from different columns.
    """
    columns = open_parquet(data).schema_arrow.names
    for run, name in zip(runs, names, strict=True):
        if run.manifest.method == as_run.METHOD:
            as_run.check_columns(run, data, columns)
        for column in run.columns:
            if column not in columns:
                hint = nearest(column, columns)
                msg = f"{data}: run {name!r} was trained on feature {column!r}, which these events lack; {hint}"
                raise InputError(msg)
    features = tuple(dict.fromkeys(column for run in runs for column in run.columns))
    events = _opened(data, runs, features, columns, _hypothesis_column(runs, names, columns))
    derived: list[DerivedColumns] = []
    opened: list[Run] = []
    for run, name in zip(runs, names, strict=True):
        if run.folds:
            run_here, columns_of_run = by_fold(run, name, events.dtypes)
            derived.append(columns_of_run)
        else:
            scorer = open_scorer(run)
            run_here = _on_scores(run, name, scorer)
            derived += [] if scorer is None else [score_columns(name, scorer, range(*run.manifest.replicas))]
        opened.append(run_here)
    opened = [as_run.on_columns(run, events.dtypes) if run.manifest.method == as_run.METHOD else run for run in opened]
    conditions = [found for run in opened if (found := as_run.condition_columns(run)) is not None]
    return events.with_derived([*derived, *conditions]), opened


def _on_scores(run: Run, name: str, scorer: Scorer | None) -> Run:
    """Let the flows of a run cut on its scores as columns of the events; any other run is left as it is."""
    if scorer is None:
        return run
    return replace(run, flows=tuple(with_columns(flow, name, scorer) for flow in run.flows))


def shown_runs(runs: Sequence[Run], names: Sequence[str]) -> list[Run]:
    """Return what figures of runs show: of a run with folds the selection that it hands over, its consensus.

    Args:
        runs: from `open_data`.
        names: what tables call them.

    Raises:
        InputError: if a run with folds can't be read again.
    """
    return [
        _on_scores(open_run(run.path), name, open_scorer(run.folds[0])) if run.folds else run
        for run, name in zip(runs, names, strict=True)
    ]


def printed_runs(records: Iterable[Mapping[str, Any]]) -> list[tuple[str, Run]]:
    """Open the runs of a report for its tables: of a run with folds the selection that is applied, fold by fold.

    Args:
        records: what the report says of its runs: name and path of each.

    Raises:
        InputError: if a run is not there any more, or damaged.
    """
    opened = [(str(record["name"]), as_run.open_run_or_cuts(record["path"])) for record in records]
    return [(name, by_fold(run, name, run.manifest.dtypes)[0] if run.folds else run) for name, run in opened]


def _opened(
    data: Path, runs: Sequence[Run], features: Sequence[str], columns: Sequence[str], hypothesis_column: str
) -> EventsFile:
    """Open the events divided as they were for the trainings.

    Where every training has folds all events test, each judged by a training that did not see it. Beside trainings
    without folds it is their test split that is quoted, which is as good for those with folds.
    """
    trained = [run for run in runs if run.manifest.method != as_run.METHOD]
    bound = [run for run in trained if not run.folds]
    if trained and not bound:
        folds = trained[0].manifest.folds
        assert folds is not None
        return open_events(data, features, hypothesis_column=hypothesis_column).with_folds(folds, None)
    left_out = {(run.manifest.folds, run.manifest.fold) for run in bound}
    assigned = {_split_assignment(run) for run in bound or runs if run.manifest.folds is None}
    if len(left_out) > 1 or (SPLIT not in columns and len(assigned) > 1):
        what = "leave out different folds" if len(left_out) > 1 else "assigned splits differently"
        without = "" if SPLIT in columns else " has no column 'split', and"
        msg = f"{data}:{without} the runs {what}; evaluate them one by one"
        raise UsageError(msg)
    fractions, seed = next(iter(assigned), (SplitFractions(), 0))
    events = open_events(data, features, fractions, seed, hypothesis_column)
    folds, fold = next(iter(left_out), (None, None))
    return events if folds is None else events.with_folds(folds, fold)


def cuts_digest(run: Run) -> str:
    """Digest of the cuts of a run, or of a file of cuts."""
    return file_digest(run.path / CUTS) if run.path.is_dir() else run.manifest.digest


def open_scorer(run: Run) -> Scorer | None:
    """Load what computes the scores of a run; None for a run that cuts on columns alone."""
    first, last = run.manifest.replicas
    return load_scorer(run.manifest.method, run.path, run.features, last - first)


def _hypothesis_column(runs: Sequence[Run], names: Sequence[str], columns: Sequence[str]) -> str:
    """Return the column that runs took mass points from, unless the events have one of that meaning."""
    wanted = {
        str(run.manifest.data.get("hypothesis_column") or HYPOTHESIS): name
        for run, name in zip(runs, names, strict=True)
    }
    wanted.pop(HYPOTHESIS, None)
    if len(wanted) > 1:
        first, second = list(wanted.items())[:2]
        msg = f"run {first[1]!r} takes its hypotheses from column {first[0]!r}, run {second[1]!r} from {second[0]!r}"
        raise UsageError(f"{msg}; evaluate them one by one")
    column = next(iter(wanted), HYPOTHESIS)
    return column if column in columns else HYPOTHESIS


def _split_assignment(run: Run) -> tuple[SplitFractions, int]:
    """Read from a run how it split a file without splits."""
    recorded = run.manifest.data.get("split_fractions")
    seed = run.manifest.data.get("split_seed")
    try:
        fractions = SplitFractions() if recorded is None else SplitFractions(*map(float, recorded))
        return fractions, 0 if seed is None else int(seed)
    except (TypeError, ValueError) as error:
        msg = f"{run.path}: damaged split assignment in run.json ({recorded!r}, seed {seed!r}); train again"
        raise InputError(msg) from error


def require_consensus(runs: Sequence[Run]) -> None:
    """Refuse runs without the selection that is quoted."""
    for run in runs:
        if not any(flow.kind == "consensus" for flow in run.flows):
            msg = f"{run.path}: holds no consensus selection (method {run.manifest.method}); train again"
            raise InputError(msg)


def named_flows(runs: Sequence[Run], names: Sequence[str], events: EventsFile) -> list[NamedFlow]:
    """Collect all flows, with boundaries rounded to what the columns can hold."""
    derived = frozenset(column for columns in events.derived for column in columns.names)
    return [
        NamedFlow(
            name,
            run.manifest.method,
            flow.rounded(events.dtypes),
            derived & set(flow.observables) if run.manifest.scores and not run.folds else frozenset(),
        )
        for run, name in zip(runs, names, strict=True)
        for flow in run.flows
    ]
