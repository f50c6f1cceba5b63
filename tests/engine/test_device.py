"""Where to train, and with how many threads."""

import os

import pytest
import torch

from cutflow_cli.engine import device
from cutflow_cli.engine.device import resolve_device, resolve_threads
from cutflow_cli.errors import UsageError


def test_devices_where_there_is_no_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("cpu") == "cpu"
    assert resolve_device("auto") == "cpu"
    with pytest.raises(UsageError, match=r"--device cuda: torch finds no CUDA device here; use --device cpu or auto"):
        resolve_device("cuda")


def test_devices_where_there_is_cuda(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(device, "may_have_cuda", lambda: True)
    assert [resolve_device(choice) for choice in ("cpu", "auto", "cuda")] == ["cpu", "cuda", "cuda"]


def test_threads_asked_for_come_first(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert resolve_threads(7) == 7
    assert resolve_threads(None) == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "4,2")
    assert resolve_threads(None) == 4


@pytest.mark.parametrize("useless", ["", "0", "many"])
def test_otherwise_the_cores_this_process_may_use(monkeypatch, useless):
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", useless)
    assert 1 <= resolve_threads(None) <= len(os.sched_getaffinity(0))  # a control group may grant fewer
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert 1 <= resolve_threads(None) <= len(os.sched_getaffinity(0))


@pytest.mark.parametrize("threads", [0, -2])
def test_at_least_one_thread(threads):
    with pytest.raises(UsageError, match=rf"--threads {threads}: at least one"):
        resolve_threads(threads)
