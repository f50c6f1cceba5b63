"""`cutflow train --memory`: small samples stay in memory, others stream and say so; a size must be one."""

import json

import pytest


@pytest.fixture(scope="module")
def cutflow(run_here):
    """Run a command, which is to end with a code."""

    def run(*arguments, code=0):
        done = run_here(*arguments)
        assert done.returncode == code, done.stderr
        return done

    return run


@pytest.fixture(scope="module")
def events(cutflow, tmp_path_factory):
    path = tmp_path_factory.mktemp("streaming") / "mock1.parquet"
    cutflow("generate-mock", "mock1", "--out", path, "--events", "4000")
    return path


def test_a_sample_that_needs_more_than_the_memory_streams(cutflow, events, tmp_path):
    train = ("train", "lcf-parallel", events, "--out", tmp_path / "run", "--epochs", "2", "--replicas", "2")
    done = cutflow(*train, "--memory", "100KB")
    assert "streams its 2000 events for training, which would need more than 0.0001 GB in memory" in done.stderr
    manifest = json.loads((tmp_path / "run" / "run.json").read_text())
    assert manifest["data"]["streamed"] is True
    assert manifest["settings"]["streamed"] == "histograms"
    assert "already done" in cutflow(*train, "--memory", "10KB").stderr  # how large the limit is changes nothing
    assert "was made from other inputs or settings" in cutflow(*train, code=2).stderr  # in memory it is another run


def test_what_is_no_size_is_refused(cutflow, events, tmp_path):
    done = cutflow("train", "cabin-scan", events, "--out", tmp_path / "run", "--memory", "lots", code=2)
    assert "--memory lots: give a size such as 500MB or 4GB" in done.stderr
