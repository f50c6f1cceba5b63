"""Apply cuts from a file to events: count what passes each cut, and write what passes them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.apply.conditions import Condition, resolved
from cutflow_cli.apply.counting import StepSums, depths
from cutflow_cli.apply.cut_flow import CutFlowFile, check_cut_flow, save_cut_flow
from cutflow_cli.apply.cuts_file import CutsFile, read_cuts
from cutflow_cli.apply.inputs import Block, EventsInput, Group, Input, SourceOptions
from cutflow_cli.apply.opening import check_output, open_all, title_of
from cutflow_cli.apply.results import Applied, AppliedFlow, GroupFlow, Step
from cutflow_cli.apply.writing import EventsTotals, PassingWriter, applied_to
from cutflow_cli.artifacts import Action, decide, digest
from cutflow_cli.errors import UsageError
from cutflow_cli.evaluation.numbers import short_cut
from cutflow_cli.evaluation.saved_cut_flow_files import CountedFile
from cutflow_cli.events.ahead import read_ahead
from cutflow_cli.events.schema import ROW_GROUP_EVENTS
from cutflow_cli.export.choose import Choice, choose
from cutflow_cli.selection.binned import BinnedCut
from cutflow_cli.selection.cut import Cut
from cutflow_cli.selection.cutflow import CutFlow
from cutflow_cli.selection.evaluate import evaluate
from cutflow_cli.selection.parse import parse_arithmetic
from cutflow_cli.selection.per_object import without_quantifiers

ALL_EVENTS = "all events"
#: Change when the same inputs and settings come to give another file.
_FORMAT, _CUT_FLOW_FORMAT = 2, 1

#: Events counted at once: their columns and masks stay in the processor's cache.
_AT_ONCE = 32_768

#: Told the share done (0 to 1) and what is being done.
Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """How cuts are applied.

    Attributes:
        choice: which of the selections in the file of cuts; all by default, of replicas the consensus.
        weight: weight of an event, an expression; None for the column `weight` of events files, and none elsewhere.
        mask: name of a column to write that says which events pass, instead of dropping the others.
        source: how files that are no events files are read.
    """

    choice: Choice = field(default_factory=Choice)
    weight: str | None = None
    mask: str | None = None
    source: SourceOptions = field(default_factory=SourceOptions)


def apply_cuts(
    cuts: Path | str,
    files: Sequence[Path | str],
    out: Path | None = None,
    *,
    options: ApplyOptions | None = None,
    cut_flow: CutFlowFile | None = None,
    force: bool = False,
    command: str | None = None,
    progress: Progress | None = None,
    chunk_rows: int = ROW_GROUP_EVENTS,
) -> Applied:
    """Apply the cuts in a JSON file to events.

    On an events file, which has the features as columns and has passed its preselection, the cuts are applied alone. On
    any other file that ingest reads the preselection comes first, and features are computed from their expressions.
    Events that pass are those that pass `CutFlow.mask`, event by event.

    Args:
        cuts: the file of cuts (`cuts_file`).
        files: events files, or ROOT, Parquet, CSV and LHE files.
        out: Parquet file to write: all columns of events files and of flat files, or what `options.source.columns`
            names; of files of objects the features. It needs a single selection, and of events files a single one.
        options: how; None for the defaults.
        cut_flow: also save the counts, also where no event passes; None not to.
        force: replace whatever is at `out`, and at `cut_flow`.
        command: the command line, kept with what is written.
        progress: told after each chunk.
        chunk_rows: events held in memory at most.

    Returns:
        The cut flow of each selection. Nothing is written if no event passes, unless there is a mask.

    Raises:
        InputError: if a file is at fault: missing, damaged, without a column; the message names it.
        UsageError: for an impossible option, something else at an output without `force`, or files whose counts have
            no common cut flow.
    """
    options = options or ApplyOptions()
    read = read_cuts(cuts)
    read = replace(read, flows=choose(read.flows, options.choice))
    weight = None if options.weight is None else parse_arithmetic(options.weight, "--weight-column: ")
    inputs = open_all(read, files, weight, replace(options.source, whole=out is not None))
    task = _Task(read, inputs, options, progress or (lambda done, text: None), chunk_rows)
    saved = None
    if cut_flow is not None:
        check_cut_flow(cut_flow, inputs, out, (*files, read.path))
        saved = task.saved(cut_flow, force=force)
    if out is None:
        _refuse_for_counting(options)
        result = saved or task.counted()
    else:
        check_output(read, inputs, out, files, options.source.columns)
        result = task.written(out, force=force, command=command)
    if cut_flow is None:
        return result
    if saved is None:
        wanted = task.digest_of(cut_flow)
        save_cut_flow(result, cut_flow.path, process=cut_flow.process, digest=wanted, command=command)
    return replace(result, cut_flow=cut_flow.path, cut_flow_written=saved is None)


def _refuse_for_counting(options: ApplyOptions) -> None:
    for name, given in (("--mask", options.mask), ("--column", options.source.columns)):
        if given is not None:
            msg = f"{name} is for events that are written; add --out"
            raise UsageError(msg)


class _Task:
    """Cuts, and the files that they are applied to."""

    def __init__(
        self, cuts: CutsFile, inputs: Sequence[Input], options: ApplyOptions, progress: Progress, chunk_rows: int
    ) -> None:
        self.cuts, self.inputs, self.options = cuts, inputs, options
        self.progress, self.chunk_rows = progress, chunk_rows
        self.weighted = all(one.weighted for one in inputs)
        self.notes = tuple(note for one in inputs for note in one.notes)
        if not self.weighted and any(one.weighted for one in inputs):
            self.notes += ("some of the files have no weights, so none are summed; --weight-column gives them some",)

    def counted(self) -> Applied:
        """Count what passes."""
        sums = [self._passed(number, writer=None) for number in range(len(self.inputs))]
        return self._result(sums)

    def digest_of(self, saved: CutFlowFile) -> str:
        """Digest of what decides a saved cut flow."""
        return digest({"counts": self._digest(), "process": saved.process, "format": _CUT_FLOW_FORMAT})

    def saved(self, saved: CutFlowFile, *, force: bool) -> Applied | None:
        """Read the counts of a cut flow that is there already; None if they have to be made."""
        existing = applied_to(saved.path)
        found = None if existing is None else existing["digest"]
        if decide(saved.path, self.digest_of(saved), found, force=force) is not Action.DONE:
            return None
        assert existing is not None
        return replace(Applied.restored(existing["result"], saved.path, self.notes), out=None, **self._counted_of())

    def _counted_of(self) -> dict[str, Any]:
        """Say of which files the counts are."""
        luminosities = {one.luminosity for one in self.inputs} if self.options.weight is None else {None}
        return {
            "data": tuple(CountedFile(one.groups[0].file, one.digest) for one in self.inputs),
            "luminosity": luminosities.pop() if len(luminosities) == 1 else None,
            "preselection": self.inputs[0].whole_preselection,
        }

    def written(self, out: Path, *, force: bool, command: str | None) -> Applied:
        """Count what passes, and write it."""
        wanted = self._digest()
        existing = applied_to(out)
        if decide(out, wanted, None if existing is None else existing["digest"], force=force) is Action.DONE:
            assert existing is not None
            return replace(Applied.restored(existing["result"], out, self.notes), **self._counted_of())
        with PassingWriter(out, self.options.mask) as writer:
            totals = self._totals()
            sums = [self._passed(number, writer, totals) for number in range(len(self.inputs))]
            result = self._result(sums)
            if result.empty and self.options.mask is None:
                return result
            metadata = None
            if isinstance(self.inputs[0], EventsInput):
                metadata = self.inputs[0].metadata if totals is None else totals.described(command, wanted)
            writer.finish({"digest": wanted, "command": command, "result": result.stored()}, metadata)
        return replace(result, out=out, written=True)

    def _totals(self) -> EventsTotals | None:
        """Return what counts for the description of a new events file, where events are dropped."""
        first = self.inputs[0]
        if self.options.mask is not None or not isinstance(first, EventsInput):
            return None
        return EventsTotals(first.metadata, resolved(self.cuts.flows[0], first.dtypes))

    def _digest(self) -> str:
        """Digest of what decides the result."""
        source = self.options.source
        return digest({
            "format": _FORMAT,
            "cuts": self.cuts.digest,
            "flows": [title_of(flow) for flow in self.cuts.flows],
            "files": [one.digest for one in self.inputs],
            "weight": self.options.weight,
            "mask": self.options.mask,
            "tree": source.tree,
            "event_format": source.event_format,
            "observables": source.user_defined.digest,
            "columns": source.columns,
        })  # fmt: skip

    def _passed(self, number: int, writer: PassingWriter | None, totals: EventsTotals | None = None) -> list[StepSums]:
        """Stream one file through all selections."""
        one = self.inputs[number]
        flows = [resolved(flow, one.dtypes) for flow in self.cuts.flows]
        sums = [StepSums(len(one.preselection) + len(flow.cuts), len(one.groups)) for flow in flows]
        cuts = [*dict.fromkeys(cut for flow in flows for cut in flow.cuts)]  # each is evaluated once for all flows
        positions = [[cuts.index(cut) for cut in flow.cuts] for flow in flows]
        where = one.groups[0].file
        done = 0
        for block in read_ahead(one.blocks(self.cuts.flows, self.chunk_rows, whole=writer is not None)):
            for part in block.parts(_AT_ONCE):
                masks = _masks(cuts, part)
                square = None if part.weight is None else part.weight * part.weight
                for its, mine in zip(sums, positions, strict=True):
                    steps = [*part.before, *(masks[position] for position in mine)]
                    depth = depths(steps, part.events)
                    its.add(depth, part.group, part.weight, square)
                    if writer is not None and part.columns is not None:
                        keep = depth == len(steps)
                        writer.write(part.columns, keep, where)
                        if totals is not None:
                            totals.add(part, depth, keep, where)
            done += block.events
            share = done / one.rows if one.rows else 0.5
            self.progress((number + min(share, 1.0)) / len(self.inputs), f"{done} events of {where}")
        return sums

    def _result(self, sums: Sequence[Sequence[StepSums]]) -> Applied:
        flows = tuple(
            AppliedFlow(
                flow.working_point,
                flow.target,
                flow.hypothesis,
                flow.replica,
                tuple(
                    group
                    for one, its in zip(self.inputs, sums, strict=True)
                    for group in _groups(one, flow, its[position].passing)
                ),
            )
            for position, flow in enumerate(self.cuts.flows)
        )
        return Applied(str(self.cuts.path), self.weighted, flows, notes=self.notes, **self._counted_of())


def _groups(one: Input, flow: CutFlow, passing: NDArray[np.float64]) -> Iterator[GroupFlow]:
    cuts = resolved(flow, one.dtypes).cuts
    titles: list[tuple[str, str | None]] = [(title, None) for title in (ALL_EVENTS, *one.preselection)]
    titles += [(str(cut), short_cut(cut) if isinstance(cut, BinnedCut) else None) for cut in cuts]
    group: Group
    for position, group in enumerate(one.groups):
        steps = tuple(
            Step(title, int(row[0]), float(row[1]), float(row[2]), short)
            for (title, short), row in zip(titles, passing[:, position], strict=True)
        )
        yield GroupFlow(group.file, group.process, group.role, steps, len(one.preselection))


def _masks(cuts: Sequence[Cut], block: Block) -> list[NDArray[np.bool_]]:
    """Evaluate each cut on a block."""
    per_object = {name for name, values in block.values.items() if not isinstance(values, np.ndarray)}
    return [
        evaluate(without_quantifiers(cut.tree, per_object), block.values, block.events)
        if isinstance(cut, Condition)
        else cut.keeps(block.values)
        for cut in cuts
    ]
