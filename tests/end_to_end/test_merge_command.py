"""Batch jobs as a user types them: shards, their merging, and what fails, with stdout, stderr and exit codes."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

SETTINGS = """
luminosity = 2.0
features = ["x", "r = x / y"]
preselection = ["x > 1"]
[processes.Z]
role = "signal"
files = "@z.txt"
cross_section = 0.5
weight = "w"
[processes.top]
role = "background"
files = "top*.parquet"
cross_section = 10.0
"""


@pytest.fixture
def directory(tmp_path):
    generator = np.random.default_rng(1)
    for name in ("z1", "z2", "z3", "top1", "top2"):
        columns = {column: generator.normal(3.0, 1.0, 80).astype(np.float32) for column in ("x", "y", "w")}
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
    (tmp_path / "z.txt").write_text("# signal\nz[12].parquet\nz3.parquet  # late\n")
    (tmp_path / "s.toml").write_text(SETTINGS)
    return tmp_path


def test_shards_merged_are_one_job(run_cutflow, run_here, directory):
    one = run_here("ingest", "s.toml", "--out", "one.parquet", cwd=directory)
    assert (one.returncode, one.stderr) == (0, "")
    for number in (1, 2):
        done = run_here("ingest", "s.toml", "--shard", f"{number}/2", "--out", f"p{number}.shard", cwd=directory)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"p{number}.shard: shard {number} of 2, {number + 1} files; next: cutflow merge\n"
    merged = run_cutflow("merge", "p2.shard", "p1.shard", "--out", "merged.parquet", cwd=directory)
    assert (merged.returncode, merged.stderr) == (0, "")
    assert merged.stdout == one.stdout.replace("one.parquet", "merged.parquet")
    tables = [pq.read_table(directory / name) for name in ("one.parquet", "merged.parquet")]
    assert tables[0].equals(tables[1])
    said = [
        json.loads(pq.read_metadata(directory / name).metadata[b"cutflow"])
        for name in ("one.parquet", "merged.parquet")
    ]
    assert said[1].pop("command").endswith("merge p2.shard p1.shard --out merged.parquet")
    said[0].pop("command")
    assert said[0] == said[1]

    again = run_here("merge", "p1.shard", "p2.shard", "--out", "merged.parquet", "--json", cwd=directory)
    assert (again.returncode, again.stderr) == (
        0,
        "merged.parquet: already done, made from the same files and settings\n",
    )
    assert json.loads(again.stdout)["files"] == {"Z": 3, "top": 2}
    missing = run_here("merge", "p2.shard", "--out", "m.parquet", cwd=directory)
    assert (missing.returncode, missing.stdout) == (4, "")
    assert missing.stderr == "cutflow: 1 of 2 shards missing: 1/2; nothing was written\n"


def test_bad_files_are_skipped_with_a_word_in_every_place(run_here, directory):
    (directory / "z2.parquet").write_bytes((directory / "z2.parquet").read_bytes()[:300])
    command = ("ingest", "s.toml", "--out", "o.parquet")
    refused = run_here(*command, cwd=directory)
    assert (refused.returncode, refused.stdout) == (3, "")
    assert refused.stderr.startswith("cutflow: z2.parquet: truncated Parquet file")
    assert refused.stderr.endswith("(4 other files are sound: --on-bad-file skip goes on without this one)\n")
    done = run_here(*command, "--on-bad-file", "skip", "--json", cwd=directory)
    assert done.returncode == 5
    assert done.stderr.startswith("cutflow: warning: skipped: z2.parquet: truncated Parquet file")
    result = json.loads(done.stdout)
    assert [file["path"] for file in result["skipped"]] == ["z2.parquet"]
    assert result["files"] == {"Z": 2, "top": 2}
