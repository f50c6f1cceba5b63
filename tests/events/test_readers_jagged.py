"""Readers: lists of numbers per event, in every format that has them."""

from pathlib import Path

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot

from cutflow_cli.errors import InputError
from cutflow_cli.events.readers import find_number, open_source

DATA = Path(__file__).parent / "data"
PT = [[30.5, 20.0], [], [11.0], [5.0, 4.0, 3.0]]
TAU = [[[0.5, 0.25], [1.0]], [], [[]], [[2.0], [], [3.0, 4.0]]]


def read(source, *names, rows=3):
    """Read columns as lists, checking the shape that a column promises."""
    columns = [source.column(name) for name in names]
    found = {name: [] for name in names}
    for chunk in source.chunks(columns, rows):
        for column in columns:
            values = chunk[column.name]
            assert len(values) <= rows
            if column.kind in ("list", "nested"):
                depth = {"list": 1, "nested": 2}[column.kind]
                assert str(values.type) == f"{len(values)} * {'var * ' * depth}{column.dtype}"
            else:
                assert isinstance(values, np.ndarray)
                assert values.dtype == column.dtype
            found[column.name] += values.tolist()
    return found


def write_lists(path):
    pt, tau = ak.values_astype(ak.Array(PT), "float32"), ak.Array(TAU)
    if path.name == "tree.root":
        with uproot.recreate(path) as file:
            tree = file.mktree("t", {"n": "int64", "pt": "var * float32"})
            tree.extend({"n": np.arange(4), "pt": pt})
    elif path.name == "ntuple.root":
        with uproot.recreate(path) as file:
            file["t"] = {"n": np.arange(4), "pt": pt, "tau": tau}
    else:
        pq.write_table(pa.table({"n": np.arange(4), "pt": ak.to_arrow(pt), "tau": ak.to_arrow(tau)}), path)
    return open_source(path)


@pytest.mark.parametrize("name", ["tree.root", "ntuple.root", "a.parquet"])
@pytest.mark.parametrize("rows", [1, 3, 100])
def test_lists_come_back_as_written_in_chunks_of_any_size(tmp_path, name, rows):
    source = write_lists(tmp_path / name)
    tau = {"tau": TAU} if name != "tree.root" else {}  # uproot writes no nested lists into a TTree
    assert read(source, "n", "pt", *tau, rows=rows) == {"n": [0, 1, 2, 3], "pt": PT, **tau}
    assert (source.column("pt").kind, source.column("pt").dtype) == ("list", "float32")
    assert source.column("pt").fits_float32
    if tau:
        assert (source.column("tau").kind, source.column("tau").dtype) == ("nested", "float64")
        assert not source.column("tau").fits_float32
    with pytest.raises(
        InputError, match=r"column 'pt' \(feature 'x'\) holds .*; only columns with one number per event"
    ):
        find_number(source, "pt", "feature 'x'")


@pytest.mark.parametrize("rows", [5, 100])
def test_delphes_objects_arrays_and_references(rows):
    """A file that ROOT wrote with the layout of Delphes; data/make_root_files.C says what is in it."""
    source = open_source(DATA / "delphes.root")
    assert source.format == "ROOT"
    assert {"FatJet.PT", "FatJet.Tau[5]", "FatJet_size", "MissingET.MET"} <= set(source.names())
    kinds = {name: source.column(name).kind for name in source.names()}
    assert (
        kinds["FatJet"] == kinds["FatJet.Area"] == kinds["FatJet.SoftDroppedP4[5]"] == kinds["Tower.fBits"] == "other"
    )
    readable = [name for name, kind in kinds.items() if kind != "other"]
    found = read(source, *readable, rows=rows)
    sizes = [event % 3 for event in range(12)]
    assert found["FatJet_size"] == sizes
    assert found["FatJet.PT"] == [[100.0 * (event + 1) - k for k in range(size)] for event, size in enumerate(sizes)]
    assert found["MissingET.MET"] == [[10.0 * event] for event in range(12)]
    tau = [[[float(np.float32(1 / (q + 1) + k)) for q in range(5)] for k in range(size)] for size in sizes]
    assert found["FatJet.Tau[5]"] == tau
    for event, size in enumerate(sizes):  # jet k of n refers to every n-th tower
        towers = found["Tower.fUniqueID"][event]
        assert found["FatJet.Constituents"][event] == [towers[k::size] for k in range(size)]
        assert found["Muon.Particle"][event] == ([towers[0]] if event % 2 else [])
    assert (source.column("FatJet.Constituents").kind, source.column("FatJet.Constituents").dtype) == (
        "nested",
        "uint32",
    )


def test_vectors_and_arrays_of_root():
    source = open_source(DATA / "vectors.root")
    kinds = {name: source.column(name).kind for name in source.names()}
    assert kinds == {
        "n": "number", "var": "list", "rows": "nested", "fixed": "list", "grid": "nested", "deep": "other",
        "letters": "text", "leaves": "other", "text": "text", "vf": "list", "vi": "list", "vb": "list", "vs": "other",
        "vvf": "nested", "rvf": "list",
    }  # fmt: skip
    found = read(source, *[name for name, kind in kinds.items() if kind != "other"], rows=3)
    count = range(4)
    assert found == {
        "n": [0, 1, 2, 3],
        "var": [[float(k) for k in range(n)] for n in count],
        "rows": [[[float(k), float(-k)] for k in range(n)] for n in count],
        "fixed": [[n, n + 1.0, n + 2.0] for n in count],
        "grid": [[[0.0, 1.0, 2.0], [float(n)] * 3] for n in count],
        "letters": ["ab"] * 4,
        "text": ["hi"] * 4,
        "vf": [[1.5 * n] * n for n in count],
        "vi": [[-n] * n for n in count],
        "vb": [[True] * n for n in count],
        "vvf": [[[k + 0.5] * k for k in range(n)] for n in count],
        "rvf": [[float(k) for k in range(n)] for n in count],
    }
    assert find_number(source, "n", "x").dtype == "int32"


def test_branch_names_that_look_like_patterns_or_code(tmp_path):
    names = ["Jet.PT", "x*", "a b", 'quote"', "sqrt", "class", "1st", "x"]
    with uproot.recreate(tmp_path / "a.root") as file:
        tree = file.mktree("t", dict.fromkeys(names, "float32"))
        tree.extend({name: np.full(4, number, "f4") for number, name in enumerate(names)})
    source = open_source(tmp_path / "a.root")
    assert read(source, *names) == {name: [number] * 4 for number, name in enumerate(names)}


def test_records_collections_and_missing_numbers_of_an_rntuple(tmp_path):
    with uproot.recreate(tmp_path / "a.root") as file:
        file["t"] = {
            "jet": ak.Array([[{"pt": 1.0, "tau": [1, 2]}, {"pt": 2.0, "tau": []}], []]),
            "met": ak.Array([{"pt": 1.5, "bins": [1.0]}, {"pt": 2.5, "bins": []}]),
            "x": ak.Array([0.5, None]),
            "xs": ak.Array([[None, 1.0], []]),
            "k": ak.Array([[None, 1], []]),
        }
    source = open_source(tmp_path / "a.root")
    assert source.format == "RNTuple"
    kinds = {name: source.column(name).kind for name in source.names()}
    assert kinds == {
        "jet": "other", "jet.pt": "list", "jet.tau": "nested", "met": "other", "met.pt": "number", "met.bins": "list",
        "x": "number", "xs": "list", "k": "other",
    }  # fmt: skip
    found = read(source, *[name for name, kind in kinds.items() if kind != "other"])
    assert found["jet.pt"] == [[1.0, 2.0], []]
    assert found["jet.tau"] == [[[1, 2], []], []]
    assert found["met.pt"] == [1.5, 2.5]
    assert found["met.bins"] == [[1.0], []]
    assert np.isnan(found["x"][1])
    assert np.isnan(found["xs"][0][0])


def test_many_clusters_of_an_rntuple_are_read_along_their_ends(tmp_path):
    with uproot.recreate(tmp_path / "a.root") as file:
        ntuple = file.mkrntuple("t", {"x": np.arange(7.0)})
        for start in (7, 9, 20):
            ntuple.extend({"x": np.arange(float(start), {7: 9, 9: 20, 20: 21}[start])})
    source = open_source(tmp_path / "a.root")
    for rows in (1, 2, 8, 10, 100):
        assert read(source, "x", rows=rows)["x"] == list(range(21))


#: Earlier versions write what they cannot read.
READS_MISSING_PAIRS = int(pa.__version__.split(".")[0]) >= 26
NO_PAIR = None if READS_MISSING_PAIRS else [3, 4]


@pytest.mark.skipif(READS_MISSING_PAIRS, reason="this pyarrow reads empty entries in lists of fixed size")
def test_what_pyarrow_cannot_read_yet_is_no_damage(tmp_path):
    pairs = pa.array([[1, 2], None, [5, 6]], pa.list_(pa.int16(), 2))
    try:
        pq.write_table(pa.table({"pairs": pairs}), tmp_path / "a.parquet")
    except pa.ArrowNotImplementedError:
        pytest.skip("this pyarrow does not write them either")
    source = open_source(tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"a\.parquet: has missing lists of fixed size, which pyarrow \d+"):
        list(source.chunks([source.column("pairs")], 3))


def test_missing_lists_and_numbers_of_parquet(tmp_path):
    columns = {
        "f": pa.array([[1.5, None], None, []], pa.list_(pa.float32())),
        "i": pa.array([[1, None], None, [3]], pa.large_list(pa.int64())),
        "fixed": pa.array([[1, 2], NO_PAIR, [5, 6]], pa.list_(pa.int16(), 2)),
        "deep": pa.array([[[1.0], None, []], None, [[2.0, 3.0]]]),
        "deeper": pa.array([[[[1.0]]], [], []]),
        "texts": pa.array([["a"], [], []]),
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    source = open_source(tmp_path / "a.parquet")
    kinds = [source.column(name).kind for name in columns]
    assert kinds == ["list", "list", "list", "nested", "other", "other"]
    for rows in (1, 2, 3):
        chunks = list(source.chunks([source.column(name) for name in ("f", "i", "fixed", "deep")], rows))
        found = {name: [value for chunk in chunks for value in chunk[name].tolist()] for name in chunks[0]}
        assert found["f"][0][0] == 1.5
        assert np.isnan(found["f"][0][1])
        assert found["f"][1:] == [[], []]
        assert np.isnan(found["i"][0][1])
        assert found["i"][1:] == [[], [3]]
        assert found["fixed"] == [[1, 2], NO_PAIR or [], [5, 6]]
        assert found["deep"] == [[[1.0], [], []], [], [[2.0, 3.0]]]


def test_every_column_of_the_public_samples_reads(root):
    data = root.parent / "shared" / "data"
    if not data.is_dir():
        pytest.skip("the realistic samples are not beside the checkout")
    for path in [*sorted((data / "third_party").glob("*.root")), data / "signal.root"]:
        source = open_source(path)
        columns = [source.column(name) for name in source.names()]
        readable = [column for column in columns if column.kind != "other"]
        assert len(readable) >= len(columns) - 22  # the collections of an RNTuple itself
        if source.format == "RNTuple":  # of which uproot reads each field slowly
            readable = readable[::10] + [column for column in readable if "." in column.name][::20]
        events = sum(len(chunk[readable[-1].name]) for chunk in source.chunks(readable, source.rows // 2 + 1))
        assert events == source.rows


def test_lists_of_public_samples_agree_with_what_uproot_reads(root):
    data = root.parent / "shared" / "data" / "third_party"
    if not data.is_dir():
        pytest.skip("the realistic samples are not beside the checkout")
    source = open_source(data / "uproot-HZZ.root")
    with uproot.open(data / "uproot-HZZ.root") as file:
        assert read(source, "Muon_Px", "NMuon", rows=1000)["Muon_Px"] == file["events/Muon_Px"].array().tolist()
    muons = open_source(data / "Run2012BC_DoubleMuParked_Muons_1000evts_rntuple_v1-0-0-0.root")
    found = read(muons, "nMuon", "Muon_pt", "_collection0.Muon_pt", rows=300)
    assert found["Muon_pt"] == found["_collection0.Muon_pt"]
    assert [len(muon) for muon in found["Muon_pt"]] == found["nMuon"]
