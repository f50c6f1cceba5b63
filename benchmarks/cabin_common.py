"""What the benchmarks of cabin-scan share: samples, and the `cabin` package run as its authors run it."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli import open_events
from cutflow_cli.events.batch import EventSample
from cutflow_cli.events.mock.write import write_mock

#: The realistic samples, beside the checkout.
DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
FEATURES = {
    "gaussians": None,
    "slepton": ("met", "jet1_pt", "dphi_l1_met", "dphi_l2_met", "mt_l1", "mt_l2", "dr_ll"),
    "diboson": ("m_jet", "c2_b1", "c2_b2", "d2_b1", "d2_b2", "tau21"),
}


@dataclass(frozen=True, slots=True)
class Samples:
    train: EventSample
    validation: EventSample
    test: EventSample


def require_cabin() -> ModuleType:
    """Import the package that ours is compared with, or say kindly how to get it."""
    try:
        import cabin
    except ImportError:
        sys.exit("the package `cabin` is not importable; `pip install cabin==0.3.3` in an environment of its own")
    return cabin


def load(name: str, folder: Path) -> Samples | None:
    """Load a sample by name; None if its file is not there."""
    if name == "gaussians":
        path = folder / "gaussians.parquet"
        write_mock("gaussians", path, 40_000)
    else:
        path = DATA / f"{name}.parquet"
        if not path.is_file():
            print(f"{name}: left out, there is no {path}")
            return None
    return Samples(*open_events(path, FEATURES[name]).load_splits(("train", "validation", "test"), ()))


def train_cabin(
    cabin: Any, z: NDArray[np.float32], label: NDArray[np.int8], side: NDArray[np.float64], targets: tuple[float, ...],
    epochs: int, epsilon: float,
) -> tuple[NDArray[np.float64], float]:  # fmt: skip
    """Train the package's efficiency scan with table 1 and learning rate 0.5; return positions of cuts, CPU seconds.

    On one thread: several wait for each other busily, which counts as CPU time without being work.
    """
    import torch

    torch.set_num_threads(1)
    net = cabin.EfficiencyScanNetwork(z.shape[1], list(targets), [float(value) for value in side], 15.0)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.5)
    x, y = torch.as_tensor(z), torch.as_tensor(label.astype(np.float32))
    started = time.process_time()
    for _ in range(epochs):
        optimiser.zero_grad()
        loss = cabin.effic_loss_fn(
            net(x), y, z.shape[1], net, alpha=10.0, beta=0.1, gamma=1e-5, delta=1e-3, epsilon=epsilon
        )
        loss.totalloss().backward()
        optimiser.step()
    seconds = time.process_time() - started
    return -np.stack([each.bias.detach().numpy() for each in net.nets]).astype(np.float64), seconds
