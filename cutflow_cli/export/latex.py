r"""LaTeX: a booktabs table of the cuts, and of the cut flow where a report is given.

Boundaries have the fewest digits that name them in their column's type, and six at most unless they were rounded to be
published; a comment says so where digits are left out. Numbers of the cut flow are set by siunitx (`\num`), which
groups digits and takes errors as `3.21 +- 0.07`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import ClassVar

from cutflow_cli.events.schema import FeatureInfo
from cutflow_cli.export.cut_flow_table import CutFlowTable, Expected
from cutflow_cli.export.dialect import Group, ReportUse, Selections, describe, is_recommended, provenance_of
from cutflow_cli.export.digits import shortest, significant
from cutflow_cli.export.tex_text import escaped, without_unicode
from cutflow_cli.selection.binned import BinnedCut, members_of
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

#: Digits of a boundary that nobody rounded.
_DIGITS = 6
#: What makes a label without dollars mathematics, as in figures.
_MATHS = re.compile(r"[\\^_{}]")


class Latex:
    """The dialect `latex`."""

    name: ClassVar[str] = "latex"
    summary: ClassVar[str] = "booktabs tables: the cuts, and with --report the cut flow"
    group: ClassVar[Group] = "publication"
    several: ClassVar[bool] = True
    executes: ClassVar[bool] = False
    objects: ClassVar[bool] = True
    report: ClassVar[ReportUse] = "optional"

    def render(self, selections: Selections) -> str:
        """Write a table for each flow, and that of the cut flow."""
        tables = [_cut_list(selections, flow) for flow in selections.flows]
        if selections.table is not None:
            tables.append(_cut_flow(selections, selections.table))
        packages = "booktabs" if selections.table is None else "booktabs,siunitx"
        head = [*provenance_of(selections)]
        if _leaves_out_digits(selections):
            head.append(f"Boundaries are rounded to {_DIGITS} digits here; --format json gives those that are applied.")
        head.append(f"needs \\usepackage{{{packages}}}")
        return "".join(f"% {line}\n" for line in head) + "\n".join(tables)


def _cut_list(selections: Selections, flow: CutFlow) -> str:
    applied = [step for step in flow.steps if step.applied]
    errors = any(_errors(one) for step in applied for one in (step, *step.bins))
    rows = [["", rf"\texttt{{{escaped(condition)}}}", ""] for condition in selections.preselection]
    rows += [row for number, step in enumerate(applied, start=1) for row in _rows(selections, number, step)]
    kept = 3 if errors else 2
    header = ["", "Requirement", "Uncertainty"]
    title = f"Event selection: {describe(flow, selections)}".replace("selection: selection", "selection")
    title += " (recommended)" if is_recommended(flow, selections) else ""
    caption = f"{escaped(title)}.{_meanings(selections, flow)}"
    middle = len(selections.preselection) if applied else 0
    return _table("l" * kept, [row[:kept] for row in (header, *rows)], caption, middle)


def _rows(selections: Selections, number: int, step: LearnedCut) -> Iterator[list[str]]:
    """Yield the row of a step; of one in bins a row for each bin below it."""
    feature, cut = selections.feature(step.cut.observable), step.cut
    if not isinstance(cut, BinnedCut) or cut.is_range:
        yield [str(number), _cut(selections, cut, feature), _errors(step)]
        return
    bins = selections.feature(cut.binned_in)
    yield [str(number), f"{_label(feature)} by {_label(bins)}", ""]
    for position, (member, one) in enumerate(zip(cut.members, step.bins, strict=True)):
        words = "--" if member.region is Region.ALL else _cut(selections, member, feature)
        edges = _within(selections, bins, *cut.edges[position : position + 2])
        yield ["", rf"\quad {words} for {edges}", _errors(one) if one.active else ""]


def _within(selections: Selections, bins: FeatureInfo, low: float, high: float) -> str:
    """Write a range that holds its lower end."""
    first, last = map(_tex, _digits(selections, (low, high), bins.dtype))
    unit = f"\\,{escaped(bins.unit)}" if bins.unit else ""
    return rf"${first} \leq$ {_label(bins)} $< {last}${unit}"


def _meanings(selections: Selections, flow: CutFlow) -> str:
    """Say what features without a label of their own were computed from."""
    used = flow.columns
    features = [feature for feature in map(selections.feature, used) if feature.expression and not feature.label]
    meanings = [rf"{_label(feature)} is \texttt{{{escaped(feature.expression or '')}}}" for feature in features]
    return f" Here {', '.join(meanings)}." if meanings else ""


def _cut_flow(selections: Selections, table: CutFlowTable) -> str:
    titles = [escaped(name) + ("" if name == role else f" ({role})") for name, role in table.processes]
    rows = [["", *titles]]
    for line in table.lines:
        title = escaped(line.cut)
        if line.position > 0:
            cut = selections.flow.cuts[line.position - 1]
            title = _cut(selections, cut, selections.feature(cut.observable))
        rows.append([title, *(_number(one) for one in line.expected)])
    scale = "" if table.luminosity is None else rf" for \num{{{table.luminosity:.15g}}}\,fb$^{{-1}}$"
    caption = f"Expected events after each requirement{scale}, with the statistical uncertainty of the simulation."
    middle = sum(line.position < 0 for line in table.lines)
    return _table("l" + "r" * len(titles), rows, caption, middle)


def _table(columns: str, rows: list[list[str]], caption: str, middle: int) -> str:
    r"""Lay out a table; after `middle` rows comes another `\midrule`."""
    header, *body = [f"    {' & '.join(row)} \\\\" for row in rows]
    lines = [
        r"\begin{table}", r"  \centering", f"  \\caption{{{caption}}}",
        f"  \\begin{{tabular}}{{{columns}}}", r"    \toprule", header, r"    \midrule", *body[:middle],
        *([r"    \midrule"] if middle else []), *body[middle:], r"    \bottomrule", r"  \end{tabular}", r"\end{table}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _cut(selections: Selections, cut: Cut, feature: FeatureInfo) -> str:
    if isinstance(cut, BinnedCut):
        if cut.is_range:
            return _within(selections, feature, cut.edges[0], cut.edges[-1])
        return f"{_label(feature)} by {_label(selections.feature(cut.binned_in))}"
    name = _label(feature)
    low, high = map(_tex, _digits(selections, (cut.lower, cut.upper), feature.dtype))
    unit = f"\\,{escaped(feature.unit)}" if feature.unit else ""
    match cut.region:
        case Region.BELOW:
            return f"{name} $< {high}${unit}"
        case Region.ABOVE:
            return f"{name} $> {low}${unit}"
        case Region.INSIDE:
            return f"${low} <$ {name} $< {high}${unit}"
        case _:
            return f"{name} $< {low}${unit} or {name} $> {high}${unit}"


def _digits(selections: Selections, edges: tuple[float | None, float | None], dtype: str) -> tuple[str, str]:
    """Write the two boundaries of a cut with few digits; with all where they were rounded to be published, or meet."""
    low, high = (("", "") if edge is None else _few_and_all(selections, edge, dtype) for edge in edges)
    few = low[0] != high[0] or low[1] == high[1]
    return (low[0], high[0]) if few else (low[1], high[1])


def _few_and_all(selections: Selections, edge: float, dtype: str) -> tuple[str, str]:
    exact = shortest(edge, dtype)
    published = {one.after for found in selections.rounded for one in found}
    few = shortest(float(f"{edge:.{_DIGITS}g}"), "float64")
    return (few if edge not in published and len(few) < len(exact) else exact), exact


def _leaves_out_digits(selections: Selections) -> bool:
    """Whether a boundary or an edge of a bin is written with fewer digits than name it."""
    for cut in (one for flow in selections.flows for whole in flow.cuts for one in (whole, *members_of(whole))):
        pairs = [((cut.lower, cut.upper), selections.feature(cut.observable).dtype)]
        if isinstance(cut, BinnedCut):
            pairs += [(pair, selections.feature(cut.binned_in).dtype) for pair in pairwise(cut.edges)]
        for edges, dtype in pairs:
            exact = tuple("" if edge is None else shortest(edge, dtype) for edge in edges)
            if _digits(selections, edges, dtype) != exact:
                return True
    return False


def _label(feature: FeatureInfo) -> str:
    """Return the TeX label of a feature, in dollars as it was given, or its name as it is."""
    if not feature.label:
        return rf"\texttt{{{escaped(feature.name)}}}"
    if "$" in feature.label:
        return without_unicode(feature.label)
    return f"${without_unicode(feature.label)}$" if _MATHS.search(feature.label) else escaped(feature.label)


def _tex(digits: str) -> str:
    """Write digits for mathematics."""
    mantissa, mark, exponent = digits.partition("e")
    if not mark:
        return digits.replace("inf", r"\infty")
    return rf"{mantissa} \times 10^{{{int(exponent)}}}"


def _errors(step: LearnedCut) -> str:
    known = [error for error in (step.lower_error, step.upper_error) if error is not None]
    return ", ".join(rf"$\pm {_tex(significant(error))}$" for error in known)


def _number(expected: Expected) -> str:
    if expected.value is None:
        return "--"
    if not expected.error:
        return rf"\num{{{expected.value:.6g}}}"
    decimals = 1 - math.floor(math.log10(float(f"{expected.error:.1e}")))
    value, error = (f"{round(number, decimals):.{max(decimals, 0)}f}" for number in (expected.value, expected.error))
    return rf"\num{{{value} +- {error}}}"
