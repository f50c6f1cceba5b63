"""`cutflow train cut-and-count` as it is typed."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest


def columns(events=4000, **changed):
    rng = np.random.default_rng(4)
    label = np.arange(events) % 2
    table = {
        "label": label,
        "mass": rng.normal(90.0, np.where(label == 1, 2.0, 8.0)).astype(np.float32),
        "tau21": rng.normal(0.6 - 0.2 * label, 0.15).astype(np.float32),
        "weight": np.where(label == 1, 0.1, 1.0),
    }
    return {name: values for name, values in {**table, **changed}.items() if values is not None}


@pytest.fixture
def train(run_here, tmp_path):
    """Write events, train on them."""

    def run(*arguments, **changed):
        pq.write_table(pa.table(columns(**changed)), tmp_path / "events.parquet")
        return run_here("train", "cut-and-count", "events.parquet", "--out", "run", *arguments, cwd=tmp_path)

    return run


def test_it_writes_a_run_that_is_judged_and_exported(train, run_here, tmp_path):
    done = train()
    assert done.returncode == 0, done.stderr
    assert "learned by cut-and-count" in done.stdout
    assert "< mass <" in done.stdout
    assert "tau21 <" in done.stdout
    names = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert names == ["cuts.parquet", "history.parquet", "run.json", "steps.parquet"]
    manifest = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (manifest["settings"]["order"], manifest["settings"]["bootstrap"]) == ("greedy", False)
    assert (manifest["settings"]["fom"], manifest["settings"]["min_effective_events"]) == ("asimov", 10.0)
    steps = pq.read_table(tmp_path / "run" / "steps.parquet").to_pydict()
    assert steps["observable"] == ["mass", "tau21"]
    again = train()
    assert (again.returncode, again.stdout) == (0, done.stdout)
    assert "already done" in again.stderr
    judged = run_here("evaluate", "run", "--data", "events.parquet", "--out", "report", cwd=tmp_path)
    assert judged.returncode == 0, judged.stderr
    exported = run_here("export-cuts", "run", "--format", "root", cwd=tmp_path)
    assert exported.returncode == 0, exported.stderr
    assert "mass" in exported.stdout


def test_the_preset_is_kept_to_and_departures_are_told(train):
    done = train("--preset", "hml", "--bins", "20", "--json")
    assert done.returncode == 0, done.stderr
    assert "--preset hml has bins = 50, this run has 20" in done.stderr
    cuts = json.loads(done.stdout)["cut_flows"][0]["cuts"]
    assert [cut["observable"] for cut in cuts] == ["mass", "tau21"]


def test_replicas_give_errors(train, tmp_path):
    done = train("--replicas", "4", "--features", "tau21,mass", "--order", "given", "--json")
    assert done.returncode == 0, done.stderr
    table = pq.read_table(tmp_path / "run" / "cuts.parquet").to_pylist()
    consensus = [row for row in table if row["kind"] == "consensus"]
    assert [row["observable"] for row in consensus] == ["tau21", "mass"]
    assert all(row["lower_error"] or row["upper_error"] for row in consensus)
    assert len({row["replica"] for row in table}) == 5


@pytest.mark.parametrize(
    ("arguments", "changed", "code", "words"),
    [
        (["--fom", "asimof"], {}, 2, ["--fom", "did you mean asimov?"]),
        (["--strategy", "parallel", "--order", "greedy"], {}, 2, ["--order", "parallel"]),
        (["--replicas", "3", "--no-bootstrap"], {}, 2, ["--no-bootstrap", "the same"]),
        ([], {"label": np.zeros(4000, dtype=int)}, 3, ["events.parquet", "no signal events"]),
        ([], {"weight": -np.ones(4000)}, 3, ["'weight'", "--negative-weights"]),
    ],
)
def test_bad_input_is_one_line(train, tmp_path, arguments, changed, code, words):
    done = train(*arguments, **changed)
    assert done.returncode == code, done.stderr
    error = done.stderr.splitlines()[-1]
    for word in words:
        assert word in error, error
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_the_diboson_sample(run_here, root, tmp_path):
    """The jet mass comes first, in a window about the W and Z."""
    events = root.parent / "shared" / "data" / "diboson.parquet"
    if not events.is_file():
        pytest.skip("needs the diboson sample in ../shared/data")
    features = "m_jet,c2_b1,c2_b2,d2_b1,d2_b2,tau21"
    arguments = ("--features", features, "--fom", "balanced_accuracy", "--json", "--out", "run")
    done = run_here("train", "cut-and-count", events, *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first = json.loads(done.stdout)["cut_flows"][0]["cuts"][0]
    assert (first["observable"], first["region"]) == ("m_jet", "inside")
    assert 55 < first["lower"] < 80
    assert 92 < first["upper"] < 110
