"""Preselections: their cut flow per process, raw and weighted, against loops over events."""

import itertools
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cutflow_cli.commands.ingest_result import print_ingested
from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.events.ingest import ingest
from cutflow_cli.events.schema import WeightSums
from cutflow_cli.events.settings_file import validate

LUMINOSITY, CROSS_SECTION = 2.0, {"S": 0.5, "B": 30.0}

#: Conditions, and what they say of one event, worked out object by object.
CUTS = {
    "met.pt > 15": lambda e: e["MET_pt"] > 15,
    "jet.pt > 30 [any]": lambda e: any(pt > 30 for pt in e["Jet_pt"]),
    "-2.4 < jet.eta < 2.4": lambda e: bool(e["Jet_eta"]) and all(-2.4 < eta < 2.4 for eta in e["Jet_eta"]),
    "veto jet.pt > 110 [any]": lambda e: not any(pt > 110 for pt in e["Jet_pt"]),
    "jet0.pt / met.pt > 1.5 or jet.size > 3": lambda e: (
        (e["Jet_pt"] and e["Jet_pt"][0] / e["MET_pt"] > 1.5) or len(e["Jet_pt"]) > 3
    ),
}


def events(rows, seed):
    """Jets, missing energy and signed weights of simulated events, an event each."""
    generator = np.random.default_rng(seed)
    found = []
    for number in range(rows):
        pt = np.sort(generator.exponential(50.0, generator.poisson(2.0)))[::-1]
        found.append(
            {
                "Jet_pt": pt.tolist(),
                "Jet_eta": generator.normal(0.0, 1.5, len(pt)).tolist(),
                "nJet": len(pt),
                "MET_pt": float(generator.exponential(30.0)),
                "genWeight": float(generator.choice([-1.0, 1.0, 2.5], p=[0.2, 0.6, 0.2])),
                "event": number,
            }
        )
    return found


def write(path, found):
    pq.write_table(pa.Table.from_pylist(found), path)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A signal in one file, a background in two, and their events."""
    directory = tmp_path_factory.mktemp("preselection")
    found = {"S": events(150, 1), "B": events(400, 2)}
    write(directory / "s.parquet", found["S"])
    write(directory / "b1.parquet", found["B"][:170])
    write(directory / "b2.parquet", found["B"][170:])
    return directory, found


def settings(*cuts, files=("b1.parquet", "b2.parquet"), **rest):
    common = {"weight": "genWeight"}
    return validate(
        {
            "features": ["met.pt", "jet0.pt"],
            "luminosity": LUMINOSITY,
            "preselection": cuts,
            "processes": {
                "S": {**common, "role": "signal", "files": "s.parquet", "cross_section": CROSS_SECTION["S"]},
                "B": {**common, "role": "background", "files": files, "cross_section": CROSS_SECTION["B"]},
            },
            **rest,
        }
    )


def by_hand(found, cuts):
    """Count what passes condition after condition, worth what the cross section says."""
    flows = {}
    for name, rows in found.items():
        scale = CROSS_SECTION[name] * LUMINOSITY * 1000 / math.fsum(event["genWeight"] for event in rows)
        stages = [rows]
        for cut in cuts:
            stages.append([event for event in stages[-1] if CUTS[cut](event)])
        weights = [[scale * event["genWeight"] for event in stage] for stage in stages]
        flows[name] = [(len(w), math.fsum(w), math.fsum(x * x for x in w)) for w in weights]
    return flows


def flow(process):
    return [(sums.events, sums.sumw, sums.sumw2) for sums in process.preselected]


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (4, 2, 0), (1, 0)])
def test_the_cut_flow_is_that_of_a_loop_over_events_in_the_order_given(files, tmp_path, order):
    directory, found = files
    cuts = [list(CUTS)[position] for position in order]
    done = ingest(settings(*cuts), tmp_path / "o.parquet", base=directory, chunk_rows=64)
    wanted = by_hand(found, cuts)
    for process in done.metadata.processes:
        for mine, other in zip(flow(process), wanted[process.name], strict=True):
            assert mine == pytest.approx(other, rel=1e-12)
        assert process.generated_events == len(found[process.name])
    assert done.metadata.preselection == tuple(cuts)
    assert len({events for events, *_ in wanted["B"]}) == len(cuts) + 1  # every condition cuts


def test_the_last_stage_is_what_the_file_holds(files, tmp_path):
    directory, _ = files
    done = ingest(settings(*CUTS), tmp_path / "o.parquet", base=directory)
    rows = pq.read_table(tmp_path / "o.parquet").to_pandas()
    for process in done.metadata.processes:
        weight = rows.weight[rows.process == process.name]
        assert process.preselected[-1].events == process.total.events == len(weight)
        assert process.preselected[-1].sumw == pytest.approx(process.total.sumw, rel=1e-12)
        assert process.preselected[-1].sumw == pytest.approx(weight.sum(), rel=1e-12)
        assert process.preselected[-1].sumw2 == pytest.approx(process.total.sumw2, rel=1e-12)
        assert process.preselected[0].sumw == pytest.approx(CROSS_SECTION[process.name] * LUMINOSITY * 1000)


def test_chunks_change_nothing_and_files_only_the_order(files, tmp_path):
    directory, found = files
    cuts = list(CUTS)[:3]
    write(tmp_path / "all.parquet", found["B"])
    variants = {
        "one": ({}, 10**6),
        "chunks": ({}, 7),
        "joined": ({"files": str(tmp_path / "all.parquet")}, 10**6),
        "turned": ({"files": ["b2.parquet", "b1.parquet"]}, 50),
    }
    done = {
        name: ingest(
            settings(*cuts, split_by=["event"], **changed),
            tmp_path / f"{name}.parquet",
            base=directory,
            chunk_rows=rows,
        )
        for name, (changed, rows) in variants.items()
    }
    tables = {name: pq.read_table(tmp_path / f"{name}.parquet").to_pandas() for name in variants}
    assert tables["one"].drop(columns="weight").equals(tables["chunks"].drop(columns="weight"))
    np.testing.assert_allclose(tables["one"].weight, tables["chunks"].weight, rtol=1e-14)
    assert tables["one"].drop(columns="weight").equals(tables["joined"].drop(columns="weight"))
    keys = ["process", "met.pt"]
    ordered = {name: tables[name].sort_values(keys, ignore_index=True) for name in ("one", "turned")}
    assert ordered["one"].drop(columns="weight").equals(ordered["turned"].drop(columns="weight"))
    for one, *others in zip(*(made.metadata.processes for made in done.values()), strict=True):
        for other in others:
            assert flow(one) == [pytest.approx(sums, rel=1e-12) for sums in flow(other)]


def test_a_condition_on_columns_needs_no_objects(files, tmp_path):
    directory, found = files
    done = ingest(settings("MET_pt > 15 and nJet == 2", features=["MET_pt"]), tmp_path / "o.parquet", base=directory)
    passed = [event for event in found["S"] if event["MET_pt"] > 15 and event["nJet"] == 2]
    assert done.metadata.processes[0].preselected[-1].events == len(passed)
    assert done.metadata.per_object == ()


def test_a_tcut_is_kept_in_our_own_language(files, tmp_path):
    directory, found = files
    asked = settings("MET_pt > 15 && !(nJet == 2 || nJet > 4)", cut_dialect="root")
    done = ingest(asked, tmp_path / "o.parquet", base=directory)
    passed = [event for event in found["S"] if event["MET_pt"] > 15 and not (event["nJet"] == 2 or event["nJet"] > 4)]
    assert done.metadata.processes[0].preselected[1].events == len(passed)
    (text,) = done.metadata.preselection
    assert "and not" in text
    again = ingest(settings(text), tmp_path / "again.parquet", base=directory)
    assert [flow(process) for process in again.metadata.processes] == [
        flow(process) for process in done.metadata.processes
    ]
    with pytest.raises(UsageError, match=r"preselection 1: .*and"):
        ingest(settings("MET_pt > 15 && nJet == 2"), tmp_path / "x.parquet", base=directory)


def test_a_missing_object_fails_a_condition_and_its_negation_passes(files, tmp_path):
    directory, found = files
    counts = []
    for position, cut in enumerate(("jet2.pt > 25", "not jet2.pt > 25", "veto jet2.pt > 25")):
        done = ingest(settings(cut), tmp_path / f"{position}.parquet", base=directory)
        counts.append(done.metadata.processes[1].preselected[1].events)
    passed = sum(len(event["Jet_pt"]) > 2 and event["Jet_pt"][2] > 25 for event in found["B"])
    assert counts == [passed, len(found["B"]) - passed, len(found["B"]) - passed]


@pytest.mark.parametrize(
    ("cuts", "says"),
    [
        (["jet.size > 0", "met.pt > 1e6"], r"none of its \d+ events passes the preselection 'met.pt > 1e6'"),
        (["jet.size < 0"], "process 'S': none of its 150 events passes the preselection 'jet.size < 0'"),
        (["genWeight < 0"], r"'S': the weights of its \d+ events that pass the preselection sum to -\d+, not above 0"),
    ],
)  # fmt: skip
def test_what_no_event_or_no_yield_passes_is_named(files, tmp_path, cuts, says):
    directory, _ = files
    with pytest.raises(InputError, match=says):
        ingest(settings(*cuts), tmp_path / "o.parquet", base=directory, chunk_rows=100)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("cut", "kind", "says"),
    [
        ("jet.pt > fatjet.pt [any]", InputError, r"'fatjet.pt' \(the preselection\): .*FatJet|fatjet"),
        ("jte0.pt > 1", InputError, r"'jte0.pt' \(the preselection\).*(jet|Jet)"),
        ("jet0.ptt > 1", InputError, r"'jet0.ptt' \(the preselection\).*did you mean pt"),
        ("met.pt + 1", UsageError, "preselection 1: "),
        ("met.pt > 1 & nJet > 2", UsageError, "write `and`"),
    ],
)
def test_conditions_that_can_not_be_had(files, tmp_path, cut, kind, says):
    directory, _ = files
    with pytest.raises(kind, match=says):
        ingest(settings(cut), tmp_path / "o.parquet", base=directory)


def test_spectators_have_one_value_for_the_event_too(files, tmp_path):
    directory, found = files
    with pytest.raises(InputError, match=r"spectator 'jet.eta' has one value for each object"):
        ingest(settings(spectators=["jet.eta"]), tmp_path / "o.parquet", base=directory)
    done = ingest(settings(spectators=["jet1.eta", "event"]), tmp_path / "o.parquet", base=directory)
    rows = pq.read_table(tmp_path / "o.parquet").to_pandas()
    wanted = [event["Jet_eta"][1] if len(event["Jet_eta"]) > 1 else math.nan for event in found["S"]]
    np.testing.assert_array_equal(rows["jet1.eta"][rows.process == "S"], wanted)
    assert "jet1.eta" in done.metadata.per_object


def test_collections_of_different_length_are_told_with_their_events(files, tmp_path):
    directory, found = files
    for event in (changed := [dict(event) for event in found["S"]]):
        event["Muon_pt"], event["nMuon"] = [10.0], 1
    write(tmp_path / "s.parquet", changed)
    asked = settings("jet.pt > muon.pt [any]", files=[str(tmp_path / "s.parquet")])
    raw = asked.model_dump()
    raw["processes"]["S"]["files"] = raw["processes"]["B"]["files"]
    raw["processes"]["S"]["rows"] = "event < 50"
    raw["processes"]["B"]["rows"] = "event >= 50"
    with pytest.raises(InputError, match=r"pairs collections of different length \(\d and 1 objects in one event\)"):
        ingest(validate(raw), tmp_path / "o.parquet", base=directory)


def test_what_is_printed(files, tmp_path, capsys):
    directory, found = files
    cuts = list(CUTS)[:2]
    done = ingest(settings(*cuts), tmp_path / "o.parquet", base=directory)
    print_ingested(done, as_json=False)
    table = capsys.readouterr().out
    lines = [line for line in table.splitlines() if " S " in f" {line} "]
    wanted = by_hand(found, cuts)["S"]
    assert lines[0].split()[:4] == ["S", "signal", "1", "150"]
    for line, (count, sumw, sumw2) in itertools.zip_longest(lines[-3:], wanted):
        assert f"{count}" in line.split()
        assert f"{sumw:.6g} ± {sumw2**0.5:.3g}" in line
    assert isinstance(done.metadata.processes[0].preselected[0], WeightSums)
    print_ingested(done, as_json=True)
    assert '"preselected": [' in capsys.readouterr().out
