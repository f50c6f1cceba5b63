"""Selections for single mass points: σ_min of each, what they come to together, and what is printed of them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from cutflow_cli.evaluation.evaluate import evaluate_runs
from cutflow_cli.evaluation.many_points import hypothesis_tables
from cutflow_cli.evaluation.numbers import effective
from cutflow_cli.evaluation.report import read_report
from cutflow_cli.events.schema import SPLITS
from cutflow_cli.metrics.punzi import sigma_min
from cutflow_cli.metrics.sensitivity import RELATIVE
from cutflow_cli.models.thresholds import score_flows
from cutflow_cli.runs import write_table
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import LearnedCut

MASSES = (1.0, 2.0, 3.0)
THRESHOLDS = {"fixed": 0.5, "best": 0.6, "pretrained_fixed": 0.5, "pretrained_best": 0.7}


def punzi_flows(replicas=2):
    """One flow for each mass, network and cut: a window in y that moves with the mass, then a cut on the score."""
    flows = []
    for point, threshold in THRESHOLDS.items():
        score = "pretrained_score" if point.startswith("pretrained") else "score"
        for mass in MASSES:
            window = LearnedCut(Cut("y", Region.INSIDE, -2.0 - 0.1 * mass, 1.0 + 0.1 * mass))
            cuts = score_flows(score, [threshold + 0.01 * r for r in range(replicas)], threshold, range(replicas))
            flows += [replace(flow, steps=(window, *flow.steps), working_point=point, hypothesis=mass) for flow in cuts]
    return flows


@pytest.fixture
def report(make_sample, make_score_run, tmp_path):
    def make(events=12_000, generated=None, replicas=2, **settings):
        sample = make_sample(events=events, hypotheses=MASSES)
        settings |= {"luminosity": 50.0, "a": 3.0, "b": 1.28155, "form": "improved", "generated_events": generated}
        run = make_score_run(
            "heavy", sample.path, flows=punzi_flows(replicas), names=("score", "pretrained_score"), method="punzi",
            replicas=replicas, recommended="best", settings=settings,
        )  # fmt: skip
        write_table(
            run / "hypotheses.parquet", {"hypothesis": [*MASSES, *MASSES], "held_out": [False, True, False] * 2}
        )
        return evaluate_runs([run], sample.path, tmp_path / "report"), sample

    return make


def sigma(report, point, mass, replica=-1, kind="consensus"):
    (row,) = (
        row
        for row in report.metrics
        if (row.metric, row.split, row.working_point, row.hypothesis, row.replica, row.kind)
        == ("punzi_sigma_min", "test", point, mass, replica, kind)
    )
    return row


def test_sigma_min_is_that_of_the_events(report):
    found, sample = report(generated={"1": 5000.0, "2": 6000.0, "3": 7000.0})
    values = {row.metric: row.value for row in found.consensus if (row.working_point, row.hypothesis) == ("best", 2.0)}
    in_file = (sample.batch.hypothesis == 2.0).sum()
    expected = sigma_min(
        values["signal_efficiency"] * in_file / 6000, values["background_yield"], 50.0, form="improved"
    )
    assert values["punzi_sigma_min"] == pytest.approx(float(expected))
    assert sigma(found, "best", 2.0).reason is None


def test_without_generated_events_it_is_relative_to_the_file(report):
    found, sample = report()
    row = sigma(found, "best", 2.0)
    assert row.reason == RELATIVE
    batch = sample.batch
    test = batch.split == SPLITS.index("test")
    assert row.value > 0
    assert row.replica_spread == pytest.approx(
        np.std([sigma(found, "best", 2.0, replica, "replica").value for replica in (0, 1)])
    )
    assert test.any()


def test_means_over_trained_and_held_out_masses(report):
    found, _ = report(replicas=3)
    summaries, distances = found.hypothesis_summaries
    assert {(one.working_point, one.held_out): one.hypotheses for one in summaries} == {
        (point, held): (2.0,) if held else (1.0, 3.0) for point in THRESHOLDS for held in (False, True)
    }
    (one,) = (one for one in summaries if (one.working_point, one.held_out) == ("fixed", False))
    assert one.mean == pytest.approx(np.mean([sigma(found, "fixed", mass).value for mass in (1.0, 3.0)]))
    assert one.mean_log == pytest.approx(np.mean([math.log(sigma(found, "fixed", mass).value) for mass in (1.0, 3.0)]))
    means = [np.mean([sigma(found, "fixed", mass, r, "replica").value for mass in (1.0, 3.0)]) for r in range(3)]
    assert one.mean_spread == pytest.approx(np.std(means))
    assert {(two.working_point, two.held_out) for two in distances} == {
        (point, held) for point in ("fixed", "pretrained_fixed") for held in (False, True)
    }
    (two,) = (two for two in distances if (two.working_point, two.held_out) == ("fixed", True))
    assert two.mean == pytest.approx(sigma(found, "fixed", 2.0).value / sigma(found, "best", 2.0).value - 1)


def test_masses_without_a_value_are_left_out_of_all_means(report, monkeypatch):
    monkeypatch.setitem(THRESHOLDS, "pretrained_best", 0.9999)  # keeps nothing at all
    found, _ = report(events=3000)
    summaries, distances = found.hypothesis_summaries
    assert all(one.hypotheses == () and one.mean is None for one in summaries)
    assert {one.left_out for one in summaries} == {(1.0, 3.0), (2.0,)}
    assert all(one.mean is None for one in distances)


def test_table_of_hypotheses(report):
    found, _ = report(generated={"1": 5000.0, "2": 6000.0, "3": 7000.0})
    (table,) = hypothesis_tables(found)
    assert table.header[:5] == ("m", "ε", "B", "n_eff\nfixed", "n_eff\nbest")
    assert table.header[5:] == tuple(f"σ_min\n{point.replace('_', ' ')}" for point in THRESHOLDS)
    assert [row[0] for row in table.rows] == ["1", "2 h", "3"]
    assert all(cell.count("±") == 2 for row in table.rows for cell in row[5:])
    text = "\n".join(table.footnotes)
    assert "h: held out, not trained on" in text
    for line in ("over 2 trained hypotheses: fixed ", "mean ln σ_min over 1 held-out hypotheses: fixed "):
        assert line in text
    assert "σ_min at fixed over that at the best cut per hypothesis − 1, mean (held-out hypotheses): " in text
    again = read_report(found.path)
    assert list(hypothesis_tables(again)) == [table]
    assert again.as_json()["hypotheses"] == found.as_json()["hypotheses"] != []


def test_sigma_min_of_few_background_events_is_marked(report):
    found, _ = report(generated={"1": 5000.0, "2": 6000.0, "3": 7000.0})
    assert not any("effective background events" in note for note in next(hypothesis_tables(found)).footnotes)
    left = {
        (row.working_point, row.hypothesis): row.value for row in found.consensus if row.metric == "background_n_eff"
    }
    least = sorted(left.values())[len(left) // 2]  # so that there are some below it and some not
    options = {**found.manifest.figure_options, "min_effective_events": least}
    (table,) = hypothesis_tables(replace(found, manifest=replace(found.manifest, figure_options=options)))
    for mass, row in zip(MASSES, table.rows, strict=True):
        assert row[3:5] == tuple(effective(left[point, mass]) for point in ("fixed", "best"))
        assert [cell.endswith(" [1]") for cell in row[5:]] == [left[point, mass] < least for point in THRESHOLDS]
    numbers = {point: sum(left[point, mass] < least for mass in MASSES) for point in THRESHOLDS}
    said = ", ".join(f"{point} {number}" for point, number in numbers.items() if number)
    assert f"the hypotheses with [1] are part of these means and ratios: {said}" in table.footnotes
    assert table.footnotes[-1].startswith(f"[1] fewer than {least:g} effective background events are left")


def test_selections_that_keep_no_signal_are_warned_of(report, monkeypatch):
    monkeypatch.setitem(THRESHOLDS, "best", 0.99999)
    found, _ = report(events=3000)
    assert found.empty_runs == ("heavy",)
    said = [text for text in found.manifest.warnings if "keeps no signal" in text]
    assert said == ["heavy best: keeps no signal event of split 'test' for hypothesis 1, 2, 3"]
