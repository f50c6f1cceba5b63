"""Boundaries of cuts in bins, moved in all bins at once: against plain numpy on all events."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from cutflow_cli.evaluation.evaluate import evaluate_runs
from cutflow_cli.evaluation.moves import variants_of
from cutflow_cli.evaluation.present import printed_tables
from cutflow_cli.evaluation.report import read_report
from cutflow_cli.metrics.options import read_options
from cutflow_cli.runs import open_run
from cutflow_cli.selection.binned import BinnedCut
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

EDGES = (-1.0, 0.0, 0.75, 2.0)
TEST = 2
#: Of each bin the region, its boundaries, and their errors.
CASES = {
    "above": [(Region.ABOVE, -0.5, None), (Region.ABOVE, 0.25, None), (Region.ABOVE, 0.7, None)],
    "inside": [(Region.INSIDE, -0.5, 1.5), (Region.INSIDE, -0.02, 0.01), (Region.INSIDE, -2.0, 2.5)],
    "outside": [(Region.OUTSIDE, -0.5, 1.5), (Region.OUTSIDE, -0.02, 0.01), (Region.OUTSIDE, -1.0, 1.0)],
    "unlike": [(Region.BELOW, None, 0.5), (Region.ALL, None, None), (Region.ABOVE, 0.1, None)],
    "beyond": [(Region.ABOVE, -np.inf, None), (Region.ABOVE, 0.2, None), (Region.ABOVE, 0.0, None)],
}
SIDES = {case: ("lower",) if case in ("above", "beyond") else ("lower", "upper") for case in CASES}
NO_ERROR = ("unlike", "lower")  # the one bin with that boundary has no error
MOVES = ("-error", "+error", "-1 %", "+1 %", "-5 %", "+5 %")
ERRORS = ((0.3, 0.6), (0.2, 0.4), (None, None))


def binned_flow(case):
    """A cut on x in bins of y, its range before it, and a window behind it."""
    bins = tuple(
        LearnedCut(
            Cut("x", region, low, high), region is not Region.ALL,
            lower_error=errors[0] if region.has_lower else None, upper_error=errors[1] if region.has_upper else None,
        )
        for (region, low, high), errors in zip(CASES[case], ERRORS, strict=True)
    )  # fmt: skip
    inside = LearnedCut.from_bins("y", EDGES, (LearnedCut(Cut("y", Region.ALL), active=False),) * 3)
    steps = (inside, LearnedCut.from_bins("y", EDGES, bins), LearnedCut(Cut("x", Region.BELOW, None, 2.2)))
    return CutFlow(steps, kind="consensus", replica=-1)


def moved_by_hand(case, side, move):
    """The boundary of each bin, moved."""
    found = []
    for (_, low, high), errors in zip(CASES[case], ERRORS, strict=True):
        value = low if side == "lower" else high
        if value is None or not np.isfinite(value):
            found.append(value)
            continue
        size = errors[side == "upper"] or 0.0 if move.endswith("error") else int(move[1]) / 100 * abs(value)
        found.append(float(np.float32(float(np.float32(value)) + (size if move[0] == "+" else -size))))
    return tuple(found)


def kept_by_hand(case, x, y, side=None, boundaries=()):
    """Go through the bins one by one."""
    kept = np.zeros(len(x), dtype=bool)
    for number, (region, *own) in enumerate(CASES[case]):
        low = boundaries[number] if side == "lower" else own[0]
        high = boundaries[number] if side == "upper" else own[1]
        above = x > np.float32(low) if low is not None else np.ones(len(x), dtype=bool)
        below = x < np.float32(high) if high is not None else np.ones(len(x), dtype=bool)
        if region is Region.OUTSIDE:
            above, below = (x < np.float32(low)) | (x > np.float32(high)), True
        mine = (y >= np.float32(EDGES[number])) & (y < np.float32(EDGES[number + 1]))
        kept |= mine & above & below
    return kept & (x < np.float32(2.2))


@pytest.fixture
def evaluated(make_sample, make_run, tmp_path):
    def make(case):
        sample = make_sample()
        run = make_run("bins", sample.path, flows=[binned_flow(case)])
        options = read_options(min_effective_events=0)
        return evaluate_runs([run], sample.path, tmp_path / "report", options=options), sample, run

    return make


@pytest.mark.parametrize("case", CASES)
def test_boundaries_of_all_bins_are_moved_at_once_each_by_its_own(evaluated, case):
    report, sample, _ = evaluated(case)
    batch = sample.batch
    x, y, test = batch.columns["x"], batch.columns["y"], batch.split == TEST
    rows = [row for row in report.stability if row.position == 2]
    assert [(row.side, row.move) for row in rows] == [
        (side, move) for side in SIDES[case] for move in (MOVES[2:] if (case, side) == NO_ERROR else MOVES)
    ]
    as_it_is = report.stability[0]
    assert (as_it_is.n_signal, as_it_is.n_background) == counted(batch, test & kept_by_hand(case, x, y))
    for row in rows:
        boundaries = moved_by_hand(case, row.side, row.move)
        assert (row.boundary, row.binned_in, row.boundaries) == (None, "y", boundaries)
        mask = test & kept_by_hand(case, x, y, row.side, boundaries)
        assert (row.n_signal, row.n_background) == counted(batch, mask)
        assert row.change == pytest.approx(row.asimov - as_it_is.asimov)
    assert any(row.n_background != as_it_is.n_background for row in rows), "something moved"


def counted(batch, mask):
    return tuple(int(np.count_nonzero(mask & (batch.label == label))) for label in (1, 0))


def test_files_say_which_bins_only_where_there_are_some(evaluated, make_run, tmp_path):
    report, sample, run = evaluated("inside")
    table = pq.read_table(report.path / "stability.parquet")
    assert table.column_names[-2:] == ["binned_in", "boundaries"]
    rows = table.to_pylist()
    assert [row["boundaries"] for row in rows if row["position"] != 2] == [None] * 5, "plain cuts have none"
    assert {len(row["boundaries"]) for row in rows if row["position"] == 2} == {3}
    plain_row = next(row for row in rows if row["position"] == 3)
    assert plain_row["boundary"] == pytest.approx(2.178, abs=1e-6)
    again = read_report(report.path)
    assert again.stability == report.stability
    assert again.as_json()["stability"] == report.as_json()["stability"]
    assert report.as_json()["stability"][-5]["boundaries"] == report.stability[-5].boundaries
    assert "boundaries" not in pq.read_table(report.path / "n_minus_1.parquet").column_names

    other = make_run("plain", sample.path)
    plain = evaluate_runs([other], sample.path, tmp_path / "other")
    for columns in (pq.read_table(plain.path / "stability.parquet").column_names, plain.as_json()["stability"][0]):
        assert "reason" in columns
        assert not {"binned_in", "boundaries"} & set(columns)

    opened = [("bins", open_run(run))]
    (printed,) = (one for one in printed_tables(report, opened, stability=True) if "each boundary" in one.title)
    labels = ["x: lower -2…-0.02 (3 bins)", "x: upper 0.01…2.5 (3 bins)", "x: upper 2.2"]
    assert [row[0] for row in printed.rows] == labels
    assert "bins of y: moved in all at once, in each by its own error or that share of it" in printed.footnotes


def test_a_side_without_errors_or_boundaries_is_not_moved_by_them():
    flow = binned_flow("above")
    step = replace(flow.steps[1], bins=())
    moves = [one.move for one in variants_of(replace(flow, steps=(step,)), {"x": "float32"}) if one.side]
    assert moves == ["-1 %", "+1 %", "-5 %", "+5 %"]
    nothing = BinnedCut.of("y", EDGES, [Cut("x", Region.ABOVE, value) for value in (0.0, np.inf, -np.inf)])
    assert [one.cut for one in variants_of(CutFlow((LearnedCut(nothing),)), {"x": "float32"})] == [None]
