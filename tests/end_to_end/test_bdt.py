"""`cutflow train bdt` as it is typed."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

FAST = ("--trees", "15", "--threads", "1", "--device", "cpu")


def columns(events=1200, **changed):
    rng = np.random.default_rng(4)
    label = np.arange(events) % 2
    table = {"label": label, "mass": rng.normal(90.0 + label), "tau21": rng.uniform(0.1, 0.9, events) - 0.1 * label}
    return {**table, **changed}


@pytest.fixture
def train(run_here, tmp_path):
    """Write events, train on them."""

    def run(*arguments, **changed):
        pq.write_table(pa.table(columns(**changed)), tmp_path / "events.parquet")
        return run_here("train", "bdt", "events.parquet", *FAST, *arguments, cwd=tmp_path)

    return run


def test_training_writes_a_run_and_prints_its_cut(train, run_here, tmp_path):
    done = train("--out", "run", "--replicas", "2")
    assert done.returncode == 0, done.stderr
    assert "learned by bdt" in done.stdout
    assert "score > 0." in done.stdout
    names = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert names == [
        "cuts.parquet", "history.parquet", "importances.parquet", "replica-0.ubj", "replica-1.ubj", "run.json",
        "trees.json",
    ]  # fmt: skip
    manifest = json.loads((tmp_path / "run" / "run.json").read_text())
    assert manifest["settings"]["min_child_weight"] == 10.0
    assert manifest["settings"]["bootstrap"] is True
    assert "xgboost" in manifest["versions"]
    again = train("--out", "run", "--replicas", "2")
    assert (again.returncode, again.stdout) == (0, done.stdout)
    assert "already done" in again.stderr
    judged = run_here("evaluate", "run", "--data", "events.parquet", "--out", "report", "--no-figures", cwd=tmp_path)
    assert judged.returncode == 0, judged.stderr


def test_a_preset_is_kept_to_and_departures_are_told(train, tmp_path):
    done = train("--out", "run", "--preset", "lcf", "--json")
    assert done.returncode == 0, done.stderr
    assert "--preset lcf has trees = 100, this run has 15" in done.stderr
    cuts = json.loads(done.stdout)["cut_flows"][0]["cuts"]
    assert [(cut["observable"], cut["region"], cut["lower"]) for cut in cuts] == [("score", "above", 0.5)]
    assert (tmp_path / "run" / "replica-0.safetensors").is_file()
    assert "scikit-learn" in json.loads((tmp_path / "run" / "run.json").read_text())["versions"]


def test_negative_weights_are_taken_by_xgboost_and_refused_by_scikit_learn(train):
    weight = np.where(np.arange(1200) % 10 == 0, -1.0, 1.0)
    assert train("--out", "run", "--negative-weights", "keep", weight=weight).returncode == 0
    refused = train("--out", "other", "--backend", "sklearn", weight=weight)
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].startswith("cutflow: --negative-weights keep: scikit-learn's trees can't")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--backend", "sklearn", "--device", "cuda"), "--device cuda: scikit-learn grows trees on the CPU only"),
        (("--replicas", "3", "--no-bootstrap"), "--no-bootstrap: nothing else is random in XGBoost's trees"),
        (("--split", "0.5,0,0.5", "--early-stopping", "5"), "--early-stopping 5: there is no validation split"),
        (("--fom", "z"), "--fom z: no such figure of merit"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_what_cannot_be_used_is_refused_in_one_line(train, tmp_path, arguments, words):
    refused = train("--out", "run", *arguments)
    assert refused.returncode == 2, refused.stderr
    assert refused.stdout == ""
    assert words in refused.stderr.splitlines()[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["events.parquet"]


def test_help_shows_every_default(run_here):
    shown = run_here("train", "bdt", "--help", COLUMNS="200").stdout
    for words in ("(xgboost)", "(1000)", "(4)", "(0.1)", "(10)", "(20 if there is a validation split)", "(keep)"):
        assert f"[default: {words}]" in shown
