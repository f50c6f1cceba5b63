"""Any mock on disk: normalised, reproducible, complete or not there."""

import tracemalloc

import hypothesis.strategies as st
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given

from cutflow_cli.errors import UsageError
from cutflow_cli.events.mock.catalogue import MOCKS
from cutflow_cli.events.mock.plan import plan_mock
from cutflow_cli.events.mock.write import make_mock, write_mock
from cutflow_cli.events.splits import SplitFractions
from cutflow_cli.events.table import open_events

PB_PER_FB = 1000.0


@pytest.mark.parametrize("name", MOCKS)
@pytest.mark.parametrize("block_events", [1_000_000, 700])
def test_weights_sum_to_cross_section_times_luminosity(tmp_path, name, block_events):
    out = tmp_path / "mock.parquet"
    metadata = write_mock(name, out, 2_001, block_events=block_events)
    sample = open_events(out).load()
    assert len(sample) == 2_001
    for position, process in enumerate(metadata.processes):
        rows = sample.process == position
        expected = process.cross_section * metadata.luminosity * PB_PER_FB
        assert sample.weight[rows].sum() == pytest.approx(expected, rel=1e-9)
        assert process.total.sumw == pytest.approx(expected, rel=1e-9)
        assert process.total.events == np.count_nonzero(rows) == process.generated_events
        assert set(sample.label[rows]) == {1 if process.role == "signal" else 0}
    assert np.isfinite(sample.x).all()


@pytest.mark.parametrize("name", MOCKS)
@pytest.mark.parametrize("block_events", [1_000_000, 1_000])
def test_same_seed_same_bytes_other_seed_other_events(tmp_path, name, block_events):
    tables = []
    for number, seed in enumerate((3, 3, 4)):
        out = tmp_path / f"{number}.parquet"
        write_mock(name, out, 2_000, seed, block_events=block_events)
        tables.append(pq.read_table(out))
    assert tables[0].equals(tables[1])
    for feature in open_events(tmp_path / "0.parquet").features:
        assert not tables[0].column(feature).equals(tables[2].column(feature))
    assert not tables[0].column("split").equals(tables[2].column("split"))


@given(
    name=st.sampled_from(sorted(MOCKS)),
    events=st.integers(200, 5_000),
    block_events=st.integers(1, 6_000),
)
def test_blocks_cover_the_sample_once(name, events, block_events):
    plan = plan_mock(name, events, block_events=block_events)
    done = (0,) * len(plan.events)
    for position, block in enumerate(plan.blocks()):
        assert block.index == position
        assert block.first == done
        assert sum(block.sizes) <= block_events + len(plan.events)
        done = tuple(a + b for a, b in zip(done, block.sizes, strict=True))
    assert position + 1 == block.count
    assert done == plan.events
    assert sum(plan.events) == events


@given(name=st.sampled_from(sorted(MOCKS)), events=st.integers(1_000, 100_000))
def test_processes_have_their_shares(name, events):
    plan = plan_mock(name, events)
    for process, count in zip(plan.mock.processes, plan.events, strict=True):
        assert abs(count - process.share * events) <= len(plan.events)


def test_memory_is_that_of_a_block_not_of_the_sample(tmp_path):
    peaks = []
    for events in (160_000, 640_000):  # both more than a row group, which the writer holds too
        tracemalloc.start()
        write_mock("mock2", tmp_path / f"{events}.parquet", events, block_events=20_000)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]
    assert open_events(tmp_path / "640000.parquet").rows == 640_000


def test_progress_rises_to_one(tmp_path):
    told = []
    write_mock(
        "mock1",
        tmp_path / "m.parquet",
        4_000,
        block_events=1_000,
        progress=lambda done, text: told.append((done, text)),
    )
    assert [done for done, _ in told] == [0.25, 0.5, 0.75, 1.0]
    assert told[-1][1] == "4000 of 4000 events"


def test_split_fractions_are_obeyed(tmp_path):
    metadata = write_mock("gaussians", tmp_path / "m.parquet", 20_000, split=SplitFractions(0.3, 0.3, 0.4))
    for process in metadata.processes:
        for split, share in (("train", 0.3), ("validation", 0.3), ("test", 0.4)):
            assert process.splits[split].events == pytest.approx(share * 10_000, abs=5 * np.sqrt(10_000) / 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "mock7"}, "no mock 'mock7'; did you mean"),
        ({"name": "mock1", "seed": -1}, "seed -1: must be from 0"),
        ({"name": "mock1", "seed": 2**32}, "seed 4294967296: must be from 0 to 4294967295"),
        ({"name": "mock1", "events": 3}, "3 events are too few for process background; --events must be at least 4"),
        ({"name": "mock1", "events": -5}, "-5 events are too few"),
        ({"name": "zprime", "events": 100}, "100 events are too few for process tautau; --events must be at least 200"),
        ({"name": "mock1", "features_count": 4}, "mock1: has its 4 features; leave out --features-count"),
        ({"name": "gaussians", "features_count": 0}, "--features-count goes from 1 to"),
        ({"name": "gaussians", "block_events": 0}, "must hold at least 1"),
    ],
)
def test_impossible_settings_are_refused(arguments, message):
    with pytest.raises(UsageError, match=message):
        plan_mock(**arguments)


def test_fewest_events_named_in_the_message_are_enough(tmp_path):
    assert sum(plan_mock("zprime", 200).events) == 200
    assert sum(plan_mock("mock1", 4).events) == 4


def test_a_split_without_a_process_is_refused_and_nothing_is_left(tmp_path):
    out = tmp_path / "m.parquet"
    with pytest.raises(UsageError, match=r"with 4 events none of signal is in test; raise --events"):
        write_mock("gaussians", out, 4, 0)
    assert list(tmp_path.iterdir()) == []


def test_a_mock_is_made_once(tmp_path):
    out = tmp_path / "m.parquet"
    plan = plan_mock("mock2", 1_000)
    first = make_mock(plan, out, command="cutflow generate-mock")
    assert first.written
    assert first.metadata.command == "cutflow generate-mock"
    stamp = out.stat().st_mtime_ns
    again = make_mock(plan, out)
    assert not again.written
    assert again.metadata == first.metadata
    assert out.stat().st_mtime_ns == stamp
    other = plan_mock("mock2", 1_000, 1)
    with pytest.raises(UsageError, match="--force to replace it"):
        make_mock(other, out)
    assert make_mock(other, out, force=True).written
    assert open_events(out).metadata.digest == other.digest


def test_every_setting_is_in_the_digest():
    plans = [
        plan_mock("gaussians"),
        plan_mock("gaussians", 1_000),
        plan_mock("gaussians", seed=1),
        plan_mock("gaussians", split=SplitFractions(0.5, 0.2, 0.3)),
        plan_mock("gaussians", features_count=3),
        plan_mock("gaussians", block_events=10_000),
        plan_mock("mock1"),
    ]
    assert len({plan.digest for plan in plans}) == len(plans)
