"""Cuts in bins of an observable, as a user trains, evaluates, applies and hands them over."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

BINS = "jet_pt:300,325,350,375,400"
FAST = ("--targets", "0.5", "--epochs", "20", "--device", "cpu")


@pytest.fixture(scope="module")
def mock(tmp_path_factory):
    """Both classes move with jet_pt in `a`; a fifth of the events is outside the bins."""
    rng = np.random.default_rng(8)
    label = (np.arange(8000) % 2).astype(np.int8)
    pt = rng.uniform(287.5, 412.5, 8000).astype(np.float32)
    a = (rng.normal((pt - 350) / 25 + 1.5 * label)).astype(np.float32)
    b = rng.normal(1.0 * label).astype(np.float32)
    path = tmp_path_factory.mktemp("events") / "moving.parquet"
    pq.write_table(pa.table({"jet_pt": pt, "a": a, "b": b, "label": label}), path)
    return path


@pytest.fixture(scope="module")
def trained(mock, tmp_path_factory):
    """Trained by the installed command, in a process of its own."""
    out = tmp_path_factory.mktemp("runs") / "binned"
    command = [sys.executable, "-m", "cutflow_cli", "train", "cabin-scan", mock, "--out", out, "--binned-in", BINS]
    done = subprocess.run([*map(str, command), *FAST, "--replicas", "2"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out, done


def test_training_prints_each_bin_and_says_what_is_outside(trained):
    out, done = trained
    for line in ("300 <= jet_pt < 400", "a, by jet_pt", "300–325: a > ", "375–400: a > "):
        assert line in done.stdout
    assert "of the signal is outside the bins of jet_pt, and fails" in done.stderr
    manifest = json.loads((out / "run.json").read_text())
    assert manifest["schema_version"] == 2
    assert manifest["settings"]["binned_in"] == BINS
    assert [feature["name"] for feature in manifest["features"]] == ["a", "b"]
    assert [column["name"] for column in manifest["spectators"]] == ["jet_pt"]
    cuts = pq.read_table(out / "cuts.parquet").to_pandas()
    agreed = cuts[(cuts["replica"] == -1) & (cuts["observable"] == "a")]
    assert agreed["bin_low"].tolist() == [300, 325, 350, 375]
    assert np.diff(agreed["lower"]).mean() == pytest.approx(1.0, abs=0.25)
    assert (agreed["lower_error"] > 0).all()
    bins = pq.read_table(out / "bins.parquet").to_pandas()
    assert bins["train_signal_efficiency"].between(0.5, 0.503).all()


def test_evaluation_counts_what_every_export_selects(trained, mock, run_here, tmp_path):
    out, _ = trained
    done = run_here("evaluate", out, "--data", mock, "--out", tmp_path / "report", "--stability")
    assert done.returncode == 0, done.stderr
    assert "Change of Asimov Z with each boundary" in done.stdout
    assert "bins of jet_pt: moved in all at once, in each by its own error or that share of it" in done.stdout
    stability = pq.read_table(tmp_path / "report" / "stability.parquet").to_pandas()
    moved = stability[stability["position"] == 2].set_index("move")
    assert moved["binned_in"].unique().tolist() == ["jet_pt"]
    assert {len(boundaries) for boundaries in moved["boundaries"]} == {4}
    cuts = pq.read_table(out / "cuts.parquet").to_pandas()
    agreed = cuts[(cuts["replica"] == -1) & (cuts["observable"] == "a")]
    for sign in (1, -1):
        by_error = agreed["lower"] + sign * agreed["lower_error"]
        assert moved.loc["+error" if sign > 0 else "-error", "boundaries"] == pytest.approx(by_error, abs=1e-5)
    assert moved.loc["-error", "n_signal"] > moved.loc["+error", "n_signal"]
    for text in ("a, by jet_pt", "  325–350: a > ", "b > ", ", by jet_pt", "300 <= jet_pt < 400"):
        assert text in done.stdout
    assert (tmp_path / "report" / "figures" / "binned-bins.pdf").is_file()
    assert (tmp_path / "report" / "figures" / "binned-n-minus-1.png").is_file()
    flow = pq.read_table(tmp_path / "report" / "cutflow.parquet").to_pandas()
    last = flow[(flow["kind"] == "consensus") & (flow["process"].isin(["signal", "background"]))]
    counted = last[last["position"] == 3].groupby("process")["n_raw"].sum()

    events = {name: column.to_numpy() for name, column in zip(*_columns(mock), strict=True)}
    python, jsons = (run_here("export-cuts", out, "--format", name).stdout for name in ("python", "json"))
    module: dict = {}
    exec(python, module)
    mask = module["select"](events)
    assert {name: int(mask[events["label"] == label].sum()) for label, name in enumerate(("background", "signal"))} == (
        counted.to_dict()
    )
    cuts = tmp_path / "cuts.json"
    cuts.write_text(jsons)
    applied = run_here("apply", cuts, mock, "--json")
    assert applied.returncode == 0, applied.stderr
    (one,) = json.loads(applied.stdout)["cut_flows"]
    assert str(int(mask.sum())) in json.dumps(one)
    corrections = json.loads(run_here("export-cuts", out, "--format", "correctionlib").stdout)
    assert [one["name"] for one in corrections["corrections"]] == ["a_lower", "b_lower", "selection"]


def _columns(path):
    table = pq.read_table(path)
    return table.column_names, table.columns


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--binned-in", "jet_pt:300,400"), 2, "two bins at least"),
        (("--binned-in", "jet_pt:300,350,400", "--smoothness", "3"), 2, "fewer than three bins"),
        (("--binned-in", BINS, "--features", "jet_pt,a"), 2, "--features: jet_pt is what cuts are binned in"),
        (("--binned-in", "jet_p:1,2,3,4"), 3, "no column 'jet_p'; did you mean jet_pt"),
        (("--binned-in", "jet_pt:300,399.99,400"), 3, "jet_pt 399.99–400 has "),
        (("--binned-in", BINS, "--memory", "1kB"), 2, "--binned-in needs the events in memory"),
        (("--binned-in", BINS, "--device", "cuda"), 2, "--device cuda: cuts in bins are learned on the CPU only"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(mock, run_here, tmp_path, options, code, said):
    done = run_here("train", "cabin-scan", mock, "--out", tmp_path / "run", *FAST, *options)
    assert done.returncode == code, done.stderr
    assert said in done.stderr.splitlines()[-1]
    assert not (tmp_path / "run").exists()
