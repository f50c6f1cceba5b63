"""What a batch system lets a job have."""

import os

import pytest

from cutflow_cli.engine import allotment
from cutflow_cli.engine.allotment import allotted_cores, settle_environment, usable_threads


@pytest.fixture(autouse=True)
def machine(monkeypatch, tmp_path):
    """A machine of 16 cores without a batch system, and without limits on control groups."""
    for name in ("OMP_NUM_THREADS", "SLURM_CPUS_PER_TASK", "_CONDOR_MACHINE_AD", "_CONDOR_SCRATCH_DIR", "TMPDIR"):
        monkeypatch.setenv(name, "before")  # so that what is set is taken back
        monkeypatch.delenv(name)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(16)), raising=False)
    monkeypatch.setattr(allotment, "_CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(allotment, "_OWN_CGROUP", tmp_path / "own")
    return tmp_path


def slot(machine, text):
    path = machine / ".machine.ad"
    path.write_text(text)
    return str(path)


def grant(machine, **limits):
    """Make control groups, `a` and in it `b`, with limits."""
    (machine / "own").write_text("1:name=systemd:/other\n0::/a/b\n")
    (machine / "cgroup" / "a" / "b").mkdir(parents=True)
    for name, limit in limits.items():
        (machine / "cgroup" / name.replace("_", "/") / "cpu.max").write_text(limit)


def test_without_a_batch_system_all_cores_at_hand():
    assert (usable_threads(), allotted_cores()) == (16, None)


def test_slurm_says_how_many(monkeypatch):
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "4")
    assert (usable_threads(), allotted_cores()) == (4, 4)


def test_htcondor_says_so_in_a_file(monkeypatch, machine):
    monkeypatch.setenv(
        "_CONDOR_MACHINE_AD", slot(machine, 'Name = "slot1"\nTotalCpus = 64\nCpus = 2\nDetectedCpus = 64\n')
    )
    assert (usable_threads(), allotted_cores()) == (2, 2)
    monkeypatch.setenv("_CONDOR_MACHINE_AD", str(machine / "gone"))
    assert usable_threads() == 16


def test_omp_num_threads_comes_first(monkeypatch):
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "4")
    monkeypatch.setenv("OMP_NUM_THREADS", "3,2")
    assert usable_threads() == 3


@pytest.mark.parametrize(
    ("limits", "threads"),
    [
        ({"a_b": "max 100000"}, 16),
        ({"a_b": "250000 100000"}, 3),
        ({"a_b": "max 100000", "a": "200000 100000"}, 2),
        ({"a_b": "50000 100000", "a": "200000 100000"}, 1),
        ({"a_b": "6400000 100000"}, 16),
        ({}, 16),
    ],
)
def test_a_control_group_limits_the_cores(machine, limits, threads):
    grant(machine, **limits)
    assert usable_threads() == threads


def test_libraries_are_told_only_what_is_less_than_they_would_take(monkeypatch, machine):
    settle_environment()
    assert "OMP_NUM_THREADS" not in os.environ
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "16")
    settle_environment()
    assert "OMP_NUM_THREADS" not in os.environ
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "2")
    settle_environment()
    assert os.environ["OMP_NUM_THREADS"] == "2"
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "3")
    settle_environment()
    assert os.environ["OMP_NUM_THREADS"] == "2"


def test_scratch_files_go_where_htcondor_says_unless_tmpdir_says_otherwise(monkeypatch, machine):
    monkeypatch.setenv("_CONDOR_SCRATCH_DIR", str(machine / "gone"))
    settle_environment()
    assert "TMPDIR" not in os.environ
    monkeypatch.setenv("_CONDOR_SCRATCH_DIR", str(machine))
    settle_environment()
    assert os.environ["TMPDIR"] == str(machine)
    monkeypatch.setenv("TMPDIR", "/elsewhere")
    settle_environment()
    assert os.environ["TMPDIR"] == "/elsewhere"
