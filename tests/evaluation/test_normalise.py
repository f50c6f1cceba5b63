"""Each split stands for the whole sample, process by process; what can't be normalised says so."""

from __future__ import annotations

import numpy as np
import pytest

from cutflow_cli.errors import InputError
from cutflow_cli.evaluation.normalise import normalise, require_usable
from cutflow_cli.evaluation.tally import Tally, tally
from cutflow_cli.events.schema import SPLITS, ProcessInfo
from cutflow_cli.events.table import open_events

PROCESSES = (ProcessInfo("s", "signal"), ProcessInfo("b1", "background"), ProcessInfo("b2", "background"))


def hand_made(cells, processes=PROCESSES):
    """A tally before any cut: for each process and split (events, Σw, Σw²)."""
    return normalise(Tally({(): 0}, (), np.array(cells, dtype=float)[None, None]), processes)


def test_yields_on_a_split_are_those_of_the_whole_sample(make_sample, make_flow):
    sample = make_sample()
    counted = normalise(tally(open_events(sample.path), [make_flow(0.0, 0.5)]), sample.processes)
    for position, process in enumerate(sample.processes):
        whole = sample.batch.weight[sample.batch.process == position].sum()
        for split in SPLITS:
            assert counted.of_process((), position, split, None).sumw == pytest.approx(whole), process.name


def test_scale_is_per_process_and_squared_for_errors():
    counted = hand_made(
        [
            [(6, 6, 6), (0, 0, 0), (2, 2, 2)],
            [(5, 50, 500), (0, 0, 0), (5, 50, 500)],
            [(30, 3, 0.3), (0, 0, 0), (10, 1, 0.1)],
        ]
    )
    kept = counted.of_class((), "background", "test", None)
    assert kept.passed.events == 15
    assert kept.passed.sumw == pytest.approx(100 + 4)
    assert kept.passed.sumw2 == pytest.approx(500 * 2**2 + 0.1 * 4**2)
    assert kept.weights == pytest.approx((20, 0.4))
    assert counted.splits() == ("train", "test")


def test_mass_points_are_normalised_apart(make_sample, make_flow):
    sample = make_sample(hypotheses=(1.0, 2.0))
    counted = normalise(tally(open_events(sample.path), [make_flow(0.0, 0.5)]), sample.processes)
    batch = sample.batch
    for mass in (1.0, 2.0):
        whole = batch.weight[(batch.hypothesis == mass) & (batch.process == 0)].sum()
        assert counted.of_process((), 0, "test", mass).sumw == pytest.approx(whole)
    every = batch.weight[batch.process == 0].sum()
    assert counted.of_process((), 0, "test", None).sumw == pytest.approx(every)
    background = batch.weight[batch.process == 2].sum()
    assert counted.of_process((), 2, "test", 1.0).sumw == pytest.approx(background)


@pytest.mark.parametrize("cell", [(0, 0, 0), (2, -0.5, 3.0)])
def test_split_without_a_process_leaves_its_yield_undefined(cell):
    counted = hand_made(
        [
            [(6, 6, 6), (0, 0, 0), (2, 2, 2)],
            [(5, 50, 500), (0, 0, 0), cell],
            [(30, 3, 0.3), (0, 0, 0), (10, 1, 0.1)],
        ]
    )
    assert np.isnan(counted.of_process((), 1, "test", None).sumw)
    assert counted.of_class((), "background", "test", None).undefined == (
        "split 'test' can't stand for process 'b1': its weights there add up to nothing, or to the other sign"
    )
    assert counted.of_class((), "background", "train", None).undefined is None
    assert counted.of_class((), "signal", "test", None).undefined is None


def test_process_without_any_event_is_nothing():
    counted = hand_made([[(6, 6, 6)] * 3, [(5, 50, 500)] * 3, [(0, 0, 0)] * 3])
    kept = counted.of_class((), "background", "test", None)
    assert kept.undefined is None
    assert kept.passed.sumw == pytest.approx(150)


def test_interference_keeps_its_sign():
    counted = hand_made([[(6, 6, 6)] * 3, [(5, 50, 500)] * 3, [(4, -2.0, 4.0), (0, 0, 0), (2, -1.0, 2.0)]])
    assert counted.of_process((), 2, "test", None).sumw == pytest.approx(-3)


@pytest.mark.parametrize(
    ("signal", "background", "message"),
    [
        ([(0, 0, 0)] * 3, [(5, 5, 5)] * 3, r"f\.parquet: holds no signal event \(label 1\)"),
        ([(5, 5, 5)] * 3, [(0, 0, 0)] * 3, r"f\.parquet: holds no background event \(label 0\)"),
        (
            [(5, 5, 5), (0, 0, 0), (0, 0, 0)],
            [(5, 5, 5)] * 3,
            r"split 'test' holds no signal event \(there are: train 5, validation 0, test 0\); choose another --split",
        ),
        ([(5, 5, 5)] * 3, [(5, 0, 0)] * 3, "all weights of the background in split 'test' are zero"),
    ],
)
def test_unusable_events_are_refused(signal, background, message):
    counted = hand_made([signal, background], PROCESSES[:2])
    with pytest.raises(InputError, match=message):
        require_usable(counted, "test", "f.parquet")
