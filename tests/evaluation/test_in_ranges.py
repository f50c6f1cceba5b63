"""Reports from events that are counted range by range, by whoever: the same numbers."""

import os
import pickle
from dataclasses import fields

import cloudpickle
import numpy as np
import pyarrow.parquet as pq
import pytest
from variation_files import write_varied

from cutflow_cli.errors import InputError
from cutflow_cli.evaluation.evaluate import evaluate_runs
from cutflow_cli.events.ranges import RowRange, row_ranges
from cutflow_cli.events.table import open_events

TABLES = ("metrics", "cut_flow", "roc", "totals", "n_minus_1", "stability", "overlap", "correlations", "variations")


class Elsewhere:
    """Does the last part first, and sends everything there and back."""

    is_here = False

    def __init__(self):
        self.parts = []

    def map(self, work, shared, parts, sizes, told):
        self.parts.append(len(parts))
        sent = cloudpickle.dumps((work, shared))
        found = []
        for part, size in reversed(list(zip(parts, sizes, strict=True))):
            doing, given = pickle.loads(sent)
            found.append(pickle.dumps(doing(given, part, lambda _: None)))
            told(size)
        return map(pickle.loads, reversed(found))


@pytest.fixture
def prepared(tmp_path, make_sample, make_run, make_score_run, monkeypatch):
    """Events of mass points in many row groups, with variations and unlike shares of splits, and runs of both kinds."""
    monkeypatch.setattr("cutflow_cli.events.writer.ROW_GROUP_EVENTS", 150)
    sample = make_sample(hypotheses=(2.0, 1.0))
    rng = np.random.default_rng(3)
    weights = {name: sample.batch.weight * rng.uniform(0.8, 1.3, len(sample.batch)) for name in ("pu_up", "pu_down")}
    data = write_varied(tmp_path / "varied.parquet", sample.batch, sample.processes, weights)
    runs = [make_run("cuts", data, ((0.0, 0.5), (0.1, 0.4)), hypotheses=(None, 1.0)), make_run("other", data),
            make_score_run("net", data)]  # fmt: skip
    return data, runs


def report(prepared, tmp_path, name, monkeypatch, events_of_range=None, **options):
    if events_of_range is not None:
        monkeypatch.setattr("cutflow_cli.events.ranges.RANGE_EVENTS", events_of_range)
    data, runs = prepared
    return evaluate_runs(runs, data, tmp_path / name, **options)


def numbers(made):
    """All cells of all tables."""
    return {
        name: [getattr(row, column.name) for row in getattr(made, name) for column in fields(row)] for name in TABLES
    }


def parted(cells):
    """Those cells that are floating-point numbers, and all others, with where they are."""
    floats = {place: cell for place, cell in enumerate(cells) if isinstance(cell, float)}
    return floats, [(place, cell) for place, cell in enumerate(cells) if place not in floats]


def test_who_counts_makes_no_difference_and_how_events_are_divided_moves_last_digits(prepared, tmp_path, monkeypatch):
    whole = numbers(report(prepared, tmp_path, "whole", monkeypatch))
    here = report(prepared, tmp_path, "here", monkeypatch, 400)
    elsewhere, done = Elsewhere(), []
    there = report(
        prepared, tmp_path, "there", monkeypatch, 400, executor=elsewhere, progress=lambda *told: done.append(told)
    )
    assert elsewhere.parts == [7] * 4  # of 3000 events: all of them, the selections, two variations
    assert done[-1][0] == pytest.approx(1.0)
    assert there.manifest.digest == here.manifest.digest
    divided = numbers(here)
    assert numbers(there) == divided  # to the last bit
    for name, cells in divided.items():
        assert len(cells) > 0, name
        (floats, others), (of_whole, others_of_whole) = parted(cells), parted(whole[name])
        assert (floats.keys(), others) == (of_whole.keys(), others_of_whole), name
        np.testing.assert_allclose([*floats.values()], [*of_whole.values()], rtol=5e-10, atol=5e-10, err_msg=name)


def test_ranges_are_whole_row_groups_and_all_of_them(prepared):
    metadata = pq.read_metadata(prepared[0])
    assert metadata.num_row_groups == 20
    assert row_ranges(metadata, 10**6) == (RowRange((0, 20), 0, 3000),)
    found = row_ranges(metadata, 400)
    assert [part.groups for part in found] == [(0, 3), (3, 6), (6, 9), (9, 12), (12, 15), (15, 18), (18, 20)]
    assert [(part.first_row, part.rows) for part in found[-2:]] == [(2250, 450), (2700, 300)]


def test_rows_and_splits_of_a_part_are_those_of_the_whole_file(make_sample, tmp_path):
    table = pq.read_table(make_sample(events=1000).path).drop_columns(["split"]).replace_schema_metadata(None)
    pq.write_table(table, tmp_path / "plain.parquet", row_group_size=130)
    events = open_events(tmp_path / "plain.parquet", ["x"])
    whole = events.load().x[:, 0], np.concatenate([batch.split for batch in events.batches()])
    parts = row_ranges(pq.read_metadata(events.path), 200)
    assert len(parts) == 4
    for part in parts:
        read = list(events.batches(("x", "#row"), 1000, part=part))
        rows = slice(part.first_row, part.first_row + part.rows)
        x, row = (np.concatenate([batch.columns[name] for batch in read]) for name in ("x", "#row"))
        np.testing.assert_array_equal(row, np.arange(rows.start, rows.stop))
        np.testing.assert_array_equal(x, whole[0][rows])
        np.testing.assert_array_equal(np.concatenate([batch.split for batch in read]), whole[1][rows])


def test_a_file_opened_elsewhere_is_the_same_or_refused(make_sample, tmp_path, monkeypatch):
    path = make_sample().path
    monkeypatch.chdir(tmp_path)
    events = open_events(os.path.relpath(path), ["y"])
    sent = pickle.dumps(events)
    monkeypatch.chdir("/")
    again = pickle.loads(sent)
    assert (again.path, again.features, again.rows) == (events.path, ("y",), events.rows)
    assert sum(len(batch) for batch in again.batches(("y",))) == 3000
    make_sample(seed=5)  # another file of the name
    for use in (lambda: pickle.loads(sent), lambda: next(events.batches(("y",), part=events.ranges()[0]))):
        with pytest.raises(InputError, match=r"events\.parquet: is not the file that was opened first"):
            use()
    path.unlink()
    with pytest.raises(InputError, match=r"events\.parquet: no such file"):
        pickle.loads(sent)
