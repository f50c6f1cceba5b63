"""CSV: one row a condition of the preselection, one a cut, in the order in which they are applied.

Empty fields are what is not known or not there: a region's missing side, the error of a single training. All
comparisons are strict. Of a cut in bins each bin has a row (it holds its lower edge, not its upper one), and an event
in no bin fails; the cut that keeps the range of the bins has one row. Its lower boundary is the number next below the
first edge in the type of the column, for events on that edge are kept.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import numpy as np

from cutflow_cli.export.dialect import Group, ReportUse, Selections
from cutflow_cli.selection.binned import BinnedCut
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

#: The header. `kind` is `preselection`, whose rows have an expression alone, or `cut`.
COLUMNS = (
    "working_point", "target", "hypothesis", "replica", "position", "kind", "observable", "expression", "dtype", "unit",
    "region", "lower", "upper", "lower_error", "upper_error", "agreement", "importance", "n_minus_1_loss",
)  # fmt: skip


#: Further columns where cuts are in bins, of which each has a row.
BIN_COLUMNS = ("binned_in", "bin_low", "bin_high")


class Csv:
    """The dialect `csv`."""

    name: ClassVar[str] = "csv"
    summary: ClassVar[str] = "a flat table, one row a cut"
    group: ClassVar[Group] = "data"
    several: ClassVar[bool] = True
    executes: ClassVar[bool] = False
    objects: ClassVar[bool] = True
    report: ClassVar[ReportUse] = "none"

    def render(self, selections: Selections) -> str:
        """Write the header and the rows of all flows."""
        text = io.StringIO()
        binned = any(flow.binnings for flow in selections.flows)
        writer = csv.DictWriter(text, (*COLUMNS, *(BIN_COLUMNS if binned else ())), lineterminator="\n")
        writer.writeheader()
        for flow in selections.flows:
            writer.writerows(_rows(selections, flow))
        return text.getvalue()


def _rows(selections: Selections, flow: CutFlow) -> Iterator[dict[str, object]]:
    """Yield the rows of one flow; positions count from 1, the preselection comes first."""
    which: dict[str, object] = {
        "working_point": flow.working_point, "target": flow.target, "hypothesis": flow.hypothesis,
        "replica": flow.replica,
    }  # fmt: skip
    position = 0
    for position, condition in enumerate(selections.preselection, start=1):
        yield which | {"position": position, "kind": "preselection", "expression": condition}
    applied = [step for step in flow.steps if step.applied]
    numbered = list(enumerate(applied, start=position + 1))
    rows = ((number, *row) for number, step in numbered for row in _parts(selections, step))
    for number, step, bins in rows:
        feature = selections.feature(step.cut.observable)
        yield which | bins | {
            "position": number, "kind": "cut", "observable": feature.name, "expression": feature.expression,
            "dtype": feature.dtype, "unit": feature.unit, "region": step.cut.region.value, "lower": step.cut.lower,
            "upper": step.cut.upper, "lower_error": step.lower_error, "upper_error": step.upper_error,
            "agreement": step.agreement, "importance": step.importance, "n_minus_1_loss": step.n_minus_1_loss,
        }  # fmt: skip


def _parts(selections: Selections, step: LearnedCut) -> Iterator[tuple[LearnedCut, dict[str, object]]]:
    """Yield what has a row: the step itself, or its bins with what is said of the whole step in each."""
    cut = step.cut
    if not isinstance(cut, BinnedCut):
        yield step, {}
        return
    if cut.is_range:
        low, high = cut.edges[0], cut.edges[-1]
        lower = _next_below(low, selections.feature(cut.observable).dtype)
        bounds = Cut(cut.observable, Region.INSIDE, lower, high)
        yield replace(step, cut=bounds), {"binned_in": cut.binned_in, "bin_low": low, "bin_high": high}
        return
    for number, one in enumerate(step.bins):
        applied = one if one.active else LearnedCut(Cut(cut.observable, Region.ALL), agreement=one.agreement)
        whole = replace(applied, importance=step.importance, n_minus_1_loss=step.n_minus_1_loss)
        edges = cut.edges[number : number + 2]
        yield whole, {"binned_in": cut.binned_in, "bin_low": edges[0], "bin_high": edges[1]}


def _next_below(edge: float, dtype: str) -> float:
    """Return the largest number of a column's type below an edge: greater than it is at least the edge."""
    if dtype == "float32":
        return float(np.nextafter(np.float32(edge), np.float32(-np.inf)))
    return float(np.nextafter(edge, -np.inf))
