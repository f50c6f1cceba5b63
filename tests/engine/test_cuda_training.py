"""Every method that trains on CUDA, through the library call of `cutflow train` and the command itself.

Nothing here runs without a GPU. What is compared: CUDA with the CPU, recorded graphs with the same steps as they are, a
training that was stopped with one that was not, and twice the same.
"""

import json
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from cutflow_cli.engine import graphs
from cutflow_cli.errors import Interrupted
from cutflow_cli.models.cabin.model import CabinScan
from cutflow_cli.models.cabin.settings import CabinSettings
from cutflow_cli.models.lcf.model import LearnableCutFlow
from cutflow_cli.models.lcf.settings import resolve_settings
from cutflow_cli.models.mlp.model import MultilayerPerceptron
from cutflow_cli.models.mlp.settings import MlpSettings
from cutflow_cli.models.plan import TrainingPlan
from cutflow_cli.models.punzi.model import PunziNet
from cutflow_cli.models.punzi.settings import PunziSettings
from cutflow_cli.models.training import run_training
from cutflow_cli.runs import open_run

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device here")

EVENTS = 6000
MASSES = np.array([1.0, 1.5, 2.0, 2.5])


def lcf(strategy, **chosen):
    settings, _ = resolve_settings(strategy, {"epochs": 8, "batch_size": 250, "learning_rate": 0.02, **chosen})
    return LearnableCutFlow(settings)


def cabin(**chosen):
    return CabinScan(CabinSettings(**{"epochs": 40, "targets": (0.2, 0.4, 0.6, 0.8), **chosen}))


def mlp(**chosen):
    return MultilayerPerceptron(MlpSettings(**{"hidden": (16, 8), "epochs": 5, "batch_size": 250, **chosen}))


def punzi(**chosen):
    quick = {"hidden": (5, 3), "bce_epochs": 4, "bce_batch_size": 500, "epochs": 4, "batch_size": 1000}
    return PunziNet(PunziSettings(**{"mass_column": "m2", "n_sigma": 4.0, **quick, **chosen}))


#: By name: the method, to train a few epochs.
METHODS = {
    "lcf-parallel": lambda: lcf("parallel"),
    "lcf-parallel bootstrap": lambda: lcf("parallel", bootstrap=True, class_weights="physical"),
    "lcf-sequential": lambda: lcf("sequential"),
    "lcf-sequential published mask": lambda: lcf("sequential", mask="published"),
    "cabin-scan": cabin,
    "cabin-scan published smoothing and entropy": lambda: cabin(smoothing="published", delta=0.02, exact=False),
    "cabin-scan unsmoothed": lambda: cabin(epsilon=0.0, smoothness=0.0),
    "cabin-scan learned weights": lambda: cabin(learn_weights=True, exact=False),
    "lcf-parallel refined": lambda: lcf("parallel", objective="asimov", optimism_folds=2),
    "cabin-scan refined": lambda: cabin(objective="s-sqrt-b", optimism_folds=2),
    "mlp": mlp,
    "mlp whole sample": lambda: mlp(batch_size="all", optimiser="rmsprop", bootstrap=True, learning_rate=1e-3),
    "mlp softmax": lambda: mlp(outputs=2, optimiser="sgd", activation="tanh", early_stopping=2),
    "punzi": punzi,
    "punzi gradient descent": lambda: punzi(optimiser="sgd", bootstrap=True, batch_size="all", learning_rate=0.1),
}
EVERY = pytest.mark.parametrize("name", METHODS)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Signal in four peaks of a mass on a flat background, in four features above or below it, some missing."""
    rng = np.random.default_rng(2)
    label = (np.arange(EVENTS) % 2).astype(np.int8)
    mass = np.where(label == 1, MASSES[np.arange(EVENTS) // 2 % 4], np.nan)
    m2 = np.where(label == 1, rng.normal(mass**2, 0.2), rng.uniform(0.0, 8.0, EVENTS))
    shift = np.array([1.5, -1.0, 0.6, 1.2])
    x = rng.normal(size=(EVENTS, 4)) + 0.4 * rng.normal(size=(EVENTS, 1)) + label[:, None] * shift
    columns = {f"x{i}": x[:, i].astype(np.float32) for i in range(4)}
    weight = rng.uniform(0.5, 1.5, EVENTS)
    path = tmp_path_factory.mktemp("cuda") / "events.parquet"
    table = {"label": label, "weight": weight, **columns, "m2": m2.astype(np.float32), "mass": mass}
    pq.write_table(pa.table(table), path)
    return path


def train(name, data, out, device="cuda", **more):
    plan = TrainingPlan(
        name.split()[0], METHODS[name](), data, out, features=("x0", "x1", "x2", "x3"), replicas=range(3), seed=1,
        device=device, hypothesis_column="mass", threads=2, **more,
    )  # fmt: skip
    return run_training(plan).run


def identical(one, other):
    """Whether two runs learned the same to the bit."""
    ours, theirs = (run.history().to_pandas() for run in (one, other))
    np.testing.assert_array_equal(ours.to_numpy(dtype=np.float64), theirs.to_numpy(dtype=np.float64))
    assert len(one.flows) == len(other.flows)
    for a, b in zip(one.flows, other.flows, strict=True):
        assert [(step.cut, step.active) for step in a.steps] == [(step.cut, step.active) for step in b.steps]
    return True


@EVERY
def test_cuda_learns_what_the_cpu_learns(name, data, tmp_path):
    cpu, cuda = (train(name, data, tmp_path / device, device) for device in ("cpu", "cuda"))
    ours, theirs = (run.history().to_pandas() for run in (cuda, cpu))
    assert set(ours.columns) == set(theirs.columns)
    early = theirs["epoch"] <= 3
    for column in ours.columns.drop(["epoch", "replica"]):
        np.testing.assert_allclose(ours[column][early], theirs[column][early], rtol=1e-4, atol=1e-7, err_msg=column)
        np.testing.assert_allclose(ours[column], theirs[column], rtol=5e-3, atol=1e-5, err_msg=column)
    table = pq.read_table(data).to_pandas()
    if name.startswith(("lcf", "cabin")):
        same_cuts(cuda, cpu, table)


def same_cuts(cuda, cpu, table):
    columns = {name: table[name].to_numpy() for name in ("x0", "x1", "x2", "x3")}
    assert len(cuda.flows) == len(cpu.flows)
    for one, other in zip(cuda.flows, cpu.flows, strict=True):
        assert [(s.cut.region, s.active) for s in one.steps] == [(s.cut.region, s.active) for s in other.steps]
        masks = [flow.mask(columns, len(table)) for flow in (one, other)]
        assert np.count_nonzero(masks[0] != masks[1]) <= 0.01 * len(table)
        for a, b in zip(one.cuts, other.cuts, strict=True):
            ends = [[end for end in (cut.lower, cut.upper) if end is not None] for cut in (a, b)]
            assert ends[0] == pytest.approx(ends[1], abs=0.03)  # features are some 1.1 standard deviations wide


def test_events_that_are_not_held_train_on_cuda_too(data, tmp_path):
    """A parallel flow streams histograms, with a bootstrap one training after the other."""
    name = "lcf-parallel bootstrap"
    cpu, cuda = (train(name, data, tmp_path / device, device, memory=1.0) for device in ("cpu", "cuda"))
    ours, theirs = (run.history().to_pandas() for run in (cuda, cpu))
    np.testing.assert_allclose(ours["loss"], theirs["loss"], rtol=5e-3)
    same_cuts(cuda, cpu, pq.read_table(data).to_pandas())


@EVERY
def test_recorded_steps_are_the_steps_themselves_and_twice_the_same(name, data, tmp_path, monkeypatch):
    recorded, again = (train(name, data, tmp_path / which) for which in ("recorded", "again"))
    assert identical(recorded, again)
    monkeypatch.setattr(graphs, "RECORDING", False)
    assert identical(recorded, train(name, data, tmp_path / "plain"))


@EVERY
def test_a_training_that_was_stopped_goes_on_to_the_same_end(name, data, tmp_path, monkeypatch):
    whole = train(name, data, tmp_path / "whole")
    asked = []

    def why(request):
        asked.append(request)
        return "SIGTERM" if len(asked) == 3 else None

    with monkeypatch.context() as patched:
        patched.setattr("cutflow_cli.engine.stop.StopRequest.why", why)
        with pytest.raises(Interrupted):
            train(name, data, tmp_path / "stopped")
    assert identical(whole, train(name, data, tmp_path / "stopped"))


def cutflow(where, *arguments, **environment):
    command = [sys.executable, "-m", "cutflow_cli", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=where, env={**os.environ, **environment}
    )


def test_cuts_in_bins_are_learned_on_the_cpu_where_there_is_a_gpu_too(data, tmp_path):
    options = ("--binned-in", "m2:0,2,4,8", "--epochs", "3", "--targets", "0.3,0.6", "--features", "x0,x1,x2,x3")
    done = cutflow(tmp_path, "train", "cabin-scan", data, "--out", "run", *options)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run" / "run.json").read_text())["device"] == "cpu"


@pytest.mark.parametrize("method", ["lcf-parallel", "cabin-scan", "mlp"])
def test_what_the_command_trains_on_cuda_is_evaluated_without(method, data, tmp_path):
    options = ("--epochs", "3", "--replicas", "2", "--features", "x0,x1,x2,x3", "--device", "cuda")
    done = cutflow(tmp_path, "train", method, data, "--out", "run", *options)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run" / "run.json").read_text())["device"] == "cuda"
    report = cutflow(
        tmp_path, "evaluate", "run", "--data", data, "--out", "report", "--no-figures", CUDA_VISIBLE_DEVICES=""
    )
    assert report.returncode in (0, 4), report.stderr
    assert (tmp_path / "report" / "metrics.parquet").is_file()
    assert open_run(tmp_path / "run").flows
