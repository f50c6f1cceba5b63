"""`cutflow train cabin-scan` as a user types it."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

FAST = ("--targets", "0.2,0.5,0.8", "--epochs", "40", "--device", "cpu")


@pytest.fixture(scope="module")
def mock(run_here, tmp_path_factory):
    path = tmp_path_factory.mktemp("events") / "gaussians.parquet"
    done = run_here(
        "generate-mock", "gaussians", "--features-count", "4", "--events", "4000", "--seed", "3", "--out", path
    )
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def trained(run_here, mock, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "scan"
    done = run_here("train", "cabin-scan", mock, "--out", out, *FAST)
    assert done.returncode == 0, done.stderr
    return out, done


def test_a_scan_prints_its_recommended_working_point_and_keeps_the_rest(trained, run_here, mock):
    out, done = trained
    manifest = json.loads((out / "run.json").read_text())
    assert manifest["method"] == "cabin-scan"
    assert manifest["recommended"] in done.stdout
    assert "3 working points" in done.stderr
    assert "trained in" in done.stderr
    again = run_here("train", "cabin-scan", mock, "--out", out, *FAST)
    assert again.returncode == 0
    assert "already done" in again.stderr
    assert again.stdout == done.stdout


def test_the_printed_efficiencies_are_those_of_the_cuts(trained, mock):
    out, _ = trained
    events = pq.read_table(mock).to_pandas()
    events = events[events["split"] == "train"]
    table = pq.read_table(out / "working_points.parquet").to_pandas()
    cuts = pq.read_table(out / "cuts.parquet").to_pandas()
    agreed = table[table["replica"] == -1]
    assert list(agreed["target"]) == [0.2, 0.5, 0.8]
    for row in agreed.itertuples():
        mine = cuts[(cuts["working_point"] == row.working_point) & (cuts["kind"] == "consensus") & cuts["active"]]
        kept = np.ones(len(events), dtype=bool)
        for cut in mine.itertuples():
            values = events[cut.observable].to_numpy()
            if cut.region in ("above", "inside"):
                kept &= values > np.float32(cut.lower)
            if cut.region in ("below", "inside"):
                kept &= values < np.float32(cut.upper)
        signal = (events["label"] == 1).to_numpy()
        assert row.signal_efficiency == pytest.approx(kept[signal].mean(), abs=1e-9)
        assert row.background_efficiency == pytest.approx(kept[~signal].mean(), abs=1e-9)
        assert row.target <= row.signal_efficiency + 1e-9 < row.target + 1 / signal.sum() + 1e-6


def test_every_term_of_the_loss_is_a_column_of_the_history(trained):
    out, _ = trained
    history = pq.read_table(out / "history.parquet").to_pandas()
    terms = ["loss_efficiency", "loss_background", "loss_cut_size", "loss_bce", "loss_smoothness"]
    assert len(history) == 40
    np.testing.assert_allclose(history[terms].sum(axis=1), history["loss"], rtol=1e-6)


def test_json_says_which_working_point_is_recommended(run_here, trained, mock):
    out, _ = trained
    done = run_here("train", "cabin-scan", mock, "--out", out, *FAST, "--json")
    answer = json.loads(done.stdout)
    assert answer["already_done"] is True
    assert answer["recommended"] == json.loads((out / "run.json").read_text())["recommended"]
    assert len({flow["working_point"] for flow in answer["cut_flows"]}) == 3


def test_replicas_windows_and_directions(run_here, mock, tmp_path):
    out = tmp_path / "windows"
    done = run_here(
        "train", "cabin-scan", mock, "--out", out, *FAST, "--windows", "--direction", "x1=below", "--replicas", "2"
    )
    assert done.returncode == 0, done.stderr
    settings = json.loads((out / "run.json").read_text())["settings"]
    assert settings["directions"] == {"x1": "below", "x2": "both", "x3": "both", "x4": "both"}
    assert settings["bootstrap"] is True
    cuts = pq.read_table(out / "cuts.parquet").to_pandas()
    assert set(cuts[(cuts["observable"] == "x1") & cuts["active"]]["region"]) <= {"below"}
    assert set(cuts["replica"]) == {-1, 0, 1}


def test_a_preset_says_what_departs_from_it(run_here, mock, tmp_path):
    done = run_here("train", "cabin-scan", mock, "--out", tmp_path / "p", "--preset", "cabin", "--epochs", "20")
    assert done.returncode == 0, done.stderr
    assert "--preset cabin has epochs = 200, this run has 20" in done.stderr
    assert json.loads((tmp_path / "p" / "run.json").read_text())["settings"]["exact"] is False


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--targets", "0.5,1.2"), ("--targets", "1.2")),
        (("--direction", "x9=above"), ("--direction x9", "did you mean x")),
        (("--no-exact", "--smoothness", "1"), ("--smoothness", "--exact")),
        (("--fom", "purity"), ("--fom", "did you mean punzi")),
        (("--replicas", "2", "--no-bootstrap"), ("--no-bootstrap", "--replicas 1")),
        (("--preset", "cabin-bce", "--targets", "0.5"), ("--targets", "cabin-bce")),
    ],
)
def test_bad_input_is_told_in_one_line(run_here, mock, tmp_path, options, words):
    done = run_here("train", "cabin-scan", mock, "--out", tmp_path / "bad", *options)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("cutflow: ")
    for word in words:
        assert word in line
    assert not (tmp_path / "bad").exists()
