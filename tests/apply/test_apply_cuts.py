"""Cuts applied to events files and to the files that these were made from keep the same events, one by one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
import uproot

from cutflow_cli.apply.apply import ApplyOptions, apply_cuts
from cutflow_cli.apply.cuts_file import read_cuts
from cutflow_cli.apply.inputs import SourceOptions
from cutflow_cli.apply.present import tables
from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.evaluation.tally import tally
from cutflow_cli.events.ingest import ingest
from cutflow_cli.events.settings_file import validate
from cutflow_cli.events.table import open_events
from cutflow_cli.export.choose import Choice
from cutflow_cli.export.handover import export_cuts
from cutflow_cli.runs import Run, RunManifest
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

FEATURES = {"x": None, "ratio": "y / x", "n": None, "wide": "x * 3 + y"}
PRESELECTION = ["abs(y) < 2.5", "n != 3"]
FORMATS = ("root", "rntuple.root", "parquet", "csv")
EVENTS = 400


def columns(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = np.round(rng.normal(0, 1, EVENTS), 1).astype(np.float32)  # so that many values are boundaries
    x[:4] = np.nan, np.inf, -np.inf, 0
    y = np.round(rng.normal(0.5, 1, EVENTS), 2)
    event = np.arange(EVENTS, dtype=np.int64) + EVENTS * seed
    weight = rng.normal(1, 0.5, EVENTS)
    return {"x": x, "y": y, "n": rng.integers(0, 6, EVENTS, dtype=np.int32), "event": event, "w": weight}


def write(path: Path, table: dict[str, np.ndarray]) -> Path:
    if path.name.endswith(".rntuple.root"):
        with uproot.recreate(path) as file:
            file["t"] = table
    elif path.suffix == ".root":
        with uproot.recreate(path) as file:
            file.mktree("t", {name: values.dtype for name, values in table.items()}).extend(table)
    elif path.suffix == ".parquet":
        pq.write_table(pa.table(table), path)
    else:
        exact = {name: v.astype(np.float64) if v.dtype == np.float32 else v for name, v in table.items()}
        pa_csv.write_csv(pa.table(exact), path)
    return path


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> dict[str, list[Path]]:
    """The same signal and background in every format."""
    directory = tmp_path_factory.mktemp("sources")
    return {
        kind: [write(directory / f"{role}.{kind}", columns(seed)) for seed, role in enumerate(("signal", "background"))]
        for kind in FORMATS
    }


@pytest.fixture(scope="module")
def events(sources, tmp_path_factory) -> Path:
    """The events file made from the ROOT files, with a variation of the weights and an alternative sample."""
    out = tmp_path_factory.mktemp("events") / "events.parquet"
    files = [str(path) for path in sources["root"]]
    settings = {
        "features": {
            name: {"expression": text, "dtype": "float32" if name == "ratio" else "float64"} if text else {}
            for name, text in FEATURES.items()
        },
        "preselection": PRESELECTION,
        "luminosity": 10.0,
        "spectators": ["event"],
        "variations": {"up": "w * 1.1"},
        "processes": {
            "sig": {"role": "signal", "files": files[0], "cross_section": 0.1, "weight": "w"},
            "bkg": {"role": "background", "files": files[1], "cross_section": 3.0, "weight": "w"},
            "other": {"role": "background", "files": str(sources["parquet"][0]), "cross_section": 3.0, "weight": "w",
                      "replaces": "bkg", "variation": "shower"},
        },
    }  # fmt: skip
    ingest(validate(settings), out)
    return out


def random_flow(events: Path, seed: int, cuts: int) -> CutFlow:
    """Cuts with boundaries at, or just beside, values that events have."""
    rng = np.random.default_rng(seed)
    table = pq.read_table(events)
    found = []
    for name in rng.choice(list(FEATURES), cuts):
        values = table[name].to_numpy()
        low, high = np.sort(rng.choice(values[np.isfinite(values)], 2)).astype(float)
        if rng.random() < 0.3:
            low -= 1e-9
        region = Region(rng.choice(["below", "above", "inside", "outside"], p=[0.3, 0.3, 0.3, 0.1]))
        found.append(
            LearnedCut(Cut(str(name), region, low if region.has_lower else None, high if region.has_upper else None))
        )
    return CutFlow(tuple(found), kind="consensus", replica=-1)


def run_of(events: Path, *flows: CutFlow) -> Run:
    opened = open_events(events)
    manifest = RunManifest(
        "lcf-parallel", {}, opened.metadata.features, {}, "0", preselection=opened.metadata.preselection,
        per_object=opened.metadata.per_object,
    )  # fmt: skip
    return Run(Path("run"), manifest, flows)


def cuts_of(run: Run, path: Path) -> Path:
    path.write_text(export_cuts(run, "json", choice=Choice(every_replica=True)).text)
    return path


def engine(events: Path, flow: CutFlow) -> np.ndarray:
    """Which events of an events file the engine keeps, by their number in the column `event`."""
    table = pq.read_table(events)
    table = table.filter(pa.compute.not_equal(table["split"].cast(pa.string()), "variation"))
    flow = flow.rounded(open_events(events).dtypes)
    keep = flow.mask({name: table[name].to_numpy() for name in FEATURES}, len(table))
    return np.sort(table["event"].to_numpy()[keep])


def numbers_in(path: Path) -> np.ndarray:
    return np.sort(pq.read_table(path)["event"].to_numpy())


@pytest.mark.parametrize("seed", range(12))
def test_what_passes_is_what_the_engine_keeps(events, sources, tmp_path, seed):
    flow = random_flow(events, seed, cuts=1 + seed % 3)
    cuts = cuts_of(run_of(events, flow), tmp_path / "cuts.json")
    wanted = engine(events, flow)
    kind = FORMATS[seed % len(FORMATS)]
    done = apply_cuts(cuts, sources[kind], tmp_path / "source.parquet", chunk_rows=97 + seed)
    assert done.flows[0].kept == len(wanted)
    if len(wanted):
        np.testing.assert_array_equal(numbers_in(tmp_path / "source.parquet"), wanted)
    counted = apply_cuts(cuts, [events], chunk_rows=131 + seed)
    assert counted.flows[0].kept == len(wanted)
    (tally_of,) = (flow.rounded(open_events(events).dtypes),)
    sums = tally(open_events(events), [tally_of])
    for group, process in zip(counted.flows[0].groups, range(2), strict=True):
        for position, step in enumerate(group.steps):
            evaluated = sums.sums[sums.prefixes[tally_of.cuts[:position]], :, process].sum(axis=(0, 1))
            assert step.events == evaluated[0]
            assert (step.sumw, step.sumw2) == pytest.approx((evaluated[1], evaluated[2]), rel=1e-9)
    first = done.flows[0].groups[0].steps
    assert [step.cut for step in first[:3]] == ["all events", *PRESELECTION]
    assert first[0].events == EVENTS
    assert first[2].events == counted.flows[0].groups[0].steps[0].events


@pytest.fixture
def chosen(events, tmp_path) -> Path:
    """A file of cuts that keep some events."""
    flow = CutFlow(
        (LearnedCut(Cut("x", Region.ABOVE, -0.5)), LearnedCut(Cut("ratio", Region.BELOW, None, 1.5))),
        kind="consensus", replica=-1,
    )  # fmt: skip
    return cuts_of(run_of(events, flow), tmp_path / "cuts.json")


def test_events_that_pass_are_an_events_file_again(events, chosen, tmp_path):
    out = tmp_path / "passing.parquet"
    done = apply_cuts(chosen, [events], out, command="cutflow apply …")
    assert (done.written, done.out) == (True, out)
    before, after = open_events(events), open_events(out)
    np.testing.assert_array_equal(
        np.sort(np.concatenate([batch.columns["event"] for batch in after.batches(["event"])])),
        engine(events, read_cuts(chosen).flows[0]),
    )
    assert after.features == before.features
    assert after.metadata.preselection == (
        *PRESELECTION, "x > -0.5", "float32(y / x) < 1.5",
    )  # fmt: skip
    for old, new, group in zip(before.metadata.processes, after.metadata.processes, done.flows[0].groups, strict=True):
        counted = [sums.events for sums in (*old.preselected, *new.preselected[3:])]
        assert [sums.events for sums in new.preselected] == counted
        assert counted[2:] == [step.events for step in group.steps]
        assert new.total.events == counted[-1]
        assert new.total.sumw == pytest.approx(group.steps[-1].sumw)
    rows = pq.read_table(out)
    assert rows.schema.remove_metadata() == pq.read_table(events).schema.remove_metadata()
    (shower,) = (variation for variation in after.metadata.variations if variation.replaced)
    alternative = rows.filter(pa.compute.equal(rows["split"].cast(pa.string()), "variation"))
    assert shower.replaced["bkg"].events == len(alternative) > 0
    assert shower.replaced["bkg"].sumw == pytest.approx(alternative["weight_shower"].to_numpy().sum())
    assert sum(len(batch) for batch in after.batches(variation="shower")) == len(alternative) + (
        done.flows[0].groups[0].steps[-1].events
    )
    again = apply_cuts(chosen, [out])
    assert [group.steps[-1].events for group in again.flows[0].groups] == [
        group.steps[-1].events for group in done.flows[0].groups
    ]
    assert again.flows[0].groups[0].steps[0].events == again.flows[0].groups[0].steps[-1].events


def test_a_second_time_it_is_done_already(events, chosen, tmp_path):
    out = tmp_path / "passing.parquet"
    done = apply_cuts(chosen, [events], out)
    content = out.read_bytes()
    again = apply_cuts(chosen, [events], out)
    assert again == replace(done, written=False)
    with pytest.raises(UsageError, match="exists and was made from other inputs or settings"):
        apply_cuts(chosen, [events], out, options=ApplyOptions(mask="kept"))
    assert out.read_bytes() == content
    assert apply_cuts(chosen, [events], out, options=ApplyOptions(mask="kept"), force=True).written
    (tmp_path / "other.parquet").write_bytes(b"something else")
    with pytest.raises(UsageError, match="exists; choose another --out"):
        apply_cuts(chosen, [events], tmp_path / "other.parquet")
    assert not list(tmp_path.glob("*.partial"))


def test_a_mask_keeps_all_events(events, sources, chosen, tmp_path):
    for files, out in (([events], tmp_path / "a.parquet"), (sources["csv"], tmp_path / "b.parquet")):
        done = apply_cuts(chosen, files, out, options=ApplyOptions(mask="kept"))
        rows = pq.read_table(out)
        assert len(rows) == sum(pq.read_table(f).num_rows if f.suffix == ".parquet" else EVENTS for f in files)
        passing = rows.filter(rows["kept"])
        if "split" in rows.column_names:
            passing = passing.filter(pa.compute.not_equal(passing["split"].cast(pa.string()), "variation"))
        np.testing.assert_array_equal(np.sort(passing["event"].to_numpy()), engine(events, read_cuts(chosen).flows[0]))
        assert done.flows[0].kept == len(passing)
    assert open_events(tmp_path / "a.parquet").metadata == open_events(events).metadata
    with pytest.raises(UsageError, match=r"--mask x: .* has a column of this name"):
        apply_cuts(chosen, [events], tmp_path / "c.parquet", options=ApplyOptions(mask="x"))


def test_nothing_passes_and_nothing_is_written(events, sources, tmp_path):
    cuts = tmp_path / "none.json"
    cuts.write_text('{"cuts": ["x > 1e30", "x < 2e30"]}')
    for files in ([events], sources["root"]):
        done = apply_cuts(cuts, files, tmp_path / "none.parquet")
        assert done.empty
        assert done.out is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["none.json"]


def test_conditions_by_hand(events, sources, tmp_path):
    cuts = tmp_path / "mine.json"
    written = ["-0.3 <= x", "ratio < 0.7 or n == 2", "x < 1.2"]
    cuts.write_text(json.dumps({"cuts": written, "features": {"ratio": {"expression": "y / x"}}}))
    table = columns(0)
    x = table["x"].astype(np.float64)
    with np.errstate(all="ignore"):
        wanted = (x >= -0.3) & ((table["y"] / x < 0.7) | (table["n"] == 2)) & (x < 1.2)
    done = apply_cuts(cuts, sources["root"][:1], tmp_path / "o.parquet", options=ApplyOptions(weight="w**2"))
    np.testing.assert_array_equal(numbers_in(tmp_path / "o.parquet"), table["event"][wanted])
    last = done.flows[0].groups[0].steps[-1]
    assert last.sumw == pytest.approx((table["w"][wanted] ** 2).sum())
    assert last.error == pytest.approx(np.sqrt((table["w"][wanted] ** 4).sum()))
    assert [step.cut for step in done.flows[0].groups[0].steps[1:]][:2] == written[:2]
    assert apply_cuts(cuts, [events]).flows[0].kept > 0


def test_objects(data, tmp_path):
    signal = data / "signal.root"
    cuts = tmp_path / "cuts.json"
    cuts.write_text(json.dumps({
        "features": {"tau21": {"expression": "fatjet0.tau2 / fatjet0.tau1", "dtype": "float32"}},
        "preselection": ["fatjet.size > 0"],
        "cuts": ["tau21 < 0.4", "jet.pt > 40 [any]", {"observable": "fatjet0.mass", "region": "above", "lower": 60}],
    }))  # fmt: skip
    source = SourceOptions(columns=("MET_phi", "jet.size"))
    apply_cuts(cuts, [signal], tmp_path / "o.parquet", options=ApplyOptions(source=source))
    with uproot.open(signal) as file:
        arrays = file["Events"].arrays(["FatJet_tau1", "FatJet_tau2", "FatJet_mass", "Jet_pt", "MET_phi"])
    wanted = [
        row["MET_phi"]
        for row in arrays.tolist()
        if row["FatJet_tau1"]
        and np.float32(row["FatJet_tau2"][0] / row["FatJet_tau1"][0]) < 0.4
        and any(pt > 40 for pt in row["Jet_pt"])
        and row["FatJet_mass"][0] > 60
    ]
    rows = pq.read_table(tmp_path / "o.parquet")
    assert rows.column_names == ["MET_phi", "jet.size", "fatjet0.mass", "tau21"]
    np.testing.assert_array_equal(rows["MET_phi"].to_numpy(), np.array(wanted, dtype=np.float32))
    cuts.write_text('{"cuts": [{"observable": "jet.pt", "region": "above", "lower": 1}]}')
    with pytest.raises(InputError, match=r"a cut: `jet.pt` is one number for each object"):
        apply_cuts(cuts, [signal])


@pytest.fixture(scope="module")
def data(root) -> Path:
    found = root.parent / "shared" / "data"
    if not (found / "signal.root").is_file():
        pytest.skip("the realistic samples are not beside the checkout")
    return found


def test_several_selections_are_counted_in_one_pass(events, tmp_path):
    flows = [
        replace(random_flow(events, seed, 2), working_point=f"p={seed}", target=float(seed), kind=kind, replica=replica)
        for seed, (kind, replica) in enumerate([("consensus", -1), ("replica", 0), ("replica", 1)] * 2)
    ]
    cuts = cuts_of(run_of(events, *flows), tmp_path / "all.json")
    done = apply_cuts(cuts, [events], options=ApplyOptions(Choice(every_replica=True)))
    assert [flow.kept for flow in done.flows] == [len(engine(events, flow)) for flow in flows]
    one = apply_cuts(cuts, [events], options=ApplyOptions(Choice(working_point="p=3")))
    assert [flow.working_point for flow in one.flows] == ["p=3"]
    with pytest.raises(UsageError, match=r"--out holds the events of one selection, .* has 2; choose with"):
        apply_cuts(cuts, [events], tmp_path / "o.parquet")


def test_tables_and_json_say_the_same(events, chosen, sources):
    done = apply_cuts(chosen, [events])
    (table,) = tables(done)
    assert table.header == ("", "sig\nevents", "\nshare", "\nΣw ± √Σw²", "bkg\nevents", "\nshare", "\nΣw ± √Σw²")
    found = done.as_json()["cut_flows"][0]["groups"]
    assert [row[1] for row in table.rows] == [str(step["events"]) for step in found[0]["steps"]]
    assert [row[4] for row in table.rows] == [str(step["events"]) for step in found[1]["steps"]]
    assert set(found[0]["steps"][0]) == {"cut", "events", "sumw", "sumw_error"}
    plain = apply_cuts(chosen, sources["root"])
    (table,) = tables(plain)
    assert table.header[1::2] == ("signal.root\nevents", "background.root\nevents", "all files\nevents")
    assert set(plain.as_json()["cut_flows"][0]["groups"][0]["steps"][0]) == {"cut", "events"}


def test_what_is_refused(events, sources, chosen, tmp_path):
    def refused(message: str, files: list, *, out: Path | None = None, cuts: object = None, **options: object) -> None:
        path = chosen
        if cuts is not None:
            path = tmp_path / "bad.json"
            path.write_text(json.dumps(cuts))
        with pytest.raises((InputError, UsageError)) as error:
            apply_cuts(path, files, out, options=ApplyOptions(**options))
        assert message in str(error.value)

    root, new = sources["root"], tmp_path / "new.parquet"
    other = {"features": {"x": {"expression": "2 * y"}}, "cuts": ["x < 1"]}
    ratio = {"features": {"r": {"expression": "y / x"}}, "cuts": ["r < 1"]}
    refused("no column 'ratoi', which", [events], cuts={"cuts": ["ratoi < 1"]})
    refused("did you mean ratio?", [events], cuts={"cuts": ["ratoi < 1"]})
    refused("no column 'r', which", [events], cuts=ratio)
    refused("ingest it: --feature 'r = y / x'", [events], cuts=ratio)
    refused("an events file has features, not objects", [events], cuts={"cuts": ["jet0.momentum < 1"]})
    refused("column 'process', which", [events], cuts={"cuts": ["process < 1"]})
    refused("no column 'z'", root, cuts={"cuts": ["z < 1"]})
    refused("no column 'xx' (a cut of ", root, cuts={"cuts": ["xx < 1"]})
    refused("no column 'z'", root, weight="z")
    refused("no column 'z', which --weight-column names", [events], weight="z")
    refused("--weight-column: a value is missing", root, weight="w *")
    refused("weight 'log(x)' has", root, weight="log(x)")
    refused("is named twice; its events would count twice", [root[0], root[0]])
    refused("no files to apply the cuts to", [])
    refused("--mask is for events that are written; add --out", root, mask="kept")
    refused("--column is for events that are written", root, source=SourceOptions(columns=("x",)))
    refused("is one of the files to read", [events], out=events)
    refused("is an events file, which goes into an --out of its own", [events, *root], out=new)
    refused("--column is for files that are no events files", [events], out=new, source=SourceOptions(columns=("x",)))
    refused(
        "has a column 'x', which is a feature",
        root,
        out=new,
        cuts=other,
    )
    refused("--working-point p: the run has no such working point", root, choice=Choice(working_point="p"))
    refused("no such file", [tmp_path / "absent.root"])
    assert not new.exists()


def test_it_is_said_that_features_are_made_in_another_way(events, tmp_path):
    cuts = tmp_path / "cuts.json"
    cuts.write_text(json.dumps({
        "features": {"ratio": {"expression": "x / y"}}, "preselection": ["n > 1", *PRESELECTION], "cuts": ["ratio < 1"],
    }))  # fmt: skip
    done = apply_cuts(cuts, [events])
    assert [note.removeprefix(f"{events}: ") for note in done.notes] == [
        f"feature 'ratio' is y / x here, x / y in {cuts}",
        f"its preselection is abs(y) < 2.5 and n != 3; that of {cuts} asks for more: n > 1",
    ]


def test_cuts_in_bins_are_printed_by_the_range_of_their_boundaries(events, tmp_path):
    bins = [{"region": "above", "lower": 0.1 + number / 7} for number in range(3)]
    cut = {"observable": "x", "binned_in": "n", "edges": [0, 2, 4, 6], "bins": bins}
    cuts = tmp_path / "cuts.json"
    cuts.write_text(
        json.dumps(
            {"schema_version": 2, "cuts": [cut, {"observable": "wide", "region": "above", "lower": 0.123456789}]}
        )
    )
    done = apply_cuts(cuts, [events], tmp_path / "out.parquet")
    again = apply_cuts(cuts, [events], tmp_path / "out.parquet")
    assert not again.written
    for applied in (done, again):
        (table,) = tables(applied)
        words = [row[0] for row in table.rows]
        assert words[-2:] == ["x > 0.1…0.385714, by n", "wide > 0.123456789"], "plain cuts with all digits"
        assert table.footnotes == ("of cuts in bins the range of their boundaries, rounded; --json gives each",)
    steps = done.as_json()["cut_flows"][0]["groups"][0]["steps"]
    assert "x > (0.1" in steps[-2]["cut"]
    assert "in (0, 2, 4, 6)" in steps[-2]["cut"]
