"""The events file: what is written is read, in row groups, with sums of weights, or not at all."""

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
from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.schema import ROW_GROUP_EVENTS, SPLITS, EventsMetadata, FeatureInfo, ProcessInfo, WeightSums
from cutflow_cli.events.table import open_events
from cutflow_cli.events.writer import EventsWriter

METADATA = EventsMetadata(
    features=(FeatureInfo("m_jet", unit="GeV"), FeatureInfo("ratio", "float64")),
    processes=(ProcessInfo("WW", "signal", 0.1), ProcessInfo("QCD", "background", 1e4)),
    luminosity=139.0,
    spectators=("event",),
)


def batch(rows: int, seed: int = 0, *, hypothesis: bool = False) -> EventBatch:
    random = np.random.default_rng(seed)
    process = random.integers(0, 2, rows).astype(np.int32)
    return EventBatch(
        columns={
            "m_jet": random.normal(80, 10, rows).astype(np.float32),
            "ratio": random.normal(size=rows),
            "event": random.integers(0, 2**53, rows),
        },
        label=(process == 0).astype(np.int8),
        weight=random.normal(1, 1, rows),
        process=process,
        split=random.integers(0, 3, rows).astype(np.int8),
        hypothesis=np.where(process == 0, 250.0, np.nan) if hypothesis else None,
    )


def write(path: Path, *batches: EventBatch, metadata: EventsMetadata = METADATA, hypothesis: bool = False) -> Path:
    with EventsWriter(path, metadata, hypothesis=hypothesis) as writer:
        for each in batches:
            writer.write(each)
    return path


def rewrite(path: Path, table: pa.Table, rename: tuple[bytes, bytes] = (b"", b"")) -> None:
    """Replace the data of an events file but keep what it says about itself, as a careless tool might."""
    described = pq.ParquetFile(path).metadata.metadata[b"cutflow"].replace(*rename)
    pq.write_table(table.replace_schema_metadata({b"cutflow": described}), path)


def test_what_is_written_is_read(tmp_path):
    written = batch(1000, hypothesis=True)
    events = open_events(write(tmp_path / "e.parquet", written, hypothesis=True))
    assert events.features == ("m_jet", "ratio")
    assert events.processes == ("WW", "QCD")
    assert events.dtypes == {"m_jet": "float32", "ratio": "float64"}
    assert events.rows == 1000
    assert events.notes == ()
    (read,) = events.batches(("m_jet", "ratio", "event"))
    for name, values in written.columns.items():
        np.testing.assert_array_equal(read.columns[name], values)
    for name in ("label", "weight", "process", "split", "hypothesis"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
        assert getattr(read, name).dtype == getattr(written, name).dtype


def test_other_tools_open_it(tmp_path):
    written = batch(100, hypothesis=True)
    frame = pd.read_parquet(write(tmp_path / "e.parquet", written, hypothesis=True))
    assert list(frame.columns) == ["m_jet", "ratio", "event", "label", "weight", "process", "split", "hypothesis"]
    assert frame["m_jet"].dtype == np.float32
    assert frame["label"].dtype == np.int8
    assert list(frame["process"]) == [("WW", "QCD")[code] for code in written.process]
    assert list(frame["split"]) == [SPLITS[code] for code in written.split]
    assert frame["hypothesis"].isna().sum() == (written.label == 0).sum()


def test_sums_of_weights_are_stored_per_process_and_split(tmp_path):
    batches = [batch(500, 1), batch(700, 2), batch(0, 3)]
    events = open_events(write(tmp_path / "e.parquet", *batches))
    label, weight, split = (
        np.concatenate([getattr(b, name) for b in batches]) for name in ("label", "weight", "split")
    )
    for process, wanted in zip(events.metadata.processes, (1, 0), strict=True):
        for position, name in enumerate(SPLITS):
            w = weight[(label == wanted) & (split == position)]
            stored = process.splits[name]
            assert stored.events == len(w)
            assert stored.sumw == pytest.approx(w.sum())
            assert stored.sumw2 == pytest.approx((w**2).sum())
    assert sum((process.total for process in events.metadata.processes), WeightSums()).events == 1200
    assert events.metadata.writer_version is not None
    assert events.metadata.luminosity == 139.0


def test_row_groups_have_one_size_however_the_batches_come(tmp_path):
    sizes = [1000, ROW_GROUP_EVENTS + 5, 10, 2 * ROW_GROUP_EVENTS]
    path = write(tmp_path / "e.parquet", *(batch(size, seed) for seed, size in enumerate(sizes)))
    stored = pq.ParquetFile(path).metadata
    groups = [stored.row_group(number).num_rows for number in range(stored.num_row_groups)]
    assert groups == [ROW_GROUP_EVENTS] * 3 + [sum(sizes) - 3 * ROW_GROUP_EVENTS]
    read = np.concatenate([b.weight for b in open_events(path).batches(())])
    np.testing.assert_array_equal(read, np.concatenate([batch(size, seed).weight for seed, size in enumerate(sizes)]))


@given(st.lists(st.integers(0, 40), min_size=1, max_size=5), st.integers(1, 50))
def test_chunks_of_writing_and_reading_do_not_matter(tmp_path_factory, sizes, rows):
    directory = tmp_path_factory.mktemp("chunks")
    batches = [batch(size, seed) for seed, size in enumerate(sizes)]
    read = list(open_events(write(directory / "e.parquet", *batches)).batches(("m_jet",), rows=rows))
    assert all(len(b) <= rows for b in read)
    for pick in (lambda b: b.columns["m_jet"], lambda b: b.weight, lambda b: b.split):
        got = np.concatenate([pick(b) for b in read]) if read else np.empty(0)
        np.testing.assert_array_equal(got, np.concatenate([pick(b) for b in batches]))


def test_one_split_is_loaded_in_the_order_of_the_features(tmp_path):
    written = batch(300, hypothesis=True)
    path = write(tmp_path / "e.parquet", written, hypothesis=True)
    sample = open_events(path, ["ratio", "m_jet"]).load("test")
    keep = written.split == 2
    assert sample.features == ("ratio", "m_jet")
    assert sample.x.dtype == np.float64  # one feature needs it
    np.testing.assert_array_equal(sample.x[:, 1], written.columns["m_jet"][keep])
    np.testing.assert_array_equal(sample.columns["ratio"], written.columns["ratio"][keep])
    np.testing.assert_array_equal(sample.weight, written.weight[keep])
    np.testing.assert_array_equal(sample.hypothesis, written.hypothesis[keep])
    assert len(sample) == keep.sum()
    assert open_events(path, ["m_jet"]).load().x.dtype == np.float32
    assert len(open_events(path).load()) == 300


def test_a_file_without_events_can_not_be_loaded(tmp_path):
    events = open_events(write(tmp_path / "e.parquet", batch(0)))
    with pytest.raises(InputError, match="holds no events"):
        events.load()
    with pytest.raises(InputError, match="no events to write"):
        write(tmp_path / "none.parquet")
    assert [entry.name for entry in tmp_path.iterdir()] == ["e.parquet"]


def test_a_failure_leaves_no_file(tmp_path):
    def fail() -> None:
        with EventsWriter(tmp_path / "e.parquet", METADATA) as writer:
            writer.write(batch(ROW_GROUP_EVENTS + 1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_no_file(tmp_path, run_python):
    """A limit on the size of files stands for the full disk: writing fails, and so does closing what was begun."""
    code = f"""
import resource, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_table import batch, write
from pathlib import Path
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write(Path({str(tmp_path / "e.parquet")!r}), batch(50_000), batch(200_000))
except OSError as error:
    print("failed", error.errno)
"""
    done = run_python(code, PYTHONDONTWRITEBYTECODE="1")
    assert done.stdout.startswith("failed 27"), done.stderr  # EFBIG, which the command line takes for a full disk
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_weight_that_is_not_finite_is_refused(tmp_path, value):
    bad = batch(10)
    bad.weight[3] = value
    with pytest.raises(InputError, match="1 events have a weight that is not finite"):
        write(tmp_path / "e.parquet", bad)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("features", "spectators", "complaint"),
    [(("x", "x"), (), "'x' is named twice"), (("x",), ("x",), "'x' is named twice"),
     (("weight",), (), "'weight' has a meaning of its own"), (("x",), ("label",), "'label' has a meaning of its own")],
)  # fmt: skip
def test_columns_that_would_hide_each_other_are_refused(tmp_path, features, spectators, complaint):
    metadata = EventsMetadata(tuple(map(FeatureInfo, features)), METADATA.processes, spectators=spectators)
    with pytest.raises(InputError, match=complaint):
        EventsWriter(tmp_path / "e.parquet", metadata)


def test_a_column_that_is_missing_is_named_with_its_neighbours(tmp_path):
    path = write(tmp_path / "e.parquet", batch(10))
    with pytest.raises(InputError, match=r"no column 'mjet'; did you mean m_jet\?"):
        open_events(path, ["mjet"])
    with pytest.raises(InputError, match=r"no column 'evnt'; did you mean event\?"):
        list(open_events(path).batches(("evnt",)))


@pytest.mark.parametrize("column", ["label", "weight", "process", "split"])
def test_an_events_file_that_lost_a_column_is_refused(tmp_path, column):
    path = write(tmp_path / "e.parquet", batch(10))
    rewrite(path, pq.read_table(path).drop_columns([column]))
    with pytest.raises(InputError, match=f"column '{column}' is missing, though its metadata says"):
        open_events(path)


def test_a_part_of_an_events_file_that_claims_to_be_the_whole_is_refused(tmp_path):
    """Its sums of weights, and with them every yield, would be wrong."""
    path = write(tmp_path / "e.parquet", batch(10))
    rewrite(path, pq.read_table(path).slice(0, 7))
    with pytest.raises(InputError, match="holds 7 events, its metadata counts 10"):
        open_events(path)


def test_what_pandas_writes_again_is_a_plain_file(tmp_path):
    path = write(tmp_path / "e.parquet", batch(100))
    pd.read_parquet(path).query("m_jet > 80").to_parquet(path)
    events = open_events(path)
    assert events.features == ("m_jet", "ratio")  # neither the event number nor the index that pandas kept
    assert {process.name: process.role for process in events.metadata.processes} == {
        "WW": "signal",
        "QCD": "background",
    }


def test_a_process_that_the_metadata_does_not_know_is_refused(tmp_path):
    path = write(tmp_path / "e.parquet", batch(10))
    rewrite(path, pq.read_table(path), rename=(b'"QCD"', b'"QCX"'))
    with pytest.raises(InputError, match=r"column 'process' holds 'QCD'; did you mean QCX\?"):
        open_events(path).load()


def test_a_file_that_was_shortened_is_refused(tmp_path):
    path = write(tmp_path / "e.parquet", batch(1000))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="truncated or damaged Parquet file, make it again"):
        open_events(path)


@given(data=st.data())
def test_a_damaged_file_is_the_inputs_fault_or_still_readable(tmp_path_factory, data):
    """Any one bit turned: the same events, or a message that names the file; never other events."""
    path = tmp_path_factory.mktemp("damage") / "e.parquet"
    content = bytearray(write(path, batch(50)).read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    try:
        read = open_events(path).load()
    except InputError as error:
        assert str(path) in str(error)
        assert "\n" not in str(error)
    else:
        np.testing.assert_array_equal(read.x[:, 0], batch(50).columns["m_jet"])
        np.testing.assert_array_equal(read.weight, batch(50).weight)
