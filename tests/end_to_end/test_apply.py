"""`cutflow apply` as a user runs it."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq


def test_count_write_and_find_nothing(run_cutflow, run_here, tmp_path):
    pq.write_table(pa.table({"x": [0.5, 1.5, None], "y": [1, 2, 3]}), tmp_path / "flat.parquet")
    (tmp_path / "mine.json").write_text('{"cuts": ["x < 1", "y >= 1"]}')
    done = run_cutflow("apply", "mine.json", "flat.parquet", "--out", "o.parquet", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "o.parquet: written\n"
    (flow,) = json.loads(done.stdout)["cut_flows"]
    assert flow["groups"][0]["steps"] == [
        {"cut": "all events", "events": 3}, {"cut": "x < 1.0", "events": 1}, {"cut": "y >= 1", "events": 1},
    ]  # fmt: skip
    assert pq.read_table(tmp_path / "o.parquet").to_pylist() == [{"x": 0.5, "y": 1}]
    (tmp_path / "mine.json").write_text('{"cuts": ["x < -1"]}')
    done = run_here("apply", "mine.json", "flat.parquet", "--out", "none.parquet", cwd=tmp_path)
    assert done.returncode == 4
    assert "x < -1" in done.stdout
    assert done.stderr == "cutflow: mine.json: no event passes; none.parquet is not written\n"
