"""The objective against the number of cuts."""

from __future__ import annotations

import numpy as np

from cutflow_cli.budget import Budget
from cutflow_cli.plots.backend import Figure, FigureCanvasAgg, MaxNLocator
from cutflow_cli.plots.style import PETROFF, fit, plain, shortened

#: Inches: the frame, and the room around it.
_WIDTH, _HEIGHT = 4.8, 3.1
_LEFT, _RIGHT, _BELOW, _HEADER = 0.9, 0.2, 0.5, 0.66
_SEEN, _HELD_OUT, _RECOMMENDED = PETROFF[0], PETROFF[2], "#777777"


def draw_budget(budget: Budget, title: str) -> Figure:
    """Draw what boxes with 1, 2, … cuts reach: as the search saw it, and on events that it did not see.

    Bars are standard errors of the difference of the two. A line marks the number of cuts that is enough.

    Args:
        budget: the numbers.
        title: written above.
    """
    width, height = _LEFT + _WIDTH + _RIGHT, _BELOW + _HEIGHT + _HEADER
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((_LEFT / width, _BELOW / height, _WIDTH / width, _HEIGHT / height))
    cuts, seen, held_out = (np.where(np.isfinite(side), side, np.nan)
                            for side in (budget.cuts.astype(float), budget.seen, budget.held_out))  # fmt: skip
    many = "cut is" if budget.recommended == 1 else "cuts are"
    axes.axvline(budget.recommended, color=_RECOMMENDED, ls=":", lw=1.4, label=f"{budget.recommended} {many} enough")
    axes.plot(
        cuts, seen, color=_SEEN, ls="--", lw=1.3, marker="s", markersize=5, markerfacecolor="white",
        label="as the search saw it",
    )  # fmt: skip
    axes.errorbar(
        cuts, held_out, yerr=budget.error, color=_HELD_OUT, ls="-", lw=1.3, marker="o", markersize=5, capsize=3,
        label="on held-out events",
    )  # fmt: skip
    axes.set_xlim(0.5, len(cuts) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=12, integer=True))
    axes.tick_params(axis="x", which="minor", bottom=False, top=False)
    axes.margins(y=0.08)
    axes.set_xlabel("Number of cuts")
    objective = shortened(budget.objective)
    fit(figure, axes.set_ylabel(plain(objective[:1].upper() + objective[1:])), _HEIGHT)
    text = figure.text(0.5, 1 - 0.08 / height, plain(title), ha="center", va="top", fontsize=11)
    fit(figure, text, width - 0.2)
    handles, labels = axes.get_legend_handles_labels()
    order = [labels.index(label) for label in sorted(labels, key=lambda one: ("enough" in one, "held-out" in one))]
    legend = figure.legend(
        [handles[k] for k in order], [labels[k] for k in order], loc="upper center",
        bbox_to_anchor=(0.5, 1 - 0.3 / height), borderaxespad=0.2, ncols=3, columnspacing=1.2, fontsize=8.5,
    )  # fmt: skip
    for label in legend.get_texts():
        fit(figure, label, width)
    return figure
