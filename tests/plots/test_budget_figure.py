"""A run with a budget of cuts gets its figure among the others, under its own caption."""

from __future__ import annotations

import numpy as np
import pytest
from plot_samples import make_run, overlapping, write_events

from cutflow_cli.budget import Budget
from cutflow_cli.errors import InputError
from cutflow_cli.evaluation.html.pictures import describe
from cutflow_cli.plots.draw_budget import draw_budget
from cutflow_cli.plots.figures import draw_figures
from cutflow_cli.plots.style import figure_style
from cutflow_cli.runs import write_table
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import LearnedCut


def test_a_run_with_a_budget_has_the_figure_and_a_damaged_one_is_refused(tmp_path):
    label = np.arange(400) % 2
    events = write_events(tmp_path / "e.parquet", {"m": np.random.default_rng(1).normal(label, 1)}, label)
    run = make_run(
        tmp_path / "run", [LearnedCut(Cut("m", Region.ABOVE, 0.5))], method="box", replicas=1,
        settings={"objective": "asimov", "background_systematic": 0.1},
    )  # fmt: skip
    table = {"cuts": [1], "objective_seen": [2.0], "objective_held_out": [1.8], "error": [0.1]}
    write_table(run.path / "budget.parquet", table)
    written = {path.name for path in draw_figures([run], events, tmp_path / "figures")}
    assert {"run-budget.pdf", "run-budget.png"} <= written
    assert describe("budget")[0] == "Objective against the number of cuts"
    (run.path / "budget.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(InputError, match=r"budget\.parquet: damaged"):
        draw_figures([run], events, tmp_path / "figures")


def test_nothing_overlaps_however_long_the_names_are():
    many = np.linspace(1, 4, 30)
    title = "a_run_of_a_very_long_name_" * 4
    with figure_style():
        figure = draw_budget(Budget("s / sqrt(b + (0.1 * b)**2 + sigma_b**2) * (s > 3)" * 2, many, many, many), title)
        assert overlapping(figure) == ([], [])
