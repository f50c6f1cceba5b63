"""N−1 figures of cuts that differ by bin of another observable: against counting events."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plot_samples import make_run, overlapping, write_events

from cutflow_cli.plots.binned_panels import boundaries_of, edges_of, kept_by_bins, replaced_sides
from cutflow_cli.plots.compute import compute
from cutflow_cli.plots.draw_distributions import draw_distributions
from cutflow_cli.plots.draw_stacks import draw_stack
from cutflow_cli.plots.panels import cut_texts
from cutflow_cli.plots.style import figure_style
from cutflow_cli.runs import open_run, write_cut_flows
from cutflow_cli.selection.binned import BinnedCut
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

EDGES = (0.0, 10.0, 20.0, 40.0)
CASES = {
    "above": [Cut("m", Region.ABOVE, value) for value in (11.0, 18.5, 22.0)],
    "below, one bin not": [
        Cut("m", Region.BELOW, upper=30.0),
        Cut("m", Region.ALL),
        Cut("m", Region.BELOW, upper=50.0),
    ],
    "inside": [Cut("m", Region.INSIDE, *pair) for pair in ((5, 40), (12, 45), (20, 60))],
    "outside": [Cut("m", Region.OUTSIDE, *pair) for pair in ((5, 20), (9, 30), (0, 40))],
}
MIXED = [Cut("m", Region.ABOVE, 11.0), Cut("m", Region.BELOW, upper=30.0), Cut("m", Region.ALL)]


def sample(tmp_path, members):
    """Events, the file of them, and a run that cuts on m in bins of pt and on n."""
    rng = np.random.default_rng(4)
    label = np.arange(6000) % 2
    columns = {"pt": rng.uniform(-5, 45, 6000), "n": rng.normal(size=6000)}
    columns["m"] = rng.normal(columns["pt"] + 20 * label, 5)
    columns = {name: values.astype(np.float32) for name, values in columns.items()}
    events = write_events(tmp_path / "events.parquet", columns, label)
    steps = [LearnedCut(Cut(name, Region.ALL), active=False) for name in ("pt", "m", "n")]
    run = make_run(tmp_path / "run", steps)
    inside = LearnedCut.from_bins("pt", EDGES, (LearnedCut(Cut("pt", Region.ALL), active=False),) * 3)
    bins = tuple(LearnedCut(cut, cut.region is not Region.ALL) for cut in members)
    flow = CutFlow((inside, LearnedCut.from_bins("pt", EDGES, bins), LearnedCut(Cut("n", Region.ABOVE, -0.5))))
    write_cut_flows(run.path / "cuts.parquet", [flow])
    return {**columns, "label": label}, events, open_run(run.path)


def s_over_sqrt_b(columns, mask):
    S, B = (np.count_nonzero(mask & (columns["label"] == label)) for label in (1, 0))
    return S / math.sqrt(B) if B >= 10 else math.nan  # fewer effective events are not divided by


@pytest.mark.parametrize("case", CASES)
def test_one_boundary_in_all_bins_is_that_cut_and_the_selection_its_own(tmp_path, case):
    columns, events, run = sample(tmp_path, CASES[case])
    stack = compute([run], events, "test")[0].n_minus_1
    assert [panel.feature.name for panel in stack.panels] == ["m", "n"], "all cuts in bins imply their range"
    panel, other = stack.panels
    inside = (columns["pt"] >= 0) & (columns["pt"] < 40) & (columns["n"] > -0.5)
    counted = [panel.background.sums().events, panel.signal.sums().events]
    assert counted == np.bincount(columns["label"][inside]).tolist()
    selected = inside & BinnedCut.of("pt", EDGES, CASES[case]).keeps(columns)
    assert stack.kept[0].value == np.count_nonzero(selected & (columns["label"] == 1))
    assert panel.own.value == pytest.approx(s_over_sqrt_b(columns, selected))
    assert (other.own, [moved.name for moved in other.moved]) == (None, ["lower"])
    assert [moved.name for moved in panel.moved] == [side for side in ("lower", "upper") if span(case, side)]
    where = np.digitize(columns["pt"], EDGES) - 1
    for moved in panel.moved:
        expected = []
        for place in moved.places.tolist():
            mask = np.zeros(len(where), dtype=bool)
            for number, member in enumerate(CASES[case]):
                low, high = member.lower, member.upper
                low, high = (place, high) if moved.name == "lower" else (low, place)
                region = BinnedCut.of("pt", EDGES, CASES[case]).region
                passes = Cut("m", region, low, high).passes(columns["m"].astype(np.float64))
                mask |= (where == number) & passes
            expected.append(s_over_sqrt_b(columns, inside & mask))
        np.testing.assert_allclose(moved.values, expected)
        assert np.isfinite(expected).any()
    with figure_style():
        figure = draw_stack(stack)
        assert overlapping(figure) == ([], [])
        words = [text.get_text() for text in figure.legends[0].get_texts()]
        for said in (
            "kept in some bins",
            "boundary (of bins: least, greatest)",
            "S/√B of the selection, at its boundaries",
            f"S/√B with one {panel.moved[0].name} boundary in all bins",
            "S/√B with the lower boundary moved",
        ):
            assert said in words
        dashed = {line.get_xdata()[0] for line in figure.axes[0].lines if line.get_linestyle() == "--"}
        assert dashed == set(boundaries_of(panel.cut))


def span(case, side):
    return BinnedCut.of("pt", EDGES, CASES[case]).span(side)


def test_regions_that_differ_have_no_common_boundary_but_are_shown(tmp_path):
    _, events, run = sample(tmp_path, MIXED)
    found = compute([run], events, "test")[0]
    panel = found.n_minus_1.panels[0]
    assert panel.moved == ()
    assert panel.own.value > 0
    assert cut_texts(panel.feature, panel.step) == ("m: another region by pt", "by pt")
    with figure_style():
        for figure in (draw_stack(found.n_minus_1), draw_stack(found.stack), draw_distributions(found.distributions)):
            assert overlapping(figure) == ([], [])
            assert "kept in some bins" in [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.parametrize(
    ("case", "texts"),
    [
        ("above", ("m > 11…22, by pt", "above 11…22 in 3 bins")),
        ("below, one bin not", ("m < 30…50, by pt in 2 of 3 bins", "below 30…50 in 2 of 3 bins")),
        ("inside", ("5…20 < m < 40…60, by pt", "5…20 to 40…60 in 3 bins")),
        ("outside", ("m < 0…9 or m > 20…40, by pt", "below 0…9 or above 20…40 in 3 bins")),
    ],
)
def test_titles_give_the_range_of_the_boundaries(tmp_path, case, texts):
    _, events, run = sample(tmp_path, CASES[case])
    panel = compute([run], events, "test")[0].n_minus_1.panels[0]
    assert cut_texts(panel.feature, panel.step) == texts


values = st.floats(-10, 10)


@st.composite
def binned_cuts(draw):
    members = []
    for _ in range(draw(st.integers(1, 4))):
        region = draw(st.sampled_from(list(Region)))
        low, high = sorted(draw(st.tuples(values, values)))
        members.append(Cut("m", region, low if region.has_lower else None, high if region.has_upper else None))
    return BinnedCut.of("pt", range(len(members) + 1), members)


@given(binned_cuts(), st.lists(values, min_size=1, max_size=20))
def test_shaded_is_what_all_bins_keep_and_hatched_what_some_do(cut, places):
    every, some = kept_by_bins(cut, -9.5, 9.5)
    boundaries = {value for member in cut.members for value in (member.lower, member.upper)}
    for place in places:
        if not -9.5 < place < 9.5 or place in boundaries:
            continue
        keeping = [bool(member.passes(np.array([place]))[0]) for member in cut.members]
        assert any(low < place < high for low, high in every) is all(keeping)
        assert any(low < place < high for low, high in some) is (any(keeping) and not all(keeping))


def test_bins_of_the_axis_begin_at_boundaries_that_all_bins_share():
    shared = BinnedCut.of("pt", EDGES, [Cut("m", Region.INSIDE, 1.5, value) for value in (3.0, 4.0, 5.0)])
    assert edges_of(shared) == (1.5,)
    assert boundaries_of(shared) == (1.5, 3.0, 5.0)
    assert edges_of(shared.members[1]) == boundaries_of(shared.members[1]) == (1.5, 4.0)
    assert replaced_sides(shared.members[0]) == ()
