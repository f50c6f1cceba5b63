"""Readers: one table in four formats, and files that are not what they should be."""

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot
from flat_files import table, write

from cutflow_cli.errors import InputError
from cutflow_cli.events.readers import find_column, find_number, open_source, tree_sum

FORMATS = ("a.root", "a.rntuple.root", "a.parquet", "a.csv")


def read(source, names, rows):
    chunks = list(source.chunks([source.column(name) for name in names], rows))
    assert all(len(chunk[names[0]]) <= rows for chunk in chunks)
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in names}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("rows", [3, 100])
def test_every_format_gives_back_what_was_written(tmp_path, name, rows):
    columns = table(10)
    source = open_source(write(tmp_path / name, columns))
    assert set(source.names()) == set(columns)
    assert source.rows == (None if name.endswith("csv") else 10)
    found = read(source, tuple(columns), rows)
    for column, values in columns.items():
        assert source.column(column).kind == "number"
        if name.endswith("csv"):  # which has just the digits that the type needs
            assert found[column].dtype in (np.float64, np.int64)
            found[column] = found[column].astype(values.dtype)
        assert found[column].dtype == values.dtype
        np.testing.assert_array_equal(found[column], values)
    source.close()


@pytest.mark.parametrize("name", FORMATS)
def test_float32_is_enough_for_narrow_columns_only(tmp_path, name):
    source = open_source(write(tmp_path / name, table()))
    narrow = {column for column in source.names() if source.column(column).fits_float32}
    assert narrow == (set() if name.endswith("csv") else {"pt", "q", "w"})


@pytest.mark.parametrize("name", FORMATS)
def test_a_wrong_column_is_answered_with_near_ones(tmp_path, name):
    source = open_source(write(tmp_path / name, table()))
    with pytest.raises(InputError, match=r"no column 'mas' \(feature 'r'\); did you mean mass"):
        find_column(source, "mas", "feature 'r'")


def test_the_digest_follows_the_content(tmp_path):
    for name in FORMATS:
        digests = [open_source(write(tmp_path / name, table(10, seed))).digest for seed in (1, 2)]
        assert digests[0] != digests[1]
    again = [open_source(tmp_path / name).digest for name in FORMATS]
    assert again == [open_source(tmp_path / name).digest for name in FORMATS]
    assert again[0].startswith("uuid:")


class TestRoot:
    def test_the_only_tree_or_the_named_one(self, tmp_path):
        path = tmp_path / "two.root"
        with uproot.recreate(path) as file:
            for tree, rows in (("sig", 2), ("dir/bkg", 3)):
                file.mktree(tree, {"x": np.dtype("f4")})
                file[tree].extend({"x": np.zeros(rows, "f4")})
            file["h"] = np.histogram([1.0, 2.0])
        with pytest.raises(InputError, match=r"two.root: holds 2 trees \(sig, dir/bkg\); say which one"):
            open_source(path)
        with pytest.raises(InputError, match=r"no tree 'sgi'; did you mean sig\? \(there are: sig, dir/bkg\)"):
            open_source(path, "sgi")
        assert open_source(path, "sig").rows == 2
        assert open_source(path, "dir/bkg").rows == 3

    def test_the_events_of_a_nanoaod_file(self, tmp_path):
        path = tmp_path / "nano.root"
        with uproot.recreate(path) as file:
            for tree, rows in (("Events", 3), ("Runs", 1), ("LuminosityBlocks", 2)):
                file.mktree(tree, {"x": np.dtype("f4")})
                file[tree].extend({"x": np.zeros(rows, "f4")})
        assert open_source(path).rows == 3
        assert open_source(path, "Runs").rows == 1

    def test_cycles_of_one_name_count_once_and_the_newest_is_read(self, tmp_path):
        path = tmp_path / "cycles.root"
        with uproot.recreate(path) as file:
            for rows in (2, 5):
                tree = file.mktree("t", {"x": np.dtype("f4")})
                tree.extend({"x": np.zeros(rows, "f4")})
            assert len(file.keys(cycle=True)) == 2
        assert open_source(path).rows == 5

    def test_a_file_without_trees(self, tmp_path):
        path = tmp_path / "h.root"
        with uproot.recreate(path) as file:
            file["h"] = np.histogram([1.0, 2.0])
        with pytest.raises(InputError, match="holds no tree"):
            open_source(path)

    @pytest.mark.parametrize("kind", ["tree", "rntuple"])
    def test_branches_without_one_number_per_event_are_refused_when_asked_for(self, tmp_path, kind):
        path = tmp_path / "jagged.root"
        jagged = ak.Array([[1.0, 2.0], [], [3.0]])
        with uproot.recreate(path) as file:
            columns = {"met": np.zeros(3, "f4"), "jet": ak.zip({"pt": jagged}), "four": np.zeros((3, 4))}
            if kind == "tree":
                types = {"met": np.dtype("f4"), "jet": 'var * {"pt": float64}', "four": np.dtype(("f8", (4,)))}
                file.mktree("t", types).extend(columns)
            else:
                file["t"] = columns
        source = open_source(path)
        assert find_number(source, "met", "a feature").dtype == "float32"
        for name in ("jet_pt" if kind == "tree" else "jet", "four"):
            with pytest.raises(InputError, match=rf"column '{name}' \(a feature\) holds .*one number per event"):
                find_number(source, name, "a feature")

    def test_a_damaged_basket_is_the_files_fault(self, tmp_path):
        path = write(tmp_path / "a.root", table(5000))
        data = bytearray(path.read_bytes())
        data[2000:40_000] = b"\xff" * 38_000
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"a.root: damaged or truncated ROOT file"):
            read(open_source(path), ("pt", "mass"), 1000)

    def test_files_of_experiments(self, root):
        data = root.parent / "shared" / "data"
        if not data.is_dir():
            pytest.skip("the realistic samples are not beside the checkout")
        zmumu = open_source(data / "third_party" / "uproot-Zmumu.root")
        assert zmumu.rows == 2304
        assert zmumu.column("Type").kind == "text"
        assert read(zmumu, ("Type",), 1000)["Type"][0] == "GT"
        assert abs(read(zmumu, ("M",), 1000)["M"][0] - 82.4626915551) < 1e-9
        with pytest.raises(InputError, match=r"column 'Type' \(a feature\) holds text \('GT' in row 1\)"):
            find_number(zmumu, "Type", "a feature")
        cms = data / "third_party" / "Run2012BC_DoubleMuParked_Muons_1000evts_rntuple_v1-0-0-0.root"
        muons = open_source(cms)
        assert read(muons, ("nMuon",), 300)["nMuon"][:5].tolist() == [2, 2, 1, 4, 4]
        with pytest.raises(InputError, match=r"'Muon_pt' \(a feature\) holds .*RVec<float>; .*one number per event"):
            find_number(muons, "Muon_pt", "a feature")


class TestParquet:
    def test_missing_values_texts_and_what_is_neither(self, tmp_path):
        path = tmp_path / "a.parquet"
        columns = {
            "x": pa.array([1.5, None], pa.float32()),
            "n": pa.array([2**40, None], pa.int64()),
            "flag": pa.array([True, None]),
            "p": pa.array(["WW", None]).dictionary_encode(),
            "jets": pa.array([[1.0], []]),
            "jet.pt": pa.array([1, 2], pa.int16()),
        }
        pq.write_table(pa.table(columns), path)
        source = open_source(path)
        found = read(source, ("x", "n", "flag", "p", "jet.pt"), 10)
        np.testing.assert_array_equal(found["x"], [1.5, np.nan])
        np.testing.assert_array_equal(found["n"], [2.0**40, np.nan])
        np.testing.assert_array_equal(found["flag"], [1, np.nan])
        assert found["p"].tolist() == ["WW", None]
        assert found["jet.pt"].dtype == np.int16
        with pytest.raises(InputError, match=r"column 'jets' \(a feature\) holds list<"):
            find_number(source, "jets", "a feature")

    def test_a_damaged_page_is_the_files_fault(self, tmp_path):
        path = write(tmp_path / "a.parquet", table(20_000))
        data = bytearray(path.read_bytes())
        data[4:5_000] = b"\xff" * 4_996
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"a.parquet: damaged Parquet file"):
            read(open_source(path), ("pt",), 1000)

    def test_two_columns_of_one_name_are_refused_where_they_are_asked_for(self, tmp_path):
        numbers = pa.array([1.0, 2.0])
        pq.write_table(pa.table([numbers, numbers, numbers], names=["x", "y", "x"]), tmp_path / "a.parquet")
        source = open_source(tmp_path / "a.parquet")
        assert source.column("y").kind == "number"
        with pytest.raises(InputError, match=r"a\.parquet: two columns are named 'x'"):
            source.column("x")


class TestCsv:
    def source(self, tmp_path, text, name="a.csv"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return open_source(path)

    @pytest.mark.parametrize("mark", [",", ";", "\t"])
    def test_separators_spaces_and_missing_values(self, tmp_path, mark):
        text = "\ufeffa, b ,name\n1,2.5,x\n2,,y\n3,nan,z\n4,inf,z\n".replace(",", mark)
        source = self.source(tmp_path, text)
        assert source.names() == ("a", "b", "name")
        found = read(source, ("b", "name", "a"), 3)
        np.testing.assert_array_equal(found["b"], [2.5, np.nan, np.nan, np.inf])
        assert found["name"].tolist() == ["x", "y", "z", "z"]
        assert found["a"].dtype == np.int64

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("1,2\n3,4\n", r"the first line must name the columns, it reads '1,2'"),
            ("\n1,2\n", "the first line must name the columns"),
            ("a,a\n1,2\n", "two columns are named 'a'"),
            ("a,b\n1,2\n3\n", r"not a well-formed CSV file \(CSV parse error: Row #3"),
        ],
    )
    def test_files_that_are_no_tables(self, tmp_path, text, says):
        with pytest.raises(InputError, match=rf"a.csv: {says}"):
            self.source(tmp_path, text).column("a")

    def test_text_among_numbers_is_found_in_the_first_rows_and_far_behind_them(self, tmp_path):
        source = self.source(tmp_path, "a,b\n1,2\n3,oops\n")
        with pytest.raises(InputError, match=r"column 'b' \(a feature\) holds text \('oops' in row 2\)"):
            find_number(source, "b", "a feature")
        source = self.source(tmp_path, "a,b\n" + "1,2.5\n" * 300_000 + "1,oops\n")
        with pytest.raises(InputError, match=r"a.csv: column 'b', line 300002: 'oops' is no number"):
            read(source, ("b",), 100_000)

    def test_bytes_that_are_no_text(self, tmp_path):
        path = tmp_path / "latin.csv"
        path.write_bytes(b"m\xfcon\n1\n")
        with pytest.raises(InputError, match=r"latin.csv: is no text in UTF-8"):
            open_source(path)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.root", b"hello\nworld\n", "is no ROOT file but text, though its name ends in .root"),
        ("a.root", b"PAR1....", "is a Parquet file, though its name ends in .root"),
        ("a.parquet", b"root....", "is a ROOT file, though its name ends in .parquet"),
        ("a.csv", b"PAR1....", "is a Parquet file, though its name ends in .csv"),
        ("a.csv", b"a,b\n\0\0", "is a binary file"),
        ("a.csv.gz", b"\x1f\x8b\x08", "is a gzip file"),
        ("a.h5", b"\x89HDF\r\n", "is a HDF5 file"),
        ("a.dat", b"a,b\n1,2\n", "if it is a table of text, name it .csv"),
        ("a.root", b"", "is empty, 0 bytes; make it again"),
        ("a.root", b"root\0\0", "truncated ROOT file: 6 bytes"),
        ("a.parquet", b"PAR1 and no more", "truncated Parquet file"),
    ],
)
def test_a_file_must_be_what_its_name_says(tmp_path, name, content, says):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        open_source(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert says in str(caught.value)


@pytest.mark.parametrize("name", ["a.root", "a.rntuple.root", "a.parquet"])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.9, 0.999])
def test_truncated_files(tmp_path, name, share):
    path = write(tmp_path / name, table(2000))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match="truncated"):
        open_source(path)


def test_missing_files_directories_and_misplaced_trees(tmp_path):
    write(tmp_path / "events.parquet", table())
    with pytest.raises(InputError, match=r"event.parquet: no such file; did you mean events.parquet"):
        open_source(tmp_path / "event.parquet")
    with pytest.raises(InputError, match=r"is a directory; name files"):
        open_source(tmp_path)
    with pytest.raises(InputError, match=r"a tree \('t'\) is named, but this is a Parquet file"):
        open_source(tmp_path / "events.parquet", "t")


def test_the_sum_of_another_tree(tmp_path):
    path = tmp_path / "nano.root"
    with uproot.recreate(path) as file:
        file.mktree("Events", {"x": "float32"}).extend({"x": np.zeros(3, "f4")})
        types = {"n": "float32", "genEventSumw": "float64", "bad": "float64", "ps": "var * float64"}
        runs = {"n": [2.0**24, 1.0, 1.0], "genEventSumw": [2.5, -0.5, 4.0], "bad": [1.0, np.nan, 2.0]}
        runs = {name: np.array(values) for name, values in runs.items()} | {"ps": ak.Array([[1.0], [], [2.0, 3.0]])}
        file.mktree("Runs", types).extend(runs)
    assert tree_sum(path, "Runs", "genEventSumw") == (3, 6.0)
    assert tree_sum(path, "Runs", "n") == (3, 2.0**24 + 2)  # which single precision would round
    with pytest.raises(InputError, match=r"tree 'Runs': column 'bad' has values that are not finite"):
        tree_sum(path, "Runs", "bad")
    with pytest.raises(
        InputError, match=r"column 'ps' \(to be summed\) holds double\[\]; only columns with one number"
    ):
        tree_sum(path, "Runs", "ps")
    with pytest.raises(InputError, match=r"no tree 'Run'; did you mean Runs"):
        tree_sum(path, "Run", "genEventSumw")
    with pytest.raises(InputError, match=r"no column 'genEventSum' \(to be summed\); did you mean genEventSumw"):
        tree_sum(path, "Runs", "genEventSum")
    with pytest.raises(InputError, match=r"a tree \('Runs'\) is named, but this is a CSV file"):
        tree_sum(write(tmp_path / "a.csv", table()), "Runs", "genEventSumw")
