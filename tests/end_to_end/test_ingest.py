"""`cutflow ingest` as a user types it: settings and options, tables and JSON, and the realistic samples."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot

from cutflow_cli.events.table import open_events

SETTINGS = """
luminosity = 2.0
features = ["x", "r = x / y"]
[processes.Z]
role = "signal"
files = "z*.root"
cross_section = 0.5
weight = "w"
[processes.top]
role = "background"
files = ["top.parquet"]
cross_section = 10.0
"""


@pytest.fixture
def files(tmp_path):
    """Two ROOT files of signal, one Parquet file of background."""
    generator = np.random.default_rng(1)

    def columns(rows):
        return {name: generator.normal(3.0, 1.0, rows).astype(np.float32) for name in ("x", "y", "w")}

    for name in ("z1", "z2"):
        with uproot.recreate(tmp_path / f"{name}.root") as file:
            file.mktree("Events", dict.fromkeys(("x", "y", "w"), np.dtype("f4"))).extend(columns(150))
    pq.write_table(pa.table(columns(400)), tmp_path / "top.parquet")
    (tmp_path / "samples.toml").write_text(SETTINGS)
    return tmp_path


def row(stdout, process):
    return next(line.split() for line in stdout.splitlines() if line.split()[:1] == [process])


def test_a_settings_file_becomes_events_and_a_table_of_the_normalisation(run_cutflow, run_here, files):
    command = ("ingest", "samples.toml", "--out", "out.parquet")
    done = run_cutflow(*command, cwd=files)
    assert (done.returncode, done.stderr) == (0, "")
    assert "out.parquet: 700 events, 2 features, 2 fb⁻¹, seed 0" in done.stdout
    signal, background = row(done.stdout, "Z"), row(done.stdout, "top")
    assert signal[1:4] == ["signal", "2", "300"]
    assert signal[5:8] == ["0.5", "300", "1000"]
    assert background[1:8] == ["background", "1", "400", "400", "10", "400", "20000"]
    assert background[8:11] == ["±", "1e+03", "400"]
    events = open_events(files / "out.parquet")
    assert events.features == ("x", "r")
    assert events.metadata.command.endswith("ingest samples.toml --out out.parquet")
    assert sorted(path.name for path in files.iterdir()) == [
        "out.parquet", "samples.toml", "top.parquet", "z1.root", "z2.root",
    ]  # fmt: skip
    again = run_here(*command, cwd=files)
    assert again.returncode == 0
    assert again.stderr == "out.parquet: already done, made from the same files and settings\n"
    assert again.stdout == done.stdout


def test_options_and_settings_say_the_same(run_here, files):
    options = ["--feature", "x", "--feature", "r = x / y", "--luminosity", "2", "--tree", "Events"]
    options += ["--signal", "z*.root", "--background", "z2.root", "--background", "z1.root", "--weight-column", "w"]
    options += ["--signal-cross-section", "0.5", "--background-cross-section", "10", "--signal-sum-of-weights", "900"]
    refused = run_here("ingest", *options, "--out", "o.parquet", cwd=files)
    assert refused.returncode == 2
    assert "belongs to processes 'signal' and 'background'" in refused.stderr
    options[options.index("z*.root")] = "z1.root"
    options[options.index("--background") : options.index("--background") + 4] = ["--background", "z2.root"]
    done = run_here("ingest", *options, "--out", "o.parquet", "--json", "--seed", "5", cwd=files)
    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads(done.stdout)
    assert result["files"] == {"signal": 1, "background": 1}
    assert result["seed"] == 5
    assert result["processes"][0]["generated_sumw"] == 900.0
    assert result["yields"]["background"]["expected"] == pytest.approx(20_000)
    assert result["yields"]["background"]["effective_events"] < 150
    weights = pq.read_table(files / "o.parquet")["weight"].to_numpy()
    assert result["yields"]["signal"]["expected_error"] == pytest.approx(np.sqrt((weights[:150] ** 2).sum()))


def test_options_beside_a_settings_file_replace_or_are_refused(run_here, files):
    command = ("ingest", "samples.toml", "--out", "out.parquet")
    done = run_here(*command, "--luminosity", "4", "--split", "0.5,0,0.5", cwd=files)
    assert done.returncode == 0
    assert "4 fb⁻¹" in done.stdout
    assert row(done.stdout, "Z")[-1].split("/")[1] == "0.0"
    for option in ("--feature", "--background-cross-section"):
        refused = run_here(*command, option, "1", cwd=files)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert refused.stderr.startswith(
            f"cutflow: {option} can't stand beside a settings file; set it in samples.toml"
        )


def test_paths_in_a_settings_file_start_from_its_directory(run_here, files):
    done = run_here("ingest", files / "samples.toml", "--out", files / "new" / "out.parquet")
    assert done.returncode == 0
    assert (files / "new" / "out.parquet").is_file()


def test_what_is_not_finite_and_not_normalised_is_said_on_stderr(run_here, tmp_path):
    (tmp_path / "s.csv").write_text("x,y\n" + "1,2\n,0\n-1,0\n" * 9)
    (tmp_path / "b.csv").write_text("x,y\n" + "1,2\n" * 30)
    options = ("--signal", "s.csv", "--background", "b.csv", "--feature", "x", "--feature", "r=x/y")
    done = run_here("ingest", *options, "--out", "o.parquet", cwd=tmp_path)
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    assert all(line.startswith("cutflow: warning: ") for line in lines)
    assert "no normalisation was given: every event counts as 1" in lines[0]
    assert "feature 'x': 9 missing (NaN) values in 57 events" in lines[1]
    assert "feature 'r': 9 missing (NaN) and 9 infinite values in 57 events" in lines[2]


def test_the_diboson_example_has_its_physical_yields(run_here, root, tmp_path):
    done = run_here("ingest", root / "examples" / "diboson" / "samples.toml", "--out", tmp_path / "d.parquet", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    yields = json.loads(done.stdout)["yields"]
    # cross section (pb) × share selected × 300 fb^-1, from the generator's report
    assert yields["WW"]["expected"] == pytest.approx(0.13452810230121767 * 44724 / 110000 * 3e5, rel=1e-9)
    assert yields["WZ"]["expected"] == pytest.approx(0.05360779004959602 * 44724 / 110000 * 3e5, rel=1e-9)
    assert yields["QCD"]["expected"] == pytest.approx(17444.076 * 44815 / 108800 * 3e5, rel=1e-9)
    assert yields["WW"]["expected"] == pytest.approx(16409, abs=1)
    assert [yields[name]["events"] for name in ("WW", "WZ", "QCD")] == [21368, 8474, 29790]


def test_flat_branches_of_a_tree_with_jagged_ones(run_here, root, tmp_path):
    data = root.parent / "shared" / "data"
    if not data.is_dir():
        pytest.skip("the realistic samples are not beside the checkout")
    options = [
        "--signal",
        data / "signal.root",
        "--background",
        data / "background.root",
        "--weight-column",
        "genWeight",
    ]
    options += ["--luminosity", "1", "--signal-cross-section", "0.1", "--background-cross-section", "20"]
    done = run_here("ingest", *options, "--feature", "MET_pt", "--spectator", "event", "--out", tmp_path / "o.parquet")
    assert done.returncode == 0
    assert row(done.stdout, "signal")[3:8] == ["10000", "10000", "0.1", "10000", "100"]
    refused = run_here("ingest", *options, "--feature", "FatJet_pt", "--out", tmp_path / "p.parquet")
    assert (refused.returncode, refused.stdout) == (3, "")
    assert "feature 'FatJet_pt': `FatJet_pt` is one number for each object" in refused.stderr


def test_help_shows_every_default(run_here):
    text = run_here("ingest", "--help", COLUMNS="250").stdout
    for words in ("--weights-are-yields", "--json", "--force", "Delphes|NanoAOD|LHE|flat", "TREE:COLUMN", "FILE.py"):
        assert words in text
    defaults = {
        "split": "0.6,0.2,0.2", "signal-sum-of-weights": "summed over the files",
        "tree": "the only one, or NanoAOD's Events",
        "format": "recognised", "weight-column": "1", "signal-cross-section": "none",
        "sum-of-weights-from": "the events",
        "preselect": "all pass", "cut-dialect": "cutflow", "keep-quantiles": "all", "variation": "none", "seed": "0",
        "luminosity": "none: every event counts 1", "split-by": "row number", "on-bad-file": "fail",
        "observables-from": "none", "shard": "all files",
    }  # fmt: skip
    for option, default in defaults.items():
        (line,) = (line for line in text.splitlines() if f"--{option} " in line and "│" in line)
        assert f"[default: ({default})]" in line
