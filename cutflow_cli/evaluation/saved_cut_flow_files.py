"""Cut flows on disk: the rows of `cutflow.parquet`, and what the file says of the events that they count."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from cutflow_cli.errors import InputError, is_disk_fault, nearest
from cutflow_cli.evaluation.rows import ALL_SPLITS, CutFlowRow
from cutflow_cli.evaluation.table_files import TABLES, read_rows, write_rows
from cutflow_cli.events.schema import SPLITS, Role, Split

#: Where the file says what it was counted from.
ORIGIN_KEY = b"cutflow-cut-flow"
TABLE = next(table for table in TABLES if table.row is CutFlowRow)
#: Columns by which a table is known as a cut flow.
_TELLING = frozenset({"position", "cut", "process", "n_raw", "efficiency_cumulative"})


@dataclass(frozen=True, slots=True)
class CountedFile:
    """A file whose events were counted: its path, and the digest of its content."""

    path: str
    digest: str


@dataclass(frozen=True, slots=True)
class CutFlowOrigin:
    """What a cut flow was counted from.

    Attributes:
        split: the events that it is quoted on; `all` where all events are counted, whatever their split.
        data: the files with the events.
        processes: name and role of each process; no role where the files know of none.
        luminosity: in fb⁻¹ that weights were normalised to; None where they came as yields, or are of several.
        preselection: what the events had passed before.
        weighted: whether events have weights; if not, each counts 1.
        inputs: the cut flows that it is the sum of.
        digest: of inputs and settings, by which a repeated command knows that it is done.
        command: the command line.
    """

    split: Split | Literal["all"]
    data: tuple[CountedFile, ...]
    processes: tuple[tuple[str, Role | None], ...]
    luminosity: float | None = None
    preselection: tuple[str, ...] = ()
    weighted: bool = True
    inputs: tuple[CountedFile, ...] = ()
    digest: str | None = None
    command: str | None = None

    def to_json(self) -> bytes:
        """Encode for the Parquet metadata."""
        return json.dumps(asdict(self), allow_nan=False, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, text: bytes, where: Path) -> CutFlowOrigin:
        """Decode from the Parquet metadata.

        Raises:
            InputError: if it is damaged.
        """
        try:
            raw: dict[str, Any] = json.loads(text)
            for name in ("data", "inputs"):
                raw[name] = tuple(CountedFile(**one) for one in raw[name])
            raw["processes"] = tuple((name, role) for name, role in raw["processes"])
            raw["preselection"] = tuple(raw["preselection"])
            found = cls(**raw)
            if found.split not in (*SPLITS, ALL_SPLITS):
                msg = f"split {found.split!r} is not known"
                raise ValueError(msg)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            msg = f"{where}: what it says of its events is damaged ({error}); make it again"
            raise InputError(msg) from error
        return found


@dataclass(frozen=True, slots=True)
class SavedCutFlow:
    """The cut flows of a report, or of a table alone.

    Attributes:
        path: as it was given.
        file: the table.
        every: all rows.
        origin: what was counted; None where another program wrote the table anew.
    """

    path: Path
    file: Path
    every: tuple[CutFlowRow, ...]
    origin: CutFlowOrigin | None

    @property
    def rows(self) -> dict[str, tuple[CutFlowRow, ...]]:
        """The rows of each consensus, by run."""
        found: dict[str, list[CutFlowRow]] = {}
        for row in self.every:
            if row.kind == "consensus":
                found.setdefault(row.run, []).append(row)
        return {run: tuple(rows) for run, rows in found.items()}

    @property
    def split(self) -> str | None:
        """The events that it is quoted on; None where it does not say."""
        return None if self.origin is None else self.origin.split

    @property
    def data(self) -> frozenset[str]:
        """Digests of the files whose events it counts; empty where it does not say."""
        return frozenset() if self.origin is None else frozenset(one.digest for one in self.origin.data)


def is_cut_flow(path: Path) -> bool:
    """Whether a path is a report, or a Parquet file with the columns of a cut flow; no word of what it lacks."""
    if path.is_dir():
        return True
    try:
        return path.is_file() and set(pq.read_schema(path).names) >= _TELLING
    except (pa.ArrowException, OSError) as error:
        if is_disk_fault(error, path):
            raise
        return False


def read_origin(path: Path) -> CutFlowOrigin | None:
    """Return what a cut flow says that it was counted from; None if it is absent or says nothing.

    Raises:
        InputError: if that is damaged.
    """
    if not is_cut_flow(path) or path.is_dir():
        return None
    raw = (pq.read_schema(path).metadata or {}).get(ORIGIN_KEY)
    return None if raw is None else CutFlowOrigin.from_json(raw, path)


def read_cut_flow(path: Path) -> SavedCutFlow:
    """Read the cut flows of a report directory, or of a `cutflow.parquet`.

    Raises:
        InputError: if it is neither, or damaged.
    """
    file = path / TABLE.file if path.is_dir() else path
    if not file.is_file():
        what = f"holds no {TABLE.file}; `cutflow evaluate` makes one" if path.is_dir() else "no such file"
        msg = f"{path}: {what}"
        raise InputError(msg)
    try:
        rows: tuple[CutFlowRow, ...] = read_rows(file, TABLE)
    except (TypeError, pa.ArrowInvalid) as error:
        msg = f"{file}: not a cut flow of `cutflow evaluate` ({str(error).splitlines()[0]})"
        raise InputError(msg) from error
    found = SavedCutFlow(path, file, rows, read_origin(file))
    if not found.rows:
        msg = f"{file}: holds no cut flow"
        raise InputError(msg)
    return found


def write_cut_flow(
    path: Path, rows: Sequence[CutFlowRow], origin: CutFlowOrigin, more: Mapping[bytes, bytes] | None = None
) -> None:
    """Write cut flows, atomically, with what they were counted from.

    Args:
        path: the Parquet file.
        rows: the rows.
        origin: what they count.
        more: further metadata.
    """
    write_rows(path, TABLE, rows, {**(more or {}), ORIGIN_KEY: origin.to_json()})


def require_same_cuts(paths: tuple[Path, Path], of: str, cuts: tuple[Mapping[int, str], Mapping[int, str]]) -> None:
    """Refuse flows of different cuts, in which numbers have no meaning beside each other.

    Args:
        paths: of the two.
        of: what the flow is called.
        cuts: by position the last cut applied, of either.

    Raises:
        InputError: naming the first cut that differs, and the nearest to it.
    """
    first, second = ([one[position] for position in sorted(one)] for one in cuts)
    if first == second:
        return
    if sorted(first) == sorted(second):
        place = next(i for i, (here, there) in enumerate(zip(first, second, strict=True)) if here != there)
        msg = (
            f"{paths[1]}: {of} applies the cuts of {paths[0]} in another order; "
            f"{second[place]!r} comes where {first[place]!r} is there"
        )
        raise InputError(msg)
    for (own, mine), (other, theirs) in (((paths[0], first), (paths[1], second)),
                                         ((paths[1], second), (paths[0], first))):  # fmt: skip
        missing = next((cut for cut in mine if cut not in theirs), None)
        if missing is not None:
            others = [cut for cut in theirs if cut not in mine] or theirs
            msg = f"{other}: {of} has no cut {missing!r}, which {own} has; {nearest(missing, others, limit=1)}"
            raise InputError(msg)
    msg = f"{paths[1]}: {of} applies a cut more often than {paths[0]} does"
    raise InputError(msg)
