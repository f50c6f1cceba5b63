"""Where a training runs, on a machine that pretends to have a GPU."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import xgboost

from cutflow_cli.engine import device
from cutflow_cli.errors import UsageError
from cutflow_cli.models import describe
from cutflow_cli.models.bdt import model as bdt_model
from cutflow_cli.models.device import device_of, device_of_merged
from cutflow_cli.models.plan import TrainingPlan, open_for_training
from cutflow_cli.models.registry import method_of


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for module in (device, bdt_model):
        monkeypatch.setattr(module, "may_have_cuda", lambda: True)


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    path = tmp_path_factory.mktemp("events") / "events.parquet"
    pq.write_table(pa.table({"label": [0, 1] * 50, "a": [0.1, 0.4] * 50, "b": [2.0, 3.0] * 50}), path)
    return path


def chosen(events, name, settings, **more):
    plan = TrainingPlan(name, method_of(name, settings), events, Path("run"), **more)
    return device_of(plan, open_for_training(plan))


#: Method, settings and plan that train on the CPU alone, and what is said where CUDA was asked for.
CPU_ONLY = [
    ("cabin-scan", {"binned_in": "b:0,1,2,5"}, {}, "cuts in bins are learned on the CPU only"),
    ("cabin-scan", {}, {"memory": 1.0}, "a scan streams through the CPU"),
    ("lcf-sequential", {"strategy": "sequential"}, {"memory": 1.0}, "a sequential flow streams through the CPU"),
    ("bdt", {"backend": "sklearn"}, {}, "scikit-learn grows trees on the CPU only"),
]


@pytest.mark.parametrize(("name", "settings", "more", "why"), CPU_ONLY)
def test_what_trains_on_the_cpu_only_does_so_beside_a_gpu_too(gpu, events, name, settings, more, why):
    assert chosen(events, name, settings, device="auto", **more) == "cpu"
    with pytest.raises(UsageError, match=f"--device cuda: {why}"):
        chosen(events, name, settings, device="cuda", **more)


@pytest.mark.parametrize(
    ("name", "settings", "memory"),
    [("cabin-scan", {}, 1e9), ("lcf-parallel", {}, 1.0), ("lcf-sequential", {"strategy": "sequential"}, 1e9),
     ("mlp", {}, 1e9)],
)  # fmt: skip
def test_what_trains_on_cuda_takes_it(gpu, events, name, settings, memory):
    found = [chosen(events, name, settings, device=one, memory=memory) for one in ("auto", "cuda", "cpu")]
    assert found == ["cuda", "cuda", "cpu"]


@pytest.mark.parametrize(("built", "expected"), [(True, "cuda"), (False, "cpu")])
def test_an_xgboost_without_cuda_grows_trees_on_the_cpu(gpu, monkeypatch, events, built, expected):
    monkeypatch.setattr(xgboost, "build_info", lambda: {"USE_CUDA": built})
    assert chosen(events, "bdt", {"backend": "xgboost"}, device="auto") == expected
    if not built:
        with pytest.raises(UsageError, match="--device cuda: this xgboost was built without CUDA"):
            chosen(events, "bdt", {"backend": "xgboost"}, device="cuda")


def test_blocks_are_finished_where_they_were_trained_if_that_is_there(gpu, monkeypatch, events):
    plan = TrainingPlan("mlp", method_of("mlp", {}), events, Path("run"), device="cuda")
    assert device_of_merged(plan) == "cuda"
    assert device_of_merged(replace(plan, device="cpu")) == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_of_merged(plan) == "cpu"


def test_versions_are_found_whatever_the_package_is_called(monkeypatch):
    def version(name):
        raise describe.PackageNotFoundError(name)

    monkeypatch.setattr(describe, "version", version)
    assert describe._version("xgboost") == xgboost.__version__
