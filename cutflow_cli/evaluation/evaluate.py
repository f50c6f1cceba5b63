"""Evaluate runs: from run directories and events to a report directory."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from cutflow_cli import __version__
from cutflow_cli.apply.as_run import open_cuts
from cutflow_cli.artifacts import Action, digest, open_work_directory
from cutflow_cli.budget import read_budget
from cutflow_cli.errors import InputError
from cutflow_cli.evaluation.curve_tables import at_selection_rows, curve_metric_rows, roc_rows
from cutflow_cli.evaluation.curves import RunCurve, ScoreCollector, run_curves
from cutflow_cli.evaluation.cut_flow import cut_flow_rows
from cutflow_cli.evaluation.details import Details
from cutflow_cli.evaluation.html.page import write_html
from cutflow_cli.evaluation.hypotheses import held_out_masses
from cutflow_cli.evaluation.inputs import (
    cuts_digest,
    name_runs,
    named_flows,
    open_data,
    printed_runs,
    require_consensus,
    shown_runs,
)
from cutflow_cli.evaluation.normalise import Normalised, normalise, require_usable
from cutflow_cli.evaluation.preselection import find_preselection
from cutflow_cli.evaluation.quoted import punzi_lookup, quoted_points
from cutflow_cli.evaluation.remarks import notes_on, warnings_of
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
from cutflow_cli.evaluation.variation_rows import variation_rows
from cutflow_cli.evaluation.variations import choose_variations, count_variations, in_turn
from cutflow_cli.events.schema import Split, VariationInfo
from cutflow_cli.events.table import EventsFile
from cutflow_cli.executor import HERE, Executor
from cutflow_cli.metrics.options import FigureOptions
from cutflow_cli.metrics.systematics import require_processes
from cutflow_cli.plots.look import Look
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
        look: Look | None = None,
        min_effective_events: float = ...,
    ) -> tuple[Path, ...]:
        """Draw into a directory and return the files."""


@dataclass(frozen=True, slots=True)
class _Opened:
    """Runs and events that belong together.

    Attributes:
        names: what tables call the runs.
        runs: with flows that cut on columns of the events.
        quoted: the working point that each run is quoted at.
        events: with all that the runs cut on.
        split: the one that is quoted.
        flows: of all runs.
        variations: systematic variations to count them under.
    """

    names: list[str]
    runs: list[Run]
    quoted: dict[str, str]
    events: EventsFile
    split: Split
    flows: list[NamedFlow]
    variations: tuple[VariationInfo, ...]

    def records(self, curves: Sequence[RunCurve]) -> tuple[dict[str, Any], ...]:
        return tuple(
            _run_record(run, name, self.quoted[name], curves) for run, name in zip(self.runs, self.names, strict=True)
        )


def evaluate_runs(
    runs: Sequence[Path],
    data: Path,
    out: Path,
    *,
    cuts: Sequence[Path] = (),
    split: Split = "test",
    options: FigureOptions | None = None,
    working_point: str | None = None,
    variations: Sequence[str] | None = None,
    look: Look | None = None,
    force: bool = False,
    command: str | None = None,
    progress: Callable[[float, str], None] | None = None,
    executor: Executor = HERE,
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
        variations: names of systematic variations of the events that count; None for all.
        look: how figures look; None to draw none.
        force: replace another report.
        command: the command line, for the manifest.
        progress: called with the share done and a few words.
        executor: counts ranges of the events; figures are always drawn from events read here.

    Returns:
        The report: a finished one with the same inputs and settings is read rather than made again.

    Raises:
        UsageError: for an impossible option, an output that exists, or figures without matplotlib.
        InputError: for runs or events that are missing or damaged, do not fit together, or can't be evaluated.
    """
    chosen = options or FigureOptions()
    draw = None if look is None else _figure_drawer(look)
    opened = _open(runs, cuts, data, split, working_point, variations)
    _require_background(opened.events, chosen, str(data))
    wanted = _digest(opened, chosen, look)
    work = open_work_directory(out, MANIFEST, wanted, force=force, fresh=True)
    if work.action is Action.DONE:
        return read_report(out)
    try:
        report, curves = _count(opened, chosen, out, wanted, command, progress, executor)
        drawn: tuple[Path, ...] = ()
        if draw is not None:
            (work.path / FIGURES).mkdir()
            drawn = draw(
                shown_runs(opened.runs, opened.names), opened.events, work.path / FIGURES,
                split=split, curves=curves, metrics=report.metrics, look=look,
                min_effective_events=chosen.min_effective_events,
            )  # fmt: skip
        figures = tuple(str(path.relative_to(work.path)) for path in drawn)
        report = replace(report, manifest=replace(report.manifest, figures=figures))
        write_report(report, work.path)
        write_html(report, printed_runs(report.manifest.runs), work.path)
        work.finish()
    except BaseException:
        shutil.rmtree(work.path, ignore_errors=True)
        raise
    return report


def _open(
    runs: Sequence[Path],
    cuts: Sequence[Path],
    data: Path,
    split: Split,
    working_point: str | None,
    variations: Sequence[str] | None,
) -> _Opened:
    """Open everything, and check that it fits together."""
    opened = [*map(open_run, runs), *map(open_cuts, cuts)]
    for run in opened:
        read_budget(run)  # what is damaged is found before any event is read
    names = name_runs(opened)
    require_consensus(opened)
    quoted = quoted_points(opened, names, working_point)
    events, opened = open_data(opened, names, data)
    varied = choose_variations(events.metadata, variations, str(data))
    return _Opened(names, opened, quoted, events, split, named_flows(opened, names, events), varied)


def _digest(opened: _Opened, options: FigureOptions, look: Look | None) -> str:
    runs = zip(opened.names, opened.runs, strict=True)
    return digest(
        {
            "runs": [(name, run.manifest.digest, cuts_digest(run)) for name, run in runs],
            "data": opened.events.digest,
            "split": opened.split,
            "figure_options": options.as_json(),
            "quoted": opened.quoted,
            "variations": [one.name for one in opened.variations],
            "figures": None if look is None else look.as_json(),
            "format": FORMAT,
        }
    )


def _count(
    opened: _Opened,
    options: FigureOptions,
    out: Path,
    wanted: str,
    command: str | None,
    progress: Callable[[float, str], None] | None,
    executor: Executor,
) -> tuple[Report, tuple[RunCurve, ...]]:
    """Compute every table of the report, and the curves that figures show."""
    events, flows, split, where = opened.events, opened.flows, opened.split, str(opened.events.path)
    processes = events.metadata.processes
    totals = normalise(tally(events, [], executor=executor), processes)  # of weights alone: quick, and scores are not
    _check_data(totals, flows, split, where)
    shown = [one for one in totals.splits() if one in ("train", split)]
    scores = ScoreCollector(opened.runs, opened.names, totals, shown, options.systematics)
    details = Details.of(flows, opened.quoted, totals, split, events, opened.variations)
    listeners = [scores, *details.listeners]
    first = in_turn(progress, 0, 1 + len(opened.variations))
    counts = tally(events, [named.flow for named in flows], progress=first, listeners=listeners, executor=executor)
    varied = count_variations(
        events, [named.flow for named in flows], normalise(counts, processes), opened.variations, split,
        details.under, progress, executor,
    )  # fmt: skip
    counted = varied.attached()
    curves = run_curves(flows, counted, scores, opened.quoted, options.systematics)
    before, unknown = find_preselection(events.metadata.preselection, counted, where)
    metrics = _metrics(opened, options, totals, counted, curves)
    manifest = ReportManifest(
        digest=wanted,
        split=split,
        figure_options=options.as_json(),
        runs=opened.records(curves),
        data={"path": where, "digest": events.digest, "events": events.rows},
        processes=tuple((process.name, process.role) for process in processes),
        luminosity=events.metadata.luminosity,
        preselection=events.metadata.preselection,
        systematic_variations=varied.as_json(),
        notes=(*notes_on(opened.runs, opened.names, events, counted), *unknown),
        versions=_versions(),
        command=command,
    )
    report = Report(
        out, manifest, metrics, cut_flow_rows(flows, counted, before), roc_rows(metrics, flows, curves),
        totals_rows(flows, counted, options), *details.rows(options, varied.sources),
        variations=variation_rows(flows, counted, varied, split, options),
    )  # fmt: skip
    return replace(report, manifest=replace(manifest, warnings=warnings_of(report, counted))), curves


def _metrics(
    opened: _Opened, options: FigureOptions, totals: Normalised, counted: Normalised, curves: Sequence[RunCurve]
) -> tuple[MetricRow, ...]:
    """Compute every number of every selection and curve."""
    luminosity = opened.events.metadata.luminosity
    punzi = {
        name: punzi_lookup(run, totals, luminosity, options.punzi_a, options.punzi_b)
        for name, run in zip(opened.names, opened.runs, strict=True)
    }
    return (
        *metric_rows(opened.flows, counted, options, punzi),
        *curve_metric_rows(curves, options.min_effective_events, options.formulas),
        *at_selection_rows(curves, opened.split),
    )


def _figure_drawer(look: Look) -> FigureDrawer:
    """Import what draws, before any work is done.

    Raises:
        UsageError: if a drawing library is not installed, or there is no style of that name.
    """
    from cutflow_cli.plots.figures import draw_figures, require_plotting

    require_plotting(look)
    return draw_figures


def _require_background(events: EventsFile, options: FigureOptions, where: str) -> None:
    background = [process.name for process in events.metadata.processes if process.role == "background"]
    require_processes(options.systematics, background, where)


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


def _run_record(run: Run, name: str, quoted: str, curves: Sequence[RunCurve]) -> dict[str, Any]:
    manifest = run.manifest
    return {
        "name": name,
        "path": str(run.path),
        "method": manifest.method,
        "digest": manifest.digest,
        "replicas": len({flow.replica for flow in run.flows if flow.kind == "replica"}),
        "folds": len(run.folds) or None,
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
