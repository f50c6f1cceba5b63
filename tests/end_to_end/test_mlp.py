"""cutflow train mlp, as it is typed."""

import json
import re

import pyarrow.parquet as pq
import pytest


@pytest.fixture(scope="module")
def small(run_here, tmp_path_factory):
    path = tmp_path_factory.mktemp("mlp") / "gaussians.parquet"
    done = run_here("generate-mock", "gaussians", "--events", "4000", "--out", path)
    assert done.returncode == 0, done.stderr
    return path


def test_a_network_is_trained_and_its_cut_printed(run_here, small, tmp_path):
    out = tmp_path / "run"
    options = ("--hidden", "16", "--epochs", "6", "--replicas", "2", "--fom", "balanced_accuracy")
    done = run_here("train", "mlp", small, "--out", out, *options)
    assert done.returncode == 0, done.stderr
    assert re.search(r"score > 0\.\d+", done.stdout)
    assert "trained in" in done.stderr
    assert sorted(entry.name for entry in out.iterdir()) == [
        "cuts.parquet", "history.parquet", "networks.safetensors", "run.json",
    ]  # fmt: skip
    history = pq.read_table(out / "history.parquet")
    assert history.column_names == ["replica", "epoch", "loss", "validation_loss"]
    assert history.num_rows == 12
    manifest = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert (manifest["method"], manifest["settings"]["hidden"]) == ("mlp", [16])
    assert len(manifest["settings"]["best_epochs"]) == 2
    again = run_here("train", "mlp", small, "--out", out, *options, "--json")
    assert again.returncode == 0, again.stderr
    answer = json.loads(again.stdout)
    assert answer["already_done"] is True
    (flow,) = answer["cut_flows"]
    assert flow["cuts"][0]["observable"] == "score"


def test_bad_options_are_refused_in_one_line(run_here, small, tmp_path):
    for options, message in (
        (("--hidden", "32,x"), "--hidden: give the units of each hidden layer, such as 32,32, or none"),
        (("--preset", "lcf", "--fom", "punzi"), "--fom: the threshold is fixed at 0.5 by --preset lcf"),
    ):
        done = run_here("train", "mlp", small, "--out", tmp_path / "run", *options)
        assert done.returncode == 2
        assert done.stdout == ""
        assert message in done.stderr
        assert done.stderr.strip().count("\n") == 0
        assert not (tmp_path / "run").exists()


def test_the_papers_baseline_on_the_papers_sample(run_here, tmp_path):
    events, out = tmp_path / "mock1.parquet", tmp_path / "run"
    assert run_here("generate-mock", "mock1", "--out", events).returncode == 0
    options = ("--preset", "lcf", "--epochs", "8", "--replicas", "1")
    done = run_here("train", "mlp", events, "--out", out, *options)
    assert done.returncode == 0, done.stderr
    assert "--preset lcf has epochs = 200, this run has 8" in done.stderr
    assert "score > 0.5" in done.stdout

    from cutflow_cli.events.table import open_events
    from cutflow_cli.models.scores import load_scorer, mean_score
    from cutflow_cli.runs import open_run

    run = open_run(out)
    test = open_events(events, run.features, None, 0).load("test")
    scorer = load_scorer("mlp", out, run.features, 1)
    score = mean_score(scorer.scores(test.x)["score"])
    true_positives, false_positives = ((score > 0.5)[test.label == value].sum() for value in (1, 0))
    # The paper's BDT has 48 699 and 1 152; where between the two a network stops moves along the ROC curve by chance.
    assert 48_400 < true_positives < 49_100
    assert 850 < false_positives < 1_600
    accuracy = (true_positives + (test.label == 0).sum() - false_positives) / len(test)
    assert 0.977 < accuracy < 0.979
