"""All runs in one plane of efficiencies: what is joined, what is large, what is left out."""

import numpy as np
import pytest
from plot_samples import overlapping

from cutflow_cli.evaluation.curves import OperatingPoint, RunCurve
from cutflow_cli.metrics.curves import Cumulative, RocCurve, polygon
from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.plots.draw_roc import draw_roc
from cutflow_cli.plots.roc import run_places
from cutflow_cli.plots.style import figure_style
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

EVENTS = 1000.0


def flow(point="default", replica=-1):
    kind = "consensus" if replica == -1 else "replica"
    return CutFlow((LearnedCut(Cut("x", Region.ABOVE, 0.0)),), point, kind=kind, replica=replica)


def place(signal, background, point="default", replica=-1, recommended=True):
    estimates = (Estimate(signal, 0.01), Estimate(background, 0.002))
    return OperatingPoint(flow(point, replica), *estimates, recommended)


def selection(name, signal, background, replica=-1):
    ends = [[(share * EVENTS, share * EVENTS), (EVENTS, EVENTS)] for share in (signal, background)]
    return RunCurve(
        name,
        "lcf-parallel",
        "selection",
        "test",
        replica,
        polygon(*ends),
        (place(signal, background, replica=replica),),
    )


def scan(name, replica=-1):
    shares = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
    sums = [np.stack([s * EVENTS, s * EVENTS], axis=1) for s in (np.append(shares, 1), np.append(shares**3, 1))]
    points = [place(s, s**3, f"signal_efficiency={s}", replica, recommended=s == 0.5) for s in shares.tolist()]
    return RunCurve(name, "cabin-scan", "working points", "test", replica, polygon(*sums), tuple(points))


def score(name, replica=-1, split="test"):
    cut = np.linspace(0, 1, 200)
    signal, background = (Cumulative(s * EVENTS, s * EVENTS) for s in (cut ** (1 / 3), cut))
    return RunCurve(name, "bdt", "score", split, replica, RocCurve(1 - cut, signal, background), (place(0.8, 0.5),))


def test_a_run_is_shown_by_its_consensus_with_its_replicas_behind():
    curves = [score("bdt", 0), score("bdt", 1), score("bdt"), score("bdt", split="train"), scan("cabin", 0)]
    bdt, cabin = run_places([*curves, scan("cabin")], "test")
    assert (bdt.run, len(bdt.replicas)) == ("bdt", 2)
    assert (cabin.kind, len(cabin.replicas)) == ("working points", 0), "one replica is the consensus itself"
    assert [one.main for one in cabin.places] == [False, False, True, False, False]


def test_areas_are_of_curves_and_scans_alone():
    bdt, cabin, lcf = run_places([score("bdt"), scan("cabin"), selection("lcf", 0.5, 0.1)], "test")
    assert bdt.area.startswith("AUC 0.75"), "ε_s = ε_b^⅓ has ∫ (1 − ε_s³) dε_s = ¾ below it"
    corners = np.array([0, 0.1, 0.3, 0.5, 0.7, 0.9, 1])
    assert float(cabin.area.split()[1]) == pytest.approx(1 - np.trapezoid(corners**3, corners), abs=1e-3)
    assert lcf.area is None


def test_seven_runs_can_be_told_apart_and_read():
    curves = [selection(f"a_run_with_a_rather_long_name_{i}", 0.3 + 0.1 * i, 0.01 * (i + 1)) for i in range(3)]
    curves += [*(scan("cabin", r) for r in (-1, 0, 1)), score("bdt"), score("mlp"), score("punzi")]
    places = run_places(curves, "test")
    assert len(places) == 7
    with figure_style():
        figure = draw_roc(places, "test")
    assert overlapping(figure) == ([], [])
    large = [line for line in figure.axes[0].lines if line.get_markersize() == 8 and line.get_marker() != "None"]
    assert len(large) == 7, "one quoted selection a run"
    assert len({(line.get_color(), line.get_marker()) for line in large}) == 7


def test_many_runs_can_be_told_apart():
    curves = [selection(f"lcf-{i}", 0.5 + 0.015 * i, 0.001 * 1.2**i) for i in range(24)]
    with figure_style():
        figure = draw_roc(run_places(curves, "test"), "test")
    drawn = [line for line in figure.axes[0].lines if line.get_markersize() == 8 and line.get_marker() != "None"]
    looks = {(line.get_color(), line.get_marker()) for line in drawn}
    assert len(looks) == 24, "ten colours, with another marker each time that they come again"
    legend = figure.legends[0].get_lines()[:24]
    assert [(line.get_color(), line.get_marker()) for line in legend] == [
        (line.get_color(), line.get_marker()) for line in drawn
    ]


def test_selections_alone_are_shown_near_by():
    with figure_style():
        figure = draw_roc(run_places([selection("lcf", 0.8, 0.02), selection("other", 0.9, 0.05)], "test"), "test")
    low, high = figure.axes[0].get_xlim()
    assert low > 0.5
    assert high <= 1.02


def test_no_background_left_is_drawn_at_its_limit():
    places = run_places([selection("lcf", 0.8, 0.0)], "test")
    assert places[0].places[0].height == pytest.approx(1 - 0.05 ** (1 / EVENTS), rel=1e-6)
    with figure_style():
        figure = draw_roc(places, "test")
    heights = [line.get_ydata()[0] for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert heights == pytest.approx([places[0].places[0].height])
    assert "none kept: 95% limit" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_what_a_logarithm_can_not_show_is_left_out():
    assert run_places([selection("lcf", 0.8, -0.01)], "test")[0].places == ()
    undefined = RunCurve("lcf", "lcf-parallel", "selection", "test", -1, None, (), "no signal")
    assert run_places([undefined], "test") == []


def test_a_curve_ends_where_few_background_events_are_left():
    with figure_style():
        figure = draw_roc(run_places([score("bdt")], "test"), "test")
    (line,) = [line for line in figure.axes[0].lines if line.get_linewidth() == 1.7]
    assert line.get_ydata().min() * EVENTS >= 4
