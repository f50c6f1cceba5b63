"""Text: the selection for people, as for a logbook.

Boundaries are written exactly, as everywhere: what is printed is what is applied. Where they were rounded to be
published they have the fewest digits that name the same number of their column's type.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from cutflow_cli import __version__
from cutflow_cli.export.dialect import Group, ReportUse, Selections, describe, is_recommended
from cutflow_cli.export.digits import plain_cut
from cutflow_cli.selection.binned import BinnedCut, bin_title
from cutflow_cli.selection.cut import Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

if TYPE_CHECKING:
    from cutflow_cli.export.rounding_cost import Cost


class Text:
    """The dialect `text`."""

    name: ClassVar[str] = "text"
    summary: ClassVar[str] = "for people: cuts with errors, and what was left out and why"
    group: ClassVar[Group] = "people"
    several: ClassVar[bool] = True
    executes: ClassVar[bool] = False
    objects: ClassVar[bool] = True
    report: ClassVar[ReportUse] = "none"

    def render(self, selections: Selections) -> str:
        """Write each flow as a numbered list, then the cuts that are not applied and what the features are."""
        lines = [
            f"Run {selections.run}, learned by {selections.method}, seed {selections.seed} (cutflow {__version__})"
        ]
        if selections.data:
            lines.append(f"trained on {selections.data}")
        lines += [f"preselection: {condition}" for condition in selections.preselection]
        for number, flow in enumerate(selections.flows):
            lines += ["", *_flow(selections, flow)]
            if selections.rounded:
                lines += ["rounded", *(f"    {one}" for one in selections.rounded[number] or ("nothing",))]
            if selections.costs:
                lines += _cost(selections.costs[number])
        used = {name for flow in selections.flows for name in flow.columns}
        computed = [feature for feature in selections.features if feature.name in used and feature.expression]
        if computed:
            lines += ["", "where"]
            lines += [f"    {feature.name} = {feature.expression}" for feature in computed]
        return "\n".join(lines) + "\n"


def _flow(selections: Selections, flow: CutFlow) -> list[str]:
    title = describe(flow, selections) + (" (recommended)" if is_recommended(flow, selections) else "")
    applied = [step for step in flow.steps if step.applied]
    left_out = [step for step in flow.steps if step not in applied]
    lines = [f"{title[0].upper()}{title[1:]}"]
    if applied:
        lines += _table(
            ("", "cut", "error of the boundary", "agreement", "importance", "N-1 loss"),
            [row for number, step in enumerate(applied, start=1) for row in _rows(selections, number, step)],
        )
        lines += [f"    {step.cut.observable}: {step.note}" for step in applied if step.note]
    else:
        lines.append("    no cut: it keeps every event")
    if left_out:
        lines.append("not applied")
        lines += [f"    {_words(selections, step)} ({_reason(step)})" for step in left_out]
    return lines


def _rows(selections: Selections, number: int, step: LearnedCut) -> Iterator[tuple[str, ...]]:
    """Yield the row of a step; of one in bins a row for each bin below it."""
    cut = step.cut
    if not isinstance(cut, BinnedCut):
        yield str(number), _words(selections, step), _errors(step), *_measures(step)
        return
    together = replace(step, agreement=None)
    if cut.is_range:
        yield str(number), f"{cut}{selections.unit(cut.binned_in)}", "", *_measures(together)
        return
    yield str(number), f"{cut.observable}, by {cut.binned_in}", "", *_measures(together)
    for position, one in enumerate(step.bins):
        words = _words(selections, one) if one.active else f"no cut ({one.note or 'inactive'})"
        errors = _errors(one) if one.active else ""
        yield "", f"  {bin_title(cut.edges, position)}: {words}", errors, *_measures(one)


def _cost(cost: Cost) -> list[str]:
    rows = _table(("", "as learned", "rounded", "change"), cost.rows)
    chosen = [] if cost.spent is None else [f"    {cost.spent}"]
    return [f"cost of rounding (split {cost.split} of {cost.path})", *rows, *chosen]


def _words(selections: Selections, step: LearnedCut) -> str:
    if step.cut.region is Region.ALL:
        return step.cut.observable
    # What is rounded to be published is printed so: these digits name the same number of the column's type.
    cut = str(step.cut)
    if selections.rounded:
        cut = plain_cut(step.cut, selections.feature(step.cut.observable).dtype)
    return f"{cut}{selections.unit(step.cut.observable)}"


def _reason(step: LearnedCut) -> str:
    reasons = [step.note or ("keeps everything" if step.cut.region is Region.ALL else "inactive")]
    if step.importance is not None:
        reasons.append(f"importance {step.importance:.3f}")
    if step.agreement is not None:
        reasons.append(f"agreement {step.agreement:.2f}")
    return ", ".join(reasons)


def _errors(step: LearnedCut) -> str:
    errors = (("lower", step.lower_error), ("upper", step.upper_error))
    known = [(side, error) for side, error in errors if error is not None]
    if len(known) == 1:
        return f"± {known[0][1]:.2g}"
    return ", ".join(f"{side} ± {error:.2g}" for side, error in known)


def _measures(step: LearnedCut) -> tuple[str, str, str]:
    """Write agreement, importance and N-1 loss; empty where the method or a single replica has none."""
    return (
        "" if step.agreement is None else f"{step.agreement:.2f}",
        "" if step.importance is None else f"{step.importance:.3f}",
        "" if step.n_minus_1_loss is None else f"{step.n_minus_1_loss:+.4f}",
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lay out columns under a header; columns that are empty in all rows are left out."""
    kept = [column for column in range(len(header)) if any(row[column] for row in rows)]
    widths = [max(len(line[column]) for line in (header, *rows)) for column in kept]
    return [
        ("  " + "  ".join(line[column].ljust(width) for column, width in zip(kept, widths, strict=True))).rstrip()
        for line in (header, *rows)
    ]
