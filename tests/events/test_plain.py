"""Parquet files that cutflow did not write: how they are understood, and which are refused with what words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutflow_cli.errors import InputError
from cutflow_cli.events.plain import numpy_dtype
from cutflow_cli.events.splits import SplitFractions, hashed_splits
from cutflow_cli.events.table import open_events

LABEL = [1, 0, 1, 0]


@pytest.fixture
def plain(tmp_path):
    """Write a plain Parquet file: `plain(x=[…], label=[…])`."""

    def write(**columns: object) -> Path:
        path = tmp_path / "plain.parquet"
        pq.write_table(pa.table({"label": LABEL, **columns}), path)
        return path

    return write


# --- how it is understood


def test_a_label_alone_is_enough(plain):
    events = open_events(plain(x=pa.array([1, 2, 3, 4], pa.float32())))
    (batch,) = events.batches()
    assert events.features == ("x",)
    assert {p.name: p.role for p in events.metadata.processes} == {"signal": "signal", "background": "background"}
    assert [events.processes[code] for code in batch.process] == ["signal", "background"] * 2
    assert batch.weight.tolist() == [1.0] * 4
    assert batch.hypothesis is None
    assert [note.partition(": ")[2] for note in events.notes] == [
        "plain Parquet; features: x",
        "no column 'weight', every event counts as one",
        "no column 'split', assigned 0.6/0.2/0.2 by row number with split seed 0",
    ]


def test_bookkeeping_columns_and_text_are_not_features(plain):
    columns = {name: [1.0, 2.0, 3.0, 4.0] for name in
               ("weight", "hypothesis", "category", "event", "run", "lumi", "lumiBlock", "gen_mass", "genWeight",
                "__index_level_0__", "pt", "generalised_but_named", "runner")}  # fmt: skip
    path = plain(**columns, name=["a", "b", "c", "d"])
    events = open_events(path)
    assert events.features == ("pt", "runner")
    assert events.notes[0] == (
        f"{path}: plain Parquet; features: pt, runner; left out: category (bookkeeping), event (bookkeeping), "
        "run (bookkeeping), lumi (bookkeeping), lumiBlock (bookkeeping), gen_mass (bookkeeping), "
        "genWeight (bookkeeping), __index_level_0__ (bookkeeping), generalised_but_named (bookkeeping), name (text)"
    )
    named = open_events(path, ["gen_mass", "pt"])
    assert named.notes[0] == f"{path}: plain Parquet; features: gen_mass, pt"


def test_what_holds_no_numbers_is_said_to_be_left_out_and_of_many_columns_the_first(plain):
    path = plain(
        x=[1.0, 2.0, 3.0, 4.0],
        a=["1", "2", "3", "4"],
        kind=pa.array(["a", "b", "a", "b"]).dictionary_encode(),
        jets=[[1.0], [], [2.0], []],
        **{f"gen{i}": [1.0] * 4 for i in range(20)},
    )
    note = open_events(path).notes[0].partition("; left out: ")[2]
    assert note.startswith("a (text), kind (text), jets (list<")
    assert note.endswith("gen8 (bookkeeping), … (23 in all)")
    only = plain(label=[1, 0, 1, 0], a=["1", "2", "3", "4"])
    with pytest.raises(InputError, match=r"no numeric column is left to cut on \(left out: a \(text\)\)"):
        open_events(only)


def test_features_that_are_named_are_taken_whatever_they_are_called(plain):
    path = plain(gen_mass=[1.0, 2.0, 3.0, 4.0], pt=[1.0, 2.0, 3.0, 4.0])
    assert open_events(path, ["gen_mass", "pt"]).features == ("gen_mass", "pt")


def test_the_index_that_pandas_leaves_is_no_feature(tmp_path):
    frame = pd.DataFrame({"x": np.arange(9.0), "label": [0, 1, 1] * 3})
    frame[frame["x"] > 2].to_parquet(tmp_path / "cut.parquet")
    assert open_events(tmp_path / "cut.parquet").features == ("x",)


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        ("float32", "float32"),
        ("float16", "float32"),
        ("float64", "float64"),
        ("int16", "float32"),
        ("uint16", "float32"),
        ("int32", "float64"),
        ("int64", "float64"),
        ("bool", "float32"),
    ],
)
def test_values_are_compared_in_a_type_that_loses_nothing(plain, kind, dtype):
    arrow = pa.bool_() if kind == "bool" else pa.type_for_alias(kind)
    values = np.array([0, 1, 1, 0])
    path = plain(x=pa.array(values).cast(arrow, safe=False) if kind != "float16" else pa.array(values.astype("f2")))
    assert numpy_dtype(arrow) == dtype
    sample = open_events(path).load()
    assert sample.x.dtype == dtype
    assert sample.x[:, 0].tolist() == values.tolist()


def test_missing_values_are_nan(plain):
    (batch,) = open_events(plain(x=pa.array([1.5, None, float("nan"), float("inf")]))).batches()
    np.testing.assert_array_equal(batch.columns["x"], [1.5, np.nan, np.nan, np.inf])


@pytest.mark.parametrize(
    "process",
    [pa.array(["WW", "QCD", "WZ", "tt"]), pa.array(["WW", "QCD", "WZ", "tt"]).dictionary_encode(),
     pa.array(["WW", "QCD", "WZ", "tt"], pa.large_string())],
)  # fmt: skip
def test_processes_are_named_by_their_column(plain, process):
    events = open_events(plain(x=[1.0, 2.0, 3.0, 4.0], process=process))
    assert {p.name: p.role for p in events.metadata.processes} == {
        "WW": "signal", "QCD": "background", "WZ": "signal", "tt": "background",
    }  # fmt: skip
    (batch,) = events.batches()
    assert [events.processes[code] for code in batch.process] == ["WW", "QCD", "WZ", "tt"]


@pytest.mark.parametrize("process", [pa.array([6, 21, 6, 21]), pa.array([6, 21, 6, 21]).dictionary_encode()])
def test_processes_may_be_numbers(plain, process):
    events = open_events(plain(x=[1.0, 2.0, 3.0, 4.0], process=process))
    assert events.processes == ("6", "21")
    assert events.load().process.tolist() == [0, 1, 0, 1]


def test_a_split_column_is_taken_as_it_is(plain):
    (batch,) = open_events(plain(x=[1.0] * 4, split=["test", "train", "validation", "test"])).batches()
    assert batch.split.tolist() == [2, 0, 1, 2]


def test_without_a_split_column_rows_are_hashed_with_the_given_shares_and_seed(tmp_path):
    rows = 5000
    path = tmp_path / "many.parquet"
    pq.write_table(pa.table({"x": np.arange(rows, dtype="f4"), "label": np.arange(rows) % 2}), path)
    fractions = SplitFractions(0.5, 0.0, 0.5)
    events = open_events(path, fractions=fractions, split_seed=9)
    read = np.concatenate([batch.split for batch in events.batches(rows=333)])
    np.testing.assert_array_equal(read, hashed_splits(0, rows, fractions, 9))
    assert (open_events(path, split_seed=8).load("test").x[:50] != events.load("test").x[:50]).any()


def test_sums_of_weights_are_counted_on_opening(plain):
    path = plain(x=[1.0] * 4, weight=[2.0, 3.0, -1.0, 5.0], split=["train", "train", "test", "test"])
    signal, background = open_events(path).metadata.processes
    assert (signal.splits["train"].sumw, signal.splits["test"].sumw, signal.total.sumw2) == (2.0, -1.0, 5.0)
    assert (background.total.events, background.total.sumw) == (2, 8.0)


def test_minus_999_means_that_background_has_no_hypothesis_and_is_said(plain):
    events = open_events(plain(x=[1.0] * 4, hypothesis=[200.0, -999.0, -999.0, 100.0]))
    (batch,) = events.batches()
    np.testing.assert_array_equal(batch.hypothesis, [200.0, np.nan, -999.0, 100.0])
    said = "1 background events have the hypothesis -999, read as missing"
    assert any(note.endswith(said) for note in events.notes)


# --- what is refused


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"label": [1, 0, 2, 0]}, "column 'label' holds 2; it must be 1 (signal) or 0 (background)"),
        ({"label": [1, 0, -1, 0]}, "column 'label' holds -1; it must be"),
        ({"label": [1.0, 0.0, 0.5, 0.0]}, "column 'label' holds 0.5; it must be"),
        ({"label": [1.0, 0.0, float("nan"), 0.0]}, "column 'label' holds nan; it must be"),
        ({"label": pa.array([1, 0, None, 0])}, "column 'label' holds a missing value; it must be"),
        ({"label": ["s", "b", "s", "b"]}, "column 'label' holds string; it must be"),
        ({"weight": ["1", "1", "1", "1"]}, "column 'weight' holds string, numbers were expected"),
        ({"weight": pa.array([1.0, None, 1.0, 1.0])}, "column 'weight' holds 1 missing or infinite values"),
        ({"weight": [1.0, float("inf"), float("nan"), 1.0]}, "column 'weight' holds 2 missing or infinite values"),
        ({"hypothesis": ["a", "b", "c", "d"]}, "column 'hypothesis' holds string, numbers were expected"),
        ({"split": ["train", "test", "val", "test"]}, "column 'split' holds 'val'; there are: train, validation, test"),
        ({"split": pa.array(["train", None, "test", "test"])}, "column 'split' holds None"),
        ({"process": pa.array(["a", "b", None, "b"])}, "column 'process' holds 1 missing values; name"),
        ({"process": ["a", "a", "a", "b"]}, "process 'a' has events of both labels; a process is signal or background"),
        ({"process": [[1], [2], [3], [4]]}, "column 'process' holds list<"),
    ],
)
def test_values_that_mean_nothing_are_refused(plain, columns, complaint):
    path = plain(**{"x": [1.0, 2.0, 3.0, 4.0], **columns})
    with pytest.raises(InputError) as caught:
        open_events(path).load()
    assert str(caught.value).startswith(f"{path}: {complaint}")


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        (["y"], "no column 'y'; there are: label, x, name"),
        (["X"], "no column 'X'; did you mean x?"),
        (["x", "x"], "feature 'x' is named twice"),
        (["name"], "column 'name' holds string, a feature must be numeric"),
        ([], "no numeric column is left to cut on"),
    ],
)
def test_features_that_can_not_be_used_are_refused(plain, wanted, complaint):
    path = plain(x=[1.0] * 4, name=["a"] * 4)
    with pytest.raises(InputError) as caught:
        open_events(path, wanted)
    assert str(caught.value) == f"{path}: {complaint}"


def test_a_file_with_nothing_to_cut_on_is_refused(plain):
    with pytest.raises(InputError, match="no numeric column is left to cut on"):
        open_events(plain(name=["a"] * 4))


@pytest.mark.parametrize("doubled", ["x", "label", "weight"])
def test_two_columns_of_one_name_are_refused(tmp_path, doubled):
    path = tmp_path / "doubled.parquet"
    names = ["x", "label", "weight", doubled]
    pq.write_table(pa.Table.from_arrays([pa.array([1.0, 0.0])] * 4, names=names), path)
    with pytest.raises(InputError, match=f"(2 columns '{doubled}'|'x' is named twice)"):
        open_events(path)
    with pytest.raises(InputError, match=f"2 columns '{doubled}'"):
        open_events(path, ["x"])


def test_no_label_no_events(tmp_path):
    path = tmp_path / "e.parquet"
    pq.write_table(pa.table({"x": [1.0], "lable": [1]}), path)
    with pytest.raises(InputError, match=r"no column 'label' \(1 signal, 0 background\); did you mean lable\?"):
        open_events(path)
    pq.write_table(pa.table({"x": pa.array([], pa.float32()), "label": pa.array([], pa.int8())}), path)
    with pytest.raises(InputError, match="holds no events"):
        open_events(path)


def test_a_file_that_is_not_there_is_named_with_its_neighbours(tmp_path, plain):
    plain(x=[1.0] * 4)
    with pytest.raises(InputError, match=r"plane\.parquet: no such file; did you mean plain\.parquet\?"):
        open_events(tmp_path / "plane.parquet")
    with pytest.raises(InputError, match="no such file; there are none"):
        open_events(tmp_path / "nowhere" / "plane.parquet")
    with pytest.raises(InputError, match="is a directory"):
        open_events(tmp_path)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(b"x,label\n1,0\n", "another kind of file; `cutflow ingest` reads CSV"),
     (b"root\0\0\0\0" * 10, "a ROOT file, ingest it first"), (b"PAR1" + b"\0" * 20, "truncated or damaged Parquet")],
)  # fmt: skip
def test_files_of_another_kind_are_called_what_they_are(tmp_path, content, complaint):
    path = tmp_path / "e.parquet"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"not readable as Parquet: .*{complaint}"):
        open_events(path)


def test_an_empty_file_is_called_empty(tmp_path):
    path = tmp_path / "e.parquet"
    path.touch()
    with pytest.raises(InputError) as caught:
        open_events(path)
    assert str(caught.value) == f"{path}: is empty, 0 bytes; make it again"


@given(st.integers(1, 200))
def test_a_truncated_file_is_never_half_read(tmp_path_factory, lost):
    path = tmp_path_factory.mktemp("truncated") / "e.parquet"
    pq.write_table(pa.table({"x": np.arange(50.0), "label": np.arange(50) % 2}), path)
    path.write_bytes(path.read_bytes()[:-lost])
    with pytest.raises(InputError, match="truncated or damaged"):
        open_events(path)
