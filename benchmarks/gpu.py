"""Seconds per epoch on the CPU and on CUDA, for each method that trains on both.

    python benchmarks/gpu.py [--sizes 100000 1000000 10000000] [--methods lcf-parallel …] [--out benchmarks/gpu.json]

Ten replicas (`--replicas`) of seven features. The CPU path is the one that `--device cpu` takes, with all cores that it
is given (`--threads`); on CUDA steps are recorded as graphs, and for comparison taken as they are. Times are the median
of some epochs, each synchronised by the loss that it returns, after what is compiled, loaded and recorded in the first.
Preparing events and what follows the training (the exact step of `cabin-scan`, counting) is not in them: that is the
same on both. Without a GPU only the CPU is measured.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import torch

from cutflow_cli.artifacts import written_file
from cutflow_cli.engine import graphs
from cutflow_cli.engine.allotment import usable_threads
from cutflow_cli.engine.loop import Stepper
from cutflow_cli.engine.parallel import ParallelStepper
from cutflow_cli.events.batch import EventSample
from cutflow_cli.models.cabin import prepare as cabin_prepare
from cutflow_cli.models.cabin.model import CabinScan
from cutflow_cli.models.cabin.settings import CabinSettings
from cutflow_cli.models.lcf.model import LearnableCutFlow
from cutflow_cli.models.lcf.prepare import prepare as lcf_prepare
from cutflow_cli.models.lcf.settings import resolve_settings
from cutflow_cli.models.mlp.groups import Groups
from cutflow_cli.models.mlp.model import MultilayerPerceptron
from cutflow_cli.models.mlp.prepare import prepare as mlp_prepare
from cutflow_cli.models.mlp.settings import MlpSettings
from cutflow_cli.models.protocol import TrainingContext
from cutflow_cli.models.punzi.loss import PunziLoss
from cutflow_cli.models.punzi.model import PunziNet
from cutflow_cli.models.punzi.prepare import acceptances
from cutflow_cli.models.punzi.prepare import prepare as punzi_prepare
from cutflow_cli.models.punzi.settings import PunziSettings
from cutflow_cli.models.punzi.sums import Layout
from cutflow_cli.models.punzi.window_table import WindowRow
from cutflow_cli.models.punzi.windows import find_windows

FEATURES = 7
#: Seconds of a first epoch that no other is waited for.
LONG_EPOCH = 10.0
#: Beyond this many events, steps that are not recorded are not waited for.
LARGEST_PLAIN = 1_000_000
Make = Callable[[EventSample, TrainingContext], Stepper]


def search(events: int) -> EventSample:
    """Half signal, at 17 masses; every feature tells a little."""
    rng = np.random.default_rng(3)
    label = (np.arange(events) % 2).astype(np.int8)
    mass = np.where(label == 1, 1.0 + np.arange(events) // 2 % 17, np.nan)
    observed = np.where(label == 1, rng.normal(mass, 0.2), rng.uniform(0.5, 17.5, events)).astype(np.float32)
    x = rng.normal(size=(events, FEATURES)).astype(np.float32)
    x += label[:, None] * np.linspace(1.5, 0.3, FEATURES, dtype=np.float32)
    weight = rng.uniform(0.5, 1.5, events)
    names = tuple(f"x{number}" for number in range(FEATURES))
    return EventSample(
        features=names, x=x, dtypes=dict.fromkeys(names, "float32"), label=label, weight=weight, expected=weight,
        process=label.astype(np.int32), processes=("background", "signal"), hypothesis=mass,
        spectators={"mass": observed},
    )  # fmt: skip


def lcf(strategy: str, **chosen: object) -> Make:
    def make(sample: EventSample, context: TrainingContext) -> Stepper:
        settings, _ = resolve_settings(strategy, chosen)  # type: ignore[arg-type]
        return LearnableCutFlow(settings)._stepper(lcf_prepare(sample, settings), settings, context)

    return make


def cabin(**chosen: object) -> Make:
    def make(sample: EventSample, context: TrainingContext) -> Stepper:
        settings = CabinSettings(**chosen)  # type: ignore[arg-type]
        data = cabin_prepare.prepare(sample, settings)
        neurons = cabin_prepare.Neurons(np.arange(FEATURES), np.ones(FEATURES))
        weights = [cabin_prepare.replica_weights(data, True, context.seed, replica) for replica in context.replicas]
        return CabinScan(settings)._stepper(data, weights, neurons, context)

    return make


def mlp(**chosen: object) -> Make:
    def make(sample: EventSample, context: TrainingContext) -> Stepper:
        settings = MlpSettings(**chosen)  # type: ignore[arg-type]
        data = mlp_prepare(sample, "balanced", "keep", "training")
        networks = MultilayerPerceptron(settings)._networks(data, context)
        return Groups(networks, data, None, settings, 0, context).stepper

    return make


class Later:
    """Begins with a later epoch."""

    def __init__(self, stepper: Stepper, first: int) -> None:
        self._stepper, self._first = stepper, first

    def run_epoch(self, epoch: int) -> dict[str, np.ndarray]:
        return self._stepper.run_epoch(self._first + epoch)


def punzi(stage: int) -> Make:
    """The pretraining (0), or the stage after it (1), which may as well start from what was drawn."""

    def make(sample: EventSample, context: TrainingContext) -> Stepper:
        rows = tuple(WindowRow(mass=float(mass), centre=float(mass), width=0.2) for mass in range(1, 18))
        settings = PunziSettings(mass_column="mass", windows=rows, n_sigma=4.0, bce_epochs=1 if stage else 1000)
        windows = find_windows(sample, settings)
        layout, shares = Layout.of(windows, sample), acceptances(sample, windows, {})
        data = punzi_prepare(sample, windows, layout, shares, "keep", "training")
        loss = PunziLoss(layout, 1.0, settings.a, settings.b, settings.form, settings.background_floor)
        steppers = PunziNet(settings)._steppers(data, None, loss, context)
        return Later(ParallelStepper(steppers, [len(one.networks) for one in steppers]), stage)  # type: ignore[return-value]

    return make


METHODS: dict[str, Make] = {
    "lcf-parallel": lcf("parallel"),
    "lcf-parallel, batches of 16 384": lcf("parallel", batch_size=16_384),
    "lcf-sequential": lcf("sequential"),
    "lcf-sequential, batches of 16 384": lcf("sequential", batch_size=16_384),
    "cabin-scan": cabin(),
    "cabin-scan, learned weights": cabin(learn_weights=True),
    "mlp": mlp(),
    "mlp, batches of 16 384": mlp(batch_size=16_384),
    "punzi, pretraining": punzi(0),
    "punzi": punzi(1),
}
#: Paths that take minutes an epoch for many events.
LARGEST_ON_CPU = {"cabin-scan, learned weights": 100_000, "mlp": 1_000_000, "punzi, pretraining": 1_000_000}


def seconds(stepper: Stepper, budget: float) -> float:
    """Median seconds of an epoch, after those that load, compile and record: three, or one of those that take long."""
    times: list[float] = []
    while True:
        started = time.perf_counter()
        stepper.run_epoch(len(times))
        times.append(time.perf_counter() - started)
        if times[0] > LONG_EPOCH:
            return times[0]
        timed = times[1 if times[0] > 1 else 3 :]
        if sum(timed) > 2 * budget or (len(timed) > 2 and sum(timed) > budget) or len(timed) == 50:
            return median(timed)


def measured(make: Make, name: str, sample: EventSample, context: TrainingContext, budget: float) -> dict[str, float]:
    """Seconds per epoch by path; one that needs too much memory or time is left out."""
    found: dict[str, float] = {}
    torch.set_num_threads(context.threads)  # where a method does not settle it itself
    if len(sample) <= LARGEST_ON_CPU.get(name, len(sample)):
        make(search(3000), context).run_epoch(0)  # compiles
        found["cpu"] = seconds(make(sample, context), budget)
    if not torch.cuda.is_available():
        return found
    for path, recording in (("cuda", True), ("cuda_without_graphs", False)):
        if not recording and len(sample) > LARGEST_PLAIN:
            continue
        graphs.RECORDING = recording
        try:
            found[path] = seconds(make(sample, replace(context, device="cuda")), budget)
        except torch.cuda.OutOfMemoryError:
            print(f"{name}, {len(sample)} events: too little memory on the GPU")
        finally:
            graphs.RECORDING = True
            torch.cuda.empty_cache()
    return found


def rows(options: argparse.Namespace) -> Iterator[dict[str, object]]:
    for events in options.sizes:
        sample = search(events)
        context = TrainingContext(seed=1, replicas=range(options.replicas), threads=options.threads)
        for name in options.methods:
            found = measured(METHODS[name], name, sample, context, options.budget)
            ratio = {"ratio": found["cpu"] / found["cuda"]} if {"cpu", "cuda"} <= found.keys() else {}
            yield {"method": name, "events": events, **found, **ratio}


def line(row: dict[str, object]) -> str:
    columns = [f"{row[name]:12.4g}" if name in row else " " * 12 for name in ("cpu", "cuda_without_graphs", "cuda")]
    ratio = f"{row['ratio']:9.2f}" if "ratio" in row else ""
    return f"{row['method']:36s}{row['events']:10d}{''.join(columns)}{ratio}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10**5, 10**6, 10**7])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--replicas", type=int, default=10)
    parser.add_argument("--threads", type=int, default=usable_threads())
    parser.add_argument("--budget", type=float, default=1.0, help="seconds of epochs that are timed, about")
    parser.add_argument("--out", type=Path, help="file for the numbers, in JSON")
    options = parser.parse_args()
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    about = {
        "gpu": gpu, "cpu_threads": options.threads, "processor": platform.machine(), "torch": torch.__version__,
        "replicas": options.replicas, "features": FEATURES, "unit": "seconds per epoch",
    }  # fmt: skip
    print(", ".join(f"{name} {value}" for name, value in about.items()))
    print(f"{'':46s}{'CPU':>12s}{'no graphs':>12s}{'CUDA':>12s}{'CPU/CUDA':>9s}")
    found = []
    for row in rows(options):
        print(line(row), flush=True)
        found.append(row)
        if options.out is not None:
            with written_file(options.out) as partial:
                partial.write_text(json.dumps({**about, "rows": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
