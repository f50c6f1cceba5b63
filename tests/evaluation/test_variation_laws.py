"""Laws of systematic variations in a report: nothing from nothing, a factor as a factor, errors event by event."""

from __future__ import annotations

import math

import numpy as np
import pytest
from variation_files import event, write_events, write_varied

from cutflow_cli.evaluation.evaluate import evaluate_runs
from cutflow_cli.evaluation.present import printed_tables
from cutflow_cli.evaluation.report import read_report
from cutflow_cli.events.schema import SPLITS, VARIATION
from cutflow_cli.metrics.options import read_options
from cutflow_cli.runs import open_run

FORMULA = "mine = s / sqrt(b + sigma_b**2)"
TABLES = ("metrics", "totals", "n_minus_1", "stability", "cut_flow", "overlap")


@pytest.fixture
def evaluated(make_sample, make_run, tmp_path):
    """Reports of the same run on events with variations, with and without these."""
    sample = make_sample(events=1200, hypotheses=(1.0, 2.0))

    def reports(weights, options, names=None, systematics=()):
        data = write_varied(tmp_path / "varied.parquet", sample.batch, sample.processes, weights(sample.batch))
        run = make_run("run", data, ((0.0, 0.5), (0.2, 0.7)))
        with_them = evaluate_runs([run], data, tmp_path / "with", options=read_options((), *options), variations=names)
        without = evaluate_runs(
            [run], data, tmp_path / "without", options=read_options(systematics, *options), variations=()
        )
        return sample.batch, with_them, without

    return reports


def numbers(rows):
    """What rows hold, for comparison within rounding."""
    found = [[getattr(row, name) for name in row.__slots__] for row in rows]
    texts = [[value for value in row if not isinstance(value, float)] for row in found]
    return texts, [value for row in found for value in row if isinstance(value, float)]


def test_what_changes_nothing_shifts_nothing(evaluated):
    _, same, without = evaluated(lambda batch: {"same_up": batch.weight, "same_down": batch.weight}, ([FORMULA],))
    for table in TABLES:
        assert getattr(same, table) == getattr(without, table)
    assert without.variations == ()
    assert {row.shift for row in same.variations} - {None} == {0.0}
    assert {row.shift_error for row in same.variations} - {None} == {0.0}
    assert {row.kind for row in same.variations} == {"nominal", "variation", "source", "total"}


@pytest.mark.parametrize("f", [0.25, -0.4])
def test_a_factor_on_all_background_is_a_relative_uncertainty_at_every_selection(evaluated, f):
    def weights(batch):
        return {"norm": batch.weight * np.where(batch.label == 0, 1 + f, 1.0)}

    _, varied, given = evaluated(weights, ([FORMULA],), systematics=[f"{abs(f)}"])
    for table in TABLES:  # all splits, replicas, stages, mass points, cuts left out and boundaries moved
        (texts, found), (same, expected) = numbers(getattr(varied, table)), numbers(getattr(given, table))
        assert texts == same, table
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-12, err_msg=table)
    for row in varied.totals:
        if row.kind == "consensus":
            assert row.background_systematic == pytest.approx(abs(f * row.background_yield), rel=1e-9)
    by = {(row.kind, row.quantity, row.process): row for row in varied.variations if row.hypothesis is None}
    assert by["variation", "yield", "background"].relative_shift == pytest.approx(f)
    assert by["variation", "yield", "QCD"].relative_shift == pytest.approx(f)
    assert by["total", "yield", "background"].relative_shift == pytest.approx(abs(f))
    assert by["variation", "yield", "signal"].shift == by["variation", "efficiency", "background"].shift == 0.0
    own = by["nominal", "yield", "background"]
    assert by["variation", "yield", "background"].shift_error == pytest.approx(abs(f) * own.stat_error)


def test_errors_of_shifts_event_by_event(evaluated):
    def weights(batch):
        return {"up": batch.weight * (1 + 0.2 * np.nan_to_num(batch.columns["x"]))}

    batch, report, _ = evaluated(weights, ([], 0.0))
    (cuts,) = {named.cuts for named in open_run(report.path.parent / "run").flows if named.kind == "consensus"}
    passing = np.all([cut.passes(batch.columns[cut.observable]) for cut in cuts], axis=0)
    test = batch.split == SPLITS.index("test")
    scale = np.ones(len(batch))  # by process and mass point, as a split stands for the whole sample
    for process in range(3):
        for mass in (1.0, 2.0, None):
            cell = (batch.process == process) & (
                np.isnan(batch.hypothesis) if mass is None else batch.hypothesis == mass
            )
            if cell.any():
                scale[cell] = batch.weight[cell].sum() / batch.weight[cell & test].sum()
    rows = {(row.kind, row.quantity, row.process): row for row in report.variations if row.hypothesis is None}
    for role, label in (("signal", 1), ("background", 0)):
        chosen = test & (batch.label == label)
        w = (batch.weight * scale)[chosen]
        under = (weights(batch)["up"] * scale)[chosen]
        kept = passing[chosen]
        row = rows["variation", "yield", role]
        assert row.shift == pytest.approx(under[kept].sum() - w[kept].sum())
        assert row.shift_error == pytest.approx(math.sqrt(((under - w)[kept] ** 2).sum()))
        share, its = (one[kept].sum() / one.sum() for one in (w, under))
        moves = (kept - its) * under / under.sum() - (kept - share) * w / w.sum()
        row = rows["variation", "efficiency", role]
        assert row.value == pytest.approx(its)
        assert row.shift == pytest.approx(its - share)
        assert row.shift_error == pytest.approx(math.sqrt((moves**2).sum()))
    z = rows["variation", "asimov", None]
    assert 0 < z.shift_error < 0.5 * z.stat_error  # the same events


def test_one_cut_less_under_an_alternative_sample(tmp_path, make_run):
    events = [
        event("S", "test", 1.0, 1.0), event("S", "train", 1.0, 1.0), event("A", "test", 1.0, 4.0),
        event("A", "test", -1.0, 6.0), event("A", "train", 1.0, 10.0), event("B", "test", 1.0, 5.0),
        event("B", "train", 1.0, 5.0), event("A", VARIATION, 1.0, 0.0, alt=9.0),
        event("A", VARIATION, -1.0, 0.0, alt=2.0),
    ]  # fmt: skip
    data = write_events(tmp_path / "e.parquet", events, ("alt",), {"alt": ["A"]})
    options = read_options([], [], 0.0)
    report = evaluate_runs([make_run("run", data)], data, tmp_path / "report", options=options)
    totals = {row.position: row for row in report.totals if (row.kind, row.split) == ("consensus", "test")}
    assert [totals[n].background_yield for n in range(3)] == [30.0, 18.0, 18.0]  # A × 2, B × 2
    assert [totals[n].background_systematic for n in range(3)] == pytest.approx([9.0, 1.0, 1.0])  # |11 − 20|, |9 − 8|
    n_minus_1 = {row.position: row for row in report.n_minus_1}
    given = {1: 9.0 / 30, 2: 1.0 / 18, 0: 1.0 / 18}  # without x > 0, without y < 0.5, as it is
    for position, fraction in given.items():
        other = evaluate_runs(
            [tmp_path / "run"],
            data,
            tmp_path / f"{position}",
            options=read_options([str(fraction)], [], 0.0),
            variations=(),
        )
        same = next(row for row in other.n_minus_1 if row.position == position)
        assert n_minus_1[position].asimov == pytest.approx(same.asimov)
        assert n_minus_1[position].asimov_error == pytest.approx(same.asimov_error)
    for read in (report, read_report(report.path)):
        (table,) = (
            one for one in printed_tables(read, [("run", open_run(tmp_path / "run"))]) if "Systematic" in one.title
        )
        assert [row[0] for row in table.rows] == ["nominal", "alt", "quadratic sum"]
        assert table.rows[1][2] == "19.0 (+6±67) [1]"  # √(9² + 8²) / 18: not resolved by so few events
        assert table.rows[2][2] == "±5.56 %"
        assert any("not resolved by the simulated events" in line for line in table.footnotes)


def test_scores_are_cut_on_under_variations_too_and_their_maxima_say_that_they_do_without(
    make_sample, make_score_run, tmp_path
):
    sample = make_sample(events=1200)
    half = sample.batch.weight * np.where(sample.batch.label == 0, 1.5, 1.0)
    data = write_varied(tmp_path / "varied.parquet", sample.batch, sample.processes, {"norm": half})
    run = make_score_run("net", data)
    options = read_options((), (), 0.0)
    reports = [
        evaluate_runs([run], data, tmp_path / f"report{n}", options=options, variations=names)
        for n, names in enumerate((None, ()))
    ]
    varied, without = (
        {(row.metric, row.kind, row.split, row.replica): row.value for row in report.metrics} for report in reports
    )
    assert varied["asimov", "consensus", "test", -1] < 0.9 * without["asimov", "consensus", "test", -1]
    assert varied["max_asimov", "consensus", "test", -1] == without["max_asimov", "consensus", "test", -1]
    shifts = {row.quantity: row.relative_shift for row in reports[0].variations if row.process == "QCD"}
    assert shifts == {"yield": pytest.approx(0.5), "efficiency": 0.0}
    lines = [
        line
        for report in reports
        for table in printed_tables(report, [("net", open_run(run))])
        for line in table.footnotes
        if "σ_B = " in line and "spread" in line
    ]
    assert [line.partition("σ_B = ")[2] for line in lines] == [
        "MC statistics ⊕ shifts by norm (maxima over the thresholds of a score: without these shifts)",
        "MC statistics",
    ]
