"""A file that is one large row group is read in little memory, by ingest and by all that reads events."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cutflow_cli.events.readers.opening import open_source
from cutflow_cli.events.table import open_events

EVENTS, FEATURES = 1_000_000, ("x0", "x1", "x2")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("group") / "one.parquet"
    rng = np.random.default_rng(1)
    table = {name: rng.random(EVENTS) for name in FEATURES}
    table["label"] = (np.arange(EVENTS) % 2).astype(np.int8)
    pq.write_table(pa.table(table), path, row_group_size=EVENTS, compression="none", use_dictionary=False)
    assert pq.ParquetFile(path).metadata.num_row_groups == 1
    return path


def by_source(path):
    source = open_source(path)
    for chunk in source.chunks([source.column(name) for name in FEATURES], 10_000):
        yield np.stack([chunk[name] for name in FEATURES])


def by_events(path):
    for batch in open_events(path).batches(rows=10_000):
        yield np.stack([batch.columns[name] for name in FEATURES])


@pytest.mark.parametrize("read", [by_source, by_events])
def test_memory_is_set_by_the_batch_not_by_the_row_group(data, read):
    before, most, rows, total = pa.total_allocated_bytes(), 0, 0, np.zeros(3)
    for values in read(data):
        most = max(most, pa.total_allocated_bytes() - before)
        rows += values.shape[1]
        total += values.sum(axis=1)
    assert most < 8e6  # all columns are 24 MB; a megabyte of each and the batch are less than this
    assert rows == EVENTS
    np.testing.assert_allclose(total / EVENTS, 0.5, atol=5e-3)
