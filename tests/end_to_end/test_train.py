"""`cutflow train` as a user types it."""

import json
import re
import tomllib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cutflow_cli.models.lcf.settings import LcfSettings

FAST = ("--epochs", "8", "--learning-rate", "0.02", "--batch-size", "128", "--replicas", "3", "--device", "cpu")
CENTERS = "x1=-2,x2=2,x3=0,x4=0"


@pytest.fixture(scope="module")
def mock(run_here, tmp_path_factory):
    """A small mock1; half of it trains."""
    path = tmp_path_factory.mktemp("events") / "mock1.parquet"
    assert run_here("generate-mock", "mock1", "--out", path, "--events", "3000", "--seed", "1").returncode == 0
    return path


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A Parquet file that cutflow did not write: label and two features, nothing else."""
    rng = np.random.default_rng(2)
    label = np.arange(2000) % 2
    table = {"label": label, "mass": rng.normal(label * 2.0), "pt": rng.exponential(30.0 + 30 * label)}
    path = tmp_path_factory.mktemp("plain") / "plain.parquet"
    pq.write_table(pa.table(table), path)
    return path


def manifest(run):
    return json.loads((run / "run.json").read_text())


def consensus_rows(run):
    return [row for row in pq.read_table(run / "cuts.parquet").to_pylist() if row["kind"] == "consensus"]


def one_line(done, code, *words):
    """The outcome of a command that refuses: its exit code, and one line on stderr with these words."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("cutflow: ")
    for word in words:
        assert word in line
    return line


def test_a_run_is_trained_once_printed_and_kept(run_cutflow, run_here, mock, tmp_path):
    out = tmp_path / "runs" / "par"
    command = ("train", "lcf-parallel", mock, "--out", out, *FAST, "--seed", "5")
    done = run_cutflow(*command)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"\S*par: trained in \d+\.\d s on cpu", done.stderr.splitlines()[-1])
    assert all(line.startswith("cutflow: warning: ") for line in done.stderr.splitlines()[:-1])
    assert "Run par, learned by lcf-parallel, seed 5" in done.stdout
    assert "Consensus of 3 replicas, working point default" in done.stdout
    assert sorted(entry.name for entry in out.iterdir()) == ["cuts.parquet", "history.parquet", "run.json"]
    assert [entry.name for entry in out.parent.iterdir()] == ["par"]

    applied = [row for row in consensus_rows(out) if row["active"]]
    for row in applied:  # what is printed is what is kept, to the last digit
        for side in ("lower", "upper"):
            assert row[side] is None or repr(row[side]) in done.stdout
            assert row[side] is None or row[side] == float(np.float32(row[side]))
    history = pq.read_table(out / "history.parquet")
    assert history.column_names == ["replica", "epoch", "loss"]
    assert history["epoch"].to_pylist() == [epoch for epoch in range(1, 9) for _ in range(3)]
    run = manifest(out)
    assert run["timings"].keys() == {"load", "prepare", "train", "combine"}
    settings = run["settings"]  # defaults are recorded like what was given
    assert (settings["epochs"], settings["class_weights"], settings["mask"]) == (8, "balanced", "applied")
    assert (settings["preset"], settings["centers"], run["seed"], run["replicas"]) == (None, {}, 5, [0, 3])

    before = (out / "cuts.parquet").read_bytes()
    again = run_here(*command, "--json")
    assert again.returncode == 0
    assert again.stderr.splitlines()[-1] == f"{out}: already done"
    given = json.loads(again.stdout)
    assert (given["run"], given["already_done"], given["schema_version"]) == (str(out), True, 1)
    cuts = given["cut_flows"][0]["cuts"]
    assert [(cut["observable"], cut["region"], cut["lower"], cut["upper"]) for cut in cuts] == [
        (row["observable"], row["region"], row["lower"], row["upper"]) for row in applied
    ]

    other = (*command[:-1], "6")
    one_line(run_here(*other), 2, "par: exists and was made from other inputs or settings", "--force")
    assert (out / "cuts.parquet").read_bytes() == before


def test_every_option_is_recorded_as_it_was_given(run_here, mock, plain, tmp_path):
    text = run_here("train", "lcf-sequential", "--help", COLUMNS="300").stdout
    options = {name for name in re.findall(r"--([a-z][a-z-]+)", text) if not name.startswith("no-")}
    given = {
        "epochs": ("2", 2), "batch-size": ("64", 64), "learning-rate": ("0.01", 0.01), "threshold": ("0.6", 0.6),
        "min-importance": ("0.1", 0.1), "class-weights": ("physical", "physical"), "negative-weights": ("abs", "abs"),
        "bootstrap": (None, True), "scale": ("moments", "moments"), "mask": ("applied", "applied"),
        "combination": ("published", "published"), "trim": ("0.01", 0.01),
        "min-effective-events": ("7", 7.0), "no-tidy": (None, False), "order": ("given", "given"),
        "objective": ("asimov", "asimov"), "background-systematic": ("0.1", 0.1),
        "min-effective-background": ("5", 5.0), "optimism-folds": ("2", 2),
    }  # fmt: skip
    elsewhere = {"features", "center", "split", "split-seed", "folds", "preset", "replicas", "seed", "device", "memory"}
    not_learned = {"out", "settings", "threads", "force", "fresh", "json", "help", "preset", "keep-state", "time-limit"}
    assert options - {name.removeprefix("no-") for name in given} - elsewhere - not_learned == set()
    defaults = LcfSettings().model_dump(exclude={"strategy", "preset", "centers"})
    defaults["epochs"] = "what makes the paper's 39 200 steps: 200 for 100 000 events"  # depends on the sample
    defaults["objective"] = "the method's own loss"
    for name, value in defaults.items():
        shown = f"{value:g}" if isinstance(value, float) else value
        if isinstance(value, bool):
            shown = name if value else f"no-{name}"
        line = next(line for line in text.splitlines() if f"--{name.replace('_', '-')} " in line)
        assert f"[default: ({shown})]" in line

    out = tmp_path / "all"
    typed = [part for name, (value, _) in given.items() for part in (f"--{name}", value) if part is not None]
    done = run_here(
        *("train", "lcf-sequential", plain, "--out", out, *typed, "--features", "pt,mass", "--center", "mass=1.5"),
        *("--center", "pt=40", "--split", "0.5,0.1,0.4", "--split-seed", "3", "--replicas", "4:6", "--seed", "9"),
        *("--device", "cpu", "--threads", "1"),
    )
    assert done.returncode == 0, done.stderr
    run = manifest(out)
    for name, (_, value) in given.items():
        assert run["settings"][name.removeprefix("no-").replace("-", "_")] == value, name
    assert run["settings"]["centers"] == {"mass": 1.5, "pt": 40.0}
    assert [feature["name"] for feature in run["features"]] == ["pt", "mass"]
    assert [row["observable"] for row in consensus_rows(out)] == ["pt", "mass"]
    assert {row["replica"] for row in pq.read_table(out / "cuts.parquet").to_pylist()} == {4, 5, -1}
    assert run["data"]["split_fractions"] == [0.5, 0.1, 0.4]
    assert (run["data"]["split_seed"], run["seed"], run["replicas"], run["device"]) == (3, 9, [4, 6], "cpu")
    assert run["data"]["path"] == str(plain)
    assert "train lcf-sequential" in run["command"]
    assert "--bootstrap" in run["command"]
    for note in ("features: pt, mass", "no column 'weight'", "no column 'split', assigned 0.5/0.1/0.4"):
        assert note in done.stderr


def test_a_settings_file_is_read_and_options_override_it(run_here, mock, tmp_path):
    toml, yaml = tmp_path / "s.toml", tmp_path / "s.yaml"
    toml.write_text('epochs = 3\nlearning_rate = 0.02\nclass_weights = "unit"\n[centers]\nx1 = -2.5\nx2 = 2.5\n')
    assert tomllib.loads(toml.read_text())["centers"] == {"x1": -2.5, "x2": 2.5}
    base = ("train", "lcf-parallel", mock, "--replicas", "1", "--device", "cpu")
    done = run_here(*base, "--out", tmp_path / "t", "--settings", toml, "--epochs", "2", "--center", "x2=1,x3=0.5")
    assert done.returncode == 0, done.stderr
    settings = manifest(tmp_path / "t")["settings"]
    assert (settings["epochs"], settings["learning_rate"], settings["class_weights"]) == (2, 0.02, "unit")
    assert settings["centers"] == {"x1": -2.5, "x2": 1.0, "x3": 0.5}
    yaml.write_text("epochs: 3\nlearning_rat: 0.02\n")
    refused = run_here(*base, "--out", tmp_path / "y", "--settings", yaml)
    one_line(refused, 2, "s.yaml: learning_rat: no such setting; did you mean learning_rate?")
    assert not (tmp_path / "y").exists()


def test_the_preset_asks_for_centres_and_notes_departures(run_here, mock, tmp_path):
    base = ("train", "lcf-sequential", mock, "--out", tmp_path / "run", "--preset", "lcf", "--device", "cpu")
    refused = run_here(*base, "--center", "x2=2")
    one_line(refused, 2, "--preset lcf", "--center x1=… --center x3=… --center x4=…")
    assert list(tmp_path.iterdir()) == []
    done = run_here(*base, "--center", CENTERS, "--epochs", "3", "--replicas", "2")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[0] == "--preset lcf has epochs = 200, this run has 3"
    settings = manifest(tmp_path / "run")["settings"]
    assert (settings["preset"], settings["mask"], settings["class_weights"]) == ("lcf", "published", "unit")


def test_a_file_with_its_own_split_keeps_it(run_here, mock, tmp_path):
    option = ("--split", "0.5,0.2,0.3")
    refused = run_here("train", "lcf-parallel", mock, "--out", tmp_path / "run", *option, "--device", "cpu")
    one_line(refused, 2, "mock1.parquet: has its own column 'split'; --split and --split-seed do not apply")
    assert list(tmp_path.iterdir()) == []
