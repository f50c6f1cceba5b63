"""Splits held in memory: yields that do not depend on the split, spectators, columns computed on the way."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.load import load_samples
from cutflow_cli.events.schema import SPLITS
from cutflow_cli.events.table import DerivedColumns, open_events

NAMES = ("A", "B", "QCD")


def columns(rows=600, seed=0, **changed):
    """Signals A (at two mass points) and B (at one), background QCD, weights that differ and may be negative."""
    random = np.random.default_rng(seed)
    process = random.integers(0, 3, rows)
    mass = np.where(process == 0, random.choice([100.0, 200.0], rows), np.where(process == 1, 100.0, np.nan))
    table = {
        "x": random.normal(size=rows).astype(np.float32),
        "y": random.normal(size=rows).astype(np.float32),
        "number": np.arange(rows, dtype=np.int64),
        "label": (process < 2).astype(np.int8),
        "weight": random.normal(1.0, 0.6, rows) * (1 + process),
        "process": np.array(NAMES)[process],
        "split": random.choice(SPLITS, rows, p=[0.5, 0.2, 0.3]),
        "hypothesis": mass,
    }
    return {**table, **changed}


@pytest.fixture
def write(tmp_path):
    def written(**changed):
        path = tmp_path / "events.parquet"
        table = {name: values for name, values in columns(**changed).items() if values is not None}
        pq.write_table(pa.table(table), path)
        return path

    return written


def opened(path, **more):
    return open_events(path, ("x", "y"), **more)


def test_yields_of_every_split_are_those_of_the_whole_per_process_and_mass_point(write):
    events = opened(write())
    frame = pd.DataFrame(columns())
    for split, sample in zip(SPLITS, events.load_splits(SPLITS), strict=True):
        assert len(sample) == (frame.split == split).sum()
        for name in NAMES:
            mine = sample.process == sample.processes.index(name)
            for mass in frame.hypothesis[frame.process == name].unique():
                at = np.isnan(sample.hypothesis) if np.isnan(mass) else sample.hypothesis == mass
                rows = (frame.process == name) & (frame.hypothesis.fillna(0) == np.nan_to_num(mass))
                assert sample.expected[mine & at].sum() == pytest.approx(frame.weight[rows].sum())
                ratio = frame.weight[rows].sum() / frame.weight[rows & (frame.split == split)].sum()
                assert sample.expected[mine & at] == pytest.approx(sample.weight[mine & at] * ratio)


def test_all_events_are_expected_as_often_as_they_weigh(write):
    sample = opened(write()).load()
    assert np.array_equal(sample.expected, sample.weight)
    assert len(sample) == 600


def test_without_mass_points_there_is_one_scale_a_process(write):
    frame = pd.DataFrame(columns())
    (train,) = opened(write(hypothesis=None)).load_splits(("train",))
    assert train.hypothesis is None
    for code, name in enumerate(train.processes):
        mine = train.process == code
        assert train.expected[mine].sum() == pytest.approx(frame.weight[frame.process == name].sum())
        assert np.unique(np.round(train.expected[mine] / train.weight[mine], 9)).size == 1


def test_a_split_whose_weights_cancel_is_left_as_it_is(write):
    weight, split = np.ones(600), np.array(["train"] * 4 + ["test"] * 596)
    weight[:4] = [1.0, -1.0, 2.0, -2.0]
    label = (np.arange(600) >= 4).astype(np.int8)
    path = write(weight=weight, split=split, process=None, hypothesis=None, label=label)
    (train,) = opened(path).load_splits(("train",))
    assert train.expected.tolist() == [1.0, -1.0, 2.0, -2.0]


def test_several_splits_take_one_pass(write):
    events = opened(write())
    passes = []
    own = events.batches

    def counted(*arguments, **more):
        passes.append(arguments)
        return own(*arguments, **more)

    events.batches = counted
    train, everything, test = events.load_splits(("train", None, "test"))
    assert len(passes) == 1
    assert (len(everything), len(train) + len(test) < 600) == (600, True)
    for sample, split in ((train, "train"), (test, "test"), (everything, None)):
        alone = opened(events.path).load(split)
        assert np.array_equal(sample.x, alone.x)
        assert np.array_equal(sample.expected, alone.expected)


@given(cuts=st.lists(st.integers(0, 600), max_size=5), seed=st.integers(0, 20))
def test_the_batches_that_a_file_comes_in_do_not_matter(cuts, seed):
    table = columns(seed=seed)
    codes = {name: code for code, name in enumerate(NAMES)}
    whole = EventBatch(
        columns={name: table[name] for name in ("x", "y")},
        label=table["label"],
        weight=table["weight"],
        process=np.array([codes[name] for name in table["process"]], dtype=np.int32),
        split=np.array([SPLITS.index(name) for name in table["split"]], dtype=np.int8),
        hypothesis=table["hypothesis"],
    )
    edges = [0, *sorted(cuts), 600]
    parts = [
        EventBatch(
            {name: values[a:b] for name, values in whole.columns.items()},
            *(getattr(whole, name)[a:b] for name in ("label", "weight", "process", "split", "hypothesis")),
        )
        for a, b in pairwise(edges)
    ]
    together, apart = (
        load_samples(
            batches, ("train", "validation"), path="-", features=("y", "x"), spectators=(),
            dtypes={"x": "float32", "y": "float32"}, processes=NAMES,
        )
        for batches in ([whole], parts)
    )  # fmt: skip
    for one, other in zip(together, apart, strict=True):
        assert np.array_equal(one.x, other.x)
        assert one.expected == pytest.approx(other.expected, rel=1e-9)


def test_spectators_are_kept_beside_the_features(write):
    train, test = opened(write()).load_splits(("train", "test"), ("number", "x"))
    assert train.features == ("x", "y")
    assert train.x.shape == (len(train), 2)
    table = columns()
    assert train.spectators["number"].tolist() == table["number"][table["split"] == "train"].tolist()
    assert np.array_equal(test.spectators["x"], test.x[:, 0])


def test_a_spectator_that_is_not_there_is_named_with_its_neighbours(write):
    with pytest.raises(InputError, match=r"no column 'numbr'; did you mean number\?"):
        opened(write()).load_splits(("train",), ("numbr",))


def test_some_of_the_events_by_mask_or_position(write):
    (train,) = opened(write()).load_splits(("train",), ("number",))
    mask = train.label == 1
    signal, same = train.take(mask), train.take(np.flatnonzero(mask))
    for sample in (signal, same):
        assert len(sample) == mask.sum()
        assert (sample.label == 1).all()
        for name in ("x", "weight", "expected", "process", "hypothesis"):
            assert np.array_equal(getattr(sample, name), getattr(train, name)[mask], equal_nan=True)
        assert np.array_equal(sample.spectators["number"], train.spectators["number"][mask])
    assert (signal.features, signal.processes) == (train.features, train.processes)
    assert len(train.take(np.zeros(len(train), dtype=np.bool_))) == 0


def test_a_split_without_events_is_empty(write):
    train, validation = opened(write(split=np.array(["train"] * 600))).load_splits(("train", "validation"), ("number",))
    assert (len(train), len(validation), validation.x.shape) == (600, 0, (0, 2))
    assert validation.spectators["number"].shape == (0,)


def product(**more):
    return DerivedColumns(("p", "d"), ("y", "number"), lambda c: {"p": c["y"] * 2, "d": c["number"] % 5}, **more)


def test_derived_columns_are_computed_from_columns_that_need_not_be_asked_for(write):
    path = write()
    derived = opened(path).with_derived([product()])
    assert derived.dtypes["p"] == "float32"
    parts = list(derived.batches(("p", "x"), rows=100))
    assert all(list(part.columns) == ["p", "x"] for part in parts)
    assert np.array_equal(np.concatenate([part.columns["p"] for part in parts]), columns()["y"] * 2)
    (sample,) = derived.load_splits(("train",), ("d",))
    table = columns()
    assert sample.spectators["d"].tolist() == (table["number"][table["split"] == "train"] % 5).tolist()
    assert derived.features == ("x", "y")
    assert opened(path).derived == ()


def test_derived_columns_add_up_and_are_computed_only_when_asked_for(write):
    calls = []

    def compute(found):
        calls.append(1)
        return {"twice": found["x"] * 2}

    events = opened(write())
    derived = events.with_derived([product()]).with_derived([DerivedColumns(("twice",), ("x",), compute)])
    (batch,) = derived.batches(("x", "d"))
    assert not calls
    (batch,) = derived.batches(("twice", "p", "d"))
    assert np.array_equal(batch.columns["twice"], 2 * columns()["x"])
    assert len(calls) == 1
    assert events.derived == ()
    with pytest.raises(InputError, match="no column 'twice'"):
        list(events.batches(("twice",)))


def plain(write, **changed):
    mass = columns()["hypothesis"]
    return write(hypothesis=None, gen_mass=np.where(np.isnan(mass), -999.0, mass), **changed)


def test_mass_points_of_a_plain_file_come_from_the_column_that_is_named(write):
    events = opened(plain(write), hypothesis_column="gen_mass")
    sample = events.load()
    assert np.array_equal(sample.hypothesis, columns()["hypothesis"], equal_nan=True)
    background = int((columns()["label"] == 0).sum())
    said = f"{background} background events have the hypothesis -999, read as missing"
    assert any(note.endswith(said) for note in events.notes)
    assert "hypothesis" in events.reserved_columns


def test_the_column_of_the_mass_points_is_no_feature_unless_named(write):
    path = write(hypothesis=None, mass=np.ones(600), process=None)
    assert open_events(path, hypothesis_column="mass").features == ("x", "y", "number")
    assert "mass" in open_events(path).features
    assert open_events(path, ("mass", "x"), hypothesis_column="mass").load().x[:, 0].tolist() == [1.0] * 600


def test_a_column_of_mass_points_that_is_not_there_is_named_with_its_neighbours(write):
    with pytest.raises(InputError, match=r"no column 'gen_mas' for the hypotheses; did you mean gen_mass\?"):
        opened(plain(write), hypothesis_column="gen_mas")


def test_an_events_file_has_its_own_column_of_mass_points(tmp_path, run_cutflow):
    made = run_cutflow("generate-mock", "mock1", "--events", "2000", "--out", "mock.parquet", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    with pytest.raises(UsageError, match="is an events file, whose mass points are in its column 'hypothesis'"):
        open_events(tmp_path / "mock.parquet", hypothesis_column="x1")
