"""Stacks of expected events: what they hold, against numpy and against the tables of the report."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plot_samples import make_run, make_score_run, overlapping, write_events

from cutflow_cli.evaluation.evaluate import evaluate_runs
from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.schema import FeatureInfo
from cutflow_cli.metrics.yields import Sums
from cutflow_cli.plots.binning import Binning, aligned
from cutflow_cli.plots.compute import compute
from cutflow_cli.plots.draw_stacks import draw_stack, signal_factor, stack_notes
from cutflow_cli.plots.moving import moved_boundaries, s_over_sqrt_b
from cutflow_cli.plots.panels import kept_intervals
from cutflow_cli.plots.stack_filler import Shown, StackFiller
from cutflow_cli.plots.stacks import MOST_PROCESSES, Counts
from cutflow_cli.plots.style import figure_style
from cutflow_cli.runs import CUTS, RunManifest, open_run, write_cut_flows
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

CUTS_OF_RUN = (
    Cut("x", Region.INSIDE, -1.2345, 1.75),
    Cut("n", Region.ABOVE, lower=3.0),  # many events lie on this boundary
    Cut("y", Region.OUTSIDE, -0.5, 0.25),
    Cut("z", Region.BELOW, upper=2.5),
)


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """Three processes with signed weights in three splits; missing and infinite values among them."""
    rng = np.random.default_rng(3)
    events = 6000
    process = rng.choice(3, events, p=(0.4, 0.2, 0.4))
    columns = {name: rng.normal(0.3 * process, 1.2).astype(np.float32) for name in "xyz"}
    columns["n"] = rng.integers(0, 9, events).astype(np.float32)
    columns["z"][:40], columns["z"][40:80], columns["y"][80:120] = np.nan, -np.inf, np.inf
    weight = rng.normal(1.0, 0.6, events) * np.array([3.0, 0.5, 0.1])[process]
    split = rng.choice(3, events, p=(0.5, 0.2, 0.3))
    path = tmp_path_factory.mktemp("stacks") / "events.parquet"
    label = (process == 2).astype(int)
    return columns, process, weight, split, write_events(path, columns, label, weight, split, process)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    steps = [LearnedCut(cut) for cut in CUTS_OF_RUN]
    return make_run(tmp_path_factory.mktemp("run") / "cuts", [*steps, LearnedCut(Cut("x", Region.ALL), active=False)])


@pytest.fixture(scope="module")
def stack(run, sample):
    return compute([run], sample[-1], "test")[0].n_minus_1


def inside(panel):
    """Say which bins lie in the shaded region, under- and overflow included."""
    edges = np.concatenate([[-1e30], panel.binning.edges, [1e30]])
    parts = kept_intervals(panel.cut, -1e30, 1e30)
    middle = 0.5 * (edges[1:] + edges[:-1])
    return np.array([any(low < place < high for low, high in parts) for place in middle])


def test_the_kept_bins_hold_the_yield_of_the_cut_flow(run, sample, stack, tmp_path):
    report = evaluate_runs([run.path], sample[-1].path, tmp_path / "report")
    last = {
        row.process: row
        for row in report.cut_flow
        if (row.kind, row.split, row.position) == ("consensus", "test", len(CUTS_OF_RUN))
    }
    assert [panel.cut.observable for panel in stack.panels] == ["x", "n", "y", "z"]
    assert set(stack.processes) == {"b1", "b2"}
    for panel in stack.panels:
        kept = inside(panel)
        for name, counts in (*zip(stack.processes, panel.processes, strict=True), ("signal", panel.signal)):
            found, row = counts.sums(kept), last[name]
            assert found.events == row.n_raw > 0
            assert found.sumw == pytest.approx(row.yield_, rel=1e-12)
            assert math.sqrt(found.sumw2) == pytest.approx(row.yield_error, rel=1e-12)
    (total,) = (
        row for row in report.totals if (row.kind, row.split, row.position) == ("consensus", "test", len(CUTS_OF_RUN))
    )
    S, B = stack.kept
    assert (S.value, S.error) == pytest.approx((total.signal_yield, total.signal_yield_error), rel=1e-12)
    assert (B.value, B.error) == pytest.approx((total.background_yield, total.background_yield_error), rel=1e-12)
    for panel in stack.panels:
        for moved in panel.moved:
            (here,) = np.flatnonzero(moved.places == getattr(panel.cut, moved.name))
            assert moved.values[here] == pytest.approx(total.s_over_sqrt_b, rel=1e-12)
            assert moved.errors[here] == pytest.approx(total.s_over_sqrt_b_error, rel=1e-12)


def test_bins_after_the_other_cuts_equal_numpy(sample, stack):
    columns, process, weight, split, _ = sample
    test = split == 2
    scale = np.array([weight[process == one].sum() / weight[(process == one) & test].sum() for one in range(3)])
    passes = {
        "x": (columns["x"] > np.float32(-1.2345)) & (columns["x"] < np.float32(1.75)),
        "n": columns["n"] > 3,
        "y": (columns["y"] < np.float32(-0.5)) | (columns["y"] > np.float32(0.25)),
        "z": columns["z"] < np.float32(2.5),
    }
    assert (columns["n"] == 3).sum() > 100
    position = {"b1": 0, "b2": 1}
    for panel in stack.panels:
        name = panel.cut.observable
        others = test & np.all([mask for other, mask in passes.items() if other != name], axis=0)
        bounds = [-np.inf, *panel.binning.edges, np.inf]
        assert panel.missing == np.isnan(columns[name][others]).sum()
        for counts, one in (
            *((counts, position[of]) for counts, of in zip(panel.processes, stack.processes, strict=True)),
            (panel.signal, 2),
        ):
            mine = others & (process == one) & ~np.isnan(columns[name])
            values, weights = columns[name][mine].astype(np.float64), weight[mine] * scale[one]
            # what lies on a boundary that keeps what is above belongs to the bin below it
            above = panel.cut.upper if panel.cut.region is Region.OUTSIDE else panel.cut.lower
            edges = [np.nextafter(edge, np.inf) if edge == above else edge for edge in bounds]
            place = np.digitize(values, edges) - 1
            place[np.isposinf(values)] = len(edges) - 2
            expected = [np.bincount(place, w, len(edges) - 1) for w in (np.ones(len(values)), weights, weights**2)]
            np.testing.assert_array_equal(counts.events, expected[0])
            np.testing.assert_allclose(counts.sumw, expected[1], atol=1e-9)
            np.testing.assert_allclose(counts.sumw2, expected[2], atol=1e-9)


def test_before_any_cut_every_event_is_shown(run, sample):
    _, process, weight, _, events = sample
    before = compute([run], events, "test")[0].stack
    assert before.kept is None
    assert [panel.feature.name for panel in before.panels] == ["x", "n", "y", "z"]
    for panel in before.panels:
        missing = 0.0 if panel.feature.name != "z" else abs(weight[:40]).sum() * 5
        assert panel.signal.sumw.sum() == pytest.approx(weight[process == 2].sum(), abs=missing + 1e-9)
        (bins,) = panel.moved
        signal, (background, error) = panel.signal.shown()[0], panel.background.shown()
        enough = background**2 >= 10 * error**2
        enough &= background > 0
        assert enough.any()
        np.testing.assert_allclose(bins.values[enough], signal[enough] / np.sqrt(background[enough]))
        assert np.isnan(bins.values[~enough]).all()


REGIONS = {
    Region.ABOVE: (2.0, None),
    Region.BELOW: (None, 5.0),
    Region.INSIDE: (2.0, 5.0),
    Region.OUTSIDE: (2.0, 5.0),
}


@pytest.mark.parametrize("region", REGIONS)
def test_moving_a_boundary_is_cutting_there(region):
    rng = np.random.default_rng(1)
    cut, edges = Cut("x", region, *REGIONS[region]), np.arange(9.0)
    events = {label: rng.uniform(-1, 9, 2000) for label in ("signal", "background")}
    counts = {}
    for label, values in events.items():
        sums = np.histogram(values, [-np.inf, *edges, np.inf])[0].astype(float)
        counts[label] = Counts(sums, sums, sums)
    curves, few = moved_boundaries(cut, edges, counts["signal"], counts["background"], 10.0)
    assert few is None
    assert [curve.name for curve in curves] == [side for side in ("lower", "upper") if getattr(cut, side) is not None]
    for curve in curves:
        limit = {"lower": cut.upper, "upper": cut.lower}[curve.name]
        shown = [edge for edge in edges if limit is None or (edge < limit if curve.name == "lower" else edge > limit)]
        assert curve.places.tolist() == shown
        for edge, value in zip(curve.places.tolist(), curve.values.tolist(), strict=True):
            sides = (edge, cut.upper) if curve.name == "lower" else (cut.lower, edge)
            moved = Cut("x", region, *sides)
            S, B = (np.count_nonzero(moved.passes(events[label])) for label in ("signal", "background"))
            assert value == pytest.approx(S / math.sqrt(B))


def test_no_ratio_of_too_few_events_and_none_where_bins_do_not_tell():
    ten = Counts(np.full(4, 10.0), np.full(4, 10.0), np.full(4, 10.0))
    one = Counts(np.full(4, 1.0), np.full(4, 1.0), np.full(4, 1.0))
    edges = np.array([0.0, 1.0, 2.0])
    (curve,), few = moved_boundaries(Cut("x", Region.ABOVE, lower=1.0), edges, ten, one, 3.0)
    assert curve.values.tolist() == pytest.approx([30 / math.sqrt(3), np.nan, np.nan], nan_ok=True)
    assert few == "only 2 effective background events are left, fewer than 3"
    assert (
        s_over_sqrt_b(Sums(1, 1.0, 1.0), Sums(), 0.0).reason
        == "no simulated background event passes; S/√B is undefined"
    )
    assert moved_boundaries(Cut("x", Region.ABOVE, lower=7.0), edges, ten, ten, 3.0)[0] == ()


@given(
    st.floats(-100, 100),
    st.floats(1e-3, 100),
    st.integers(10, 50),
    st.lists(st.floats(0, 1), min_size=1, max_size=2, unique=True),
    st.booleans(),
)
def test_boundaries_become_edges_of_as_many_bins(low, span, bins, shares, logarithmic):
    low = abs(low) + 0.1 if logarithmic else low
    space = np.geomspace if logarithmic else np.linspace
    binning = Binning(space(low, low + span, bins + 1), logarithmic)
    boundaries = [float(low + share * span) for share in shares]
    moved = aligned(binning, boundaries)
    known = [one for one in boundaries if binning.edges[0] <= one <= binning.edges[-1]]
    assert set(known) <= set(moved.edges.tolist())
    assert (np.diff(moved.edges) > 0).all()
    assert len(moved.edges) <= 80
    if not moved.cut_down:
        assert moved.edges[0] <= binning.edges[0] + 1e-6 * span
        assert moved.edges[-1] >= binning.edges[-1] - 1e-6 * span
    steps = np.diff(np.log(moved.edges) if logarithmic else moved.edges)
    assert steps.max() == pytest.approx(steps.min(), rel=1e-2)


def test_a_narrow_window_is_looked_at_closely(tmp_path):
    rng = np.random.default_rng(2)
    values = np.concatenate([rng.uniform(0, 100, 3000), rng.normal(50, 0.1, 300)])
    label = np.repeat([0, 1], [3000, 300])
    events = write_events(tmp_path / "events.parquet", {"m": values}, label)
    run = make_run(tmp_path / "run", [LearnedCut(Cut("m", Region.INSIDE, 49.75, 50.25))], replicas=1)
    (panel,) = compute([run], events, "test")[0].n_minus_1.panels
    assert panel.binning.cut_down
    assert 40 < panel.binning.edges[0] < 49
    assert 51 < panel.binning.edges[-1] < 60
    assert panel.background.sums().events == 3000, "what lies beyond is counted, though not drawn"
    assert panel.heights(panel.background)[0].sum() < 1000
    assert "around the window only; more events lie beyond" in stack_notes(panel)


def test_small_processes_are_put_together(tmp_path):
    rng = np.random.default_rng(4)
    sizes = np.repeat(np.arange(31), np.arange(31) + 20)
    events = write_events(
        tmp_path / "events.parquet", {"x": rng.normal(size=len(sizes))}, (sizes == 30).astype(int), process=sizes,
        names=[*(f"a process with a very long name, number {one}" for one in range(30)), "signal"],
    )  # fmt: skip
    run = make_run(tmp_path / "run", [LearnedCut(Cut("x", Region.ABOVE, lower=0.0))], replicas=1)
    stack = compute([run], events, "test")[0].n_minus_1
    assert len(stack.processes) == MOST_PROCESSES
    assert stack.processes[0].endswith("number 29")
    assert stack.processes[-1] == "22 other processes"
    (panel,) = stack.panels
    assert panel.background.sums().events == (sizes < 30).sum()
    assert panel.processes[-1].sums().events == (sizes < 22).sum()
    with figure_style():
        figure = draw_stack(stack)
        assert overlapping(figure) == ([], [])
    hatches = [patch.get_hatch() for patch in figure.axes[0].patches[:MOST_PROCESSES]]
    assert len(set(hatches)) == MOST_PROCESSES, "processes are told apart without colours"


AWKWARD = {
    "nothing passes": ([1.0, 2.0, 3.0, 4.0], [1, 1, 0, 0], None, Cut("x", Region.ABOVE, lower=9.0)),
    "all missing": ([np.nan] * 4, [1, 1, 0, 0], None, Cut("x", Region.ABOVE, lower=0.0)),
    "negative weights": ([1.0, 2.0, 1.5, 2.5], [1, 1, 0, 0], [1.0, -3.0, -2.0, 1.0], Cut("x", Region.BELOW, upper=2.2)),
    "all infinite": ([np.inf, -np.inf, np.inf, 1.0], [1, 1, 0, 0], None, Cut("x", Region.INSIDE, 0.0, 2.0)),
    "boundary far away": ([1.0, 2.0, 1.5, 2.5], [1, 1, 0, 0], None, Cut("x", Region.BELOW, upper=1e6)),
    "a constant": ([3.0] * 4, [1, 1, 0, 0], None, Cut("x", Region.OUTSIDE, 2.9, 3.1)),
}


@pytest.mark.parametrize("case", AWKWARD)
def test_awkward_events_are_drawn(case, tmp_path):
    values, label, weight, cut = AWKWARD[case]
    events = write_events(tmp_path / "events.parquet", {"x": values}, label, weight)
    features = [FeatureInfo("x", unit="GeV", label=r"\no_such{")]
    run = make_run(tmp_path / "run", [LearnedCut(cut)], features=features)
    found = compute([run], events, "test")[0]
    shown, logarithmic = (found.stack, None) if "boundary" in case else (found.n_minus_1, True)
    with figure_style():
        assert overlapping(draw_stack(shown, logarithmic)) == ([], [])


def test_a_process_that_the_split_can_not_stand_for_is_left_out(tmp_path):
    events = write_events(
        tmp_path / "events.parquet", {"x": [1, 2, 3, 4, 5, 6, 7, 8]}, [0, 0, 0, 0, 0, 0, 1, 1],
        [1, 1, 1, -1, 1, 1, 1, 1], [0, 2, 2, 2, 0, 2, 0, 2], [0, 0, 1, 1, 1, 1, 2, 2],
    )  # fmt: skip
    run = make_run(tmp_path / "run", [LearnedCut(Cut("x", Region.ABOVE, lower=0.0))], replicas=1)
    stack = compute([run], events, "test")[0].n_minus_1
    assert set(stack.processes) == {"b1", "b2"}
    assert stack.notes == ()
    events = write_events(
        tmp_path / "other.parquet", {"x": [1, 2, 3, 4, 7, 8]}, [0, 0, 0, 0, 1, 1],
        [1, 1, 1, 1, 1, 1], [0, 2, 0, 0, 0, 2], [0, 0, 1, 1, 2, 2],
    )  # fmt: skip
    stack = compute([run], events, "test")[0].n_minus_1
    assert stack.processes == ("b1",)
    assert stack.notes == ("left out: b2, for which the split 'test' can't stand",)


def test_the_signal_is_scaled_by_a_power_of_ten_where_it_could_not_be_seen(stack):
    (panel, *_) = stack.panels
    assert signal_factor([panel], [False]) in (1.0, 10.0)
    signal = panel.signal
    faint = type(panel)(
        **{name: getattr(panel, name) for name in panel.__slots__ if name != "signal"},
        signal=Counts(signal.events, 1e-4 * signal.sumw, 1e-8 * signal.sumw2),
    )
    ratio = faint.signal.shown()[0].max() / faint.background.shown()[0].max()
    factor = signal_factor([faint], [False])
    assert math.log10(factor) == round(math.log10(factor))
    assert 0.1 <= factor * ratio < 1
    assert signal_factor([faint], [True]) < factor


@pytest.fixture
def search(tmp_path):
    """A run with a window and a cut on a score for each of five masses, and its events."""
    rng = np.random.default_rng(8)
    masses = (1.0, 2.0, 3.0, 4.0, 5.0)
    background = rng.uniform(0, 6, 4000)
    hypothesis = np.concatenate([np.full(4000, np.nan), np.repeat(masses, 200)])
    m = np.concatenate([background, rng.normal(np.repeat(masses, 200), 0.1)])
    score = 1 / (1 + np.exp(-rng.normal(np.where(np.isnan(hypothesis), -6, 3), 2)))
    events = write_events(
        tmp_path / "events.parquet", {"m": m, "p.score": score}, (~np.isnan(hypothesis)).astype(int),
        hypothesis=hypothesis, dtype="float64",
    )  # fmt: skip
    path = tmp_path / "p"
    path.mkdir()
    flows = [
        CutFlow(
            (
                LearnedCut(Cut("m", Region.INSIDE, mass - 0.25, mass + 0.25)),
                LearnedCut(Cut("p.score", Region.ABOVE, 0.3)),
            ),
            "fixed", hypothesis=mass, kind=kind, replica=replica,
        )
        for mass in masses
        for kind, replica in (("replica", 0), ("consensus", -1))
    ]  # fmt: skip
    write_cut_flows(path / CUTS, flows)
    RunManifest(
        "punzi", {}, (FeatureInfo("x"),), {}, "digest", spectators=(FeatureInfo("m", unit="GeV"),), scores=("score",)
    ).write(path)
    return open_run(path), events, m, score, hypothesis


def test_of_many_masses_three_are_shown_with_windows_and_scores(search):
    run, events, m, score, hypothesis = search
    found = compute([run], events, "test")[0]
    assert found.stack is None
    stack = found.n_minus_1
    assert stack.kept is None
    assert [panel.heading for panel in stack.panels] == [f"mass hypothesis {one}" for one in (1, 1, 3, 3, 5, 5)]
    assert [panel.logit for panel in stack.panels] == [False, True] * 3
    assert [panel.feature.unit for panel in stack.panels[:2]] == ["GeV", None]
    window, cut = stack.panels[2:4]
    inside = (m > 2.75) & (m < 3.25) & (np.isnan(hypothesis) | (hypothesis == 3.0))
    assert {2.75, 3.25} <= set(window.binning.edges.tolist())
    assert cut.cut.lower == pytest.approx(math.log(0.3 / 0.7))
    above = np.concatenate([[False], cut.binning.edges >= cut.cut.lower])
    assert cut.signal.sums(above).events == (inside & (score > 0.3) & ~np.isnan(hypothesis)).sum()
    assert cut.background.sums(above).events == (inside & (score > 0.3) & np.isnan(hypothesis)).sum()
    assert cut.signal.sums().events == (inside & ~np.isnan(hypothesis)).sum()
    with figure_style():
        figure = draw_stack(stack)
        assert overlapping(figure) == ([], [])
    left = sorted({round(axes.get_position().x0, 3) for axes in figure.axes})
    assert len(left) == 2, "window and score of a mass stand side by side"


def test_a_score_alone_is_shown_with_its_threshold_at_an_edge(tmp_path):
    rng = np.random.default_rng(9)
    label = np.arange(2000) % 2
    score = np.clip(rng.normal(0.4 + 0.2 * label, 0.15), 0, 1)
    events = write_events(tmp_path / "events.parquet", {"mlp.score": score, "x": score}, label, dtype="float64")
    run = make_score_run(tmp_path / "mlp", "mlp.score", 0.537)
    found = compute([run], events, "test")[0]
    (panel,) = found.n_minus_1.panels
    assert not panel.logit
    assert 0.537 in panel.binning.edges
    above = np.concatenate([[False], panel.binning.edges >= 0.537])
    assert panel.signal.sums(above).events == (score[label == 1] > 0.537).sum()
    assert found.n_minus_1.shown.startswith("before any cut")


def test_batches_add_up():
    rng = np.random.default_rng(0)
    shown = Shown(LearnedCut(Cut("x", Region.ABOVE, lower=0.5)), (), None)
    binning = aligned(Binning(np.linspace(-2, 2, 21)), [0.5])
    whole, parts = StackFiller(shown, binning, 2), StackFiller(shown, binning, 2)

    def batch(rows):
        n = len(rows)
        return EventBatch({"x": x[rows]}, np.zeros(n, np.int8), w[rows], p[rows], np.full(n, 2, np.int8))

    x, w, p = rng.normal(size=100), rng.normal(size=100), rng.integers(0, 2, 100).astype(np.int32)
    whole.fill(batch(np.arange(100)))
    for rows in np.array_split(np.arange(100), 7):
        parts.fill(batch(rows))
    for one in (0, 1):
        np.testing.assert_allclose(whole.result().counts[one].sumw, parts.result().counts[one].sumw, atol=1e-12)
    np.testing.assert_allclose(whole.result().kept, parts.result().kept, atol=1e-12)


@pytest.mark.parametrize("logarithmic", [False, True])
def test_the_option_decides_the_axis(stack, logarithmic):
    with figure_style():
        figure = draw_stack(stack, logarithmic)
    scales = [axes.get_yscale() for axes in figure.axes]
    assert scales == ["log" if logarithmic else "linear", "linear"] * 4
