"""Splits: the right shares, the same however a file is read, another seed another assignment."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from flat_files import table, write
from hypothesis import given
from hypothesis import strategies as st

from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.events.ingest import ingest
from cutflow_cli.events.schema import SPLITS
from cutflow_cli.events.settings_file import validate
from cutflow_cli.events.splits import SplitFractions, hash_values, hashed_splits, splits_of

DEFAULT = SplitFractions()


@pytest.mark.parametrize("text", ["0.5,0,0.5", "0.5/0/0.5", " 0.5, 0 ,0.5 "])
def test_fractions_are_read(text):
    assert SplitFractions.parse(text) == SplitFractions(0.5, 0.0, 0.5)


@pytest.mark.parametrize("text", ["", "0.5", "0.5,0.5", "a,b,c", "0.4,0.2,0.2,0.2", "0.6;0.2;0.2"])
def test_what_is_not_three_numbers_is_refused(text):
    with pytest.raises(UsageError, match="give three numbers"):
        SplitFractions.parse(text)


@pytest.mark.parametrize(
    "text", ["0.5,0.5,0.5", "1,0,0", "0,0,1", "1.2,-0.4,0.2", "nan,0.5,0.5", "0.6,nan,0.4", "inf,0,-inf", "0.6,0.2,nan"]
)
def test_shares_that_are_none_are_refused(text):
    with pytest.raises(UsageError, match="must sum to 1, train and test above 0"):
        SplitFractions.parse(text)


def test_rounding_of_shares_is_forgiven():
    assert SplitFractions(0.7, 0.1, 0.2).as_tuple() == (0.7, 0.1, 0.2)  # sums to 0.9999999999999999


@pytest.mark.parametrize("fractions", [DEFAULT, SplitFractions(0.5, 0.0, 0.5), SplitFractions(0.01, 0.01, 0.98)])
@pytest.mark.parametrize("seed", [0, 1, 2**63])
def test_shares_come_out_as_asked(fractions, seed):
    rows = 200_000
    counts = np.bincount(hashed_splits(0, rows, fractions, seed), minlength=3)
    expected = rows * np.array(fractions.as_tuple())
    spread = np.sqrt(expected * (1 - np.array(fractions.as_tuple())))
    assert (np.abs(counts - expected) <= 4 * spread).all()


def test_neighbouring_rows_and_seeds_are_independent():
    """Pairs fall into the nine combinations of splits as often as independence says (χ², 4 degrees of freedom)."""
    rows = 100_000
    assigned = hashed_splits(0, rows + 1, DEFAULT, 3)
    other_seed = hashed_splits(0, rows, DEFAULT, 4)
    for pair in (assigned[1:], other_seed):
        table = np.zeros((3, 3))
        np.add.at(table, (assigned[:rows], pair), 1)
        expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / rows
        assert ((table - expected) ** 2 / expected).sum() < 23.5  # probability 1e-4


@given(st.integers(0, 500), st.integers(0, 500), st.integers(-(2**64), 2**65))
def test_chunks_do_not_matter(first, second, seed):
    whole = hashed_splits(0, first + second, DEFAULT, seed)
    parts = [hashed_splits(0, first, DEFAULT, seed), hashed_splits(first, second, DEFAULT, seed)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert whole.dtype == np.int8


def test_the_assignment_never_changes():
    """Later versions must assign alike, or an old run would be tested on its own training events.

    Computed apart with plain Python integers: mix(row·φ + mix(seed + φ)) of SplitMix64, 42 as seed.
    """
    mask = 2**64 - 1
    phi = 0x9E3779B97F4A7C15

    def mix(value: int) -> int:
        value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & mask
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & mask
        return value ^ (value >> 31)

    key = mix((42 + phi) & mask)
    shares = [mix((row * phi + key) & mask) / 2**64 for row in range(1000)]
    expected = [0 if share < 0.6 else 1 if share < 0.8 else 2 for share in shares]
    assert hashed_splits(0, 1000, DEFAULT, 42).tolist() == expected
    assert expected[:12] == [1, 0, 2, 0, 0, 1, 0, 0, 1, 0, 1, 1]


def test_the_hash_of_what_tells_an_event_never_changes_either():
    """Computed apart with plain Python integers: mix of one column after another, in 64 bits, whatever their type."""
    mask = 2**64 - 1
    phi = 0x9E3779B97F4A7C15

    def mix(value: int) -> int:
        value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & mask
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & mask
        return value ^ (value >> 31)

    run, event = [1, 1, 2, 352], [7, -1, 7, 2**40 + 3]
    expected = [mix((mix((r * phi + phi) & mask) + e * phi + phi) & mask) for r, e in zip(run, event, strict=True)]
    for kind in (np.int32, np.uint16, np.int64):
        columns = [np.array(run, dtype=kind), np.array(event, dtype=np.int64)]
        assert hash_values(columns).tolist() == expected
    assert hash_values([np.array([2**63 + 5], np.uint64)]).tolist() == [mix(((2**63 + 5) * phi + phi) & mask)]
    assert len({*hash_values([np.arange(100_000)]).tolist()}) == 100_000


def test_shares_by_event_number_come_out_as_asked_in_every_run():
    """Event numbers are consecutive, or all even, and runs have few of them: χ² with 2 degrees of freedom in each."""
    numbers = np.arange(20_000)
    worst = 0.0
    for run, step in ((1, 1), (2, 2), (352_000, 1000), (2**31, 65_536)):
        identity = hash_values([np.full(len(numbers), run), numbers * step])
        counts = np.bincount(splits_of(identity, DEFAULT, 1), minlength=3)
        expected = len(numbers) * np.array(DEFAULT.as_tuple())
        worst = max(worst, ((counts - expected) ** 2 / expected).sum())
    assert worst < 18.4  # probability 1e-4


def event_splits(path):
    """The split of every event, by the process it is of and its number."""
    found = pq.read_table(path, columns=["process", "event", "split"]).to_pydict()
    return {key[:2]: key[2] for key in zip(*found.values(), strict=True)}


def test_a_sample_that_grows_keeps_its_assignment_in_any_order_and_layout(tmp_path):
    def asked(**files):
        roles = {"S": "signal", "B": "background", "A": "background"}
        processes = {name: {"role": roles[name], "files": named} for name, named in files.items()}
        return validate({"features": ["pt"], "processes": processes, "spectators": ["event"], "split_by": "event"})

    columns = table(600, 1)
    parts = {"s1": slice(0, 200), "s2": slice(200, 350), "b": slice(350, 600), "s_all": slice(0, 350)}
    for name, part in parts.items():
        write(tmp_path / f"{name}.parquet", {key: values[part] for key, values in columns.items()})
    write(tmp_path / "a.parquet", {key: values[350:600] for key, values in columns.items()})
    files = {name: f"{name}.parquet" for name in (*parts, "a")}
    layouts = {
        "small": asked(S=files["s1"], B=files["b"]),
        "grown": asked(S=[files["s2"], files["s1"]], B=files["b"]),
        "merged": asked(B=files["b"], S=files["s_all"]),
        "more": asked(A=files["a"], S=files["s_all"], B=files["b"]),
    }
    found = {}
    for name, settings in layouts.items():
        ingest(settings, tmp_path / f"{name}.out", base=tmp_path, chunk_rows=77)
        found[name] = event_splits(tmp_path / f"{name}.out")
    for name in ("grown", "merged", "more"):
        assert found["small"].items() <= found[name].items()
    assert found["grown"] == found["merged"]
    assert len(found["grown"]) == 600
    assert {found["more"]["A", event] for event in columns["event"][350:].tolist()} == set(SPLITS)
    assert all(found["more"]["A", event] == found["more"]["B", event] for event in columns["event"][350:].tolist())


def test_events_that_nothing_tells_are_refused(tmp_path):
    for name in "sb":
        write(tmp_path / f"{name}.parquet", {"pt": np.ones(3), "event": pa.array([1, None, 3]), "x": np.ones(3)})
    processes = {"S": {"role": "signal", "files": "s*"}, "B": {"role": "background", "files": "b*"}}
    raw = {"features": ["pt"], "processes": processes}
    with pytest.raises(InputError, match=r"column 'event' \(to split by\) is missing for some of rows 0 to 2"):
        ingest(validate({**raw, "split_by": "event"}), tmp_path / "o.out", base=tmp_path)
    with pytest.raises(InputError, match=r"column 'x' \(to split by\) holds double, whole numbers are needed"):
        ingest(validate({**raw, "split_by": ["x"]}), tmp_path / "o.out", base=tmp_path)
