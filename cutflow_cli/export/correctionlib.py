"""correctionlib: the boundaries of cuts in bins, as functions of the bins' observable, and the selection itself.

A correction set of schema version 2, for `correctionlib.CorrectionSet.from_string`. For each observable and side there
is a correction that gives its boundary, an error outside the bins; `selection` gives 1 for events that pass all cuts
and 0 for others, missing values and events outside the bins included. The bins of correctionlib hold their lower edge
and not their upper one, as these do. Of a selection without bins there is `selection` alone.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from cutflow_cli.errors import UsageError
from cutflow_cli.export.dialect import Group, ReportUse, Selections, provenance
from cutflow_cli.selection.binned import BinnedCut, members_of
from cutflow_cli.selection.cut import Cut, Region

#: Version of correctionlib's schema.
SCHEMA_VERSION = 2
#: The correction that says which events pass.
SELECTION = "selection"
#: Names that correctionlib's formulas have for their variables.
_VARIABLES = ("x", "y", "z", "t")
_EVERYTHING = {"lower": -sys.float_info.max, "upper": sys.float_info.max}


class Correctionlib:
    """The dialect `correctionlib`."""

    name: ClassVar[str] = "correctionlib"
    summary: ClassVar[str] = "boundaries in bins of an observable, and the selection, as a correction set"
    group: ClassVar[Group] = "data"
    several: ClassVar[bool] = False
    executes: ClassVar[bool] = False
    objects: ClassVar[bool] = True
    report: ClassVar[ReportUse] = "none"

    def render(self, selections: Selections) -> str:
        """Write the boundaries of each observable, and the selection.

        Raises:
            UsageError: if cuts are in bins of several observables, or a boundary is infinite.
        """
        cuts = selections.flow.cuts
        if len(selections.flow.binnings) > 1:
            msg = "correctionlib can't say cuts in several binnings; export the selection as json or python instead"
            raise UsageError(msg)
        for cut in (one for each in cuts for one in (*members_of(each), each)):
            if any(edge is not None and math.isinf(edge) for edge in (cut.lower, cut.upper)):
                msg = f"correctionlib can't say the infinite boundary of the cut {cut}; export as yaml or python"
                raise UsageError(msg)
        boundaries = [one for cut in cuts if isinstance(cut, BinnedCut) for one in _boundaries(selections, cut)]
        before = [f"Before it: {' and '.join(f'({one})' for one in selections.preselection)}."]
        document = {
            "schema_version": SCHEMA_VERSION,
            "description": " ".join((*provenance(selections), *(before if selections.preselection else ()))),
            "corrections": [*boundaries, _selection(selections, cuts)],
        }
        return json.dumps(document, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def _input(selections: Selections, name: str) -> dict[str, Any]:
    feature = selections.feature(name)
    parts = [part for part in (feature.expression and f"= {feature.expression}", feature.unit) if part]
    return {"name": name, "type": "real", "description": ", ".join(parts) or name}


def _boundaries(selections: Selections, cut: BinnedCut) -> Iterator[dict[str, Any]]:
    """Yield the boundary of each side as a function of the bins' observable."""
    for side in ("lower", "upper"):
        values = cut.sides(side)
        if all(value is None for value in values):
            continue
        which = "above" if (side == "lower") != (cut.region is Region.OUTSIDE) else "below"
        lacks = f"; {_EVERYTHING[side]!r} in bins without" if None in values else ""
        yield {
            "name": f"{cut.observable}_{side}",
            "description": f"boundary of {cut.observable}, which is kept {which} it{lacks}",
            "version": 1,
            "inputs": [_input(selections, cut.binned_in)],
            "output": {"name": side, "type": "real", "description": _input(selections, cut.observable)["description"]},
            "data": {
                "nodetype": "binning",
                "input": cut.binned_in,
                "edges": list(cut.edges),
                "content": [_EVERYTHING[side] if value is None else value for value in values],
                "flow": "error",
            },
        }


def _selection(selections: Selections, cuts: Sequence[Cut]) -> dict[str, Any]:
    """Return the whole selection: in each bin the product of formulas that are 1 where a cut is passed."""
    data = _product(cuts)
    if selections.flow.binnings:
        ((binned_in, edges),) = selections.flow.binnings
        bins = [
            _product([cut.members[number] if isinstance(cut, BinnedCut) else cut for cut in cuts])
            for number in range(len(edges) - 1)
        ]
        data = {"nodetype": "binning", "input": binned_in, "edges": list(edges), "content": bins, "flow": 0.0}
    return {
        "name": SELECTION,
        "description": "1 for events that pass all cuts, 0 for others",
        "version": 1,
        "inputs": [_input(selections, name) for name in selections.flow.columns],
        "output": {"name": "passes", "type": "real", "description": "1 or 0"},
        "data": data,
    }


def _product(cuts: Sequence[Cut]) -> Any:  # noqa: ANN401  (a number or a node)
    """Return what is 1 for events that pass all cuts.

    A formula has four variables at most. Where there are more, the first of them is given the formula's value, on which
    it depends whether the next formula is looked at; nobody needs it any more.
    """
    terms: dict[str, list[str]] = {}
    for cut in cuts:
        if cut.region is not Region.ALL:
            terms.setdefault(cut.observable, []).append(_formula(cut))
    names = list(terms)
    content: Any = 1.0
    for start in reversed(range(0, len(names), len(_VARIABLES))):
        part = names[start : start + len(_VARIABLES)]
        pairs = zip(part, _VARIABLES, strict=False)
        formula = {
            "nodetype": "formula",
            "expression": "*".join(text.replace("@", variable) for name, variable in pairs for text in terms[name]),
            "parser": "TFormula",
            "variables": part,
        }
        if content == 1.0:
            content = formula
            continue
        passed = {"nodetype": "binning", "input": part[0], "edges": [0.5, 1.5], "content": [content], "flow": 0.0}
        content = {"nodetype": "transform", "input": part[0], "rule": formula, "content": passed}
    return content


def _formula(cut: Cut) -> str:
    # Positive exponents have no sign in correctionlib's formulas.
    low, high = (repr(edge).replace("e+", "e") for edge in (cut.lower, cut.upper))
    match cut.region:
        case Region.BELOW:
            return f"(@<{high})"
        case Region.ABOVE:
            return f"(@>{low})"
        case Region.INSIDE:
            return f"(@>{low})*(@<{high})"
        case _:
            return f"((@<{low})||(@>{high}))"
