"""The legend of stacks: processes and signal, what is kept, and what the lower panels show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cutflow_cli.plots.backend import Figure, FigureCanvasAgg, HandlerTuple, Line2D, Patch
from cutflow_cli.plots.panels import kept_entries
from cutflow_cli.plots.stacks import Stack, StackPanel
from cutflow_cli.plots.style import PROCESSES, SIGNAL, number, plain, shortened

_LEGEND_SIZE = 8.5
#: Of S/√B of a selection whose boundaries differ by bin.
OWN_MARKER: dict[str, Any] = {"marker": "o", "markersize": 4.5, "markerfacecolor": "white"}


def process_style(position: int, processes: int) -> dict[str, Any]:
    """Return colour and hatch of a process; one alone has no hatch."""
    colour, hatch = PROCESSES[position % len(PROCESSES)]
    return {"facecolor": (colour, 0.75), "edgecolor": "#333333", "lw": 0.5, "hatch": hatch if processes > 1 else ""}


def legend_entries(stack: Stack, factor: float) -> tuple[list[Any], list[str]]:
    """Return handles and labels of what a figure shows, its signal scaled by a factor."""
    entries: list[tuple[Any, str]] = [
        (Patch(**process_style(position, len(stack.processes))), plain(shortened(name, 24)))
        for position, name in enumerate(stack.processes)
    ]
    scaled = f"signal × {number(factor)}" if factor > 1 else "signal"
    entries += [
        (Line2D([], [], color=SIGNAL, lw=1.7), scaled),
        (Patch(facecolor=("black", 0.28)), "stat. error of the background"),
    ]
    if any(panel.step.active and panel.cut.region != "all" for panel in stack.panels):
        entries += kept_entries([panel.step for panel in stack.panels], errors=False)
    drawn = [
        counts for panel in stack.panels if not panel.binning.cut_down for counts in (panel.signal, panel.background)
    ]
    if any(counts.sumw2[edge] > 0 for counts in drawn for edge in (0, -1)):
        triangles = tuple(Line2D([], [], color="black", marker=marker, markersize=4, ls="") for marker in "<>")
        entries.append((triangles, "edge bin with under-/overflow"))
    entries += _moved_entries(stack.panels)
    if any(panel.few for panel in stack.panels):
        label = f"no S/√B where n_eff(B) < {stack.least:g}"
        entries.append((Line2D([], [], ls=""), label))
    handles, labels = (list(side) for side in zip(*entries, strict=True))
    return handles, labels


def _moved_entries(panels: Sequence[StackPanel]) -> list[tuple[Any, str]]:
    entries: list[tuple[Any, str]] = []
    plain_cuts, in_bins = ([panel for panel in panels if (panel.own is not None) is own] for own in (False, True))
    for those, marker, words in (
        (plain_cuts, "o", "the {} boundary moved"), (in_bins, "", "one {} boundary in all bins"),
    ):  # fmt: skip
        names = {moved.name for panel in those for moved in panel.moved}
        for name, line in (("lower", "-"), ("upper", (0, (4, 1.5)))):
            if name in names:
                handle = Line2D([], [], color="black", ls=line, lw=1.2, marker=marker, markersize=4)
                entries.append((handle, f"S/√B with {words.format(name)}"))
    if any(panel.own.value is not None for panel in in_bins if panel.own is not None):
        handle = Line2D([], [], color="black", lw=2.2, **OWN_MARKER)
        entries.append((handle, "S/√B of the selection, at its boundaries"))
    return entries


def legend_shape(handles: list[Any], labels: list[str], width: float) -> tuple[int, float]:
    """Return in how many columns a legend fits into a width, and how high it is then, in inches."""
    for ncols in range(min(len(handles), 6), 0, -1):
        figure = Figure(figsize=(width, 1))
        FigureCanvasAgg(figure)
        legend = draw_legend(figure, handles, labels, ncols, 1.0)
        box = legend.get_window_extent(renderer=figure.canvas.get_renderer())  # type: ignore[attr-defined]
        if box.width / figure.dpi <= width - 0.1 or ncols == 1:
            return ncols, float(box.height) / figure.dpi
    return 1, 0.0


def draw_legend(figure: Figure, handles: list[Any], labels: list[str], ncols: int, top: float) -> Any:  # noqa: ANN401
    """Draw a legend with its upper edge at a share of the figure's height."""
    return figure.legend(
        handles, labels, loc="upper center", bbox_to_anchor=(0.5, top), borderaxespad=0.1, ncols=ncols,
        handlelength=1.8, columnspacing=1.2, handler_map={tuple: HandlerTuple(ndivide=None)}, fontsize=_LEGEND_SIZE,
    )  # fmt: skip
