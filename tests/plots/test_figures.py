"""The files of an evaluation's figures, and that everything on them can be read."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from plot_samples import curves_of, make_run, make_scan, make_score_run, overlapping, write_events

from cutflow_cli.events.schema import FeatureInfo
from cutflow_cli.plots import figures
from cutflow_cli.plots.compute import compute
from cutflow_cli.plots.draw_distributions import draw_distributions, panel_notes
from cutflow_cli.plots.draw_importances import draw_importances
from cutflow_cli.plots.draw_losses import draw_losses
from cutflow_cli.plots.draw_roc import draw_roc
from cutflow_cli.plots.learned import importances, main_flow
from cutflow_cli.plots.losses import loss_curves
from cutflow_cli.plots.panels import kept_intervals
from cutflow_cli.plots.roc import run_places
from cutflow_cli.plots.style import figure_style
from cutflow_cli.runs import open_run, write_cut_flows, write_table
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut, consensus

HISTORY = {
    "replica": np.repeat([0, 1, 2], 5),
    "epoch": np.tile(np.arange(1, 6), 3),
    "loss": np.concatenate([1 / np.arange(1.0, 6) + shift for shift in (0.0, 0.1, 0.4)]),
    "validation_loss": np.full(15, 0.6),
    "learning_rate": np.full(15, 1e-3),
}


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    rng = np.random.default_rng(7)
    label = np.arange(2000) % 2
    columns = {
        "m_jet": rng.normal(80 + 20 * label, 15),
        "far": rng.normal(1e6 * label, 3e5),
        "two": rng.normal(0, 2 + 3 * label),
        "constant": np.full(2000, 3.0),
        "nothing": np.full(2000, np.nan),
        "pt": 20 + rng.exponential(40, 2000) * np.where(rng.random(2000) < 0.1, 10, 1),
        "zeros": np.where(rng.random(2000) < 0.9, 0, rng.exponential(2, 2000)),
        "odd $name_1$ 漢\n": np.where(rng.random(2000) < 0.1, np.nan, rng.normal(label)),
        "a_very_long_name_of_an_observable_that_fits_no_axis": rng.normal(label),
    }
    return write_events(tmp_path_factory.mktemp("events") / "events.parquet", columns, label, rng.normal(1, 0.3, 2000))


def steps(events):
    cuts = [
        Cut("m_jet", Region.INSIDE, 70.1234, 120.9876),
        Cut("far", Region.OUTSIDE, -123456.0, 654321.0),
        Cut("two", Region.OUTSIDE, -2.5, 2.5),
        Cut("constant", Region.ABOVE, lower=2.5),
        Cut("nothing", Region.ALL),
        Cut("pt", Region.ABOVE, lower=1e5),
        Cut("zeros", Region.BELOW, upper=50.0),
        Cut(events.features[-2], Region.BELOW, upper=0.5),
        Cut(events.features[-1], Region.INSIDE, 0.1, 0.7),
    ]
    return [
        LearnedCut(cut, importance=0.9 / 2**position, n_minus_1_loss=0.01 * position - 0.02, active=cut.region != "all")
        for position, cut in enumerate(cuts)
    ]


FEATURES = [FeatureInfo("m_jet", unit="GeV", label="m_J"), FeatureInfo("two", label=r"\tau_{2")]


@pytest.fixture(scope="module")
def run(events, tmp_path_factory):
    chosen = [step for step in steps(events) if step.cut.observable in ("m_jet", "two")]
    path = tmp_path_factory.mktemp("runs") / "lcf run"
    return make_run(path, chosen, features=FEATURES, history=HISTORY, method="lcf-sequential")


@pytest.fixture(scope="module")
def drawn(run, events, tmp_path_factory):
    return figures.draw_figures(
        [run], events, tmp_path_factory.mktemp("first") / "figures", curves=curves_of([run], events)
    )


def test_each_figure_is_a_pdf_and_a_png(drawn):
    kinds = ("roc", *(f"lcf_run-{kind}" for kind in ("distributions", "stack", "n-minus-1", "importances", "loss")))
    assert [path.name for path in drawn] == [f"{kind}.{suffix}" for kind in kinds for suffix in ("pdf", "png")]
    for path in drawn:
        assert path.read_bytes().startswith(b"%PDF-" if path.suffix == ".pdf" else b"\x89PNG")
    assert sorted(path.name for path in drawn[0].parent.iterdir()) == sorted(path.name for path in drawn)


def test_the_same_input_gives_the_same_bytes(drawn, run, events, tmp_path, run_python):
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from cutflow_cli.events.table import open_events
from cutflow_cli.plots.figures import draw_figures
from cutflow_cli.runs import open_run
from plot_samples import curves_of
run, events = open_run({str(run.path)!r}), open_events({str(events.path)!r})
draw_figures([run], events, Path({str(tmp_path)!r}), curves=curves_of([run], events))
"""
    result = run_python(code, PYTHONHASHSEED="123", SOURCE_DATE_EPOCH="", TZ="Asia/Tokyo", MPLBACKEND="svg")
    assert result.returncode == 0, result.stderr
    for path in drawn:
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_no_state_of_matplotlib_is_left_changed(drawn):
    import matplotlib
    import matplotlib.pyplot as plt

    assert not plt.get_fignums()
    assert matplotlib.rcParams["xtick.direction"] == "out", "our style should end with our figures"


@pytest.mark.parametrize(("count", "method"), [(1, "lcf-parallel"), (4, "lcf-parallel"), (9, "lcf-sequential")])
def test_nothing_overlaps_whatever_the_observables(events, tmp_path, count, method):
    run = make_run(tmp_path / "run", steps(events)[:count], features=FEATURES, method=method)
    distributions = compute([run], events, "test")[0].distributions
    with figure_style():
        assert overlapping(draw_distributions(distributions)) == ([], [])
        assert overlapping(draw_importances(importances(run))) == ([], [])
        assert overlapping(draw_roc(run_places(curves_of([run], events), "test"), "test")) == ([], [])


def test_a_flow_without_active_cuts_says_so(events, tmp_path):
    inactive = [
        LearnedCut(Cut("m_jet", Region.ALL), active=False, note="importance 0.001 is below the line"),
        LearnedCut(Cut("two", Region.INSIDE, -1.0, 1.0), active=False),
    ]
    run = make_run(tmp_path / "run", inactive, method="lcf-sequential")
    distributions = compute([run], events, "test")[0].distributions
    assert [panel.earlier for panel in distributions.panels] == [0, 0]
    assert panel_notes(distributions.panels[0], True) == ["importance 0.001 is below the line"]
    with figure_style():
        figure = draw_distributions(distributions)
    assert [axes.texts[-1].get_text() for axes in figure.axes] == ["not applied", "not applied"]
    assert importances(run) is None


def test_one_replica_is_drawn_without_errors(events, tmp_path):
    history = {"replica": [0] * 3, "epoch": [1, 2, 3], "loss": [3.0, 2.0, np.nan]}
    run = make_run(tmp_path / "run", steps(events)[:2], replicas=1, history=history)
    assert main_flow(run).kind == "replica"
    found, losses = importances(run), loss_curves(run)
    assert found.importance.errors is None
    assert losses.replicas == 1
    assert losses.bands[0].epochs.tolist() == [1, 2], "a loss that is no number is left out"
    distributions = compute([run], events, "test")[0].distributions
    assert [step.agreement for step in main_flow(run).steps] == [None, None]
    with figure_style():
        for figure in (
            draw_distributions(distributions),
            draw_importances(found),
            draw_losses(losses),
        ):
            assert overlapping(figure) == ([], [])


def test_a_run_without_cuts_has_its_loss_drawn_only(events, tmp_path):
    score = make_run(
        tmp_path / "mlp", [], replicas=1, method="mlp", history={"replica": [0], "epoch": [1], "loss": [0.7]}
    )
    (tmp_path / "mlp" / "cuts.parquet").unlink()
    score = type(score)(score.path, score.manifest, ())
    assert [path.name for path in figures.draw_figures([score], events, tmp_path)] == ["mlp-loss.pdf", "mlp-loss.png"]


def test_figures_are_drawn_at_the_working_point_that_is_quoted(events, tmp_path):
    run = make_scan(tmp_path / "scan", "m_jet", {0.2: 100.0, 0.5: 80.0, 0.8: 60.0})
    other = [replace(curve, points=tuple(map(_quote_first, curve.points))) for curve in curves_of([run], events)]
    (moved,) = figures._at_quoted_points([run], other)
    assert (run.manifest.recommended, moved.manifest.recommended) == ("signal_efficiency=0.5", "signal_efficiency=0.2")
    assert main_flow(moved).target == 0.2
    assert main_flow(run).target == 0.5


def _quote_first(point):
    return replace(point, recommended=point.flow.target == 0.2)


def test_a_table_of_importances_is_drawn(events, tmp_path):
    run = make_score_run(tmp_path / "bdt", "bdt.score", 0.5)
    rows = {"replica": [0, 1, -1], "feature": ["x"] * 3, "importance": [0.6, 0.8, 0.65]}
    write_table(run.path / "importances.parquet", rows)
    found = importances(run)
    assert found.features == run.manifest.features
    assert found.importance.values == pytest.approx([0.65]), "the consensus"
    assert found.importance.errors == pytest.approx([0.1])
    write_table(run.path / "importances.parquet", {name: values[:2] for name, values in rows.items()})
    assert importances(run).importance.values == pytest.approx([0.7]), "or else the mean"


def test_importances_come_with_line_and_spread(run):
    found = importances(run)
    assert found.threshold == pytest.approx(0.05 / 2)
    assert found.importance.values == pytest.approx(np.array([0.9, 0.225]) * 1.001)
    assert found.importance.errors == pytest.approx(np.array([0.9, 0.225]) * np.std([0, 0.001, 0.002]))
    assert found.n_minus_1.values == pytest.approx([-0.02, 0.0]), "the replicas' mean, as the consensus has none"


def test_a_number_that_some_replicas_lack_is_spread_over_the_others(tmp_path):
    steps = [[LearnedCut(Cut("x", Region.BELOW, upper=1.0), n_minus_1_loss=loss)] for loss in (0.1, None, 0.3)]
    flows = [CutFlow(tuple(steps[replica]), replica=replica) for replica in range(3)]
    run = make_run(tmp_path / "run", steps[0])
    write_cut_flows(run.path / "cuts.parquet", [*flows, consensus(flows)])
    found = importances(open_run(run.path))
    assert found.importance is None
    assert found.n_minus_1.values == pytest.approx([0.2])
    assert found.n_minus_1.errors == pytest.approx([0.1])


def test_a_cut_that_only_replicas_apply_has_no_number_in_the_consensus(tmp_path):
    def flow(*losses, **kind):
        cuts = [Cut(name, Region.BELOW, upper=1.0) for name in "xy"]
        return CutFlow(tuple(LearnedCut(c, n_minus_1_loss=loss) for c, loss in zip(cuts, losses, strict=True)), **kind)

    run = make_run(tmp_path / "run", flow(None, None).steps)
    flows = [flow(0.1, 0.5, replica=0), flow(0.3, 0.7, replica=1), flow(0.25, None, kind="consensus", replica=-1)]
    write_cut_flows(run.path / "cuts.parquet", flows)
    found = importances(open_run(run.path)).n_minus_1
    np.testing.assert_allclose(found.values, [0.25, np.nan])
    np.testing.assert_allclose(found.errors, [0.1, np.nan])


def test_bars_below_the_line_are_hatched(tmp_path):
    chosen = [
        LearnedCut(Cut("x", Region.BELOW, upper=1.0), importance=0.99),
        LearnedCut(Cut("y", Region.ALL), importance=0.01, active=False),
    ]
    run = make_run(tmp_path / "run", chosen)
    with figure_style():
        figure = draw_importances(importances(run))
    (axes,) = figure.axes
    assert [patch.get_hatch() for patch in axes.patches] == ["", "////"]
    assert [text.get_text() for text in axes.texts][1].endswith("not applied")
    (line,) = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert line.get_xdata() == pytest.approx([0.025, 0.025])


@pytest.mark.parametrize(
    ("cut", "intervals"),
    [
        (Cut("x", Region.BELOW, upper=3.0), [(0, 3)]),
        (Cut("x", Region.ABOVE, lower=3.0), [(3, 10)]),
        (Cut("x", Region.INSIDE, 2.0, 30.0), [(2, 10)]),
        (Cut("x", Region.OUTSIDE, 2.0, 8.0), [(0, 2), (8, 10)]),
        (Cut("x", Region.OUTSIDE, -1.0, 8.0), [(8, 10)]),
        (Cut("x", Region.BELOW, upper=-1.0), []),
        (Cut("x", Region.ALL), [(0, 10)]),
    ],
)
def test_the_shaded_region_is_what_the_cut_keeps(cut, intervals):
    assert kept_intervals(cut, 0.0, 10.0) == intervals
    middle = np.array([x + 0.5 for x in range(10)])
    shaded = np.array([any(start < x < end for start, end in intervals) for x in middle])
    np.testing.assert_array_equal(cut.passes(middle), shaded)


@pytest.mark.parametrize("absent", ["matplotlib", "mplhep", "hist"])
def test_without_the_plotting_libraries_the_remedy_is_said(run_python, absent):
    code = f"""
import sys
sys.modules[{absent!r}] = None
from cutflow_cli.errors import UsageError
from cutflow_cli.plots.figures import require_plotting
try:
    require_plotting()
except UsageError as error:
    print(error)
"""
    result = run_python(code)
    message = f"figures need {absent}, which is not installed: pip install 'cutflow-cli[plots]', or use --no-figures\n"
    assert (result.stdout, result.stderr) == (message, "")


def test_importing_the_figures_imports_no_plotting_library(run_python):
    code = "import sys, cutflow_cli.plots.figures; print({'matplotlib', 'mplhep', 'hist'} & set(sys.modules))"
    assert run_python(code).stdout == "set()\n"


def test_the_font_cache_stays_out_of_the_home_directory(run_python, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "scratch").mkdir()
    code = """
import os, sys
sys.modules["hist"] = None  # stop before matplotlib, whose cache takes seconds to make
from cutflow_cli.errors import UsageError
try:
    import cutflow_cli.plots.backend
except UsageError:
    print(os.environ["MPLCONFIGDIR"])
"""
    places = {"HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "scratch")}
    expected = tmp_path / "scratch" / f"cutflow-matplotlib-{os.getuid()}"
    assert run_python(code, **places, MPLCONFIGDIR="").stdout == f"{expected}\n"
    assert expected.stat().st_mode & 0o077 == 0, "no one else may write our settings"
    assert run_python(code, **places, MPLCONFIGDIR=str(tmp_path / "mine")).stdout == f"{tmp_path / 'mine'}\n"
    assert not list((tmp_path / "home").iterdir())
    expected.rmdir()
    expected.symlink_to(tmp_path / "home")
    another = run_python(code, **places, MPLCONFIGDIR="").stdout.strip()
    assert another.startswith(str(tmp_path / "scratch" / "cutflow-matplotlib-")), another
    assert another != str(expected), "a link that someone else may have laid is not followed"
