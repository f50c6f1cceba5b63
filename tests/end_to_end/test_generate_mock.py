"""`cutflow generate-mock` as a user types it."""

import json

import pytest

from cutflow_cli.events.mock.catalogue import MOCKS
from cutflow_cli.events.table import open_events


def test_writes_a_file_prints_the_processes_and_is_done_the_second_time(run_cutflow, run_here, tmp_path):
    command = ("generate-mock", "mock1", "--out", "m.parquet", "--seed", "42", "--events", "2000")
    done = run_cutflow(*command, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == ""
    assert "m.parquet: 2000 events, 4 features, normalised to 3000 fb⁻¹, seed 42" in done.stdout
    words = [line.split() for line in done.stdout.splitlines()]
    assert ["signal", "signal", "0.001", "1000", "3000"] in [line[:5] for line in words]
    assert ["background", "background", "1", "1000", "3e+06"] in [line[:5] for line in words]
    file = open_events(tmp_path / "m.parquet")
    assert file.rows == 2000
    assert file.metadata.seed == 42
    assert "generate-mock mock1 --out m.parquet" in file.metadata.command
    again = run_here(*command, cwd=tmp_path)
    assert again.returncode == 0
    assert again.stderr == "m.parquet: already done, the same mock with the same settings is there\n"
    assert again.stdout == done.stdout
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.parquet"]


def test_another_output_is_kept_unless_forced(run_here, tmp_path):
    out = tmp_path / "m.parquet"
    assert run_here("generate-mock", "mock2", "--out", out, "--events", "1000").returncode == 0
    before = out.read_bytes()
    refused = run_here("generate-mock", "mock2", "--out", out, "--events", "1000", "--seed", "1")
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert len(refused.stderr.splitlines()) == 1
    assert "m.parquet: exists and was made from other inputs or settings" in refused.stderr
    assert "--force" in refused.stderr
    assert out.read_bytes() == before
    forced = run_here("generate-mock", "mock2", "--out", out, "--events", "1000", "--seed", "1", "--force")
    assert forced.returncode == 0
    assert open_events(out).metadata.seed == 1


def test_a_file_of_another_kind_is_kept(run_here, tmp_path):
    out = tmp_path / "notes.txt"
    out.write_text("mine")
    refused = run_here("generate-mock", "mock1", "--out", out)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "notes.txt: exists" in refused.stderr
    assert out.read_text() == "mine"
    directory = run_here("generate-mock", "mock1", "--out", tmp_path, "--force", "--events", "1000")
    assert directory.returncode == 2
    assert "is a directory" in directory.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == ["notes.txt"]


def test_json_is_the_description_of_the_file(run_here, tmp_path):
    out = tmp_path / "z.parquet"
    done = run_here("generate-mock", "zprime", "--out", out, "--events", "3000", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    given = json.loads(done.stdout)
    assert given["out"] == str(out)
    assert given["written"] is True
    assert given["luminosity"] == 50.0
    assert given["spectators"] == ["m2_recoil", "m_recoil"]
    processes = {process["name"]: process for process in given["processes"]}
    assert list(processes) == ["signal", "mumu", "tautau", "eemumu"]
    splits = processes["mumu"]["splits"].values()
    assert sum(split["sumw"] for split in splits) == pytest.approx(716.138 * 50e3)
    again = run_here("generate-mock", "zprime", "--out", out, "--events", "3000", "--json")
    assert again.returncode == 0
    assert json.loads(again.stdout) == given | {"written": False}
    assert "already done" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mock11",), "no mock 'mock11'; did you mean mock1"),
        (("slepto",), "did you mean slepton"),
        (("mock1", "--split", "0.6,0.2,0.2"), "its split is part of the publication (0.5,0,0.5); leave out --split"),
        (("slepton", "--split", "0.6,0.2"), "give three numbers"),
        (("slepton", "--split", "0.6,0.2,0.3"), "must sum to 1"),
        (("mock1", "--features-count", "4"), "leave out --features-count"),
        (("gaussians", "--features-count", "0"), "--features-count goes from 1 to"),
        (("mock1", "--events", "0"), "0 events are too few"),
        (("zprime", "--events", "10"), "--events must be at least"),
        (("mock1", "--seed", "-1"), "seed -1: must be from 0 to 4294967295"),
    ],
)
def test_wrong_usage_says_what_to_do(run_here, tmp_path, arguments, message):
    done = run_here("generate-mock", *arguments, "--out", tmp_path / "m.parquet")
    assert done.returncode == 2
    assert done.stdout == ""
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_options_reach_the_file(run_here, tmp_path):
    out = tmp_path / "g.parquet"
    done = run_here(
        *("generate-mock", "gaussians", "--out", out, "--events", "5000", "--features-count", "3"),
        *("--split", "0.2,0,0.8", "--seed", "9"),
    )
    assert done.returncode == 0
    file = open_events(out)
    assert file.features == ("x1", "x2", "x3")
    signal = file.metadata.processes[0].splits
    assert signal["validation"].events == 0
    assert signal["train"].events == pytest.approx(500, abs=100)


def test_help_lists_every_mock(run_here):
    done = run_here("generate-mock", "--help")
    assert done.returncode == 0
    for name in MOCKS:
        assert f"{name}:" in done.stdout


def test_an_unwritable_place_is_named(run_here, tmp_path):
    (tmp_path / "file").write_text("")
    done = run_here("generate-mock", "mock1", "--out", tmp_path / "file" / "m.parquet", "--events", "1000")
    assert (done.returncode, done.stdout) == (2, "")
    assert "file" in done.stderr
    assert len(done.stderr.splitlines()) == 1
