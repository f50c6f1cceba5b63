"""JSON: the selections as data, for other programs.

A boundary is null where the region has none. JSON has no infinity and none is invented: a cut with an infinite
boundary is refused.
"""

from __future__ import annotations

import json
import math
from typing import Any, ClassVar

from cutflow_cli.errors import UsageError
from cutflow_cli.export.dialect import Group, ReportUse, Selections
from cutflow_cli.selection.binned import BinnedCut, members_of
from cutflow_cli.selection.cut import Cut

#: Changes when a reader written for the old layout would misread the new one.
SCHEMA_VERSION = 1
#: That of a layout with cuts in bins, which readers of the first would refuse in other words.
BINNED_SCHEMA_VERSION = 2


class Json:
    """The dialect `json`."""

    name: ClassVar[str] = "json"
    summary: ClassVar[str] = "the selections as data"
    group: ClassVar[Group] = "data"
    several: ClassVar[bool] = True
    executes: ClassVar[bool] = False
    objects: ClassVar[bool] = True
    report: ClassVar[ReportUse] = "none"

    def render(self, selections: Selections) -> str:
        """Write all flows, with the features that they cut on and the preselection.

        Raises:
            UsageError: if a boundary is infinite.
        """
        applied = (cut for flow in selections.flows for cut in flow.cuts)
        for cut in (one for each in applied for one in (each, *members_of(each))):
            if any(boundary is not None and math.isinf(boundary) for boundary in (cut.lower, cut.upper)):
                msg = f"JSON can't say the infinite boundary of the cut {cut}; export as yaml, python or rdataframe"
                raise UsageError(msg)
        return json.dumps(as_document(selections), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def as_document(selections: Selections) -> dict[str, Any]:
    """Return all flows as nested lists and dictionaries; what was rounded too, where that was asked for."""
    used = {name for flow in selections.flows for name in flow.columns}
    document: dict[str, Any] = {
        "schema_version": BINNED_SCHEMA_VERSION if any(flow.binnings for flow in selections.flows) else SCHEMA_VERSION,
        "features": {
            feature.name: {"expression": feature.expression, "unit": feature.unit, "dtype": feature.dtype}
            for feature in selections.features
            if feature.name in used
        },
        "preselection": list(selections.preselection),
        "cut_flows": [
            {
                "working_point": flow.working_point,
                "target": flow.target,
                "hypothesis": flow.hypothesis,
                "replica": flow.replica,
                "cuts": [_cut(cut) for cut in flow.cuts],
            }
            for flow in selections.flows
        ],
    }
    for flow, rounded in zip(document["cut_flows"], selections.rounded, strict=False):
        flow["rounded"] = [
            {"observable": one.observable, "side": one.side, "before": one.before, "after": one.after}
            for one in rounded
        ]
    for flow, cost in zip(document["cut_flows"], selections.costs, strict=False):
        flow["rounding_cost"] = cost.as_json()
    return document


def _cut(cut: Cut) -> dict[str, Any]:
    if isinstance(cut, BinnedCut):
        bins = [{"region": one.region.value, "lower": one.lower, "upper": one.upper} for one in cut.members]
        return {"observable": cut.observable, "binned_in": cut.binned_in, "edges": list(cut.edges), "bins": bins}
    return {"observable": cut.observable, "region": cut.region.value, "lower": cut.lower, "upper": cut.upper}
