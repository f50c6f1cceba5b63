"""The objective against the number of cuts: read from a run, printed, drawn."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cutflow_cli.budget import enough_cuts, read_budget
from cutflow_cli.errors import InputError
from cutflow_cli.evaluation.budget_tables import budget_tables
from cutflow_cli.plots.draw_budget import draw_budget
from cutflow_cli.plots.style import figure_style
from cutflow_cli.runs import Run, RunManifest

GOOD = {
    "cuts": np.arange(1, 5, dtype=np.int32),
    "objective_seen": [2.0, 3.0, 3.6, 3.9],
    "objective_held_out": [1.9, 2.9, 3.3, 3.35],
    "error": [0.02, 0.05, 0.08, 0.1],
}


def run_with(path, table, **settings):
    settings = {"objective": "asimov", "background_systematic": 0.1} | settings
    if table is not None:
        pq.write_table(pa.table(table), path / "budget.parquet")
    return Run(path, RunManifest("box", settings, (), {}, ""), ())


def test_the_fewest_cuts_within_the_error_of_the_best_are_enough():
    assert enough_cuts(np.array([1.0, 2.0, 3.0]), np.array([5.0, 5.0, 0.5])) == 3
    assert enough_cuts(np.array([1.0, 2.6, 3.0, 2.9]), np.array([0.0, 0.0, 0.5, 9.0])) == 2
    assert enough_cuts(np.array([np.nan, -np.inf, 0.3]), np.array([1.0, 1.0, 0.1])) == 3
    assert enough_cuts(np.array([-4.0]), np.array([0.0])) == 1


def test_a_table_says_what_each_number_of_cuts_reaches(tmp_path):
    (table,) = budget_tables([("m1", run_with(tmp_path, GOOD))])
    assert table.title == "Asimov Z against the number of cuts of m1: box, on train"
    assert table.rows == (
        ("1", "2.000", "1.900 ± 0.020", "0.100"),
        ("2", "3.000", "2.900 ± 0.050", "0.100"),
        ("3 *", "3.600", "3.300 ± 0.080", "0.300"),
        ("4", "3.90", "3.35 ± 0.10", "0.55"),
    )
    assert "fewest cuts" in table.footnotes[0]
    bare = tmp_path / "bare"
    bare.mkdir()
    assert list(budget_tables([("m2", run_with(bare, None))])) == []


def test_the_figure_has_both_curves_the_errors_and_the_recommended_number(tmp_path):
    budget = read_budget(run_with(tmp_path, GOOD, objective="s / sqrt(b + sigma_b**2)"))
    with figure_style():
        figure = draw_budget(budget, "run $x$ (box)")
        (axes,) = figure.axes
    lines = {line.get_label(): line for line in axes.lines}
    np.testing.assert_array_equal(lines["as the search saw it"].get_ydata(), GOOD["objective_seen"])
    assert lines["3 cuts are enough"].get_xdata() == [3, 3]
    (bars,) = axes.containers
    np.testing.assert_array_equal(bars[0].get_ydata(), GOOD["objective_held_out"])
    ends = [segment[:, 1] for segment in bars[2][0].get_segments()]
    np.testing.assert_allclose(np.ptp(ends, axis=1) / 2, GOOD["error"])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "as the search saw it", "on held-out events", "3 cuts are enough",
    ]  # fmt: skip
    assert axes.get_ylabel() == "S / sqrt(b + sigma_b**2)"


def test_one_cut_and_undefined_numbers_are_drawn_too(tmp_path):
    table = {"cuts": [1, 2], "objective_seen": [-np.inf, 1.0], "objective_held_out": [-np.inf, 0.9], "error": [0, 0.1]}
    run = run_with(tmp_path, table)
    (printed,) = budget_tables([("r", run)])
    assert printed.rows[0] == ("1", "–", "–", "–")
    with figure_style():
        assert len(draw_budget(read_budget(run), "r").axes[0].lines) > 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"error": None}, "column 'error' is missing"),
        ({"error": ["a", "b", "c", "d"]}, "column 'error' is missing or not of numbers"),
        ({"objective_seen": pa.array([1.0, None, 2.0, 3.0])}, "'objective_seen' has empty cells"),
        ({"cuts": [1, 2, 2, 3]}, "does not count 1, 2"),
        ({"error": [0.1, -0.1, 0.1, 0.1]}, "hold no numbers and their errors"),
        ({"objective_held_out": [np.nan] * 4}, "hold no numbers and their errors"),
    ],
)
def test_what_is_damaged_is_one_line(tmp_path, change, words):
    table = {name: column for name, column in (GOOD | change).items() if column is not None}
    with pytest.raises(InputError, match=words) as caught:
        read_budget(run_with(tmp_path, table))
    assert "budget.parquet" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_objective_of_a_foreign_run_is_read_as_one_and_nothing_else(tmp_path):
    for objective in ("__import__('os').system('true')", 3, None):
        with pytest.raises(InputError, match=r"objective .*train again|names no objective") as caught:
            read_budget(run_with(tmp_path, GOOD, objective=objective))
        assert "\n" not in str(caught.value)
