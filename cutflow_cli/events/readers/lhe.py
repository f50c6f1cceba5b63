"""Les Houches event files: outgoing particles as objects, in columns named as those of NanoAOD.

The format is that of J. Alwall et al., Comput. Phys. Commun. 176 (2007) 300 (hep-ph/0609017): energies in GeV, cross
sections in pb, one weight (XWGTUP) per event. Selected here is what leaves the hard process, with status 1.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cached_property
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.artifacts import file_digest
from cutflow_cli.errors import InputError, UsageError, is_disk_fault
from cutflow_cli.events.readers.base import Chunk, Column, Format, first_line
from cutflow_cli.events.readers.jagged import from_counts
from cutflow_cli.events.readers.location import Location

if TYPE_CHECKING:
    import awkward as ak
    import pylhe

#: PDG numbers of the particles (and antiparticles) that make up each object; of `Particle`, all.
_OBJECTS: dict[str, tuple[int, ...] | None] = {
    "Jet": (1, 2, 3, 4, 5, 21), "Electron": (11,), "Muon": (13,), "Tau": (15,), "Photon": (22,), "Particle": None,
}  # fmt: skip
_NEUTRINOS = (12, 14, 16)
_EVENT = {
    "weight": "float64",
    "process_id": "int64",
    "scale": "float64",
    "alpha_qed": "float64",
    "alpha_qcd": "float64",
}
_MISSING = ("MissingET_pt", "MissingET_phi", "MissingET_px", "MissingET_py")
_QUANTITIES = {
    **dict.fromkeys(("px", "py", "pz", "e", "m", "pt", "eta", "phi", "charge"), "float64"), "pdgid": "int64",
}  # fmt: skip


def _columns() -> dict[str, Column]:
    found = {name: Column(name, "number", dtype, dtype) for name, dtype in _EVENT.items()}
    found |= {name: Column(name, "number", "float64", "float64") for name in _MISSING}
    for item in _OBJECTS:
        for quantity, dtype in _QUANTITIES.items():
            name = f"{item}_{quantity}"
            found[name] = Column(name, "list", dtype, f"one {dtype} per {item}")
    return found


_COLUMNS = _columns()


class LheSource:
    """A Les Houches event file, plain or packed by gzip, opened for reading.

    Objects are the outgoing particles (status 1), in each event by falling pT: `Jet` are quarks up to b and gluons,
    `MissingET` is the vector sum of the three kinds of neutrinos; other invisible particles are not counted in it.
    `m` is the mass that the file gives. `weight` is XWGTUP, `scale` in GeV.

    Raises:
        InputError: if the file is damaged before its first event.
        UsageError: if pylhe is not installed.
    """

    format: Format = "LHE"

    def __init__(self, location: Location) -> None:
        self.location = location
        self.path = path = location.path
        self.where = str(location)
        self.rows: int | None = None  # reading to the end would tell
        self._pylhe = _library(path)
        self.digest = file_digest(path)
        _ = self.cross_section

    def close(self) -> None:
        """Do nothing: each pass over the file opens it and closes it."""

    def names(self) -> tuple[str, ...]:
        """Return the names of all columns, which are the same for every file."""
        return tuple(_COLUMNS)

    def column(self, name: str) -> Column:
        """Describe a column."""
        return _COLUMNS[name]

    @cached_property
    def cross_section(self) -> tuple[float, float]:
        """The sum over the processes in the file's header, and its statistical error, in pb.

        The errors of processes, which are generated independently, are added in quadrature.
        """
        with self._readable(0):
            file = self._open()
            with closing(file.events):
                processes = file.init.procInfo
        if not processes:
            msg = f"{self.path}: the header names no process, so it gives no cross section"
            raise InputError(msg)
        total = sum(process.xSection for process in processes)
        return total, float(np.hypot.reduce([process.error for process in processes]))

    def chunks(self, columns: Sequence[Column], rows: int) -> Iterator[Chunk]:
        """Read events in chunks; see `Source.chunks`."""
        with self._readable(0):
            events = self._open().events
        with closing(events):
            first = 0
            while True:
                with self._readable(first):
                    batch = _Batch(islice(events, rows))
                if not batch.events:
                    return
                yield {column.name: batch.column(column.name) for column in columns}
                first += batch.events

    def _open(self) -> Any:  # noqa: ANN401  (its events are a generator, which pylhe's types don't say)
        return self._pylhe.LHEFile.fromfile(self.path, with_attributes=False, generator=True)

    @contextmanager
    def _readable(self, first: int) -> Iterator[None]:
        """Turn what pylhe raises, or only warns of, on damaged text into one line."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", RuntimeWarning)
                yield
        except (InputError, MemoryError):
            raise
        except Exception as error:  # of any kind, as pylhe takes the text for what it should be
            if is_disk_fault(error, self.path):
                raise  # the disk's fault, not the file's
            behind = f" behind event {first}" if first else ""
            msg = f"{self.path}: damaged or truncated LHE file{behind} ({first_line(error)}); make it or copy it again"
            raise InputError(msg) from error


def _library(path: Path) -> ModuleType:
    try:
        import pylhe
    except ImportError as error:
        msg = f"{path}: Les Houches event files are read by pylhe, install it: pip install 'cutflow-cli[lhe]'"
        raise UsageError(msg) from error
    return pylhe


class _Batch:
    """Some events: numbers of the events, and of their outgoing particles by falling pT."""

    def __init__(self, events: Iterator[pylhe.LHEEvent]) -> None:
        heads: list[tuple[float, ...]] = []
        particles: list[tuple[float, ...]] = []
        counts: list[int] = []
        for event in events:
            info, before = event.eventinfo, len(particles)
            if info.nparticles != len(event.particles):
                msg = f"an event announces {info.nparticles} particles and has {len(event.particles)}"
                raise ValueError(msg)
            heads.append((info.weight, info.pid, info.scale, info.aqed, info.aqcd))
            particles.extend([(p.px, p.py, p.pz, p.e, p.m, p.id) for p in event.particles if p.status == 1])
            counts.append(len(particles) - before)
        self.events = len(counts)
        self._head = dict(zip(_EVENT, np.array(heads, dtype=np.float64).reshape(-1, len(_EVENT)).T, strict=True))
        values = np.array(particles, dtype=np.float64).reshape(-1, 6)
        owner = np.repeat(np.arange(self.events), counts)
        order = np.lexsort((-np.hypot(values[:, 0], values[:, 1]), owner))  # stable: ties stay as in the file
        self._event = owner[order]
        self._values = dict(zip(("px", "py", "pz", "e", "m", "pdgid"), values[order].T, strict=True))
        self._kind = np.abs(self._values["pdgid"])

    def column(self, name: str) -> NDArray[Any] | ak.Array:
        """Return a column by its name."""
        if name in _EVENT:
            return self._head[name].astype(_EVENT[name])
        item, _, quantity = name.partition("_")
        if item == "MissingET":
            return self._missing[quantity]
        kinds = _OBJECTS[item]
        chosen = np.isin(self._kind, kinds) if kinds is not None else np.ones(len(self._kind), dtype=np.bool_)
        values = self._quantity(quantity)[chosen].astype(_QUANTITIES[quantity])
        return from_counts(values, np.bincount(self._event[chosen], minlength=self.events))

    def _quantity(self, name: str) -> NDArray[np.float64]:
        if name in ("pt", "eta", "phi"):
            with np.errstate(divide="ignore", invalid="ignore"):  # along the beam eta is infinite
                return np.asarray(getattr(self._momenta, name))
        return self._charge if name == "charge" else self._values[name]

    @cached_property
    def _momenta(self) -> Any:  # noqa: ANN401  (vector's classes are made by what they hold)
        import vector

        return vector.arr({"px": self._values["px"], "py": self._values["py"], "pz": self._values["pz"]})

    @cached_property
    def _charge(self) -> NDArray[np.float64]:
        """Electric charges by the PDG's numbering scheme; NaN for what is no particle."""
        from particle.pdgid import charge

        known: Callable[[int], Any] = charge
        numbers, inverse = np.unique(self._values["pdgid"], return_inverse=True)
        charges = [known(int(number)) for number in numbers]
        return np.array([np.nan if value is None else float(value) for value in charges])[inverse]

    @cached_property
    def _missing(self) -> dict[str, NDArray[np.float64]]:
        chosen = np.isin(self._kind, _NEUTRINOS)
        event = self._event[chosen]
        px, py = (np.bincount(event, self._values[axis][chosen], minlength=self.events) for axis in ("px", "py"))
        return {"px": px, "py": py, "pt": np.hypot(px, py), "phi": np.arctan2(py, px)}
