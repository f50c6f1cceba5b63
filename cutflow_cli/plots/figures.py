"""The figures of an evaluation: compute what they show, draw it, save it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cutflow_cli.events.schema import Split
from cutflow_cli.events.table import EventsFile
from cutflow_cli.runs import Run


def require_plotting() -> None:
    """Check that figures can be made, before any work is spent.

    Raises:
        UsageError: if matplotlib, mplhep or hist is not installed.
    """
    import cutflow_cli.plots.backend  # noqa: F401


def draw_figures(runs: Sequence[Run], events: EventsFile, directory: Path, split: Split = "test") -> tuple[Path, ...]:
    """Draw all figures of an evaluation, PDF and PNG of each.

    For each run with cuts: `<run>-distributions` (raw in a parallel flow, after the earlier cuts in a sequential one,
    as in figures 6 and 7 of arXiv:2503.22498) and `<run>-importances`; for each run with a history `<run>-loss`; for
    all runs together `working-points`. The same input gives the same bytes.

    Args:
        runs: the runs, in the order of legends.
        events: the events, with every observable that the runs cut on.
        directory: where the files go; made if it is not there.
        split: which events to show.

    Returns:
        The files written, in that order.

    Raises:
        UsageError: if the plotting libraries are not installed or the directory can't be made.
        InputError: if the events lack an observable or the split is empty, or a run is damaged.
    """
    from cutflow_cli.plots import compute, draw_distributions, draw_summaries, learned, save, style

    stems = save.file_stems(run.name for run in runs)
    distributions, points = compute.compute(runs, events, split)
    paths: list[Path] = []
    with style.figure_style():
        for run, stem, shapes in zip(runs, stems, distributions, strict=True):
            if shapes is not None:
                figure = draw_distributions.draw_distributions(shapes)
                paths += save.save_figure(figure, directory, f"{stem}-distributions")
            importances = learned.importances(run)
            if importances is not None:
                figure = draw_summaries.draw_importances(importances)
                paths += save.save_figure(figure, directory, f"{stem}-importances")
            losses = learned.loss_curves(run)
            if losses is not None:
                paths += save.save_figure(draw_summaries.draw_losses(losses), directory, f"{stem}-loss")
        if points:
            figure = draw_summaries.draw_working_points(points, split)
            paths += save.save_figure(figure, directory, "working-points")
    return tuple(paths)
