"""Jobs that count parts of the events, their sum, and a formula that is written wrongly, as a user types them."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest


@pytest.fixture
def directory(tmp_path):
    rng = np.random.default_rng(3)
    for number in (1, 2):
        columns = {"x": rng.normal(size=400), "w": rng.uniform(0.5, 1.5, 400), "label": rng.integers(0, 2, 400)}
        pq.write_table(pa.table(columns), tmp_path / f"part{number}.parquet")
    (tmp_path / "mine.json").write_text('{"cuts": ["x > 0.5"]}')
    return tmp_path


def test_count_parts_and_add_them(run_here, directory):
    for number in (1, 2):
        options = ("--weight-column", "w", "--process", "QCD", "--cut-flow", f"flow{number}.parquet")
        done = run_here("apply", "mine.json", f"part{number}.parquet", *options, cwd=directory)
        assert (done.returncode, done.stderr) == (0, f"flow{number}.parquet: written\n")
    merged = run_here("merge", "flow1.parquet", "flow2.parquet", "--out", "sum.parquet", cwd=directory)
    assert (merged.returncode, merged.stderr) == (0, "sum.parquet: sum of 2 cut flows\n")
    assert merged.stdout.startswith("Cut flow mine: consensus, all events\n")
    parts = [pq.read_table(directory / f"part{number}.parquet") for number in (1, 2)]
    x, w = (np.concatenate([part[name].to_numpy() for part in parts]) for name in "xw")
    found = run_here("merge", "flow2.parquet", "flow1.parquet", "--out", "sum.parquet", "--json", cwd=directory)
    assert found.stderr == "sum.parquet: already done\n"
    last = json.loads(found.stdout)["cutflow"][-1]
    assert (last["process"], last["n_raw"]) == ("QCD", int((x > 0.5).sum()))
    assert (last["yield"], last["yield_error"]) == pytest.approx(
        (w[x > 0.5].sum(), np.sqrt((w[x > 0.5] ** 2).sum())), rel=1e-12
    )
    compared = run_here("compare", "sum.parquet", "flow1.parquet", "--exact", cwd=directory)
    assert compared.returncode == 4
    assert "mine, all events: yields" in compared.stdout


def test_what_is_refused(run_here, directory):
    for arguments, code, words in (
        (("apply", "mine.json", "part1.parquet", "--process", "QCD"), 2, "add that, or leave it out"),
        (("apply", "mine.json", "part1.parquet", "--force"), 2, "without --out or --cut-flow"),
        (("merge", "part1.parquet", "part2.parquet", "--out", "o.parquet"), 3, "is no shard of an ingest"),
    ):
        done = run_here(*arguments, cwd=directory)
        assert (done.returncode, done.stdout) == (code, "")
        assert words in done.stderr
    run_here("apply", "mine.json", "part1.parquet", "--cut-flow", "f.parquet", cwd=directory)
    twice = run_here("merge", "f.parquet", "f.parquet", "--out", "o.parquet", cwd=directory)
    assert twice.stderr == "cutflow: f.parquet: is given twice; its events would count twice\n"
    for other, words in (
        ("part2.parquet", "f.parquet is a cut flow, part2.parquet is none"),
        ("no", "no: no such file"),
    ):
        mixed = run_here("merge", "f.parquet", other, "--out", "o.parquet", cwd=directory)
        assert mixed.stderr.startswith(f"cutflow: {words}")
    assert not (directory / "o.parquet").exists()


def test_a_shard_without_passing_events_is_no_failure_of_its_job(run_here, directory):
    (directory / "mine.json").write_text('{"cuts": ["x > 99"]}')
    done = run_here("apply", "mine.json", "part1.parquet", "--cut-flow", "f.parquet", cwd=directory)
    assert done.returncode == 0
    assert done.stderr == "f.parquet: written\nmine.json: no event passes\n"
    assert run_here("apply", "mine.json", "part1.parquet", cwd=directory).returncode == 4


def test_a_formula_that_is_wrong_is_pointed_at(run_here, directory):
    arguments = ("--cuts", "mine.json", "--data", "part1.parquet", "--out", "report", "--no-figures")
    done = run_here("evaluate", *arguments, "--fom", "mine = s / sqrt(b +", cwd=directory)
    assert (done.returncode, done.stdout) == (2, "")
    first, text, caret = done.stderr.splitlines()
    assert first == "cutflow: --fom: a value is missing before the end"
    assert text == "  mine = s / sqrt(b +"
    assert caret.index("^") == len(text)
    assert not (directory / "report").exists()
