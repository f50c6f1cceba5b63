"""`cutflow export-cuts` as a user runs it, on a run directory as `train` writes it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cutflow_cli.events.schema import FeatureInfo
from cutflow_cli.runs import CUTS, RunManifest, write_cut_flows
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut, consensus

FEATURES = (FeatureInfo("m_jet", unit="GeV"), FeatureInfo("tau21", expression="tau2 / tau1"), FeatureInfo("d2"))
MANIFEST = RunManifest(
    "lcf-parallel", {}, FEATURES, {"path": "events.parquet"}, "0", preselection=("pt > 200",), seed=1, replicas=(0, 3)
)


def replica(number: int, shift: float) -> CutFlow:
    steps = (
        LearnedCut(Cut("m_jet", Region.INSIDE, 65.0 + shift, 105.0 + shift), importance=0.6),
        LearnedCut(Cut("tau21", Region.BELOW, upper=0.35 + shift / 100), importance=0.38),
        LearnedCut(Cut("d2", Region.ABOVE, 1.0), active=False, importance=0.02, note="importance below 0.05"),
    )
    return CutFlow(steps, replica=number)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A directory with a run of three replicas, `par`, a run of a method that gives a score, `bdt`, and no other."""
    directory = tmp_path_factory.mktemp("runs")
    (directory / "par").mkdir()
    MANIFEST.write(directory / "par")
    flows = [replica(number, shift).rounded(MANIFEST.dtypes) for number, shift in enumerate((-0.3, 0.1, 0.4))]
    agreed = consensus(flows).rounded(MANIFEST.dtypes)
    write_cut_flows(directory / "par" / "cuts.parquet", [*flows, agreed])
    (directory / "objects").mkdir()
    names = ("jet0.pt", "jet:4.pt")
    replace(
        MANIFEST,
        features=(FeatureInfo("m_jet", expression="jet0.pt / 2"), *FEATURES[1:]),
        preselection=("jet:4.pt > 30.0 [any]",),
        per_object=names,
    ).write(directory / "objects")
    write_cut_flows(directory / "objects" / CUTS, [*flows, agreed])
    (directory / "bdt").mkdir()
    RunManifest("bdt", {}, FEATURES, {}, "0", scores=("score",)).write(directory / "bdt")
    on_score = CutFlow((LearnedCut(Cut("score", Region.ABOVE, 0.5)),), kind="consensus", replica=-1)
    write_cut_flows(directory / "bdt" / CUTS, [on_score])
    return directory


@pytest.fixture(scope="module")
def events():
    rng = np.random.default_rng(5)
    size = 2000
    return pd.DataFrame(
        {
            "m_jet": rng.uniform(40, 140, size).astype(np.float32),
            "tau1": rng.uniform(0, 1, size).astype(np.float32),
            "tau2": rng.uniform(0, 0.5, size).astype(np.float32),
            "pt": np.where(rng.random(size) < 0.1, np.nan, rng.uniform(100, 500, size)),
        }
    )


@pytest.fixture(scope="module")
def cutflow(run_here):
    """Export in the directory of the runs."""
    return lambda runs, *arguments: run_here("export-cuts", *arguments, cwd=runs)


def test_text_is_the_default_and_goes_to_stdout(cutflow, runs):
    done = cutflow(runs, "par")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Run par, learned by lcf-parallel, seed 1")
    assert "preselection: pt > 200" in lines
    assert "Consensus of 3 replicas, working point default" in lines
    assert any(line.split()[:6] == ["1", "65.0999984741211", "<", "m_jet", "<", "105.0999984741211"] for line in lines)
    assert "    d2 (importance below 0.05, importance 0.020, agreement 1.00)" in lines
    assert lines[-1] == "    tau21 = tau2 / tau1"


def test_json_is_one_of_the_formats_by_the_option_of_other_commands(cutflow, runs):
    short, long = cutflow(runs, "par", "--json"), cutflow(runs, "par", "--format", "json")
    assert short.returncode == 0, short.stderr
    assert short.stdout == long.stdout
    assert json.loads(short.stdout)["cut_flows"]
    assert cutflow(runs, "par", "--format", "json", "--json").stdout == long.stdout


def test_exported_python_and_json_keep_the_same_events(cutflow, runs, events):
    module = cutflow(runs, "par", "--format", "python").stdout
    script = module + (
        "\nimport sys\nimport pandas as pd\n"
        "frame = pd.read_csv(sys.argv[1], dtype={'m_jet': 'f4', 'tau1': 'f4', 'tau2': 'f4'})\n"
        "print(select(frame).sum())\n"
    )
    (runs / "selection.py").write_text(script)
    events.to_csv(runs / "events.csv", index=False)
    command = [sys.executable, "selection.py", "events.csv"]
    counted = int(subprocess.run(command, cwd=runs, capture_output=True, text=True, check=True).stdout)
    document = json.loads(cutflow(runs, "par", "--format", "json").stdout)
    frame = events[events["pt"] > 200].assign(tau21=lambda d: (d["tau2"].astype(float) / d["tau1"]).astype(np.float32))
    for cut in document["cut_flows"][0]["cuts"]:
        if cut["lower"] is not None:
            frame = frame[frame[cut["observable"]] > cut["lower"]]
        if cut["upper"] is not None:
            frame = frame[frame[cut["observable"]] < cut["upper"]]
    assert 0 < counted == len(frame) < len(events)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("root", "pt > 200.0 && 65.0999984741211 < m_jet && m_jet < 105.0999984741211 && (tau1 != 0.0 ? "),
        ("rdataframe", '.Filter("static_cast<float>(double(tau2) / double(tau1)) < 0.35100001096725464"'),
        ("python", '"tau21 < 0.35100001096725464": tau21 < 0.35100001096725464,'),
    ],
)
def test_code(cutflow, runs, name, expected):
    done = cutflow(runs, "par", "--format", name)
    assert (done.returncode, done.stderr) == (0, "")
    assert expected in done.stdout


def test_options_say_on_stderr_what_they_leave_out(cutflow, runs):
    done = cutflow(runs, "par", "--format", "root", "--columns", "features")
    assert done.returncode == 0
    assert done.stdout == "65.0999984741211 < m_jet && m_jet < 105.0999984741211 && tau21 < 0.35100001096725464\n"
    assert done.stderr == "preselection left out, the events file's columns are after it: pt > 200\n"
    done = cutflow(runs, "par", "--format", "json", "--without-preselection", "--all")
    assert [flow["replica"] for flow in json.loads(done.stdout)["cut_flows"]] == [0, 1, 2, -1]
    assert json.loads(done.stdout)["preselection"] == []
    assert done.stderr == "preselection left out: pt > 200\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ("par", "--format", "rdatafram"),
            2,
            "--format rdatafram: no such format; did you mean rdataframe, hepdata? (there are, for people: text; data:",
        ),
        (("par", "--replica", "9"), 2, "--replica 9: the run has no such replica; there are: 0, 1, 2"),
        (("par", "--format", "root", "--columns", "feature"), 2, "did you mean features?"),
        (("par", "--columns", "features"), 2, "--columns is for code"),
        (("bdt", "--format", "root"), 2, "bdt: cuts on its score, which no root code computes; --format text or json"),
        (
            ("objects", "--format", "root"),
            2,
            "objects: preselection `jet:4.pt > 30.0 [any]`: `jet:4.pt` is an observable of objects, no column of the",
        ),
        (
            ("objects", "--format", "rdataframe", "--without-preselection"),
            2,
            "feature 'm_jet': `jet0.pt` is an observable of objects, no column of the source, and rdataframe code has "
            "no word for it; add --columns features for code that is applied to the events file, or take --format text",
        ),
        (
            ("par", "--format", "hepdata"),
            2,
            "--format hepdata gives a cut-flow table; add --report with a directory that",
        ),
        (("par", "--round-within", "2"), 2, "--round-within 2: a fraction of each boundary is needed, such as 0.01"),
        (
            ("par", "--json", "--format", "root"),
            2,
            "--json is short for --format json; leave it away, or --format root",
        ),
        (("par", "--force"), 2, "--force is of no use without --out"),
        (("pra",), 3, "pra: no such run directory; did you mean par?"),
    ],
)
def test_refusals_are_one_line(cutflow, runs, arguments, code, message):
    done = cutflow(runs, *arguments)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_observables_of_objects(cutflow, runs):
    done = cutflow(runs, "objects")
    assert "preselection: jet:4.pt > 30.0 [any]" in done.stdout.splitlines()
    assert "    m_jet = jet0.pt / 2" in done.stdout.splitlines()
    done = cutflow(runs, "objects", "--format", "root", "--columns", "features")
    assert done.stdout.startswith("65.0999984741211 < m_jet && m_jet < 105.0999984741211 && tau21 < ")
    assert done.stderr == "preselection left out, the events file's columns are after it: jet:4.pt > 30.0 [any]\n"


def test_out(cutflow, runs, tmp_path):
    out = tmp_path / "exports" / "cuts.json"
    done = cutflow(runs, "par", "--format", "json", "--out", out)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"{out}: written\n")
    assert json.loads(out.read_text())["schema_version"] == 1
    again = cutflow(runs, "par", "--format", "json", "--out", out)
    assert (again.returncode, again.stderr) == (0, f"{out}: already done\n")
    other = cutflow(runs, "par", "--format", "root", "--out", out)
    assert other.returncode == 2
    assert "--force" in other.stderr
    assert json.loads(out.read_text())["schema_version"] == 1
    forced = cutflow(runs, "par", "--format", "root", "--out", out, "--force")
    assert forced.returncode == 0
    assert out.read_text().startswith("pt > 200.0 && ")
    assert [path.name for path in out.parent.iterdir()] == ["cuts.json"]


def test_options_on_rounding_and_models_reach_the_library(runs, run_here):
    """What they do is tested where it is done; here that they are typed as the help says."""
    pytest.importorskip("onnx", reason="onnx is not installed")
    for arguments, code, said in (
        (("bdt", "--format", "onnx"), 2, "--format onnx is a binary file; add --out, such as --out model.onnx"),
        (("par", "--format", "onnx", "--out", "m.onnx"), 2, "lcf-parallel cuts on observables and computes no score"),
        (("bdt", "--format", "onnx", "--out", "m.onnx"), 3, "trees.json: no such file; the run is incomplete"),
        (("par", "--round-loss", "0.01", "--fom", "s_over_sqrt_b"), 3, "events.parquet: the events that the run was"),
        (("par", "--round-loss", "2"), 2, "--round-loss 2: a fraction of the figure of merit is needed"),
        (("par", "--round", "--fom", "asimov"), 2, "--fom is what --round-loss may lose of"),
        (("par", "--round", "--data", "none.parquet"), 3, "none.parquet: no such file"),
        (("par", "--round"), 0, "what rounding costs was not computed: events.parquet: the events that the run was"),
        (("par", "--format", "onyx"), 2, "--format onyx: no such format; did you mean onnx"),
    ):
        done = run_here("export-cuts", *arguments, cwd=runs)
        assert (done.returncode, said in done.stderr) == (code, True), (arguments, done.stderr)
        assert (done.stdout == "") == (code != 0)
    assert not (runs / "m.onnx").exists()
