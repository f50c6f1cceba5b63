"""Evaluate runs: from run directories and events to a report directory."""

from __future__ import annotations

import math
import platform
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from cutflow_cli import __version__
from cutflow_cli.artifacts import Action, digest, file_digest, open_work_directory
from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.evaluation.comparison import compare_splits, overtraining_warnings
from cutflow_cli.evaluation.inputs import name_runs, named_flows, open_data, require_consensus
from cutflow_cli.evaluation.normalise import Normalised, normalise, require_usable
from cutflow_cli.evaluation.report import FIGURES, MANIFEST, Report, ReportManifest, read_report, write_report
from cutflow_cli.evaluation.tables import NamedFlow, check_names, cut_flow_rows, metric_rows, roc_rows
from cutflow_cli.evaluation.tally import tally
from cutflow_cli.events.schema import Split
from cutflow_cli.events.table import EventsFile
from cutflow_cli.runs import CUTS, Run, open_run


class FigureDrawer(Protocol):
    """What draws the figures of a report (`cutflow_cli.plots.figures.draw_figures`)."""

    def __call__(
        self, runs: Sequence[Run], events: EventsFile, directory: Path, split: Split = "test"
    ) -> tuple[Path, ...]:
        """Draw into a directory and return the files."""


def evaluate_runs(
    runs: Sequence[Path],
    data: Path,
    out: Path,
    *,
    split: Split = "test",
    background_uncertainty: float = 0.0,
    figures: bool = True,
    force: bool = False,
    command: str | None = None,
    progress: Callable[[float, str], None] | None = None,
) -> Report:
    """Apply the selections of runs to events and write the report.

    Numbers are quoted on one split, the test split unless told otherwise, also on events that the runs were not
    trained on; every split is in the tables. A plain Parquet file without splits is split as it was for training.

    Args:
        runs: run directories.
        data: the events file.
        out: the report directory to make.
        split: which split is quoted.
        background_uncertainty: systematic uncertainty of B in the Asimov significance, as a fraction of B.
        figures: whether to draw figures.
        force: replace another report.
        command: the command line, for the manifest.
        progress: called with the share done and a few words.

    Returns:
        The report: a finished one with the same inputs and settings is read rather than made again.

    Raises:
        UsageError: for an impossible option, an output that exists, or figures without matplotlib.
        InputError: for runs or events that are missing or damaged, do not fit together, or can't be evaluated.
    """
    if not (math.isfinite(background_uncertainty) and background_uncertainty >= 0):
        msg = f"--background-uncertainty {background_uncertainty:g}: give a fraction of B, 0.1 for 10 %"
        raise UsageError(msg)
    draw = _figure_drawer() if figures else None
    opened = [open_run(path) for path in runs]
    names = name_runs(opened)
    require_consensus(opened)
    events, opened = open_data(opened, names, data)
    settings = {
        "runs": [
            (name, run.manifest.digest, file_digest(run.path / CUTS)) for name, run in zip(names, opened, strict=True)
        ],
        "data": events.digest,
        "split": split,
        "background_uncertainty": background_uncertainty,
        "figures": figures,
    }
    work = open_work_directory(out, MANIFEST, digest(settings), force=force, fresh=True)
    if work.action is Action.DONE:
        return read_report(out)
    try:
        flows = named_flows(opened, names, events)
        counts = tally(events, [named.flow for named in flows], progress=progress)
        counted = normalise(counts, events.metadata.processes)
        _check_data(counted, flows, split, str(data))
        metrics = metric_rows(flows, counted, background_uncertainty)
        drawn: tuple[Path, ...] = ()
        if draw is not None:
            (work.path / FIGURES).mkdir()
            drawn = draw(opened, events, work.path / FIGURES, split=split)
        manifest = ReportManifest(
            digest=digest(settings),
            split=split,
            background_uncertainty=background_uncertainty,
            runs=tuple(_run_record(run, name) for run, name in zip(opened, names, strict=True)),
            data={"path": str(data), "digest": events.digest, "events": events.rows},
            processes=tuple((process.name, process.role) for process in events.metadata.processes),
            luminosity=events.metadata.luminosity,
            preselection=events.metadata.preselection,
            notes=_notes(opened, names, events, counted),
            warnings=(*_split_warnings(counted, split), *overtraining_warnings(compare_splits(metrics, split), split)),
            figures=tuple(str(path.relative_to(work.path)) for path in drawn),
            versions=_versions(),
            command=command,
        )
        report = Report(out, manifest, metrics, cut_flow_rows(flows, counted), roc_rows(metrics))
        write_report(report, work.path)
        work.finish()
    except BaseException:
        shutil.rmtree(work.path, ignore_errors=True)
        raise
    return report


def _figure_drawer() -> FigureDrawer:
    """Import what draws, before any work is done.

    Raises:
        UsageError: if a drawing library is not installed.
    """
    from cutflow_cli.plots.figures import draw_figures, require_plotting

    require_plotting()
    return draw_figures


def _check_data(counted: Normalised, flows: Sequence[NamedFlow], split: Split, where: str) -> None:
    """Refuse events that can't be evaluated, rather than give tables of nothing."""
    require_usable(counted, split, where)
    check_names(counted, where)
    points = counted.tally.hypotheses
    for named in flows:
        wanted = named.flow.hypothesis
        if wanted is not None and wanted not in points:
            there = ", ".join(f"{point:g}" for point in points) or "none"
            msg = f"{where}: run {named.run!r} has a selection for hypothesis {wanted:g}; the events have: {there}"
            raise InputError(msg)


def _notes(runs: Sequence[Run], names: Sequence[str], events: EventsFile, counted: Normalised) -> tuple[str, ...]:
    notes = list(events.notes)
    for run, name in zip(runs, names, strict=True):
        trained_on = run.manifest.data.get("digest")
        if trained_on is not None and trained_on != events.digest:
            notes.append(
                f"{events.path}: not the events that run {name!r} was trained on ({run.manifest.data.get('path')}); "
                "if it holds the same events in other splits, the quoted split is not independent of the training"
            )
    for name, (missing, infinite) in counted.tally.not_finite.items():
        counts = " and ".join(f"{n} {what}" for n, what in ((missing, "missing (NaN)"), (infinite, "infinite")) if n)
        notes.append(f"{events.path}: feature {name!r} has {counts} values; a missing one passes no cut")
    if len(counted.tally.hypotheses) > 1:
        notes.append(
            f"{events.path}: the signal has {len(counted.tally.hypotheses)} mass points; selections trained for all "
            "are quoted on their sum, and on each under its hypothesis in the Parquet tables"
        )
    return tuple(notes)


def _split_warnings(counted: Normalised, split: Split) -> tuple[str, ...]:
    """Say where the quoted split can't stand for a process, so that yields are undefined."""
    kept = (counted.of_class((), role, split, None) for role in ("signal", "background"))
    return tuple(f"{one.undefined}; yields are undefined" for one in kept if one.undefined)


def _run_record(run: Run, name: str) -> dict[str, Any]:
    replicas = sum(flow.kind == "replica" for flow in run.flows)
    manifest = run.manifest
    return {
        "name": name, "path": str(run.path), "method": manifest.method, "digest": manifest.digest, "replicas": replicas,
    }  # fmt: skip


def _versions() -> dict[str, str]:
    return {
        "cutflow": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pyarrow": pa.__version__,
    }
