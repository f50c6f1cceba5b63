"""Applied cuts as tables to print; cuts in bins, which would not fit, by the range of their boundaries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePath

from cutflow_cli.apply.results import Applied, AppliedFlow, GroupFlow, Step
from cutflow_cli.evaluation.numbers import with_errors
from cutflow_cli.evaluation.printed import NOTHING, PrintedTable

#: Groups that are shown beside each other, and how many there may be to be shown at all; the sum is shown always.
_BESIDE, _MOST_GROUPS = 3, 12


def tables(applied: Applied) -> Iterator[PrintedTable]:
    """Lay out the cut flow of each selection, process by process or file by file."""
    for flow in applied.flows:
        groups = list(flow.groups)
        footnotes: tuple[str, ...] = ()
        if len(groups) > _MOST_GROUPS:
            footnotes = (f"summed over {len(groups)} files or processes; --json gives each",)
            groups = []
        if any(step.short for group in flow.groups for step in group.steps):
            footnotes += ("of cuts in bins the range of their boundaries, rounded; --json gives each",)
        groups += _sums(flow, every=not groups)
        for start in range(0, len(groups), _BESIDE):
            part = groups[start : start + _BESIDE]
            last = start + _BESIDE >= len(groups)
            yield _table(applied, flow, part, footnotes if last else ())


def _sums(flow: AppliedFlow, *, every: bool) -> Iterator[GroupFlow]:
    """Add up what belongs together: signal, background, files without processes.

    Args:
        flow: the selection; a boundary may be rounded to another type in some of the files.
        every: give also what only one group belongs to.
    """
    for role in dict.fromkeys(group.role for group in flow.groups):
        members = [group for group in flow.groups if group.role == role]
        if len(members) > 1 or every:
            steps = tuple(
                replace(
                    same[0],
                    events=sum(step.events for step in same),
                    sumw=sum(step.sumw for step in same),
                    sumw2=sum(step.sumw2 for step in same),
                )
                for same in zip(*(group.steps for group in members), strict=True)
            )
            yield GroupFlow("", f"all {role or 'files'}", role, steps)


def _table(applied: Applied, flow: AppliedFlow, groups: list[GroupFlow], footnotes: tuple[str, ...]) -> PrintedTable:
    header = ["" if groups[0].steps[1:] else "no cuts"]
    for group in groups:
        header += [f"{_name(flow, group)}\nevents", "\nshare", *(["\nΣw ± √Σw²"] if applied.weighted else [])]
    rows = []
    for position, first in enumerate(groups[0].steps):
        cells = [first.short or first.cut]
        for group in groups:
            step = group.steps[position]
            cells += [str(step.events), _share(group, step, weighted=applied.weighted)]
            cells += [with_errors(step.sumw, step.error)] if applied.weighted else []
        rows.append(tuple(cells))
    return PrintedTable(_title(applied, flow), tuple(header), tuple(rows), footnotes)


def _name(flow: AppliedFlow, group: GroupFlow) -> str:
    """Name a group in as few words as tell it from the others."""
    names = {one.file: PurePath(one.file).name for one in flow.groups}
    file = group.file
    if [*names.values()].count(names.get(file, "")) == 1:
        file = names[file]
    if group.process is None:
        return file
    return f"{file}: {group.process}" if file and len(names) > 1 else group.process


def _share(group: GroupFlow, step: Step, *, weighted: bool) -> str:
    """Print the share of all events that is left, weighted where there are weights."""
    all_, here = (group.steps[0].sumw, step.sumw) if weighted else (group.steps[0].events, step.events)
    return NOTHING if not all_ else f"{here / all_:.4g}"


def _title(applied: Applied, flow: AppliedFlow) -> str:
    parts = [f"Cut flow of {applied.cuts}"]
    if len(applied.flows) > 1 or flow.working_point != "default":
        parts.append(f"working point {flow.working_point}")
    if flow.hypothesis is not None:
        parts.append(f"hypothesis {flow.hypothesis:.15g}")
    if flow.replica >= 0:
        parts.append(f"replica {flow.replica}")
    return ", ".join(parts)
