"""The sum of saved cut flows of disjoint parts of the events: eras, processes, blocks of a file.

Numbers of events add, expected events add, and statistical errors add in quadrature, since no event is in two parts.
Efficiencies are computed from these sums as those of every cut flow are.

Yields in the parts have to be absolute: expected events that add up to those of the whole. Weights of an events file
are. So are yields of a report, where a split is scaled to the whole of its part: of two parts, each scaled to its own
whole, they add up to the yield of the union, at the sum of what the parts stand for. (Evaluating the union
instead scales it once, by Σw(all)/Σw(split) of both parts together; that is another estimate of the same number, equal
where the parts have the same share of their weights in the split and within the statistical error elsewhere.) What is
not absolute are pieces of one sample that were each ingested on their own to the full cross section and luminosity:
each stands for the whole sample, and their sum counts it several times. `cutflow ingest --shard` and merging those
shards is the way for such pieces.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cutflow_cli.artifacts import Action, decide, digest
from cutflow_cli.errors import InputError
from cutflow_cli.evaluation.cut_flow import CLASSES, rows_of_cuts
from cutflow_cli.evaluation.preselection import rows_of_conditions
from cutflow_cli.evaluation.printed import listed
from cutflow_cli.evaluation.rows import ALL_SPLITS, CutFlowRow
from cutflow_cli.evaluation.saved_cut_flow_files import (
    CountedFile,
    CutFlowOrigin,
    read_cut_flow,
    read_origin,
    write_cut_flow,
)
from cutflow_cli.evaluation.saved_cut_flow_parts import (
    BEFORE,
    Counted,
    Part,
    Splits,
    Stages,
    cuts_of,
    name_of,
    require_addable,
    require_distinct,
)
from cutflow_cli.metrics.classification import efficiency
from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.yields import Sums

#: Changes when the same inputs come to give another file.
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class MergedCutFlow:
    """The sum of cut flows.

    Attributes:
        path: the file.
        origin: what was counted.
        rows: of all flows.
        notes: what a user should know, a sentence each.
        written: whether it was written now; if not, it was there already.
    """

    path: Path
    origin: CutFlowOrigin
    rows: tuple[CutFlowRow, ...]
    notes: tuple[str, ...]
    written: bool


def merge_cut_flows(
    paths: Sequence[Path], out: Path, *, force: bool = False, command: str | None = None
) -> MergedCutFlow:
    """Add cut flows of disjoint parts of the events.

    All parts need the same selections with the same cuts. A process that only some of them have is summed from
    those. A preselection whose numbers are not known in all parts that have a process is left out of that process;
    splits that only some parts have are left out altogether.

    Args:
        paths: report directories, their `cutflow.parquet`, files of `apply --cut-flow`, or earlier sums, in any order.
        out: the Parquet file, which `compare` and this read again.
        force: replace whatever file is there.
        command: the command line, kept in the metadata.

    Raises:
        UsageError: if a file is given twice, or something else is at `out` and `force` is not set.
        InputError: if a file is missing, damaged or no cut flow; if two count the same events; or if they have other
            selections, cuts, preselections or classes of processes, or quote other splits.
    """
    require_distinct(paths, out)
    parts = [Part.read(path) for path in paths]
    require_addable(parts)
    inputs = tuple(CountedFile(str(part.path), part.digest) for part in parts)
    wanted = digest({"format": _FORMAT, "inputs": sorted(one.digest for one in inputs)})
    existing = read_origin(out)
    action = decide(out, wanted, None if existing is None else existing.digest, force=force)
    if action is Action.DONE:
        assert existing is not None
        return MergedCutFlow(out, existing, read_cut_flow(out).every, (), written=False)
    rows, notes = _sum(parts)
    origin = replace(_origin(parts), inputs=inputs, digest=wanted, command=command)
    write_cut_flow(out, rows, origin)
    return MergedCutFlow(out, origin, rows, (*notes, *_luminosity_notes(parts)), written=True)


def _sum(parts: Sequence[Part]) -> tuple[tuple[CutFlowRow, ...], tuple[str, ...]]:
    rows: list[CutFlowRow] = []
    notes: dict[str, None] = {}
    for flow in parts[0].flows:
        members = [part.flows[flow] for part in parts]
        cuts = tuple(cut for _, cut in sorted(cuts_of(members[0].values(), parts[0]).items()))[1:]
        common, left_out = _splits(parts, flow)
        notes |= dict.fromkeys(f"split {one}: left out, since only some of the parts have it" for one in left_out)
        names = _in_order(parts, {name for one in members for its in one.values() for name in its})
        before = {name: _before(members, name) for name in names}
        for name, stages in before.items():
            if stages:
                rows += rows_of_conditions(*flow, name, [row.cut for row in stages[0][1:]], _added(stages))
            elif stages is None:
                notes[f"{name}: begins after the preselection, whose numbers only some of the parts know"] = None
        for split in common:
            for name in names:
                found = [one[split][name] for one in members if name in one[split]]
                if found:
                    rows += _summed(flow, name, cuts, found, before[name])
    return tuple(rows), tuple(notes)


def _splits(parts: Sequence[Part], flow: Counted) -> tuple[list[str], list[str]]:
    """Return the splits on which all parts count a flow, and those on which only some do.

    Raises:
        InputError: if the split that is quoted is not among the first.
    """
    splits = dict.fromkeys(split for part in parts for split in part.flows[flow] if split != BEFORE)
    lacking = {split: [part.path for part in parts if split not in part.flows[flow]] for split in splits}
    quoted = parts[0].origin.split
    if lacking.get(quoted):
        msg = f"{lacking[quoted][0]}: {name_of(flow)} has no cut flow on split {quoted!r}"
        raise InputError(msg)
    return [split for split in splits if not lacking[split]], [split for split in splits if lacking[split]]


def _in_order(parts: Sequence[Part], names: set[str]) -> list[str]:
    """Arrange processes as in every cut flow: each class, then its members."""
    processes = list(dict.fromkeys(pair for part in parts for pair in part.origin.processes))
    order = [name for role in CLASSES for name in (role, *(name for name, its in processes if its == role))]
    order += [name for name, role in processes if role is None]
    return [name for name in dict.fromkeys([*order, *sorted(names)]) if name in names]


def _before(members: Sequence[Splits], name: str) -> list[Stages] | None:
    """Return the rows of a process before position 0, of each part that has it; None if they are not in all of those.

    Without a preselection there are none anywhere, hence an empty list.
    """
    having = [one for one in members if any(name in its for its in one.values())]
    found = [one[BEFORE][name] for one in having if name in one.get(BEFORE, {})]
    if not found:
        return []
    alike = all([row.cut for row in rows] == [row.cut for row in found[0]] for rows in found)
    return found if alike and len(found) == len(having) else None


def _added(stages: Sequence[Stages]) -> list[Sums]:
    """Add sums, position by position."""
    return [_plus(rows) for rows in zip(*stages, strict=True)]


def _plus(rows: Sequence[CutFlowRow]) -> Sums:
    events = sum(row.n_raw for row in rows)
    if any(row.yield_ is None for row in rows):
        return Sums(events, math.nan, math.nan)
    sumw = math.fsum(row.yield_ or 0.0 for row in rows)  # exact, so that the order of the parts does not matter
    return Sums(events, sumw, math.fsum((row.yield_error or 0.0) ** 2 for row in rows))


def _summed(
    flow: Counted, name: str, cuts: Sequence[str], found: Sequence[Stages], before: Sequence[Stages] | None
) -> Iterator[CutFlowRow]:
    """Make the rows of a process from position 0 on."""
    sums = _added(found)
    split = found[0][0].split
    of_all = [Estimate(None)] * len(sums)
    if before:
        whole = _added(before)[0]
        firsts = [rows[0] for rows in before]
        of_all = [
            efficiency(here, whole) if split == ALL_SPLITS else share_of_all_parts(firsts, rows)
            for here, rows in zip(sums, zip(*found, strict=True), strict=True)
        ]
    return rows_of_cuts(flow[0], split, flow[1], name, cuts, sums, of_all)


def share_of_all_parts(firsts: Sequence[CutFlowRow], rows: Sequence[CutFlowRow]) -> Estimate:
    """Share of all events, those before the preselection, that is left in the sum of several parts.

    ε = Σ_p A_p ε_p / Σ_p A_p, where A_p is the yield of all events of a part and ε_p its share (`share_of_all`, whose
    error a cut flow does not hold the terms of). Its variance is Σ_p A_p² var(ε_p) / (Σ_p A_p)²: parts are independent,
    and how much there is of each is taken as known. That the A_p fluctuate too adds Σ_p (ε_p − ε)² var(A_p) / (Σ_p
    A_p)², of second order where the parts are alike, such as blocks of a file; where they are not, such as
    processes of known cross sections, it is no uncertainty of ε.

    Args:
        firsts: the rows of all events, one for each part.
        rows: what is left of each.
    """
    pairs = [(first, row) for first, row in zip(firsts, rows, strict=True) if first.n_raw]
    total = math.fsum(first.yield_ or 0.0 for first, _ in pairs)
    if not pairs or total == 0:
        return Estimate.undefined("there are no events to pass")
    if any(row.efficiency_total is None for _, row in pairs):
        return Estimate.undefined("what the preselection removed is not known")
    terms = [(first.yield_ or 0.0, row.efficiency_total or 0.0, row.efficiency_total_error or 0.0)
             for first, row in pairs]  # fmt: skip
    if all(share == 1.0 and error == 0.0 for _, share, error in terms):
        return Estimate(1.0, 0.0)
    value = math.fsum(whole * share for whole, share, _ in terms) / total
    return Estimate(value, math.sqrt(math.fsum((whole * error) ** 2 for whole, _, error in terms)) / abs(total))


def _origin(parts: Sequence[Part]) -> CutFlowOrigin:
    first = parts[0].origin
    luminosities = {part.origin.luminosity for part in parts}
    return CutFlowOrigin(
        first.split,
        tuple(one for part in parts for one in part.origin.data),
        tuple(dict.fromkeys(pair for part in parts for pair in part.origin.processes)),
        first.luminosity if len(luminosities) == 1 else None,
        first.preselection,
        first.weighted,
    )


def _luminosity_notes(parts: Sequence[Part]) -> Iterator[str]:
    """Say what a sum of parts of one luminosity is right for."""
    having: dict[str, list[float]] = {}
    for part in parts:
        for name, _ in part.origin.processes:
            if part.origin.luminosity is not None:
                having.setdefault(name, []).append(part.origin.luminosity)
    shared = [name for name, found in having.items() if len(found) > 1]
    if shared:
        several = listed([repr(name) for name in shared[:3]]) + (" and others" if len(shared) > 3 else "")
        yield (
            f"process{'es' * (len(shared) > 1)} {several} in several parts: their yields are added as they are, as is "
            "right for eras and for pieces of one events file, but not for pieces of a sample that were each ingested "
            "on their own to the full luminosity"
        )
