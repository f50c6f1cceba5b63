"""Systematic variations from `cutflow ingest` to the tables of `cutflow evaluate`, as a user types it."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cutflow_cli.artifacts import file_digest

SETTINGS = """
luminosity = 10.0
features = ["x", "y"]
seed = 3
[variations]
pu_up = "w * up"
pu_down = "w * down"
norm = { weight = "1.2 * w", processes = ["top", "W"] }
[processes.Z]
role = "signal"
files = "z.parquet"
cross_section = 0.05
weight = "w"
[processes.top]
role = "background"
files = "top.parquet"
cross_section = 0.5
weight = "w"
[processes.W]
role = "background"
files = "w.parquet"
cross_section = 0.8
weight = "w"
[processes.top_hdamp]
role = "background"
files = "hdamp.parquet"
cross_section = 0.5
weight = "w"
replaces = "top"
variation = "hdamp"
"""


def columns(rows, seed, mean, slope=0.05):
    """A peak in x, and weights under pile-up that depend on it."""
    generator = np.random.default_rng(seed)
    x = generator.normal(mean, 1.0, rows)
    return {
        "x": x.astype(np.float32),
        "y": generator.normal(0.0, 1.0, rows).astype(np.float32),
        "w": generator.uniform(0.8, 1.2, rows),
        "up": 1.0 + slope * x,
        "down": 1.0 - 0.6 * slope * x,
    }


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """A folder with the samples and their settings."""
    directory = tmp_path_factory.mktemp("variations")
    samples = {"z": (600, 1, 1.5), "top": (900, 2, -0.5), "w": (900, 3, -1.0), "hdamp": (800, 4, -0.3)}
    for name, sample in samples.items():
        pq.write_table(pa.table(columns(*sample)), directory / f"{name}.parquet")
    (directory / "samples.toml").write_text(SETTINGS)
    without = SETTINGS[: SETTINGS.index("[variations]")] + SETTINGS[SETTINGS.index("[processes.Z]") :]
    (directory / "plain.toml").write_text(without[: without.index("[processes.top_hdamp]")])
    (directory / "mine.json").write_text(json.dumps({"cuts": ["x > 0.5", "y < 1"]}))
    return directory


def test_the_chain(run_here, chain):
    for name in ("samples", "plain"):
        assert run_here("ingest", f"{name}.toml", "--out", f"{name}.parquet", cwd=chain).returncode == 0
        done = run_here("train", "cut-and-count", f"{name}.parquet", "--out", f"cc-{name}", cwd=chain)
        assert done.returncode == 0, done.stderr
    # Variations train nothing: the same cuts, from the same events.
    assert file_digest(chain / "cc-samples" / "cuts.parquet") == file_digest(chain / "cc-plain" / "cuts.parquet")
    command = ("evaluate", "--cuts", "mine.json", "--data", "samples.parquet", "--no-figures")
    done = run_here(*command, "--out", "report", cwd=chain)
    assert done.returncode == 0, done.stderr
    start = done.stdout.index("Systematic variations, mine.json: consensus, split test")
    table = done.stdout[start:].split("\n\n", 2)
    lines = {line.split("  ")[0].strip(): line for line in table[1].splitlines() + table[0].splitlines()}
    assert all(len(line) <= 120 for line in done.stdout[start:].splitlines()[:15])
    assert [name for name in lines if name in ("nominal", "pu_up", "pu_down", "norm", "hdamp", "quadratic sum")] == [
        "nominal", "pu_up", "pu_down", "norm", "hdamp", "quadratic sum",
    ]  # fmt: skip
    assert "σ_B = MC statistics ⊕ shifts by pu, norm and hdamp" in done.stdout
    assert "of the two sides of pu the larger shift" in done.stdout
    found = {}
    for row in pq.read_table(chain / "report" / "variations.parquet").to_pylist():
        found[row["kind"], row["variation"], row["quantity"], row["process"]] = row
    b = {name: found["variation", name, "yield", "background"]["relative_shift"] for name in ("pu_up", "norm", "hdamp")}
    assert b["norm"] == pytest.approx(0.2)
    assert re.search(r"\d+ \(0\) .* \(\+(19|20)[\d.]*±[\d.]+\) +0\.\d+ \(0\) +0\.\d+ \(0\)", lines["norm"])
    total = found["total", "quadratic sum", "yield", "background"]["relative_shift"]
    assert total == pytest.approx(math.hypot(*b.values()))
    nominal, all_in = (found[kind, name, "asimov", None]["value"] for kind, name in
                       (("nominal", "nominal"), ("total", "quadratic sum")))  # fmt: skip
    assert all_in < nominal
    metrics = pq.read_table(chain / "report" / "metrics.parquet").to_pylist()
    (quoted,) = (row["value"] for row in metrics if (row["metric"], row["split"], row["kind"]) ==
                 ("asimov", "test", "consensus"))  # fmt: skip
    assert quoted == all_in


def test_which_variations_count(run_here, chain):
    command = ("evaluate", "--cuts", "mine.json", "--data", "samples.parquet", "--no-figures", "--json")
    if not (chain / "samples.parquet").exists():
        assert run_here("ingest", "samples.toml", "--out", "samples.parquet", cwd=chain).returncode == 0
    one = run_here(*command, "--out", "one", "--variation", "hdamp", "--variation", "pu_up", cwd=chain)
    told = json.loads(one.stdout)
    assert [item["name"] for item in told["systematic_variations"]] == ["pu_up", "hdamp"]
    assert {row["variation"] for row in told["variations"]} == {"nominal", "pu_up", "hdamp", "quadratic sum"}
    none = json.loads(run_here(*command, "--out", "none", "--no-variations", cwd=chain).stdout)
    assert (none["systematic_variations"], none["variations"]) == ([], [])
    assert none["digest"] != told["digest"]
    again = run_here(*command, "--out", "one", "--variation", "pu_up", "--variation", "hdamp", cwd=chain)
    assert "already done" in again.stderr
    assert json.loads(again.stdout) == told
    other = run_here(*command, "--out", "one", "--variation", "pu_up", cwd=chain)
    assert other.returncode == 2
    unknown = run_here(*command, "--out", "bad", "--variation", "pu_upp", cwd=chain)
    assert unknown.returncode == 2
    assert "--variation pu_upp: samples.parquet has no variation of that name; did you mean pu_up" in unknown.stderr
    both = run_here(*command, "--out", "bad", "--variation", "pu_up", "--no-variations", cwd=chain)
    assert both.returncode == 2
    assert "--no-variations leaves out --variation pu_up; give one of them" in both.stderr
    assert not (chain / "bad").exists()


def test_nothing_is_said_where_there_are_none(run_here, chain):
    assert run_here("ingest", "plain.toml", "--out", "none.parquet", cwd=chain).returncode == 0
    command = ("evaluate", "--cuts", "mine.json", "--data", "none.parquet", "--no-figures")
    done = run_here(*command, "--out", "without", cwd=chain)
    assert done.returncode == 0
    assert "variation" not in done.stdout
    assert "σ_B = MC statistics\n" in done.stdout
    refused = run_here(*command, "--out", "asked", "--variation", "pu_up", cwd=chain)
    assert refused.returncode == 2
    assert "none.parquet has no variation of that name; it has none" in refused.stderr
