"""The figures of an evaluation: compute what they show, draw it, save it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cutflow_cli.evaluation.curves import RunCurve
from cutflow_cli.evaluation.inputs import name_runs
from cutflow_cli.evaluation.rows import MetricRow
from cutflow_cli.events.schema import Split
from cutflow_cli.events.table import EventsFile
from cutflow_cli.metrics.figures_of_merit import MIN_EFFECTIVE_EVENTS
from cutflow_cli.plots.look import Look
from cutflow_cli.runs import Run

if TYPE_CHECKING:
    from cutflow_cli.plots.backend import Figure
    from cutflow_cli.plots.compute import Computed
    from cutflow_cli.plots.masses import MassCurves
    from cutflow_cli.plots.sensitivity import Sensitivity


def require_plotting(look: Look | None = None) -> None:
    """Check that figures can be made, before any work is spent.

    Args:
        look: how they are to look.

    Raises:
        UsageError: if matplotlib, mplhep or hist is not installed, or there is no style of that name.
    """
    import cutflow_cli.plots.backend  # noqa: F401

    if look is not None and look.style is not None:
        from cutflow_cli.plots.experiments import experiment_style

        experiment_style(look.style)


def draw_figures(
    runs: Sequence[Run],
    events: EventsFile,
    directory: Path,
    split: Split = "test",
    curves: Sequence[RunCurve] = (),
    metrics: Sequence[MetricRow] = (),
    look: Look | None = None,
    min_effective_events: float = MIN_EFFECTIVE_EVENTS,
) -> tuple[Path, ...]:
    """Draw all figures of an evaluation, PDF and PNG of each.

    For all runs together `roc`, with the curves of scores, the working points of scans and single selections. For each
    run, those of the following that it has something to show in:

    - `<run>-distributions`: the observables that it cuts on (raw in a parallel flow, after the earlier cuts in a
      sequential one, as in figures 6 and 7 of arXiv:2503.22498), at the quoted working point of a scan;
    - `<run>-stack`: the same before any cut, expected events stacked per process, over S/√B of each bin;
    - `<run>-n-minus-1`: likewise the observable of each cut after all others, over S/√B as the cut's boundary moves;
      where each mass has a selection, of the lowest, the middle and the highest; of a cut that differs by bin of
      another observable as one boundary takes the place of those of all bins;
    - `<run>-score`: its score for signal and background, train and the quoted split;
    - `<run>-scan`: its cuts against the target efficiency (figure 7 of arXiv:2502.08615);
    - `<run>-bins`: its cuts against the observable that they are binned in, where they are;
    - `<run>-sensitivity`: the sensitivity to each mass (figures 3, 4 and 7 of EPJ C 82:121);
    - `<run>-mass`: significance against mass, where that is not shown as sensitivity;
    - `<run>-outputs`: its score in the window of each mass, with the cuts on it (figures 5 and 6 of the same);
    - `<run>-importances`;
    - `<run>-budget`: its objective against the number of cuts, where it searched for fewer too;
    - `<run>-loss`: every loss term against epoch (figure 8 of arXiv:2502.08615).

    The same input gives the same bytes.

    Args:
        runs: the runs, in the order of legends, with flows that cut on columns of the events.
        events: the events, with every observable and score that the runs cut on.
        directory: where the files go; made if it is not there.
        split: which events to show.
        curves: of the runs; without them there is no `roc`.
        metrics: of the runs; without them there is no `<run>-sensitivity`.
        look: what the user chose of how figures look.
        min_effective_events: effective background events below which what divides by them is not shown.

    Returns:
        The files written.

    Raises:
        UsageError: if the plotting libraries are not installed or the directory can't be made.
        InputError: if the events lack an observable or the split is empty, or a run is damaged.
    """
    from cutflow_cli.plots import compute, draw_roc, head, masses, roc, save, sensitivity, style

    chosen = look or Look()
    luminosity = chosen.luminosity_text(events.metadata.luminosity)
    stems = save.file_stems(["roc", *(run.name for run in runs)])[1:]
    paths: list[Path] = []

    def finish(figure: Figure, stem: str) -> None:
        head.add_head(figure, chosen.label or "", luminosity)
        paths.extend(save.save_figure(figure, directory, stem))

    runs = _at_quoted_points(runs, curves)
    computed = compute.compute(runs, events, split, min_effective_events)
    with style.figure_style(chosen):
        places = roc.run_places(curves, split)
        if places:
            finish(draw_roc.draw_roc(places, split), "roc")
        for run, stem, name, found in zip(runs, stems, name_runs(runs), computed, strict=True):
            sensitive = sensitivity.sensitivity_of(run, name, metrics, split)
            against_mass = None if sensitive is not None else masses.mass_curves(run, name, metrics, split)
            for kind, figure in _figures_of(run, found, sensitive, against_mass, chosen.logarithmic):
                finish(figure, f"{stem}-{kind}")
    return tuple(paths)


def _at_quoted_points(runs: Sequence[Run], curves: Sequence[RunCurve]) -> list[Run]:
    """Let each run recommend the working point that the evaluation quotes it at."""
    quoted = {curve.run: point.flow.working_point for curve in curves for point in curve.points if point.recommended}
    return [
        replace(run, manifest=replace(run.manifest, recommended=quoted.get(name, run.manifest.recommended)))
        for run, name in zip(runs, name_runs(runs), strict=True)
    ]


def _figures_of(
    run: Run, computed: Computed, sensitive: Sensitivity | None, against_mass: MassCurves | None, log: bool | None
) -> Iterator[tuple[str, Figure]]:
    """Draw the figures of one run, one at a time, each with what its file name ends in."""
    from cutflow_cli.budget import read_budget
    from cutflow_cli.plots import draw_distributions, draw_importances, draw_losses, draw_scan, draw_scores, draw_stacks
    from cutflow_cli.plots.draw_bins import draw_bins
    from cutflow_cli.plots.draw_budget import draw_budget
    from cutflow_cli.plots.draw_masses import draw_masses
    from cutflow_cli.plots.draw_outputs import draw_outputs
    from cutflow_cli.plots.draw_sensitivity import draw_sensitivity
    from cutflow_cli.plots.learned import importances
    from cutflow_cli.plots.losses import loss_curves

    if computed.distributions is not None:
        yield "distributions", draw_distributions.draw_distributions(computed.distributions, log)
    if computed.stack is not None:
        yield "stack", draw_stacks.draw_stack(computed.stack, log)
    if computed.n_minus_1 is not None:
        yield "n-minus-1", draw_stacks.draw_stack(computed.n_minus_1, log)
    if computed.scores is not None:
        yield "score", draw_scores.draw_scores(computed.scores, log)
    if computed.scan is not None:
        yield "scan", draw_scan.draw_scan(computed.scan)
    if computed.bins is not None:
        yield "bins", draw_bins(computed.bins)
    if sensitive is not None:
        yield "sensitivity", draw_sensitivity(sensitive)
    if against_mass is not None:
        yield "mass", draw_masses(against_mass)
    if computed.outputs is not None:
        yield "outputs", draw_outputs(computed.outputs)
    bars = importances(run)
    if bars is not None:
        yield "importances", draw_importances.draw_importances(bars)
    budget = read_budget(run)
    if budget is not None:
        yield "budget", draw_budget(budget, f"{run.name} ({run.manifest.method})")
    losses = loss_curves(run)
    if losses is not None:
        yield "loss", draw_losses.draw_losses(losses)
