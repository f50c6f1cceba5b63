"""Files that cuts are to be applied to: opened all before the first is read, and what can't be written refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

from cutflow_cli.apply.cuts_file import CutsFile
from cutflow_cli.apply.inputs import EventsInput, Input, SourceOptions
from cutflow_cli.errors import UsageError, is_disk_fault
from cutflow_cli.events.find import identity
from cutflow_cli.events.plain import first_bytes
from cutflow_cli.events.readers import Location
from cutflow_cli.events.schema import METADATA_KEY
from cutflow_cli.selection.cutflow import CutFlow
from cutflow_cli.selection.tree import Node


def open_all(cuts: CutsFile, files: Sequence[Path | str], weight: Node | None, source: SourceOptions) -> list[Input]:
    """Open all files, so that what is wrong with the last is known before the first is read.

    Args:
        cuts: what is to be applied to them.
        files: as the user named them.
        weight: weight of an event; None for the column of events files.
        source: how files that are no events files are read.

    Raises:
        InputError: if one is at fault.
        UsageError: if there is none, or one is named twice.
    """
    if not files:
        msg = "no files to apply the cuts to"
        raise UsageError(msg)
    seen: dict[Location | Path, Location] = {}
    inputs: list[Input] = []
    for name in files:
        location = Location.of(name)
        if identity(location) in seen:
            msg = f"{location}: is named twice; its events would count twice"
            raise UsageError(msg)
        seen[identity(location)] = location
        if _is_events_file(location):
            inputs.append(EventsInput(location.path, cuts, weight))
        else:
            from cutflow_cli.apply.source import SourceInput  # with all that objects need, a second to import

            inputs.append(SourceInput(location, cuts, weight, source))
    return inputs


def _is_events_file(location: Location) -> bool:
    """Whether cutflow wrote a file as an events file; what can't be read is left to the reader of its format."""
    if location.is_remote or not location.path.is_file() or first_bytes(location.path, 4) != b"PAR1":
        return False
    try:
        parquet = pq.ParquetFile(location.path)
        return METADATA_KEY in {**(parquet.schema_arrow.metadata or {}), **(parquet.metadata.metadata or {})}
    except (ValueError, OSError) as error:  # pyarrow's errors are of these kinds
        if is_disk_fault(error, location.path):
            raise
        return False


def check_output(
    cuts: CutsFile, inputs: Sequence[Input], out: Path, files: Sequence[Path | str], columns: Sequence[str] | None
) -> None:
    """Refuse what can't be written.

    Args:
        cuts: the selections.
        inputs: the files, opened.
        out: the file to write.
        files: the files as the user named them.
        columns: those that are to be written; None where nothing is said of them.

    Raises:
        UsageError: if there are several selections, or files that have no common form.
    """
    if len(cuts.flows) > 1:
        found = dict.fromkeys(title_of(flow) for flow in cuts.flows)
        msg = (
            f"--out holds the events of one selection, {cuts.path} has {len(cuts.flows)}; choose with --working-point, "
            f"--hypothesis or --replica: {', '.join([*found][:12])}"
        )
        raise UsageError(msg)
    for name in (*files, cuts.path):
        location = Location.of(name)
        if not location.is_remote and location.path.resolve() == out.resolve():
            msg = f"{out}: is one of the files to read; choose another --out"
            raise UsageError(msg)
    events = [one for one in inputs if isinstance(one, EventsInput)]
    if events and len(inputs) > 1:
        msg = f"{events[0].path}: is an events file, which goes into an --out of its own; write one after the other"
        raise UsageError(msg)
    if events and columns is not None:
        msg = f"--column is for files that are no events files; of {events[0].path} all columns are written"
        raise UsageError(msg)


def title_of(flow: CutFlow) -> str:
    """Name a selection, as a file of cuts may hold several."""
    hypothesis = "" if flow.hypothesis is None else f", hypothesis {flow.hypothesis:.15g}"
    return f"{flow.working_point}{hypothesis}" + (f", replica {flow.replica}" if flow.kind == "replica" else "")
