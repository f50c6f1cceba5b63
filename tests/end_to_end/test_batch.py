"""A plan on this machine, as a user types it: planned, run, put together, and the same as in one go."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cutflow_cli.batch.manifest import read_plan

PLAN = """
[samples]
events = "events.parquet"

[[train]]
name = "count"
method = "cut-and-count"
replicas = 2
block = 1
seeds = [3]
"""
APPLY = """
[[apply]]
name = "flow"
cuts = "cuts.json"
files = ["part-*.parquet"]
"""


@pytest.fixture
def home(tmp_path):
    rng = np.random.default_rng(1)
    label = np.repeat([1, 0], 300).astype(np.int8)
    events = pa.table({"x": (rng.normal(size=600) + label).astype(np.float32), "label": label})
    pq.write_table(events, tmp_path / "events.parquet")
    for part in range(2):
        pq.write_table(events.slice(part * 300, 300), tmp_path / f"part-{part}.parquet")
    (tmp_path / "cuts.json").write_text('{"cuts": ["x > 0.5"]}')
    (tmp_path / "plan.toml").write_text(PLAN)
    return tmp_path


def test_a_plan_on_this_machine(run_here, run_cutflow, home):
    plan = home / "scan"
    shown = run_here("batch", "plan", home / "plan.toml", "--out", plan, "--dry-run")
    assert (shown.returncode, plan.exists()) == (0, False)
    planned = run_here("batch", "plan", home / "plan.toml", "--out", plan, "--json")
    assert planned.returncode == 0, planned.stderr
    assert json.loads(planned.stdout)["tasks"] == 2
    again = run_here("batch", "plan", home / "plan.toml", "--out", plan)
    assert (again.returncode, again.stderr) == (0, f"{plan}: already done\n")
    assert run_here("batch", "status", plan).returncode == 4
    refused = run_here("batch", "merge", plan, "--result", "count")
    assert refused.returncode == 4
    assert "1 count replicas 1:2" in refused.stdout
    assert "2 of 2 outputs are missing, nothing was merged" in refused.stderr
    done = run_cutflow("batch", "submit", plan, "--local", "2")
    assert (done.returncode, done.stdout) == (0, "2 of 2 tasks done\n"), done.stderr
    waited = run_here("batch", "status", plan, "--wait")
    assert (waited.returncode, waited.stderr) == (0, "")
    assert "all of its tasks" in run_here("batch", "submit", plan, "--local", "2").stderr
    merged = run_here("batch", "merge", plan)
    assert merged.returncode == 0, merged.stderr
    whole = run_here("train", "cut-and-count", home / "events.parquet", "--out", home / "whole", "--replicas", "2",
                     "--seed", "3")  # fmt: skip
    assert whole.returncode == 0, whole.stderr
    assert (plan / "merged" / "count" / "cuts.parquet").read_bytes() == (home / "whole" / "cuts.parquet").read_bytes()


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ("seeds = [3]", 'features = ["xx"]', 3, "no column 'xx'; did you mean x?"),
        ("seeds = [3]", "settings = { min_gian = 0.1 }", 2,
         "train 'count': min_gian: cut-and-count has no such setting; did you mean min_gain?"),
        ("seeds = [3]", 'samples = ["evens"]', 2, "train 'count': no sample 'evens'; did you mean events?"),
        ("seeds = [3]", 'options = ["--serch", "bins"]', 2, "count: options: No such option: --serch"),
        ("part-*", "prat-*", 3, "apply 'flow': process 'flow': no file matches"),
        ("[[apply]]", "[[evaluate]]", 2, "evaluate 'flow': cuts: give a list in brackets, such as"),
        ("cuts.json", "cut.json", 3, "cut.json: no such file"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_when_it_is_planned(run_here, home, old, new, code, said):
    (home / "plan.toml").write_text((PLAN + APPLY).replace(old, new))
    done = run_here("batch", "plan", home / "plan.toml", "--out", home / "scan")
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(home.glob("scan*"))


def test_another_plan_at_the_same_place_is_refused(run_here, home):
    assert run_here("batch", "plan", home / "plan.toml", "--out", home / "scan").returncode == 0
    (home / "plan.toml").write_text(PLAN.replace("seeds = [3]", "seeds = [4]"))
    done = run_here("batch", "plan", home / "plan.toml", "--out", home / "scan")
    assert (done.returncode, done.stdout) == (2, "")
    assert "is another plan, or its inputs have changed since" in done.stderr


def test_options_that_contradict_each_other(run_here, home):
    assert run_here("batch", "plan", home / "plan.toml", "--out", home / "scan").returncode == 0
    for words, said in (
        ((), "say where: --htcondor, --slurm, or --local N"),
        (("--slurm", "--local", "2"), "--slurm and --local: give one of them"),
        (("--local", "2", "--memory", "4000"), "--memory: is for batch systems; --local has no use for it"),
    ):
        done = run_here("batch", "submit", home / "scan", *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr


EVALUATE = """
[[evaluate]]
name = "eras"
runs = ["run"]
cuts = ["cuts.json"]
files = ["era-*.parquet"]
options = ["--no-figures"]
"""


def test_reports_on_parts_of_the_events_and_the_sum_of_their_cut_flows(run_here, home):
    """Of events that have their splits, parts add up to the whole: numbers of events, and yields of all events."""
    assert run_here("generate-mock", "mock1", "--events", "1200", "--out", home / "mock1.parquet").returncode == 0
    trained = run_here("train", "cut-and-count", home / "mock1.parquet", "--out", home / "run")
    assert trained.returncode == 0, trained.stderr
    events = pq.read_table(home / "mock1.parquet", columns=["x1", "x2", "x3", "x4", "label", "weight", "split"])
    (home / "cuts.json").write_text('{"cuts": ["x1 < 0"]}')
    whole = events.sort_by("x4").replace_schema_metadata(None)
    pq.write_table(whole, home / "whole.parquet")
    for era, (first, rows) in enumerate(((0, 500), (500, 700))):
        pq.write_table(whole.slice(first, rows), home / f"era-{era}.parquet")
    (home / "plan.toml").write_text(EVALUATE)
    plan = home / "scan"
    planned = run_here("batch", "plan", home / "plan.toml", "--out", plan)
    assert planned.returncode == 0, planned.stderr
    assert [words for words in planned.stdout.split() if words in ("eras", "evaluate")] == ["eras", "evaluate"]
    for task in read_plan(plan).tasks:  # as `batch run` does, without a process for each
        done = run_here(*task.argv, cwd=plan)
        assert done.returncode == 0, done.stderr
    assert {"report.json", "metrics.parquet"} <= {
        path.name for path in (plan / "results" / "eras" / "part-1").iterdir()
    }
    merged = run_here("batch", "merge", plan, "--no-queue")
    assert merged.returncode == 0, merged.stderr
    evaluated = run_here("evaluate", home / "run", "--cuts", home / "cuts.json", "--data", home / "whole.parquet",
                         "--out", home / "report", "--no-figures")  # fmt: skip
    assert evaluated.returncode == 0, evaluated.stderr
    columns = ["run", "working_point", "kind", "replica", "split", "position", "process", "n_raw"]
    tables = [pq.read_table(path) for path in (plan / "merged" / "eras.parquet", home / "report" / "cutflow.parquet")]
    rows = [{tuple(row.values()) for row in table.select(columns).to_pylist()} for table in tables]
    assert rows[0] == rows[1]
    assert {row[0] for row in rows[0]} == {"run", "cuts.json"}


def test_a_part_without_a_signal_event_that_passes_is_done(run_here, home):
    (home / "cuts.json").write_text('{"cuts": ["x > 99"]}')
    (home / "plan.toml").write_text(EVALUATE.replace('runs = ["run"]\n', "").replace("era-*", "events"))
    assert run_here("batch", "plan", home / "plan.toml", "--out", home / "scan").returncode == 0
    done = run_here("batch", "run", home / "scan", "0")
    assert done.returncode == 0, done.stderr
    assert run_here("batch", "status", home / "scan").returncode == 0
