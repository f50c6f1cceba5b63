"""From files with objects to a cut flow that begins at all events, and users' own observables on the way."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from cutflow_cli.app import app
from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.events.table import open_events

SETTINGS = """
luminosity = 10.0
features = ["m = jet0,jet1.inv_mass", "met.pt"]
preselection = "jet.size >= 2"
[processes.ZZ]
role = "signal"
files = "zz.parquet"
cross_section = 0.5
weight = "genWeight"
[processes.QCD]
role = "background"
files = "qcd.parquet"
cross_section = 30.0
weight = "genWeight"
"""

ALTERNATIVE = """
[processes.ZZ_shower]
role = "signal"
files = "other.parquet"
cross_section = 0.6
weight = "genWeight"
replaces = "ZZ"
variation = "shower"
[variations]
scale_up = "genWeight * 1.5"
"""

CUTS = ("jet.size >= 2", "-2.5 < jet.eta < 2.5")


def write(path, rows, seed, boost):
    """Write NanoAOD-like events whose jets and missing energy are harder by a factor."""
    generator = np.random.default_rng(seed)
    number = generator.poisson(3.0, rows)
    pt = [np.sort(generator.exponential(40.0 * boost, n))[::-1].tolist() for n in number]
    columns = {
        "nJet": number,
        "Jet_pt": pt,
        "Jet_eta": [generator.normal(0.0, 1.2, n).tolist() for n in number],
        "Jet_phi": [generator.uniform(-3.1, 3.1, n).tolist() for n in number],
        "Jet_mass": [[5.0] * n for n in number],
        "MET_pt": generator.exponential(30.0 * boost, rows),
        "MET_phi": generator.uniform(-3.1, 3.1, rows),
        "genWeight": generator.choice([-1.0, 1.0], rows, p=[0.1, 0.9]),
    }
    pq.write_table(pa.table(columns), path)
    return columns


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A directory, which commands run in, with samples and settings."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "other.parquet", 900, 3, 2.1)
    (tmp_path / "plain.toml").write_text(SETTINGS)
    (tmp_path / "varied.toml").write_text(SETTINGS + ALTERNATIVE)
    return {"ZZ": write(tmp_path / "zz.parquet", 1500, 1, 2.0), "QCD": write(tmp_path / "qcd.parquet", 2500, 2, 1.0)}


def run(*arguments):
    """Run a command in this process; return what it printed on stdout and on stderr."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout, done.stderr


def stages(columns, sigma):
    """Yields before and after each of `CUTS`, in plain Python."""
    weight = columns["genWeight"] * sigma * 10_000 / columns["genWeight"].sum()
    keep = np.ones(len(weight), dtype=bool)
    found = [(len(weight), weight.sum())]
    for passes in (
        columns["nJet"] >= 2,
        np.array([bool(eta) and all(-2.5 < value < 2.5 for value in eta) for eta in columns["Jet_eta"]]),
    ):
        keep &= passes
        found.append((int(keep.sum()), weight[keep].sum()))
    return found


def test_the_cut_flow_begins_at_all_events_and_variations_left_out_change_nothing(files, tmp_path):
    reports = {}
    for name in ("plain", "varied"):
        directory = tmp_path / f"{name}-runs"
        directory.mkdir()
        data = directory / "events.parquet"
        stdout, stderr = run("ingest", f"{name}.toml", "--out", data, "--preselect", CUTS[1])
        assert stderr == ""
        assert "preselection (all splits)" in stdout
        assert ("variation shower (column weight_shower): ZZ: another sample" in stdout) == (name == "varied")
        assert ("variation scale_up (column weight_scale_up): ZZ: weights; QCD: weights" in stdout) == (
            name == "varied"
        )
        run("train", "cut-and-count", data, "--out", directory / "run")
        judge = ("evaluate", directory / "run", "--data", data, "--out", directory / "report", "--no-figures")
        text, _ = run(*judge, "--no-variations", "--json")
        reports[name] = json.loads(text)
    plain, varied = reports["plain"], reports["varied"]
    for part in ("metrics", "cutflow", "roc", "comparisons", "warnings", "preselection", "processes"):
        assert plain[part] == varied[part], part
    assert plain["preselection"] == list(CUTS)
    for process, sigma in (("ZZ", 0.5), ("QCD", 30.0)):
        mine = [row for row in plain["cutflow"] if row["process"] == process and row["split"] == "all"]
        first = [row for row in mine if row["kind"] == mine[0]["kind"] and row["replica"] == mine[0]["replica"]]
        assert [row["cut"] for row in first] == ["all events", *CUTS]
        wanted = stages(files[process], sigma)
        assert [row["n_raw"] for row in first] == [events for events, _ in wanted]
        assert [row["yield"] for row in first] == pytest.approx([sumw for _, sumw in wanted], rel=1e-9)


OWN = """
from cutflow_cli.observables import observable

@observable("first_pt", "Jet_pt")              # an alias of a branch
def first_pt(pt):
    return pt

@observable("met_share", "met.pt", "jet.ht")   # a computation for the event
def met_share(met, ht):
    return met / (met + ht)

POWER = 2.0

@observable("asymmetry", "{0}.pt", "{1}.pt")   # of two objects, with a parameter
def asymmetry(one, other):
    return ((one - other) / (one + other)) ** POWER

@observable("fails", "met.pt")
def fails(met):
    raise RuntimeError("no calibration\\nfor this run")

@observable("short", "met.pt")
def short(met):
    return met[:3]
"""


def test_observables_of_the_user_are_computed_and_belong_to_the_inputs(files, tmp_path):
    (tmp_path / "mine.py").write_text(OWN)
    command = ["ingest", "--signal", "zz.parquet", "--background", "qcd.parquet", "--weight-column", "genWeight"]
    command += ["--luminosity", "1", "--signal-cross-section", "1", "--background-cross-section", "1"]
    features = [f"--feature={text}" for text in ("h = max(first_pt)", "met_share", "a = jet0,jet1.asymmetry")]
    own = ["--observables-from", "mine.py", "--out", "o.parquet"]
    run(*command, *features, *own)
    rows = pq.read_table(tmp_path / "o.parquet").to_pandas()
    signal = files["ZZ"]
    ht = np.array([sum(pt) for pt in signal["Jet_pt"]])
    two = signal["nJet"] >= 2
    a, b = np.array([pt[:2] for pt in signal["Jet_pt"] if len(pt) > 1]).T
    of_signal = rows[rows.process == "signal"].reset_index()
    np.testing.assert_array_equal(of_signal.h.isna(), signal["nJet"] == 0)
    np.testing.assert_allclose(of_signal.h.dropna(), [pt[0] for pt in signal["Jet_pt"] if pt], rtol=1e-6)
    np.testing.assert_allclose(of_signal.met_share, signal["MET_pt"] / (signal["MET_pt"] + ht), rtol=1e-6)
    np.testing.assert_allclose(of_signal.a[two], ((a - b) / (a + b)) ** 2, rtol=1e-6)
    digest = open_events(tmp_path / "o.parquet").metadata.digest
    _, stderr = run(*command, *features, *own)
    assert "already done" in stderr
    (tmp_path / "mine.py").write_text(OWN.replace("POWER = 2.0", "POWER = 1.0"))
    with pytest.raises(UsageError, match=r"o.parquet: exists and was made from other inputs or settings"):
        run(*command, *features, *own)
    run(*command, *features, *own, "--force")
    assert open_events(tmp_path / "o.parquet").metadata.digest != digest


@pytest.mark.parametrize(
    ("text", "feature", "says"),
    [
        (OWN, "fails", "zz.parquet: observable 'fails': mine.py, line 20: observable 'fails' failed with RuntimeError"),
        (OWN, "short", "observable 'short': mine.py: function 'short' gave 3 * float64, one number for each of 1500"),
        (OWN, "met_shares", "no column 'met_shares' (a feature)"),
        (OWN, "asymmetry", "(a feature): asymmetry of mine.py takes 2 objects; write jet0,jet1.asymmetry"),
        ("def f(:\n", "x", "mine.py, line 1: the file failed with SyntaxError: invalid syntax"),
        ("import nothing_like_it\n", "x", "mine.py, line 1: the file failed with ModuleNotFoundError"),
        ("x = 1\n", "x", "mine.py: defines no observables; put @observable("),
        (None, "x", "mine.py: observables can't be read (No such file or directory)"),
    ],
)  # fmt: skip
def test_a_file_of_observables_that_fails_is_one_line(files, tmp_path, text, feature, says):
    if text is not None:
        (tmp_path / "mine.py").write_text(text)
    command = ["ingest", "--signal", "zz.parquet", "--background", "qcd.parquet", "--feature", feature]
    done = CliRunner().invoke(app, [*command, "--observables-from", "mine.py", "--out", "o.parquet"])
    assert isinstance(done.exception, InputError)
    assert says in str(done.exception)
    assert "\n" not in str(done.exception)
    assert not (tmp_path / "o.parquet").exists()


def test_a_settings_file_names_no_code(run_here, files, tmp_path):
    (tmp_path / "mine.py").write_text("raise SystemExit('executed')\n")
    (tmp_path / "s.toml").write_text('observables_from = "mine.py"\n' + SETTINGS)
    done = run_here("ingest", "s.toml", "--out", "o.parquet", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "cutflow: s.toml: observables_from: only the command line names code that is executed: "
        "--observables-from FILE.py\n"
    )
