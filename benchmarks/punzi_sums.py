"""Cost of the sums over windows, beside that of the network and of what they replace.

    python benchmarks/punzi_sums.py [--events 200000] [--masses 17 103] [--repeats 7]

Per event, for one replica and in one thread: the network's two passes, then sums and their gradient by slots as in the
training, in torch, with a dense matrix (masses × events), and with a loop over masses. Times are processor time, the
least of the repeats; what counts is the ratios.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from cutflow_cli.engine.network import Architecture, Networks
from cutflow_cli.engine.scaling import Scaling
from cutflow_cli.models.punzi.backends import Backend, FusedBackend, TorchBackend
from cutflow_cli.models.punzi.prepare import Prepared
from cutflow_cli.models.punzi.sums import Layout


def least(call: Callable[[], object], repeats: int) -> float:
    """Seconds of processor time, without the first call."""
    call()
    times = []
    for _ in range(repeats):
        started = time.process_time()
        call()
        times.append(time.process_time() - started)
    return min(times)


def search(events: int, masses: int) -> tuple[Prepared, Layout, np.ndarray]:
    """Evenly spaced windows that overlap with their neighbours, a tenth of the events signal."""
    rng = np.random.default_rng(0)
    label = (np.arange(events) % 10 == 0).astype(np.int8)
    centres = np.arange(1.0, masses + 1)
    lower, upper = centres - 0.8, centres + 0.8
    edges = np.unique(np.concatenate([lower, upper]))
    first = 2 * np.searchsorted(edges, lower) + 2
    layout = Layout(edges, first, 2 * np.searchsorted(edges, upper) + 1)
    mass = rng.uniform(0.2, masses + 0.8, events)
    cell = np.searchsorted(edges, mass, "left") + np.searchsorted(edges, mass, "right")
    own = rng.integers(0, masses, events)
    slot = np.where(label == 1, layout.cells + own, cell).astype(np.int32)
    inside = np.where(label == 1, np.arange(masses)[:, None] == own, (mass > lower[:, None]) & (mass < upper[:, None]))
    x = rng.normal(size=(events, 4)).astype(np.float32)
    weight = rng.uniform(0.1, 5.0, events)
    return Prepared(x, label, slot, weight, np.ones(events), 0, 0), layout, inside


def passes(backend: Backend, order: np.ndarray, slopes: torch.Tensor) -> None:
    backend.outputs(order, 1.0)
    backend.gradient(order, slopes, 1.0)


def sums(backend: Backend, layout: Layout, outputs: torch.Tensor, order: np.ndarray, by_slot: torch.Tensor) -> None:
    layout.totals(backend.sums(outputs, order))
    backend.slopes(outputs, order, by_slot)


def dense(matrix: torch.Tensor, weights: torch.Tensor, values: torch.Tensor, by_mass: torch.Tensor) -> None:
    for power in (weights, weights**2):
        matrix @ (values * power)
        (by_mass @ matrix) * power


def loop(rows: list[torch.Tensor], weights: torch.Tensor, values: torch.Tensor, by_mass: torch.Tensor) -> None:
    for power in (weights, weights**2):
        found = torch.zeros_like(values)
        for row, slope in zip(rows, by_mass, strict=True):
            (values[row] * power[row]).sum()
            found[row] += slope * power[row]


def measured(events: int, masses: int, repeats: int) -> dict[str, float]:
    data, layout, inside = search(events, masses)
    order = np.arange(len(data), dtype=np.int32)[None]
    by_slot = torch.rand(1, 2, layout.slots, dtype=torch.float64)
    networks = Networks.drawn(Architecture(4, (16, 16), "tanh"), Scaling.measure(data.x, "moments"), 1, [0])
    results = {}
    for name, kind in (("compiled", FusedBackend), ("torch", TorchBackend)):
        backend = kind(data, networks, layout.slots, None)
        outputs = backend.outputs(order, 1.0)
        slopes = backend.slopes(outputs, order, by_slot)
        results[f"network, {name}"] = least(partial(passes, backend, order, slopes), repeats)
        results[f"sums by slots, {name}"] = least(partial(sums, backend, layout, outputs, order, by_slot), repeats)
    shared = torch.as_tensor(data.weight), torch.sigmoid(torch.randn(len(data))).double(), torch.rand(masses).double()
    results["dense matrix"] = least(partial(dense, torch.as_tensor(inside).double(), *shared), repeats)
    rows = [torch.as_tensor(np.flatnonzero(mask)) for mask in inside]
    results["loop over masses"] = least(partial(loop, rows, *shared), repeats)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--masses", type=int, nargs="+", default=[17, 103])
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{options.events} events, ns per event; in brackets: over the compiled network's two passes")
    for masses in options.masses:
        results = measured(options.events, masses, options.repeats)
        unit = results["network, compiled"]
        print(f"\n{masses} masses")
        for name, seconds in results.items():
            print(f"  {name:24s}{seconds / options.events * 1e9:9.1f}  ({seconds / unit:.2f})")


if __name__ == "__main__":
    main()
