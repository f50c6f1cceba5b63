"""The method: strategies, orders, guards, replicas, and what it says of itself."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lcf_cases import make_sample, mock_sample

from cutflow_cli.errors import InputError, Interrupted, UsageError
from cutflow_cli.events.mock.write import write_mock
from cutflow_cli.events.table import open_events
from cutflow_cli.metrics.figures_of_merit import FIGURES_OF_MERIT, Yields, figure_of_merit
from cutflow_cli.models.cut_and_count.model import CutAndCount
from cutflow_cli.models.cut_and_count.settings import PRESETS, CutAndCountSettings
from cutflow_cli.models.protocol import TrainingContext
from cutflow_cli.models.settings import checked_settings, resolve_settings
from cutflow_cli.selection.cut import Region

FREE = {"min_effective_events": 0.0, "min_signal_efficiency": 0.0, "min_gain": 0.0, "cross_check": False}


def fit(sample, replicas=range(1), seed=0, **chosen):
    context = TrainingContext(seed=seed, replicas=replicas)
    return CutAndCount(CutAndCountSettings(**chosen)).fit(sample, context)


def physical(sample, signal=0.05, background=1.0):
    weight = np.where(sample.label == 1, signal, background)
    return replace(sample, weight=weight, expected=weight)


def figure_of(flow, sample, fom):
    kept, signal = flow.mask(sample.columns, len(sample)), sample.label == 1
    w = sample.expected
    sums = np.atleast_1d(w[kept & signal].sum(), w[kept & ~signal].sum(), (w[kept & ~signal] ** 2).sum())
    return float(figure_of_merit(fom, Yields(*sums, w[signal].sum(), w[~signal].sum()))[0])


@pytest.mark.parametrize("fom", FIGURES_OF_MERIT)
@pytest.mark.parametrize("strategy", ["sequential", "parallel"])
def test_what_it_counted_is_what_its_cuts_select(fom, strategy):
    sample = physical(mock_sample(4000, seed=4))
    fitted = fit(sample, fom=fom, strategy=strategy)
    steps = fitted.tables["steps"]
    assert steps["figure_of_merit_of_flow"][-1] == pytest.approx(figure_of(fitted.flows[0], sample, fom))
    for position, name in enumerate(steps["observable"]):
        one = next(step for step in fitted.flows[0].steps if step.cut.observable == name)
        assert one.cut.region.value == steps["region"][position]
        for side in ("lower", "upper"):
            assert getattr(one.cut, side) == (None if steps[side].mask[position] else steps[side][position])
        others = replace(fitted.flows[0], steps=tuple(step for step in fitted.flows[0].steps if step is not one))
        without = figure_of(others, sample, fom)
        assert steps["figure_of_merit_without"][position] == pytest.approx(without) or np.isneginf(without)
    if strategy == "sequential":
        assert np.array_equal(steps["figure_of_merit_after"], steps["figure_of_merit_of_flow"])
        assert np.array_equal(steps["figure_of_merit_after"][:-1], steps["figure_of_merit_before"][1:])
    assert set(fitted.history) == {"replica", "epoch", "figure_of_merit"}
    assert fitted.history["epoch"].tolist() == [1, 2, 3, 4]


def test_it_finds_the_regions_the_mock_was_made_of():
    flow = fit(mock_sample(20000, seed=6), fom="balanced_accuracy", strategy="parallel").flows[-1]
    assert [step.cut.region for step in flow.steps] == [Region.BELOW, Region.ABOVE, Region.INSIDE, Region.OUTSIDE]
    below, above, inside, outside = (step.cut for step in flow.steps)
    # equal densities: at 0 between means -2 and 2, and where exp(-x²/8) = (exp(-(x-5)²/8) + exp(-(x+5)²/8))/2
    assert below.upper == pytest.approx(0.0, abs=0.25)
    assert above.lower == pytest.approx(0.0, abs=0.25)
    assert (inside.lower, inside.upper) == (pytest.approx(-3.05, abs=0.3), pytest.approx(3.05, abs=0.3))
    assert (outside.lower, outside.upper) == (pytest.approx(-3.05, abs=0.3), pytest.approx(3.05, abs=0.3))


@given(st.integers(0, 10_000), st.sampled_from(sorted(FIGURES_OF_MERIT)))
@settings(max_examples=20)
def test_the_first_greedy_step_is_the_best_of_all_and_no_step_loses(seed, fom):
    sample = physical(mock_sample(300, seed=seed, kinds="weak left noise"), 0.5)
    greedy = fit(sample, fom=fom, **FREE).tables["steps"]
    alone = fit(sample, fom=fom, strategy="parallel", **FREE).tables["steps"]
    assert greedy["figure_of_merit_after"][0] == pytest.approx(alone["figure_of_merit_after"].max(), rel=1e-12)
    assert (np.diff(greedy["figure_of_merit_of_flow"]) >= 0).all()
    given_order = fit(sample, fom=fom, order="given", **FREE)
    assert (np.diff(given_order.tables["steps"]["figure_of_merit_of_flow"]) >= 0).all()
    assert greedy["figure_of_merit_after"][0] >= given_order.tables["steps"]["figure_of_merit_after"][0] * (1 - 1e-12)


def test_a_sequential_flow_sees_what_all_cuts_before_keep():
    """The third observable is the first's copy: on the events that the first keeps it has nothing to add."""
    sample = mock_sample(4000, kinds="left right")
    copied = make_sample(np.column_stack([sample.x, sample.x[:, 0]]), sample.label, features=("a", "b", "copy"))
    flow = fit(copied, fom="accuracy", order="given").flows[-1]
    assert [step.active for step in flow.steps] == [True, True, False]
    assert flow.steps[2].note == "no region raises accuracy by 0.1 %"


def test_missing_values_pass_no_cut_but_count_without_one():
    rng = np.random.default_rng(2)
    label = np.arange(2000) % 2
    x = rng.normal(2.0 * label, 1.0)
    x[:100] = np.nan
    sample = make_sample(x[:, None], label)
    steps = fit(sample, fom="accuracy").tables["steps"]
    kept = x > steps["lower"][0]
    assert steps["figure_of_merit_before"][0] == 0.5
    assert steps["figure_of_merit_after"][0] == pytest.approx((kept == (label == 1)).mean())
    assert steps["signal"][0] == kept[label == 1].sum()


@pytest.mark.parametrize("fom", ["accuracy", "balanced_accuracy", "s_over_sqrt_b", "s_over_sqrt_s_plus_b", "punzi"])
def test_an_event_twice_is_an_event_of_weight_two(fom):
    """For figures without the background's own error, which rightly differs: two events are better known than one."""
    sample = mock_sample(400, seed=8, kinds="weak middle")
    rng = np.random.default_rng(0)
    twice = rng.random(400) < 0.4
    doubled = sample.take(np.concatenate([np.arange(400), np.flatnonzero(twice)]))
    weighted = replace(sample, weight=1.0 + twice, expected=1.0 + twice)
    first, second = fit(doubled, fom=fom, **FREE), fit(weighted, fom=fom, **FREE)
    assert first.flows[0].cuts == second.flows[0].cuts
    assert first.tables["steps"]["figure_of_merit_of_flow"] == pytest.approx(
        second.tables["steps"]["figure_of_merit_of_flow"]
    )


def test_the_error_of_the_background_counts_in_asimov():
    """A few heavy events and many light ones of the same yield: the region of many is known better."""
    x = np.concatenate([np.repeat([1.0, 3.0], 500), np.repeat([1.0], 400), np.repeat([3.0], 4), np.repeat([2.0], 9000)])
    label = np.repeat([1, 0], [1000, 9404])
    weight = np.concatenate([np.full(1000, 0.01), np.full(400, 0.5), np.full(4, 50.0), np.full(9000, 1.0)])
    sample = make_sample(x[:, None], label, weight)
    assert fit(sample, fom="asimov", **FREE).flows[0].cuts[0].region is Region.BELOW


def test_the_guards_hold():
    sample = physical(mock_sample(20000, seed=9, kinds="left weak"), 0.01)
    loose = fit(sample, **FREE)
    kept = loose.flows[0].mask(sample.columns, len(sample)) & (sample.label == 0)
    assert kept.sum() < 30
    guarded = fit(sample, min_effective_events=30.0, min_signal_efficiency=0.0)
    kept = guarded.flows[0].mask(sample.columns, len(sample)) & (sample.label == 0)
    assert kept.sum() >= 30
    patient = fit(sample, min_effective_events=30.0, min_signal_efficiency=0.75)
    cut = patient.flows[0].cuts[0]
    assert cut.passes(sample.columns[cut.observable])[sample.label == 1].mean() >= 0.75


@pytest.mark.parametrize("fom", ["asimov", "s_over_sqrt_s_plus_b"])
def test_noise_is_not_cut_on_once_it_is_checked_on_other_events(fom):
    """Among all pairs of boundaries one always gains something; what it gains does not repeat itself."""
    found = {True: 0, False: 0}
    for seed in range(12):
        sample = physical(mock_sample(1500, seed=seed, kinds="noise"), 0.05)
        for check in found:
            step = fit(sample, fom=fom, cross_check=check).flows[0].steps[0]
            found[check] += step.active
            assert step.active or (step.note.startswith("what raises") and "half" in step.note)
    assert found[False] == 12
    assert found[True] <= 1


def test_importances_sum_to_one_and_are_zero_where_nothing_is_cut():
    flow = fit(mock_sample(6000, kinds="left noise right")).flows[-1]
    shares = {step.cut.observable: step.importance for step in flow.steps}
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares["noise"] == 0.0
    assert all(step.n_minus_1_loss is None for step in flow.steps)  # a balanced error says little of a significance
    flow = fit(mock_sample(6000, kinds="left noise right"), fom="balanced_accuracy").flows[-1]
    assert all(step.n_minus_1_loss > 0 for step in flow.steps if step.active)


def test_a_flow_that_gains_nothing_has_no_importances_and_says_so():
    fitted = fit(mock_sample(2000, kinds="noise"), fom="accuracy")
    assert fitted.flows[-1].cuts == ()
    assert fitted.flows[-1].steps[0].importance is None
    assert "no cut is applied: the selection keeps every event" in fitted.warnings


def test_parallel_cuts_that_harm_each_other_are_said():
    sample = mock_sample(4000, kinds="left")
    copies = sample.x + np.random.default_rng(0).normal(0.0, 2.0, (4000, 6)).astype(np.float32)
    fitted = fit(make_sample(copies, sample.label), fom="accuracy", strategy="parallel")
    assert any("do not know of each other" in text for text in fitted.warnings)


def test_parallel_cuts_that_leave_nothing_are_said():
    fitted = fit(physical(mock_sample(2000), 0.05), strategy="parallel", min_signal_efficiency=0.0)
    assert np.isnan(fitted.history["figure_of_merit"][-1])
    assert any("the cut on" in text and "alone" in text for text in fitted.warnings)


def test_an_accuracy_that_is_one_class_s_is_said():
    sample = physical(mock_sample(1000), 0.01)
    assert any("100 times" in text and "--class-weights unit" in text for text in fit(sample, fom="accuracy").warnings)
    assert not any("times" in text for text in fit(sample, fom="accuracy", class_weights="unit").warnings)


def test_replicas_are_bootstraps_and_a_block_is_that_of_a_longer_run():
    sample = mock_sample(2000, seed=5)
    whole, block = fit(sample, range(4)), fit(sample, range(2, 4))
    assert len({flow.cuts for flow in whole.flows[:4]}) == 4

    def cuts(flow):
        return sorted(map(str, flow.cuts))

    assert [cuts(flow) for flow in whole.flows[2:4]] == [cuts(flow) for flow in block.flows[:2]]
    assert cuts(fit(sample, range(3, 4)).flows[0]) == cuts(whole.flows[3])
    assert whole.flows[-1].kind == "consensus"
    assert whole.resolved == {"bootstrap": True, "order": "greedy"}
    observables = {flow.observables for flow in whole.flows}
    assert len(observables) == 1


def test_replicas_without_a_bootstrap_are_refused():
    with pytest.raises(UsageError, match="would be the same"):
        fit(mock_sample(100), range(3), bootstrap=False)


def test_a_class_whose_weights_sum_to_nothing_is_refused():
    sample = mock_sample(200, kinds="left")
    weight = np.where(sample.label == 1, np.where(np.arange(200) % 4 == 1, 1.0, -1.0), 1.0)
    with pytest.raises(InputError, match="signal sum to 0"):
        fit(replace(sample, weight=weight, expected=weight))
    assert fit(replace(sample, weight=weight, expected=weight), negative_weights="abs").flows


def test_a_request_to_stop_is_heard():
    context = TrainingContext(replicas=range(3), stop_reason=lambda: "SIGTERM")
    with pytest.raises(Interrupted, match="SIGTERM after replica 0 of 3"):
        CutAndCount(CutAndCountSettings()).fit(mock_sample(100), context)


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"fom": "asimow"}, "--fom asimow: no such figure of merit; did you mean asimov"),
        ({"strategy": "parallel", "order": "greedy"}, "--order: greedy: in a parallel flow"),
        ({"bins": 20}, "--bins: the exact search has no bins"),
        ({"preset": "hml", "min_gain": 0.1}, "--min-gain: the search over bins"),
        ({"preset": "hml", "cross_check": True}, "--cross-check: the search over bins"),
        ({"fom": "accuracy", "min_effective_events": 5.0}, "--min-effective-events: accuracy does not profit"),
        ({"fom": "punzi", "background_systematic": 0.1}, "--background-systematic: punzi knows of no uncertainty"),
        ({"min_signal_efficiency": 1.5}, "--min-signal-efficiency: must be less than 1"),
    ],
)
def test_settings_that_would_do_nothing_are_refused(chosen, words):
    with pytest.raises(UsageError, match=words.replace("(", "[(]")):
        checked_settings(CutAndCountSettings, PRESETS, chosen)


def test_departures_from_the_preset_are_noted():
    settings_, notes = resolve_settings(CutAndCountSettings, PRESETS, {"preset": "hml", "bins": 20})
    assert settings_.bins == 20
    assert notes == ("--preset hml has bins = 50, this run has 20",)


def test_the_mock_of_the_paper_is_told_apart_better_than_by_its_own_cuts(tmp_path):
    """arXiv:2503.22498, mock1, sequential: accuracy 0.883; a box of any regions reaches at most 0.9257."""
    events = tmp_path / "mock1.parquet"
    write_mock("mock1", events, 40_000)
    train, test = open_events(events).load_splits(("train", "test"))
    for order, least in (("greedy", 0.883), ("given", 0.870)):
        flow = fit(train, fom="balanced_accuracy", order=order).flows[-1]
        accuracy = float((flow.mask(test.columns, len(test)) == (test.label == 1)).mean())
        assert least < accuracy < 0.9257
    assert figure_of(fit(train).flows[-1], test, "asimov") > 2 * figure_of(flow, test, "asimov")
