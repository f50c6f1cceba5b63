"""Evaluate runs: from run directories and events to a report directory."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from cutflow_cli import __version__
from cutflow_cli.apply.as_run import open_cuts
from cutflow_cli.artifacts import Action, digest, open_work_directory
from cutflow_cli.errors import InputError
from cutflow_cli.evaluation.comparison import label, overtraining_warnings
from cutflow_cli.evaluation.curve_tables import at_selection_rows, curve_metric_rows, roc_rows
from cutflow_cli.evaluation.curves import RunCurve, ScoreCollector, run_curves
from cutflow_cli.evaluation.cut_flow import cut_flow_rows
from cutflow_cli.evaluation.details import Details
from cutflow_cli.evaluation.hypotheses import held_out_masses
from cutflow_cli.evaluation.inputs import cuts_digest, name_runs, named_flows, open_data, require_consensus
from cutflow_cli.evaluation.normalise import Normalised, normalise, require_usable
from cutflow_cli.evaluation.preselection import find_preselection
from cutflow_cli.evaluation.quoted import punzi_lookup, quoted_points
from cutflow_cli.evaluation.report import (
    FIGURES,
    FORMAT,
    MANIFEST,
    Report,
    ReportManifest,
    read_report,
    write_report,
)
from cutflow_cli.evaluation.rows import MetricRow, NamedFlow
from cutflow_cli.evaluation.tables import check_names, metric_rows
from cutflow_cli.evaluation.tally import tally
from cutflow_cli.evaluation.totals import totals_rows
from cutflow_cli.events.schema import Split
from cutflow_cli.events.table import EventsFile
from cutflow_cli.metrics.options import FigureOptions
from cutflow_cli.metrics.systematics import require_processes
from cutflow_cli.runs import Run, open_run


class FigureDrawer(Protocol):
    """What draws the figures of a report (`cutflow_cli.plots.figures.draw_figures`)."""

    def __call__(
        self,
        runs: Sequence[Run],
        events: EventsFile,
        directory: Path,
        split: Split = "test",
        curves: Sequence[RunCurve] = (),
        metrics: Sequence[MetricRow] = (),
    ) -> tuple[Path, ...]:
        """Draw into a directory and return the files."""


def evaluate_runs(
    runs: Sequence[Path],
    data: Path,
    out: Path,
    *,
    cuts: Sequence[Path] = (),
    split: Split = "test",
    options: FigureOptions | None = None,
    working_point: str | None = None,
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
        cuts: files of cuts (`cutflow_cli.apply.cuts_file`), evaluated as runs of that name.
        split: which split is quoted.
        options: how figures of merit are computed, and the user's own.
        working_point: which working point to quote, for the runs that have it, instead of the recommended one.
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
    chosen = options or FigureOptions()
    draw = _figure_drawer() if figures else None
    opened = [*map(open_run, runs), *map(open_cuts, cuts)]
    names = name_runs(opened)
    require_consensus(opened)
    quoted = quoted_points(opened, names, working_point)
    events, opened = open_data(opened, names, data)
    background = [process.name for process in events.metadata.processes if process.role == "background"]
    require_processes(chosen.systematics, background, str(data))
    settings = {
        "runs": [(name, run.manifest.digest, cuts_digest(run)) for name, run in zip(names, opened, strict=True)],
        "data": events.digest,
        "split": split,
        "figure_options": chosen.as_json(),
        "quoted": quoted,
        "figures": figures,
        "format": FORMAT,
    }
    work = open_work_directory(out, MANIFEST, digest(settings), force=force, fresh=True)
    if work.action is Action.DONE:
        return read_report(out)
    try:
        flows = named_flows(opened, names, events)
        totals = normalise(tally(events, []), events.metadata.processes)  # of weights alone: quick, and scores are not
        _check_data(totals, flows, split, str(data))
        scores = ScoreCollector(
            opened, names, totals, [one for one in totals.splits() if one in ("train", split)], chosen.systematics
        )
        details = Details.of(flows, quoted, totals, split, events)
        listeners = [scores, *details.listeners]
        counts = tally(events, [named.flow for named in flows], progress=progress, listeners=listeners)
        counted = normalise(counts, events.metadata.processes)
        curves = run_curves(flows, counted, scores, quoted, chosen.systematics)
        punzi = {
            name: punzi_lookup(run, totals, events.metadata.luminosity, chosen.punzi_a, chosen.punzi_b)
            for name, run in zip(names, opened, strict=True)
        }
        metrics = (
            *metric_rows(flows, counted, chosen, punzi),
            *curve_metric_rows(curves, chosen.min_effective_events),
            *at_selection_rows(curves, split),
        )
        drawn: tuple[Path, ...] = ()
        if draw is not None:
            (work.path / FIGURES).mkdir()
            drawn = draw(opened, events, work.path / FIGURES, split=split, curves=curves, metrics=metrics)
        before, unknown = find_preselection(events.metadata.preselection, counted, str(data))
        manifest = ReportManifest(
            digest=digest(settings),
            split=split,
            figure_options=chosen.as_json(),
            runs=tuple(_run_record(run, name, quoted[name], curves) for run, name in zip(opened, names, strict=True)),
            data={"path": str(data), "digest": events.digest, "events": events.rows},
            processes=tuple((process.name, process.role) for process in events.metadata.processes),
            luminosity=events.metadata.luminosity,
            preselection=events.metadata.preselection,
            notes=(*_notes(opened, names, events, counted), *unknown),
            figures=tuple(str(path.relative_to(work.path)) for path in drawn),
            versions=_versions(),
            command=command,
        )
        cut_flow = cut_flow_rows(flows, counted, before)
        report = Report(
            out, manifest, metrics, cut_flow, roc_rows(metrics, flows, curves), totals_rows(flows, counted, chosen),
            *details.rows(chosen),
        )  # fmt: skip
        report = replace(report, manifest=replace(manifest, warnings=_warnings(report, counted)))
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
        if run.manifest.preselection != events.metadata.preselection:
            here, there = (
                " and ".join(f"({condition})" for condition in conditions) or "none"
                for conditions in (events.metadata.preselection, run.manifest.preselection)
            )
            notes.append(f"{events.path}: its preselection is {here}, that of run {name!r} was {there}")
    scores = {name for columns in events.derived for name in columns.names}
    cut_on = {cut.observable for prefix in counted.tally.prefixes for cut in prefix}
    for name, (missing, infinite) in counted.tally.not_finite.items():
        if name in scores:
            if not name.endswith("]"):  # once for all replicas
                notes.append(
                    f"{events.path}: {missing} events have no {name!r}, for want of a feature; they pass no cut"
                )
            continue
        if name not in cut_on:
            continue
        counts = " and ".join(f"{n} {what}" for n, what in ((missing, "missing (NaN)"), (infinite, "infinite")) if n)
        notes.append(f"{events.path}: feature {name!r} has {counts} values; a missing one passes no cut")
    if len(counted.tally.hypotheses) > 1:
        notes.append(
            f"{events.path}: the signal has {len(counted.tally.hypotheses)} mass points; selections trained for all "
            "are quoted on their sum, and on each under its hypothesis in the Parquet tables"
        )
    return tuple(notes)


def _warnings(report: Report, counted: Normalised) -> tuple[str, ...]:
    """Say what a reader should worry about: numbers that are undefined, empty selections, overtraining."""
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


def _run_record(run: Run, name: str, quoted: str, curves: Sequence[RunCurve]) -> dict[str, Any]:
    manifest = run.manifest
    return {
        "name": name,
        "path": str(run.path),
        "method": manifest.method,
        "digest": manifest.digest,
        "replicas": len({flow.replica for flow in run.flows if flow.kind == "replica"}),
        "working_point": quoted,
        "curve": next((one.kind for one in curves if one.run == name), None),
        "held_out": sorted(held_out_masses(run)) if any(flow.hypothesis is not None for flow in run.flows) else None,
    }


def _versions() -> dict[str, str]:
    return {
        "cutflow": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "pyarrow": pa.__version__,
    }
