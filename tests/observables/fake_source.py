"""A file in memory, described as the readers describe theirs, and events to put in it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np

from cutflow_cli.observables import NOTHING, bind


@dataclass(frozen=True)
class FakeColumn:
    name: str
    kind: str
    dtype: str
    shown: str = "float[]"


class FakeSource:
    """Columns given as numpy arrays (numbers, texts) or lists of lists (of lists) of numbers."""

    def __init__(self, columns: Mapping[str, Any], format: str = "ROOT", dtype: str = "float64") -> None:
        self.format = format
        self.data: dict[str, Any] = {}
        self.columns: dict[str, FakeColumn] = {}
        self.described: list[str] = []
        for name, values in columns.items():
            if isinstance(values, np.ndarray):
                kind = "text" if values.dtype.kind in "OU" else "number"
                self.columns[name] = FakeColumn(name, kind, values.dtype.name)
                self.data[name] = values
            else:
                array = values if isinstance(values, ak.Array) else jagged(values, depth_of(values), dtype)
                kind = {2: "list", 3: "nested"}[array.ndim]
                self.columns[name] = FakeColumn(name, kind, dtype)
                self.data[name] = array

    def names(self) -> tuple[str, ...]:
        return tuple(self.columns)

    def column(self, name: str) -> FakeColumn:
        self.described.append(name)
        return self.columns[name]

    def chunks(self, columns: Sequence[FakeColumn], rows: int) -> Iterator[dict[str, Any]]:
        events = len(next(iter(self.data.values())))
        for start in range(0, events, rows):
            yield {column.name: self.data[column.name][start : start + rows] for column in columns}


def depth_of(values: Any) -> int:
    """How deep lists lie in each other, empty ones included."""
    return 1 + max((depth_of(value) for value in values), default=0) if isinstance(values, list) else 0


def jagged(values: list[Any], depth: int, dtype: str = "float64") -> ak.Array:
    """An awkward array of lists; `depth` 2 for one list per event, 3 for lists of lists, whatever they hold."""
    depth = max(depth, 2)
    flat, layers = values, []
    for _ in range(depth - 1):
        layers.append(np.array([len(value) for value in flat], dtype=np.int64))
        flat = [inner for value in flat for inner in value]
    array = ak.Array(np.array(flat, dtype=dtype))
    for counts in reversed(layers):
        array = ak.unflatten(array, counts)
    return array


def compute(source: FakeSource, *names: str, rows: int = 10**9, user_defined: Any = NOTHING) -> Any:
    """Bind and compute, as plain lists by name; the list itself for one name."""
    bound = bind(names, source, where="file", user_defined=user_defined)
    results: dict[str, list[Any]] = {name: [] for name in names}
    for chunk in source.chunks(bound.columns, rows):
        for name, values in bound.compute(chunk).items():
            per_object = bound.per_object(name)
            assert isinstance(values, ak.Array) is per_object
            assert not per_object or values.type.content == ak.types.ListType(ak.types.NumpyType("float64"))
            results[name] += values.tolist()
    return results[names[0]] if len(names) == 1 else results


def random_objects(rng: np.random.Generator, events: int, most: int) -> list[list[dict[str, float]]]:
    """Objects as dictionaries: pt, eta, phi, mass, charge; some events have none."""
    return [
        [
            {
                "pt": float(rng.exponential(40.0) + 5.0),
                "eta": float(rng.normal(0.0, 1.5)),
                "phi": float(rng.uniform(-math.pi, math.pi)),
                "mass": float(rng.exponential(5.0)),
                "charge": float(rng.choice([-1.0, 1.0])),
            }
            for _ in range(rng.integers(0, most + 1))
        ]
        for _ in range(events)
    ]


def four_momentum(item: Mapping[str, float]) -> tuple[float, float, float, float]:
    """px, py, pz and E, by the textbook."""
    px, py = item["pt"] * math.cos(item["phi"]), item["pt"] * math.sin(item["phi"])
    pz = item["pt"] * math.sinh(item["eta"])
    return px, py, pz, math.sqrt(px**2 + py**2 + pz**2 + item.get("mass", 0.0) ** 2)


def columns_of(objects: list[list[dict[str, float]]], pattern: str, names: Mapping[str, str]) -> dict[str, Any]:
    """Columns of objects: `pattern` is such as `Jet_{}`, `names` spells each attribute."""
    return {
        pattern.format(spelled): [[item[name] for item in event] for event in objects]
        for name, spelled in names.items()
    }


NANO = {"pt": "pt", "eta": "eta", "phi": "phi", "mass": "mass", "charge": "charge"}
DELPHES = {"pt": "PT", "eta": "Eta", "phi": "Phi", "mass": "Mass", "charge": "Charge"}


def sizes(objects: list[list[Any]]) -> np.ndarray:
    return np.array([len(event) for event in objects], dtype=np.int32)


@dataclass(frozen=True)
class Sample:
    """The same events twice: as lists of dictionaries, and as a file of some format."""

    jets: list[list[dict[str, float]]]
    muons: list[list[dict[str, float]]]
    electrons: list[list[dict[str, float]]]
    met: list[dict[str, float]]
    source: FakeSource


def make_sample(spelling: str, events: int = 60, seed: int = 7) -> Sample:
    """Events spelled as `nanoaod`, `delphes` or `cartesian` (`Muon_Px`, …, `Muon_E`)."""
    rng = np.random.default_rng(seed)
    jets, muons, electrons = (random_objects(rng, events, most) for most in (6, 3, 2))
    met = [{"pt": float(rng.exponential(30.0)), "phi": float(rng.uniform(-math.pi, math.pi))} for _ in range(events)]
    named = {"Jet": jets, "Muon": muons, "Electron": electrons}
    columns: dict[str, Any] = {}
    for name, objects in named.items():
        if spelling == "nanoaod":
            columns |= {f"n{name}": sizes(objects)} | columns_of(objects, f"{name}_{{}}", NANO)
        elif spelling == "delphes":
            columns |= {f"{name}_size": sizes(objects)} | columns_of(objects, f"{name}.{{}}", DELPHES)
        else:
            cartesian = [
                [
                    dict(zip(("Px", "Py", "Pz", "E"), four_momentum(item), strict=True)) | {"Charge": item["charge"]}
                    for item in event
                ]
                for event in objects
            ]
            spelled = {key: key for key in ("Px", "Py", "Pz", "E", "Charge")}
            columns |= {f"N{name}": sizes(objects)} | columns_of(cartesian, f"{name}_{{}}", spelled)
    if spelling == "delphes":
        columns |= columns_of([[item] for item in met], "MissingET.{}", {"pt": "MET", "phi": "Phi"})
        columns["MissingET.Eta"] = [[0.3] for _ in met]
        columns["Event.Weight"] = [[1.5] for _ in met]
        columns["ScalarHT.HT"] = [[99.0] for _ in met]
    elif spelling == "nanoaod":
        columns |= {f"MET_{name}": np.array([item[name] for item in met]) for name in ("pt", "phi")}
    else:
        columns["MET_px"] = np.array([item["pt"] * math.cos(item["phi"]) for item in met])
        columns["MET_py"] = np.array([item["pt"] * math.sin(item["phi"]) for item in met])
    return Sample(jets, muons, electrons, met, FakeSource(columns))
