"""Time of ingest against the bare libraries that it stands on, doing the same work.

    python benchmarks/ingest_speed.py [--events 2000000] [--repeats 5]

flat     a tree of eight float32 branches and a weight, read with `uproot.iterate` and written with pyarrow: the same
         columns, types, row groups and compression as in the events file.
objects  five observables of jagged branches, by names here, by hand in awkward there; both write the same columns.

Both sides run in turn in one process, after one run of each to warm up; the least time counts. What is compared is the
reading, computing and writing; both sides know the sum of weights.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import uproot

from cutflow_cli.events.ingest import ingest
from cutflow_cli.events.settings_file import validate

ROW_GROUP = 131_072
FLAT = [f"x{number}" for number in range(8)]
OBJECTS = {
    "jet0_pt": "jet0.pt",
    "tau21": "fatjet0.tau21",
    "dijet_mass": "jet0,jet1.inv_mass",
    "dr": "jet0,muon0.delta_r",
    "ht": "jet.ht",
}


def write_flat(path: Path, events: int) -> None:
    generator = np.random.default_rng(1)
    with uproot.recreate(path) as file:
        tree = file.mktree("Events", dict.fromkeys([*FLAT, "w"], np.dtype("f4")))
        for _ in range(0, events, 250_000):
            tree.extend({name: generator.normal(1, 0.3, 250_000).astype("f4") for name in [*FLAT, "w"]})


def write_objects(path: Path, events: int) -> None:
    generator = np.random.default_rng(2)
    attributes = {"Jet": ("pt", "eta", "phi", "mass"), "FatJet": ("pt", "tau1", "tau2"), "Muon": ("pt", "eta", "phi")}
    with uproot.recreate(path) as file:
        tree = None
        for _ in range(0, events, 100_000):
            chunk = {}
            for name, names in attributes.items():
                counts = generator.poisson({"Jet": 4, "FatJet": 1.2, "Muon": 1}[name], 100_000)
                values = {key: generator.exponential(1.0, counts.sum()).astype("f4") + np.float32(0.1) for key in names}
                chunk[name] = ak.zip({key: ak.unflatten(value, counts) for key, value in values.items()})
            chunk["w"] = np.ones(100_000, dtype="f4")
            if tree is None:
                types = {name: ak.type(chunk[name]).content for name in attributes}
                tree = file.mktree("Events", {**types, "w": np.dtype("f4")})
            tree.extend(chunk)


def table(columns: dict[str, np.ndarray], weight: np.ndarray, label: int) -> pa.Table:
    rows = len(weight)
    split = np.random.default_rng(3).integers(0, 3, rows).astype(np.int32)
    return pa.table(
        {
            **columns,
            "label": pa.array(np.full(rows, label, dtype=np.int8)),
            "weight": pa.array(weight.astype(np.float64) * 0.5),
            "process": pa.DictionaryArray.from_arrays(np.full(rows, label, dtype=np.int32), ["s", "b"]),
            "split": pa.DictionaryArray.from_arrays(split, ["train", "validation", "test"]),
        }
    )


def bare(paths: tuple[Path, Path], out: Path, branches: list[str], compute: Callable) -> None:
    writer = None
    for label, path in enumerate(paths):
        for chunk in uproot.iterate(f"{path}:Events", branches, step_size=ROW_GROUP, library="ak"):
            made = table(compute(chunk), ak.to_numpy(chunk["w"]), label)
            if writer is None:
                writer = pq.ParquetWriter(out, made.schema, compression="zstd", write_page_checksum=True)
            writer.write_table(made, row_group_size=ROW_GROUP)
    writer.close()


def flat_by_hand(chunk: ak.Array) -> dict[str, np.ndarray]:
    return {name: ak.to_numpy(chunk[name]) for name in FLAT}


def first(array: ak.Array, position: int = 0) -> np.ndarray:
    """Return one object's value in each event, NaN where there is none."""
    padded = ak.pad_none(array, position + 1, clip=True)[:, position]
    return ak.to_numpy(ak.fill_none(ak.values_astype(padded, np.float64), np.nan))


def objects_by_hand(chunk: ak.Array) -> dict[str, np.ndarray]:
    p = [{key: first(chunk[f"Jet_{key}"], k) for key in ("pt", "eta", "phi", "mass")} for k in (0, 1)]
    px, py, pz = (
        sum(jet["pt"] * f(jet) for jet in p)
        for f in (lambda j: np.cos(j["phi"]), lambda j: np.sin(j["phi"]), lambda j: np.sinh(j["eta"]))
    )
    energy = sum(np.sqrt((jet["pt"] * np.cosh(jet["eta"])) ** 2 + jet["mass"] ** 2) for jet in p)
    eta, phi = first(chunk["Muon_eta"]), first(chunk["Muon_phi"])
    dphi = np.mod(p[0]["phi"] - phi + np.pi, 2 * np.pi) - np.pi
    columns = {
        "jet0_pt": p[0]["pt"],
        "tau21": first(chunk["FatJet_tau2"]) / first(chunk["FatJet_tau1"]),
        "dijet_mass": np.sqrt(np.maximum(energy**2 - px**2 - py**2 - pz**2, 0)),
        "dr": np.hypot(p[0]["eta"] - eta, dphi),
        "ht": ak.to_numpy(ak.sum(ak.values_astype(chunk["Jet_pt"], np.float64), axis=1)),
    }
    return {name: values.astype(np.float32) for name, values in columns.items()}


def ours(paths: tuple[Path, Path], out: Path, features: object, events: int) -> None:
    processes = {
        role: {"role": role, "files": str(path), "cross_section": 1.0, "weight": "w", "sum_of_weights": float(events)}
        for role, path in zip(("signal", "background"), paths, strict=True)
    }
    ingest(validate({"features": features, "processes": processes, "luminosity": 1.0}), out, force=True)


def compare(name: str, repeats: int, events: int, sides: dict[str, Callable[[], None]]) -> None:
    times: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(repeats + 1):
        for side, run in sides.items():
            started = time.perf_counter()
            run()
            times[side].append(time.perf_counter() - started)
    least = {side: min(values[1:]) for side, values in times.items()}
    ratios = np.array(times["cutflow"][1:]) / np.array(times["bare"][1:])
    print(
        f"{name:8} {events:>9} events: cutflow {least['cutflow']:.2f} s, bare {least['bare']:.2f} s, "
        f"ratio {least['cutflow'] / least['bare']:.2f} (run by run {ratios.min():.2f} to {ratios.max():.2f})",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    events = arguments.events
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        out, by_hand = directory / "out.parquet", directory / "bare.parquet"
        paths = (directory / "s.root", directory / "b.root")
        for path in paths:
            write_flat(path, events // 2)
        compare(
            "flat",
            arguments.repeats,
            events,
            {
                "bare": lambda: bare(paths, by_hand, [*FLAT, "w"], flat_by_hand),
                "cutflow": lambda: ours(paths, out, FLAT, events),
            },
        )
        branches = [f"Jet_{key}" for key in ("pt", "eta", "phi", "mass")]
        branches += ["FatJet_tau1", "FatJet_tau2", "Muon_eta", "Muon_phi", "w"]
        for path in paths:
            write_objects(path, events // 8)
        compare(
            "objects",
            arguments.repeats,
            events // 4,
            {
                "bare": lambda: bare(paths, by_hand, branches, objects_by_hand),
                "cutflow": lambda: ours(paths, out, OBJECTS, events),
            },
        )
        same(by_hand, out)


def same(by_hand: Path, out: Path) -> None:
    one, other = (pq.read_table(path, columns=list(OBJECTS)).to_pydict() for path in (by_hand, out))
    for name in OBJECTS:
        np.testing.assert_allclose(one[name], other[name], rtol=2e-4, atol=1e-3, err_msg=name)
    print("both sides give the same numbers")


if __name__ == "__main__":
    main()
