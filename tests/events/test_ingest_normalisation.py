"""Where sums of weights come from, before any selection, and what is said where they do not fit."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot
from flat_files import table, write

from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.events.ingest import ingest
from cutflow_cli.events.settings_file import validate


def nano(path, weights, runs=None, seed=0):
    """Write events with generator weights, and a tree of runs with what was generated, of which events are a part."""
    rows = len(weights)
    met = np.random.default_rng(seed).exponential(40.0, rows).astype(np.float32)
    with uproot.recreate(path) as file:
        types = {"MET_pt": np.dtype("f4"), "MET_phi": np.dtype("f4"), "genWeight": np.dtype("f4")}
        file.mktree("Events", types).extend({"MET_pt": met, "MET_phi": met * 0, "genWeight": np.float32(weights)})
        if runs is not None:
            file.mktree("Runs", {"genEventSumw": np.dtype("f8"), "genEventCount": np.dtype("i8")}).extend(
                {"genEventSumw": np.array(runs, dtype=float), "genEventCount": np.array([rows * 2] * len(runs))}
            )
    return met


def settings(signal, background=None, **rest):
    raw = {
        "features": ["MET_pt"],
        "luminosity": 10.0,
        "processes": {
            "S": {"role": "signal", "files": "s*.root", "tree": "Events", **signal},
            "B": {"role": "background", "files": "b.root", "tree": "Events", **(background or signal)},
        },
    }
    return validate({**raw, **rest})


SUMW = {"tree": "Runs", "column": "genEventSumw"}
COUNT = {"tree": "Runs", "column": "genEventCount"}


@pytest.fixture
def files(tmp_path):
    """Two skimmed signal files and a background, whose trees of runs hold more than their events."""
    weights = np.array([2.0, -1.0, 2.0, 2.0, 3.0] * 8)
    return {
        "s1": (weights, nano(tmp_path / "s1.root", weights, [300.0, 60.0])),
        "s2": (weights[:15], nano(tmp_path / "s2.root", weights[:15], [140.0], seed=1)),
        "b": (weights, nano(tmp_path / "b.root", weights, [1000.0], seed=2)),
    }


def test_sums_beside_the_events_are_of_all_that_was_generated(files, tmp_path):
    asked = {"weight": "genWeight", "cross_section": 0.5, "k_factor": 1.2, "filter_efficiency": 0.5,
             "sum_of_weights": SUMW}  # fmt: skip
    done = ingest(settings(asked, preselection=["MET_pt > 30"]), tmp_path / "o.parquet", base=tmp_path)
    scale = 0.5 * 1.2 * 0.5 * 10_000 / (300 + 60 + 140)
    signal = done.metadata.processes[0]
    assert signal.cross_section == pytest.approx(0.3)
    assert (signal.generated_sumw, signal.generated_events) == (500.0, None)
    all_weights = np.concatenate([files["s1"][0], files["s2"][0]])
    passed = np.concatenate([files["s1"][1], files["s2"][1]]) > 30
    assert signal.preselected[0].sumw == pytest.approx(scale * all_weights.sum())
    assert signal.preselected[1].sumw == pytest.approx(scale * all_weights[passed].sum())
    assert signal.total.sumw2 == pytest.approx(scale**2 * (all_weights[passed] ** 2).sum())
    assert not [note for note in done.notes if "weight" in note]
    shards = [tmp_path / f"{number}.shard" for number in (1, 2, 3)]
    for number, shard in enumerate(shards, start=1):
        ingest(settings(asked), shard, base=tmp_path, shard=(number, 3))
    from cutflow_cli.events.merge import merge

    assert merge(shards, tmp_path / "m.parquet").metadata.processes[0].generated_sumw == 500.0


def test_a_count_beside_the_events_is_their_number_where_each_counts_one(files, tmp_path):
    done = ingest(settings({"cross_section": 1.0, "sum_of_weights": COUNT}), tmp_path / "o.parquet", base=tmp_path)
    signal = done.metadata.processes[0]
    assert (signal.generated_events, signal.generated_sumw, signal.generated_sumw2) == (190, 190.0, 190.0)
    assert signal.total.sumw == pytest.approx(55 / 190 * 10_000)
    unused = [note for note in done.notes if "generator weights" in note]
    assert unused == [
        f"process {name!r}: its files have generator weights, 'genWeight', that are not used: every event counts the "
        "same; unless they are all equal, name them as its weight"
        for name in ("S", "B")
    ]
    for runs in ([55.5], [30.0]):
        nano(tmp_path / "b.root", np.ones(40), runs)
        asked = settings({"cross_section": 1.0}, {"cross_section": 1.0, "sum_of_weights": SUMW})
        with pytest.raises(
            InputError, match=r"process 'B': without weight .* which is no number of events .* name the"
        ):
            ingest(asked, tmp_path / "x.parquet", base=tmp_path)


def test_unused_generator_weights_are_told_in_every_format(tmp_path, root):
    delphes = {"Jet.PT": [[30.0], [20.0, 10.0]], "MissingET.MET": [[5.0], [6.0]], "Event.Weight": [[1.0], [1.0]]}
    pq.write_table(pa.table(delphes), tmp_path / "delphes.parquet")
    write(tmp_path / "flat.parquet", {"met.pt": np.ones(3), "weight": np.ones(3)})
    signal = {"files": "delphes.parquet", "tree": None}
    background = {"files": "flat.parquet", "tree": None}
    sample = root.parent / "shared" / "data" / "third_party" / "pylhe-testfile-pythia-8.3.14-weakbosons.lhe"
    if sample.is_file():
        pytest.importorskip("pylhe")
        background["files"] = str(sample)
    asked = settings(signal, background, features=["x = met.pt"], luminosity=None)
    done = ingest(asked, tmp_path / "o.parquet", base=tmp_path)
    told = [note for note in done.notes if "generator weights" in note]
    assert "process 'S': its files have generator weights, 'Event.Weight', that are not used" in told[0]
    assert len(told) == 1 + sample.is_file()
    assert all("'weight'" in note for note in told[1:])
    weighted = settings({**signal, "weight": "Event.Weight", "weights_are_yields": True},
                        {"files": "flat.parquet", "tree": None, "weight": "weight", "weights_are_yields": True},
                        features=["x = met.pt"], luminosity=None)  # fmt: skip
    assert not [note for note in ingest(weighted, tmp_path / "w.parquet", base=tmp_path).notes if "generator" in note]


@pytest.mark.parametrize(
    ("runs", "tree", "says"),
    [
        ([-3.0], SUMW, "process 'B': 'genEventSumw' of tree 'Runs' sums to -3; a cross section needs a positive"),
        ([0.0], SUMW, "sums to 0; a cross section"),
        ([5.0], {"tree": "Runs", "column": "genEventSumW"}, "genEventSumW.*did you mean genEventSumw"),
        ([5.0], {"tree": "runs", "column": "genEventSumw"}, "no tree 'runs'; did you mean Runs"),
        (None, SUMW, "no tree 'Runs'"),
        ([np.nan], SUMW, "genEventSumw"),
    ],
)
def test_sums_beside_the_events_that_are_none(tmp_path, runs, tree, says):
    for name in ("s", "b"):
        nano(tmp_path / f"{name}.root", np.ones(40), runs)
    asked = settings(
        {"weight": "genWeight", "cross_section": 1.0},
        {"weight": "genWeight", "cross_section": 1.0, "sum_of_weights": tree},
    )
    with pytest.raises(InputError, match=says):
        ingest(asked, tmp_path / "o.parquet", base=tmp_path)
    assert not (tmp_path / "o.parquet").exists()


def test_only_root_files_have_trees_beside_the_events(tmp_path):
    nano(tmp_path / "s.root", np.ones(5))
    write(tmp_path / "b.csv", {"MET_pt": np.ones(5)})
    background = {"files": "b.csv", "tree": None, "cross_section": 1.0, "sum_of_weights": SUMW}
    asked = settings({"cross_section": 1.0}, background)
    with pytest.raises(InputError, match=r"b.csv: a tree .'Runs'.* is named, but this is a CSV file"):
        ingest(asked, tmp_path / "o.parquet", base=tmp_path)


def test_events_with_more_weight_than_the_tree_beside_them_are_told(files, tmp_path):
    nano(tmp_path / "b.root", np.ones(40), [20.0])
    done = ingest(settings({"weight": "genWeight", "cross_section": 1.0, "sum_of_weights": SUMW}),
                  tmp_path / "o.parquet", base=tmp_path)  # fmt: skip
    assert "process 'B': its events have a sum of weights of 40, more than the 20" in " ".join(done.notes)


def test_data_driven_yields_are_an_expression(tmp_path):
    columns = {**table(300), "fake_rate": np.random.default_rng(3).uniform(0, 1, 300)}
    write(tmp_path / "data.parquet", columns)
    fakes = {"files": "data.parquet", "weight": "where(pt > 20, 1, -1) * fake_rate / (1 - fake_rate)",
             "weights_are_yields": True, "rows": "fake_rate < 0.9"}  # fmt: skip
    write(tmp_path / "s.parquet", table(20))
    signal = {"files": "s.parquet", "cross_section": 1.0, "tree": None}
    asked = settings(signal, {**fakes, "tree": None}, features=["pt"])
    done = ingest(asked, tmp_path / "o.parquet", base=tmp_path)
    f = columns["fake_rate"]
    worth = np.where(columns["pt"] > 20, 1, -1) * f / (1 - f)
    info = done.metadata.processes[1]
    assert info.total.sumw == pytest.approx(worth[f < 0.9].sum(), rel=1e-12)
    assert info.total.sumw2 == pytest.approx((worth[f < 0.9] ** 2).sum(), rel=1e-12)
    assert (info.cross_section, info.generated_sumw) == (None, None)
    assert done.notes == ()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"cross_section": "header", "rows": "x > 1"}, "cross_section = 'header' together with rows: a header's"),
        ({"cross_section": "haeder"}, "processes.S.cross_section: "),
        ({"cross_section": 1, "sum_of_weights": {"tree": "Runs"}}, "processes.S.sum_of_weights"),
        ({"cross_section": 1, "sum_of_weights": COUNT, "generated_events": 5}, "or sum_of_weights, not both"),
        ({"sum_of_weights": COUNT}, "sum_of_weights is of no use without cross_section"),
        ({"weight": "w", "weights_are_yields": True, "sum_of_weights": COUNT}, "yields are normalised already"),
        ({"weight": "w", "weights_are_yields": True, "cross_section": "header"}, "yields are normalised already"),
    ],
)  # fmt: skip
def test_contradictions_are_refused(changes, says):
    with pytest.raises(UsageError) as caught:
        settings(changes, {"cross_section": 1.0})
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
