"""A cut flow that begins at all events: sums before the file, shares of all events and their errors."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutflow_cli.evaluation.cut_flow import BEFORE
from cutflow_cli.evaluation.evaluate import evaluate_runs
from cutflow_cli.evaluation.preselection import ALL_EVENTS, share_of_all
from cutflow_cli.evaluation.present import printed_tables
from cutflow_cli.evaluation.report import read_report
from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.schema import EventsMetadata, FeatureInfo, ProcessInfo, WeightSums
from cutflow_cli.events.writer import EventsWriter
from cutflow_cli.metrics.classification import efficiency
from cutflow_cli.metrics.yields import Sums
from cutflow_cli.runs import open_run

CONDITIONS = ("jet.size >= 2 and met > 30", "veto muon.pt > 10")
PROCESSES = (ProcessInfo("WW", "signal"), ProcessInfo("WZ", "signal"), ProcessInfo("QCD", "background"))


class Sample:
    """All events, which of them pass each condition, and the file of those that pass both."""

    def __init__(self, path, masses=(), *, lost=(), wrong=()):
        rng = np.random.default_rng(3)
        events = 6000
        self.process = rng.integers(0, 3, events)
        signal = self.process < 2
        self.weight = np.array([0.1, 0.05, 3.0])[self.process] * rng.choice([-0.5, 1.0, 2.0], events, p=[0.1, 0.6, 0.3])
        self.stages = [np.ones(events, dtype=bool), rng.random(events) < np.where(signal, 0.9, 0.4)]
        self.stages.append(self.stages[1] & (rng.random(events) < 0.6))
        self.x = rng.normal(signal, 1, events).astype(np.float32)
        self.split = rng.choice(3, events, p=[0.5, 0.2, 0.3]).astype(np.int8)
        self.mass = None
        if masses:  # WZ has the first mass only
            self.mass = np.where(signal, rng.choice(masses, events), np.nan)
            self.mass[self.process == 1] = masses[0]
        described = tuple(
            one if one.name in lost else replace(one, preselected=self.sums(position, one.name in wrong))
            for position, one in enumerate(PROCESSES)
        )
        kept = self.stages[-1]
        metadata = EventsMetadata(
            (FeatureInfo("x"), FeatureInfo("y")), described, luminosity=300.0, preselection=CONDITIONS
        )
        columns = {"x": self.x[kept], "y": np.zeros(int(kept.sum()), dtype=np.float32)}
        with EventsWriter(path, metadata, hypothesis=bool(masses)) as writer:
            writer.write(
                EventBatch(
                    columns, signal[kept].astype(np.int8), self.weight[kept], self.process[kept].astype(np.int32),
                    self.split[kept], self.mass[kept] if masses else None,
                )
            )  # fmt: skip

    def of(self, *processes):
        return np.isin(self.process, processes)

    def sums(self, position, wrong=False):
        weights = [self.weight[stage & self.of(position)] for stage in self.stages]
        return tuple(WeightSums(len(w) + wrong, float(w.sum()), float((w**2).sum())) for w in weights)


@pytest.fixture
def evaluated(tmp_path, make_run, make_flow):
    """Evaluate the cut x > 0 (and y < 0.5, which all pass) on events with a preselection."""

    def run(*, trained_for=None, **options):
        sample = Sample(tmp_path / "events.parquet", **options)
        flows = [replace(make_flow(0.0, 0.5, -1, trained_for), kind="consensus")]
        directory = make_run("par", tmp_path / "events.parquet", flows=flows)
        report = evaluate_runs([directory], tmp_path / "events.parquet", tmp_path / "report")
        return sample, report, directory

    return run


def test_rows_begin_at_all_events(evaluated):
    sample, report, _ = evaluated()
    for name, members in {"signal": (0, 1), "WW": (0,), "WZ": (1,), "background": (2,), "QCD": (2,)}.items():
        rows = [row for row in report.cut_flow if row.process == name and row.split in ("all", "test")]
        assert [(row.position, row.split, row.cut) for row in rows] == [
            (-3, "all", ALL_EVENTS),
            (-2, "all", CONDITIONS[0]),
            (-1, "all", CONDITIONS[1]),
            (0, "test", BEFORE),
            (1, "test", "x > 0.0"),
            (2, "test", "y < 0.5"),
        ]
        previous = whole = sample.weight[sample.of(*members)].sum()
        for row, stage in zip(rows, sample.stages, strict=False):
            weights = sample.weight[stage & sample.of(*members)]
            assert row.n_raw == len(weights)
            assert row.yield_ == pytest.approx(weights.sum())
            assert row.yield_error == pytest.approx(np.sqrt((weights**2).sum()))
            assert row.n_eff == pytest.approx(weights.sum() ** 2 / (weights**2).sum())
            assert row.efficiency_step == pytest.approx(weights.sum() / previous)
            assert row.efficiency_total == pytest.approx(weights.sum() / whole)
            assert (row.efficiency_cumulative, row.efficiency_cumulative_error) == (None, None)
            previous = weights.sum()
        assert rows[3].yield_ == pytest.approx(rows[2].yield_)  # of the whole sample, though counted on a split
        assert (rows[3].efficiency_total, rows[3].efficiency_total_error) == pytest.approx(
            (rows[2].efficiency_total, rows[2].efficiency_total_error)
        )
        for row in rows[3:]:
            assert row.efficiency_total == pytest.approx(row.yield_ / whole)
            assert row.efficiency_cumulative == pytest.approx(row.yield_ / rows[3].yield_)
            assert row.efficiency_total == pytest.approx(rows[2].efficiency_total * row.efficiency_cumulative)


def test_every_flow_and_split_has_the_same_beginning(evaluated, tmp_path):
    _, report, _ = evaluated()
    assert {row.position for row in report.cut_flow if row.split == "all"} == {-3, -2, -1}
    assert {row.position for row in report.cut_flow if row.split == "train"} == {0, 1, 2}
    assert read_report(tmp_path / "report").cut_flow == report.cut_flow
    assert not any("preselection" in note for note in report.manifest.notes if "that of run" not in note)


def test_without_a_preselection_nothing_comes_before(make_sample, make_run, tmp_path):
    sample = make_sample()
    report = evaluate_runs([make_run("par", sample.path)], sample.path, tmp_path / "report")
    assert {row.position for row in report.cut_flow} == {0, 1, 2}
    assert {(row.efficiency_total, row.efficiency_total_error) for row in report.cut_flow} == {(None, None)}
    assert not any("its preselection" in note for note in report.manifest.notes)


def test_mass_points_of_one_process_are_not_told_apart_before_the_file(evaluated):
    sample, report, directory = evaluated(masses=(1.0, 2.0))
    begun = {(row.process, row.hypothesis) for row in report.cut_flow if row.position < 0}
    # WW has two masses; WZ has one, and no event of the other
    assert begun == {*((name, None) for name in ("signal", "WW", "WZ", "background", "QCD")), ("WZ", 1.0), ("WZ", 2.0)}
    counted = {row.hypothesis: row.n_raw for row in report.cut_flow if (row.process, row.position) == ("WZ", -3)}
    assert counted == {None: sample.of(1).sum(), 1.0: sample.of(1).sum(), 2.0: 0}
    known = {(row.process, row.hypothesis) for row in report.cut_flow if row.efficiency_total is not None}
    assert known == begun - {("WZ", 2.0)}
    tables = list(printed_tables(report, [("par", open_run(directory))]))
    assert any("from all events on" in table.title for table in tables)


def test_a_flow_for_one_mass_begins_where_its_processes_can(evaluated):
    _, report, directory = evaluated(masses=(1.0, 2.0), trained_for=1.0)
    begun = {row.process for row in report.cut_flow if row.position < 0}
    assert begun == {"WZ", "background", "QCD"}
    (table,) = (one for one in printed_tables(report, [("par", open_run(directory))]) if "Cut flow" in one.title)
    first = [row[0] for row in table.rows if not row[0].startswith("  ")]
    assert first == [
        "all signal: before any cut, split test",
        "WW (signal): before any cut, split test",
        "WZ (signal): all events",
        "QCD (background): all events",
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"lost": ("WZ",)}, "does not say what its preselection removed of process 'WZ', whose cut flow begins after"),
        ({"wrong": ("WZ",)}, "its preselection left 1072 events, not the 1071 in the file, of process 'WZ', whose cut"),
    ],
)
def test_what_is_not_known_of_a_process_is_said_and_left_out(evaluated, options, said):
    _, report, _ = evaluated(**options)
    (note,) = (note for note in report.manifest.notes if "of process" in note)
    assert said in note
    assert {row.process for row in report.cut_flow if row.position < 0} == {"WW", "background", "QCD"}
    known = {row.process for row in report.cut_flow if row.efficiency_total is not None}
    assert known == {"WW", "background", "QCD"}


def test_a_file_that_knows_nothing_is_printed_as_before(evaluated):
    _, report, directory = evaluated(lost=("WW", "WZ", "QCD"))
    assert {row.position for row in report.cut_flow} == {0, 1, 2}
    assert sum("does not say what its preselection removed" in note for note in report.manifest.notes) == 3
    (table,) = (one for one in printed_tables(report, [("par", open_run(directory))]) if "Cut flow" in one.title)
    assert table.title.endswith(f"; before: preselection {CONDITIONS[0]} and {CONDITIONS[1]}")
    assert len(table.header) == 6


def test_another_preselection_than_that_of_the_training_is_noted(evaluated):
    _, report, _ = evaluated()
    assert any(
        note.endswith(f"its preselection is ({CONDITIONS[0]}) and ({CONDITIONS[1]}), that of run 'par' was none")
        for note in report.manifest.notes
    )


# The error of a share of all events.


def stack(*parts):
    return np.array(parts, dtype=np.float64)


@given(st.integers(0, 500), st.integers(1, 500), st.integers(0, 500), st.integers(1, 500))
def test_unit_weights_give_the_errors_in_quadrature(failed, others, fail, passed):
    split, whole = passed + fail, passed + fail + others
    before = Sums(whole + failed, whole + failed, whole + failed)
    found = share_of_all(before, stack([whole] * 3), stack([split] * 3), stack([passed] * 3))
    first = efficiency(Sums(whole, whole, whole), before)
    second = efficiency(Sums(passed, passed, passed), Sums(split, split, split))
    assert found.value == pytest.approx(first.value * second.value)
    relative = math.hypot(first.error / first.value, second.error / second.value)
    assert found.error == pytest.approx(relative * found.value, abs=1e-12)


def test_without_cuts_it_is_an_efficiency():
    before, part = Sums(100, 50.0, 80.0), stack([40, 30.0, 35.0])
    found = share_of_all(before, part, stack([10, 6.0, 8.0]), stack([10, 6.0, 8.0]))
    expected = efficiency(Sums(40, 30.0, 35.0), before)
    assert (found.value, found.error) == pytest.approx((expected.value, expected.error))


def test_error_is_the_scatter_of_repeated_experiments():
    """Two processes, signed weights that the cuts favour, splits of unlike share: Poisson numbers of each kind."""
    rng = np.random.default_rng(11)
    weights = np.array([[1.0, 3.0, -0.5], [4.0, 0.5, -1.0]])  # (process, kind)
    expected = {
        "failed": np.array([[4000, 300, 200], [900, 2000, 100]]),
        "others": np.array([[2000, 900, 100], [300, 700, 50]]),
        "passed": np.array([[300, 400, 20], [150, 100, 20]]),
        "cut": np.array([[700, 100, 60], [50, 400, 30]]),
    }

    def sums(counts):
        """(experiments, process, kind) to number, Σw and Σw² of each process."""
        return np.stack([counts.sum(-1), (counts * weights).sum(-1), (counts * weights**2).sum(-1)], axis=-1)

    def shares(counts):
        passed, cut, others, failed = (sums(counts[name]) for name in ("passed", "cut", "others", "failed"))
        split = passed + cut
        whole = split + others
        return (whole + failed).sum(axis=-2), whole, split, passed

    everything, whole, split, passed = shares(expected)
    predicted = share_of_all(Sums(*everything), whole, split, passed)
    toys = {name: rng.poisson(counts, (20_000, 2, 3)) for name, counts in expected.items()}
    everything, whole, split, passed = shares(toys)
    values = (whole[..., 1] * passed[..., 1] / split[..., 1]).sum(axis=1) / everything[:, 1]
    assert values.mean() == pytest.approx(predicted.value, rel=2e-3)
    assert values.std() == pytest.approx(predicted.error, rel=0.02)


@pytest.mark.parametrize(
    ("before", "whole", "split", "passed", "value", "reason"),
    [
        (Sums(), (0, 0, 0), (0, 0, 0), (0, 0, 0), None, "no events to pass"),
        (Sums(2, 0.0, 2.0), (0, 0, 0), (0, 0, 0), (0, 0, 0), None, "add up to zero"),
        (Sums(9, 9.0, 9.0), (4, 4, 4), (0, 0, 0), (0, 0, 0), None, "can't stand for"),
        (Sums(9, 9.0, 9.0), (4, 4, 4), (2, 2, 2), (0, 0, 0), 0.0, None),
        (Sums(9, 9.0, 9.0), (0, 0, 0), (0, 0, 0), (0, 0, 0), 0.0, None),
        (Sums(9, 9.0, 9.0), (9, 9, 9), (2, 2, 2), (2, 2, 2), 1.0, None),
    ],
)
def test_edges(before, whole, split, passed, value, reason):
    found = share_of_all(before, stack(whole), stack(split), stack(passed))
    assert found.value == value
    assert found.reason is None if reason is None else reason in found.reason
    assert found.error == (None if value is None else 0.0)
