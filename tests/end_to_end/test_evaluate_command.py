"""cutflow evaluate as it is typed: tables, JSON, exit codes, and what is left on disk."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.schema import EventsMetadata, FeatureInfo, ProcessInfo, WeightSums
from cutflow_cli.events.table import open_events
from cutflow_cli.events.writer import EventsWriter
from cutflow_cli.runs import CUTS, RunManifest, write_cut_flows
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut, consensus

FEATURES = (FeatureInfo("m_jet", unit="GeV"), FeatureInfo("tau21"))
PROCESSES = (ProcessInfo("WW", "signal"), ProcessInfo("WZ", "signal"), ProcessInfo("QCD", "background"))


PRESELECTION = ("fatjet.size > 0 and jet1:4.pt > 30 [any] and met > 30", "veto muon.pt > 10")


def write_events(path, seed=0, events=4000, preselection=()):
    """Write events; with a preselection each condition of it has removed half of twice, four times … as many."""
    rng = np.random.default_rng(seed)
    process = rng.integers(0, 3, events).astype(np.int32)
    signal = process < 2
    columns = {
        "m_jet": np.where(signal, rng.normal(82, 8, events), rng.exponential(60, events)).astype(np.float32),
        "tau21": np.where(signal, rng.beta(2, 5, events), rng.beta(5, 4, events)).astype(np.float32),
    }
    split = rng.choice(3, events, p=[0.5, 0.2, 0.3]).astype(np.int8)
    weight = np.array([0.2, 0.1, 5.0])[process] * rng.choice([1.0, -1.0], events, p=[0.9, 0.1])
    processes = PROCESSES
    if preselection:
        weights = [weight[process == position] for position in range(3)]
        left = [WeightSums(len(some), float(some.sum()), float((some**2).sum())) for some in weights]
        stages = [[sum([one] * 2**power, WeightSums()) for power in range(len(preselection), -1, -1)] for one in left]
        processes = tuple(replace(one, preselected=tuple(sums)) for one, sums in zip(PROCESSES, stages, strict=True))
    with EventsWriter(path, EventsMetadata(FEATURES, processes, 300.0, preselection)) as writer:
        writer.write(EventBatch(columns, signal.astype(np.int8), weight, process, split))


def write_run(path, data, windows, features=FEATURES):
    flows = [
        CutFlow(
            (
                LearnedCut(Cut("m_jet", Region.INSIDE, low, high), importance=0.6),
                LearnedCut(Cut("tau21", Region.BELOW, None, 0.4), importance=0.4),
            ),
            replica=replica,
        )
        for replica, (low, high) in enumerate(windows)
    ]
    path.mkdir(parents=True)
    write_cut_flows(path / CUTS, [*flows, consensus(flows)])
    RunManifest(
        method="lcf-parallel",
        settings={},
        features=tuple(features),
        data={"path": str(data), "digest": open_events(data).digest, "split_fractions": None, "split_seed": 0},
        digest=str(path),
    ).write(path)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A directory with events and runs, as a user has it."""
    directory = tmp_path_factory.mktemp("evaluate")
    data = directory / "events.parquet"
    write_events(data)
    write_run(directory / "runs" / "par", data, ((65.2, 98.1), (66.3, 97.4), (64.9, 97.9)))
    write_run(directory / "runs" / "seq", data, ((70.0, 95.0),))
    write_run(directory / "runs" / "nothing", data, ((500.0, 501.0),))
    return directory


@pytest.fixture
def evaluate(run_here, place, tmp_path):
    """Type `cutflow evaluate … --out <new directory>/report`."""

    def run(*arguments, out=tmp_path / "report"):
        return run_here("evaluate", *arguments, "--out", out, cwd=place)

    return run


def test_tables_on_stdout(evaluate, tmp_path):
    done = evaluate("runs/par", "runs/seq", "--data", "events.parquet", "--no-figures")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    text = done.stdout
    for expected in (
        "Selection par: lcf-parallel, consensus of 3 replicas",
        "65.2 < m_jet < 97.9",
        "Consensus on events.parquet, split test, 300 fb⁻¹",
        "background rejection",
        "S/√B",
        "; σ_B = MC statistics\n",
        "Cut flow seq: consensus, split test",
        "all signal",
        "WZ (signal)",
        "QCD (background)",
        "Consensus on train against test",
        "(test − train)/σ",
    ):
        assert expected in text
    assert text.splitlines()[-1] == f"report: {tmp_path / 'report'}"
    assert max(map(len, text.splitlines())) <= 140
    assert not list(tmp_path.glob("*.partial"))


def test_printed_numbers_are_those_of_the_files(evaluate, tmp_path):
    done = evaluate(
        "runs/par",
        "--data",
        "events.parquet",
        "--no-figures",
        "--background-systematic",
        "0.1",
        "--min-effective-events",
        "0",
    )
    rows = pq.read_table(tmp_path / "report" / "metrics.parquet").to_pylist()
    chosen = {row["metric"]: row for row in rows if row["kind"] == "consensus" and row["split"] == "test"}
    line = next(line for line in done.stdout.splitlines() if "TP (raw)" in line)
    assert line.split()[2] == f"{chosen['tp']['value']:.0f}"
    printed = next(line for line in done.stdout.splitlines() if "S/√B" in line).split()[1]
    assert float(printed) == pytest.approx(chosen["s_over_sqrt_b"]["value"], abs=chosen["s_over_sqrt_b"]["stat_error"])
    assert "σ_B = MC statistics ⊕ 10 % of B" in done.stdout


def test_cut_flow_starts_at_all_events(evaluate, tmp_path):
    write_events(tmp_path / "selected.parquet", preselection=PRESELECTION)
    done = evaluate("runs/seq", "--data", tmp_path / "selected.parquet", "--no-figures")
    assert done.returncode == 0, done.stderr
    assert f"its preselection is ({PRESELECTION[0]}) and ({PRESELECTION[1]}), that of run 'seq' was none" in done.stderr
    lines = done.stdout.splitlines()
    start = lines.index("Cut flow seq: consensus, split test, from all events on")
    table = lines[start : lines.index("", start)]
    assert max(map(len, table)) <= 120
    assert table[2].split() == ["raw", "n_eff", "yield", "step", "cumulative", "total"]
    (first,) = (number for number, line in enumerate(table) if line.startswith(" QCD (background): all events"))
    flow = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in table[first : first + 6]]
    assert [line[0] for line in flow[1:]] == [
        "fatjet.size > 0 and jet1:4.pt > … [1]",
        "veto muon.pt > 10",
        "before any cut, split test",
        "70.0 < m_jet < 95.0",
        "tau21 < 0.4",
    ]
    events = pq.read_table(tmp_path / "selected.parquet").to_pandas()
    qcd = events[events.process == "QCD"]
    assert [int(line[1]) for line in flow[:4]] == [4 * len(qcd), 2 * len(qcd), len(qcd), (qcd.split == "test").sum()]
    assert [float(line[4].split("±")[0]) for line in flow[1:3]] == [0.5, 0.5]  # step
    assert [float(line[-1].split("±")[0]) for line in flow[1:4]] == [0.5, 0.25, 0.25]  # total
    assert len(flow[0]) == 4
    assert len(flow[4]) == 7
    assert f"[1] {PRESELECTION[0]}" in lines
    assert any(line.startswith("raw: of all splits up to the preselection, of split test after it") for line in lines)
    assert any(line.endswith("total: of all events") for line in lines)
    files = pq.read_table(tmp_path / "report" / "cutflow.parquet").to_pylist()
    again = evaluate("runs/seq", "--data", tmp_path / "selected.parquet", "--no-figures", "--json")
    assert json.loads(again.stdout)["cutflow"] == files
    assert [(row["position"], row["cut"]) for row in files if row["split"] == "all"][:3] == [
        (-3, "all events"), (-2, PRESELECTION[0]), (-1, PRESELECTION[1]),
    ]  # fmt: skip


def test_json_is_the_files(evaluate, tmp_path):
    done = evaluate("runs/par", "runs/nothing", "--data", "events.parquet", "--no-figures", "--json")
    assert done.returncode == 4
    values = json.loads(done.stdout)
    report = tmp_path / "report"
    assert values["metrics"] == pq.read_table(report / "metrics.parquet").to_pylist()
    assert values["cutflow"] == pq.read_table(report / "cutflow.parquet").to_pylist()
    assert values["roc"] == pq.read_table(report / "roc.parquet").to_pylist()
    assert values["digest"] == json.loads((report / "report.json").read_text())["digest"]
    assert values["command"].startswith("cutflow evaluate runs/par")


def test_counts_agree_with_a_query_of_the_events(evaluate, place, tmp_path):
    evaluate("runs/seq", "--data", "events.parquet", "--no-figures")
    events = pq.read_table(place / "events.parquet").to_pandas()
    inside = (events.m_jet > 70) & (events.m_jet < 95)
    rows = pq.read_table(tmp_path / "report" / "cutflow.parquet").to_pandas()
    rows = rows[(rows.kind == "consensus") & (rows.split == "test")]
    for name in ("WW", "WZ", "QCD"):
        test = (events.process == name) & (events.split == "test")
        scale = events.weight[events.process == name].sum() / events.weight[test].sum()
        row = rows[(rows.process == name) & (rows.position == 1)].iloc[0]
        assert row.n_raw == (test & inside).sum()
        assert row["yield"] == pytest.approx(scale * events.weight[test & inside].sum())
        assert row.yield_error == pytest.approx(scale * np.sqrt((events.weight[test & inside] ** 2).sum()))
        assert row.cut == "70.0 < m_jet < 95.0"


def test_nothing_selected_is_an_answer(evaluate, tmp_path):
    done = evaluate("runs/nothing", "--data", "events.parquet", "--no-figures")
    assert done.returncode == 4
    assert (tmp_path / "report" / "report.json").is_file()
    assert "undefined [" in done.stdout
    assert "no simulated background event passes: its yield is below" in done.stdout
    assert done.stderr.splitlines() == [
        "cutflow: nothing: the consensus keeps no signal event of split 'test', so nothing is selected; see "
        + str(tmp_path / "report")
    ]


def test_again_is_already_done_with_the_same_answer(evaluate, tmp_path):
    command = ("runs/par", "--data", "events.parquet", "--no-figures")
    first, again = evaluate(*command), evaluate(*command)
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert "already done" in again.stderr
    other = evaluate(*command, "--split", "train")
    assert other.returncode == 2
    assert "exists and was made from other inputs or settings" in other.stderr
    assert other.stdout == ""
    forced = evaluate(*command, "--split", "train", "--force")
    assert forced.returncode == 0
    assert "split train" in forced.stdout
    assert "on train against" not in forced.stdout


def test_without_matplotlib(evaluate, run_cutflow, place, tmp_path):
    (tmp_path / "matplotlib.py").write_text("raise ModuleNotFoundError('no', name='matplotlib')\n")
    arguments = ("evaluate", "runs/par", "--data", "events.parquet", "--out", tmp_path / "report")
    done = run_cutflow(*arguments, cwd=place, PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "pip install 'cutflow-cli[plots]'" in done.stderr
    assert "--no-figures" in done.stderr
    assert not list(tmp_path.glob("report*"))
    assert run_cutflow(*arguments, "--no-figures", cwd=place, PYTHONPATH=str(tmp_path)).returncode == 0


def test_other_events_are_noted_on_stderr(evaluate, tmp_path):
    write_events(tmp_path / "fresh.parquet", seed=1)
    done = evaluate("runs/par", "--data", tmp_path / "fresh.parquet", "--no-figures")
    assert done.returncode == 0
    assert "not the events that run 'par' was trained on (" in done.stderr


@pytest.mark.parametrize(
    ("runs", "data", "code", "message"),
    [
        (["runs/pax"], "events.parquet", 3, "runs/pax: no such run directory; did you mean par"),
        (["runs/par"], "event.parquet", 3, "event.parquet: no such file; did you mean events.parquet"),
        (["runs/par"], "renamed.parquet", 3, "run 'par' was trained on feature 'tau21', which these events lack; did"),
        (["runs/par"], "signal.parquet", 3, "signal.parquet: holds no background event (label 0)"),
        (["runs/par"], "zero.parquet", 3, "zero.parquet: all weights of the signal in split 'test' are zero"),
        (["runs/par"], "truncated.parquet", 3, "truncated.parquet: not readable as Parquet"),
        (["runs/damaged"], "events.parquet", 3, "runs/damaged/cuts.parquet: damaged"),
    ],
)
def test_bad_input(evaluate, place, tmp_path, runs, data, code, message):
    spoil(place)
    done = evaluate(*runs, "--data", data, "--no-figures")
    assert (done.returncode, done.stdout) == (code, "")
    (line,) = (line for line in done.stderr.splitlines() if not line.startswith("cutflow: warning"))
    assert line.startswith("cutflow: ")
    assert message in line
    assert not list(tmp_path.iterdir())


def spoil(place):
    """Make, once, the files that a user should not have."""
    if (place / "zero.parquet").exists():
        return
    table = pq.read_table(place / "events.parquet")
    names = ["tau_21" if name == "tau21" else name for name in table.column_names]
    pq.write_table(table.rename_columns(names).replace_schema_metadata({}), place / "renamed.parquet")
    label = np.asarray(table["label"])
    pq.write_table(table.filter(pa.array(label == 1)), place / "signal.parquet")
    weights = table.schema.get_field_index("weight")
    pq.write_table(table.set_column(weights, "weight", pa.array(np.zeros(len(table)))), place / "zero.parquet")
    (place / "truncated.parquet").write_bytes((place / "events.parquet").read_bytes()[:5000])
    shutil.copytree(place / "runs" / "par", place / "runs" / "damaged")
    (place / "runs" / "damaged" / CUTS).write_bytes(b"PAR1 and no more")


def test_unwritable_place(evaluate, tmp_path):
    (tmp_path / "file").write_text("")
    done = evaluate("runs/par", "--data", "events.parquet", "--no-figures", out=tmp_path / "file" / "report")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "file" in done.stderr


def test_help_states_defaults(run_here):
    done = run_here("evaluate", "--help")
    assert done.returncode == 0
    for expected in (
        "--split",
        "[default: test]",
        "[default: figures]",
        "--no-details",
        "[default: (details of one or two runs)]",
        "--background-systematic",
        "--working-point",
        "--json",
        "--force",
    ):
        assert expected in done.stdout
