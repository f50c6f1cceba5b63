"""Tables of single cuts and of pairs of things, against plain numpy on all events."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from cutflow_cli.evaluation.brief import Exchange, brief, change_of_asimov
from cutflow_cli.evaluation.correlations import CorrelationCounter
from cutflow_cli.evaluation.evaluate import evaluate_runs
from cutflow_cli.evaluation.normalise import normalise
from cutflow_cli.evaluation.present import printed_tables
from cutflow_cli.evaluation.report import read_report
from cutflow_cli.evaluation.split_events import OfSplit
from cutflow_cli.evaluation.tally import tally
from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.table import open_events
from cutflow_cli.metrics.options import FigureOptions, read_options
from cutflow_cli.metrics.significance import asimov_significance
from cutflow_cli.metrics.summary import Kept
from cutflow_cli.metrics.yields import Sums
from cutflow_cli.runs import open_run

TEST = 2
ANY_NUMBER = read_options(min_effective_events=0)


@pytest.fixture
def evaluated(make_sample, make_run, tmp_path):
    """Two runs on one sample, evaluated; with the sample and the runs."""

    def make(boundaries=((0.0, 0.5), (0.1, 0.4), (0.05, 0.6)), **sample_options):
        sample = make_sample(**sample_options)
        runs = [make_run("par", sample.path, boundaries), make_run("seq", sample.path, ((0.5, 9.0),))]
        options = read_options(["0.1"], min_effective_events=0)
        return evaluate_runs(runs, sample.path, tmp_path / "report", options=options), sample, runs

    return make


def expected(sample, mask, role):
    """Sum the events of a class on the test split, each process scaled to the whole file."""
    batch, sums = sample.batch, [0.0, 0.0, 0.0]
    for position, process in enumerate(sample.processes):
        if process.role != role:
            continue
        own = batch.process == position
        test = own & (batch.split == TEST)
        scale = batch.weight[own].sum() / batch.weight[test].sum()
        kept = batch.weight[test & mask] * scale
        for place, value in enumerate((len(kept), kept.sum(), (kept**2).sum())):
            sums[place] += value
    return sums


def test_totals_end_at_the_quoted_numbers(evaluated):
    report, sample, _ = evaluated()
    rows = [row for row in report.totals if (row.run, row.kind, row.split) == ("par", "consensus", "test")]
    assert [row.position for row in rows] == [0, 1, 2]
    quoted = {row.metric: row for row in report.headline if row.run == "par"}
    last = rows[-1]
    for metric in ("signal_yield", "background_yield", "s_over_sqrt_b", "asimov"):
        assert getattr(last, metric) == quoted[metric].value
        assert getattr(last, f"{metric}_error") == quoted[metric].stat_error
    first = sample.batch.columns["x"] > np.float32(rows[1].cut.split(" > ")[1])
    assert rows[1].background_yield == pytest.approx(expected(sample, first, "background")[1])
    assert rows[1].background_systematic == pytest.approx(0.1 * rows[1].background_yield)


def test_n_minus_1_is_the_flow_without_the_cut(evaluated):
    report, sample, _ = evaluated()
    x, y = sample.batch.columns["x"], sample.batch.columns["y"]
    rows = [row for row in report.n_minus_1 if row.run == "par"]
    masks = {0: (x > 0.05) & (y < 0.5), 1: y < 0.5, 2: x > np.float32(0.05)}
    assert [row.position for row in rows] == list(masks)
    for row in rows:
        for role, found in (
            ("signal", (row.n_signal, row.signal_yield, row.signal_yield_error)),
            ("background", (row.n_background, row.background_yield, row.background_yield_error)),
        ):
            n, sumw, sumw2 = expected(sample, masks[row.position], role)
            assert found == (n, pytest.approx(sumw), pytest.approx(math.sqrt(sumw2)))
        sigma = math.hypot(row.background_yield_error, 0.1 * row.background_yield)
        assert row.asimov == pytest.approx(float(asimov_significance(row.signal_yield, row.background_yield, sigma)))
    assert rows[0].change == 0
    assert rows[0].change_error == 0
    assert rows[1].change == pytest.approx(rows[1].asimov - rows[0].asimov)


def test_moved_boundaries_are_counted_anew(evaluated):
    report, sample, runs = evaluated()
    x, y = sample.batch.columns["x"], sample.batch.columns["y"]
    rows = {(row.position, row.move): row for row in report.stability if row.run == "par"}
    flow = next(flow for flow in open_run(runs[0]).flows if flow.kind == "consensus")
    error = flow.steps[0].lower_error
    for (position, move), shift in {
        (1, "+error"): error, (1, "-error"): -error, (2, "+5 %"): 0.025, (2, "-1 %"): -0.005,
    }.items():  # fmt: skip
        row = rows[position, move]
        assert row.side == ("lower" if position == 1 else "upper")
        moved = np.float32((0.05000000074505806 if position == 1 else 0.5) + shift)
        assert row.boundary == float(moved)
        mask = (x > moved) & (y < 0.5) if position == 1 else (x > np.float32(0.05)) & (y < moved)
        assert (row.n_signal, row.n_background) == tuple(
            expected(sample, mask, role)[0] for role in ("signal", "background")
        )
        assert row.background_yield == pytest.approx(expected(sample, mask, "background")[1])
    assert {move for position, move in rows if position == 1} == {
        "-error", "+error", "-1 %", "+1 %", "-5 %", "+5 %",
    }  # fmt: skip


def test_a_boundary_at_zero_has_no_percentage(evaluated):
    report, _, _ = evaluated(boundaries=((0.0, 0.5),))
    assert {row.move for row in report.stability if row.run == "par" and row.position == 1} == set()
    assert {row.move for row in report.stability if row.run == "par" and row.position == 2} == {
        "-1 %", "+1 %", "-5 %", "+5 %",
    }  # fmt: skip


def test_error_of_a_change_is_the_scatter_of_repeated_simulations():
    # 300 background events fail a cut that 200 pass, 40 signal events against 160, all Poisson and independent
    rng = np.random.default_rng(6)
    changes, errors = [], []
    for in_s, out_s, in_b, out_b in zip(*(rng.poisson(mean, 600) for mean in (160, 40, 200, 300)), strict=True):

        def kept(inside, outside=0):
            sums = Sums(inside + outside, 0.5 * (inside + outside), 0.25 * (inside + outside))
            return Kept(sums, sums)

        first = brief(kept(in_s), kept(in_b), FigureOptions())
        other = brief(kept(in_s, out_s), kept(in_b, out_b), FigureOptions())
        found = change_of_asimov(first, other, Exchange(gained=(0.25 * out_s, 0.25 * out_b)))
        back = change_of_asimov(other, first, Exchange(lost=(0.25 * out_s, 0.25 * out_b)))
        assert (back.value, back.error) == (pytest.approx(-found.value), pytest.approx(found.error))
        changes.append(found.value)
        errors.append(found.error)
    assert np.mean(errors) == pytest.approx(np.std(changes), rel=0.1)  # the scatter of 600 is known to 2.9 %


def test_overlap_adds_up_and_is_that_of_the_masks(evaluated):
    report, sample, _ = evaluated()
    x, y = sample.batch.columns["x"], sample.batch.columns["y"]
    par, seq = (x > np.float32(0.05)) & (y < 0.5), (x > 0.5) & (y < 9.0)
    masks = {"both": par & seq, "first": par & ~seq, "second": ~par & seq, "neither": ~par & ~seq}
    assert len(report.overlap) == 2 * 4
    for row in report.overlap:
        n, sumw, sumw2 = expected(sample, masks[row.kept_by], row.role)
        assert (row.first, row.second, row.n_raw) == ("par", "seq", n)
        assert row.yield_ == pytest.approx(sumw)
        assert row.yield_error == pytest.approx(math.sqrt(sumw2))
    for role in ("signal", "background"):
        assert sum(row.share for row in report.overlap if row.role == role) == pytest.approx(1)


@pytest.mark.parametrize("missing", [True, False])
def test_correlations_are_those_of_numpy(make_sample, missing):
    sample = make_sample(weight_scale=(1.0, 2.0, 3.0))
    batch = sample.batch
    if not missing:
        batch.columns["x"][:5] = 0.0
    positive = replace(batch, weight=np.abs(batch.weight))
    events = open_events(sample.path)
    totals = normalise(tally(events, []), sample.processes)
    ones = replace(totals, scale=np.ones_like(totals.scale))
    counter = CorrelationCounter(("x", "y"), ones, "test")
    listener = OfSplit(ones, "test", [counter])
    for part in (np.arange(0), *np.array_split(np.arange(len(batch)), 3)):  # counted apart, as ranges of a file are
        one = listener.empty()
        one.add(
            EventBatch(
                {name: values[part] for name, values in positive.columns.items()}, positive.label[part],
                positive.weight[part], positive.process[part], positive.split[part], None,
            )
        )  # fmt: skip
        listener.join(one.sums())
    x, y = batch.columns["x"], batch.columns["y"]
    for row in counter.rows():
        chosen = (batch.split == TEST) & np.isfinite(x) & (batch.label == (row.role == "signal"))
        covariance = np.cov(x[chosen], y[chosen], aweights=positive.weight[chosen])
        known = covariance[0, 1] / math.sqrt(covariance[0, 0] * covariance[1, 1])
        assert row.correlation == pytest.approx(known, abs=1e-12)
        assert row.n_raw == chosen.sum()
        w = positive.weight[chosen]
        assert row.error == pytest.approx((1 - known**2) / math.sqrt(w.sum() ** 2 / (w**2).sum() - 1))


def test_constant_features_have_no_correlation(make_sample):
    sample = make_sample()
    events = open_events(sample.path)
    totals = normalise(tally(events, []), sample.processes)
    counter = CorrelationCounter(("x", "y"), totals, "test")
    listener = OfSplit(totals, "test", [counter])
    batch = sample.batch
    listener.add(replace(batch, columns={"x": batch.columns["x"], "y": np.full(len(batch), 1e6, np.float32)}))
    assert {(row.correlation, row.reason is None) for row in counter.rows()} == {(None, False)}


def test_one_mass_point_counts_its_signal_alone(make_sample, make_run, tmp_path):
    sample = make_sample(hypotheses=(1.0, 2.0))
    run = make_run("par", sample.path, hypotheses=(1.0, 2.0))
    report = evaluate_runs([run], sample.path, tmp_path / "report", options=ANY_NUMBER)
    quoted = {(row.hypothesis, row.metric): row.value for row in report.headline}
    for row in report.n_minus_1:
        if not row.position:
            assert row.n_signal == quoted[row.hypothesis, "tp"]
            assert row.signal_yield == pytest.approx(quoted[row.hypothesis, "signal_yield"])
    assert {row.hypothesis for row in report.n_minus_1} == {1.0, 2.0}
    assert report.overlap == ()


def test_printed_and_read_back(evaluated):
    report, _, runs = evaluated()
    again = read_report(report.path)
    assert all(row.correlation is not None for row in report.correlations)
    for table in ("totals", "n_minus_1", "stability", "overlap", "correlations"):
        assert getattr(again, table) == getattr(report, table)
    opened = [(path.name, open_run(path)) for path in runs]
    titles = [table.title.split(",")[0] for table in printed_tables(report, opened)]
    for title in (
        "Signal against background after each cut",
        "Without one cut (N−1)",
        "Linear correlation of features",
    ):
        assert title in titles
    assert "Change of Asimov Z with each boundary" not in titles
    tables = list(printed_tables(report, opened, stability=True))
    (par, seq) = (table for table in tables if table.title.startswith("Change of Asimov Z with each boundary"))
    assert par.header[:3] == ("boundary", "− its error", "+ its error")
    assert [row[0] for row in seq.rows] == ["x: lower 0.5", "y: upper 9"]
    (overlap,) = (table for table in tables if table.title.startswith("Events that two selections keep"))
    assert [row[:2] for row in overlap.rows] == [("par, seq", "signal"), ("par, seq", "background")]


def test_too_few_events_are_said_in_the_tables(make_sample, make_run, tmp_path):
    sample = make_sample()
    run = make_run("par", sample.path, ((2.5, -1.0),))
    report = evaluate_runs([run], sample.path, tmp_path / "report")
    (row,) = (row for row in report.n_minus_1 if not row.position)
    assert row.asimov is None
    assert row.change is None
    assert row.reason
    last = [row for row in report.totals if (row.kind, row.split) == ("consensus", "test")][-1]
    assert last.s_over_sqrt_b is None
