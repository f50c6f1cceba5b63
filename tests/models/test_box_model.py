"""The box search as a method, on samples whose best box is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from box_cases import gaussians, sample_of
from scipy.stats import norm

from cutflow_cli.errors import InputError, Interrupted, UsageError
from cutflow_cli.metrics.significance import asimov_significance
from cutflow_cli.models.box.model import BoxSearch
from cutflow_cli.models.box.settings import BoxSettings
from cutflow_cli.models.protocol import TrainingContext
from cutflow_cli.selection.cut import Region

SIGNAL, BACKGROUND = 3000.0, 3e6


def mock1(events: int, seed: int):
    """Draw mock1 of arXiv:2503.22498: means ∓2, ±2, 0 against two peaks, and two peaks against 0, widths 2."""
    rng = np.random.default_rng(seed)
    label = (np.arange(events) % 2).astype(np.int8)
    peaks = np.where(rng.random(events) < 0.5, -5.0, 5.0)
    means = [np.where(label, -2, 2), np.where(label, 2, -2), np.where(label, 0, peaks), np.where(label, peaks, 0)]
    x = np.stack(means, axis=1) + rng.normal(0, 2, (events, 4))
    weight = np.where(label, SIGNAL, BACKGROUND) / (events / 2)
    return sample_of(x.astype(np.float32), label, weight)


def truth(flow, fresh, simulated: float) -> float:
    """Return Z on fresh events, with σ_B of so many simulated background events (limits_mocks) and 10 %."""
    kept = flow.mask(fresh.columns, len(fresh))
    S, B = (fresh.expected[kept & (fresh.label == role)].sum() for role in (1, 0))
    return float(asimov_significance(S, B, np.sqrt(BACKGROUND / simulated * B + (0.1 * B) ** 2)))


def best_of_law(simulated: float) -> float:
    """Return the largest Z of any box of mock1's law, in which observables are independent of each other.

    For 50 000 simulated background events limits_mocks.md has 4.64.
    """
    width = 2.0
    cut = np.linspace(-8, 8, 161)
    edge = np.linspace(0, 10, 101)
    window = [norm.cdf(edge, mean, width) - norm.cdf(-edge, mean, width) for mean in (0.0, 5.0)]
    efficiencies = [
        (norm.cdf(cut, -2, width), norm.cdf(cut, 2, width)),
        (norm.sf(cut, 2, width), norm.sf(cut, -2, width)),
        (window[0], window[1]),
        (1 - window[1], 1 - window[0]),
    ]
    best = 0.0
    for rate in np.linspace(0.05, 0.6, 111):  # of independent observables each is best for the same rate of exchange
        at = [int(np.argmax(np.log(s + 1e-300) - rate * np.log(b + 1e-300))) for s, b in efficiencies]
        S, B = (total * np.prod([pair[role][k] for pair, k in zip(efficiencies, at, strict=True)])
                for role, total in enumerate((SIGNAL, BACKGROUND)))  # fmt: skip
        best = max(best, float(asimov_significance(S, B, np.sqrt(BACKGROUND / simulated * B + (0.1 * B) ** 2))))
    return best


def test_mock1_comes_near_the_limit_of_any_box_and_says_how_good_it_is():
    fitted = BoxSearch(BoxSettings(background_systematic=0.1, starts=8)).fit(mock1(40_000, 3), TrainingContext())
    flow = fitted.flows[-1]
    assert best_of_law(50_000) == pytest.approx(4.64, abs=0.01)
    regions = {cut.observable: cut.region for cut in flow.cuts}
    assert regions == {"x0": Region.BELOW, "x1": Region.ABOVE, "x2": Region.INSIDE, "x3": Region.OUTSIDE}
    found = truth(flow, mock1(600_000, 4), 20_000)
    assert found > 0.95 * best_of_law(20_000)
    table = fitted.tables["box"]
    expected = table["objective"][0] - table["optimism"][0]
    assert expected == pytest.approx(found, abs=3 * table["optimism_error"][0] + 0.15)
    assert list(fitted.tables["budget"]["cuts"]) == [1, 2, 3, 4]
    held_out = fitted.tables["budget"]["objective_held_out"]
    assert all(np.diff(held_out) > 0)
    assert "expected on fresh events" in fitted.notes[0]
    assert sum(step.importance for step in flow.steps) == pytest.approx(1)


def test_counting_alone_is_more_optimistic():
    sample = mock1(20_000, 8)
    smooth, counted = (
        BoxSearch(BoxSettings(background_systematic=0.1, starts=4, **more)).fit(sample, TrainingContext())
        for more in ({}, {"smooth": False, "chance": 0.0, "min_gain": 0.0})
    )
    fresh = mock1(400_000, 9)
    assert truth(smooth.flows[-1], fresh, 10_000) > truth(counted.flows[-1], fresh, 10_000)
    assert counted.tables["box"]["optimism"][0] > smooth.tables["box"]["optimism"][0]
    assert np.isnan(counted.tables["box"]["prediction_error"][0])


def test_other_objectives_move_the_box_as_they_should():
    sample, context = gaussians(4000), TrainingContext()

    def kept(**chosen):
        flow = BoxSearch(BoxSettings(starts=4, optimism_folds=0, **chosen)).fit(sample, context).flows[-1]
        mask = flow.mask(sample.columns, len(sample))
        return [sample.expected[mask & (sample.label == role)].sum() for role in (1, 0)]

    accurate = kept(objective="balanced_accuracy")
    pure = kept(objective="s / sqrt(b + (0.3 * b)**2)")
    assert pure[0] * accurate[1] > accurate[0] * pure[1]
    assert kept(objective="s-sqrt-b")[1] < accurate[1]
    assert kept(objective="asimov", background_systematic=0.5)[1] < kept(objective="asimov")[1]


def test_replicas_give_errors_and_blocks_of_them_the_same_flows():
    method, sample = BoxSearch(BoxSettings(starts=3, optimism_folds=0)), gaussians(2000)
    whole = method.fit(sample, TrainingContext(replicas=range(4)))
    part = method.fit(sample, TrainingContext(replicas=range(2, 4)))
    assert part.flows[:2] == whole.flows[2:4]
    agreed = whole.flows[-1]
    assert all(step.lower_error for step in agreed.steps if step.active and step.cut.lower is not None)
    with pytest.raises(UsageError, match="nothing random"):
        BoxSearch(BoxSettings(bootstrap=False)).fit(sample, TrainingContext(replicas=range(2)))


def test_working_points_keep_their_targets_and_one_is_recommended():
    sample = gaussians(3000)
    fitted = BoxSearch(BoxSettings(signal_efficiencies=(0.5, 0.8), optimism_folds=2)).fit(sample, TrainingContext())
    signal = sample.label == 1
    for flow in fitted.flows:
        mask = flow.mask(sample.columns, len(sample))
        assert sample.expected[mask & signal].sum() / sample.expected[signal].sum() == pytest.approx(
            flow.target, abs=0.03
        )
    assert fitted.recommended in ("signal_efficiency=0.5", "signal_efficiency=0.8")
    assert len(fitted.tables["box"]["optimism"]) == 2
    assert "budget" not in fitted.tables
    table = fitted.tables["box"]
    assert list(table["starts"]) == [11, 10]  # the tighter one began at the box of the looser one too
    assert all(table["agreeing_starts"] >= 1)
    assert any("signal_efficiency=0.5: " in text and "of 11 starts reached the same background" in text
               for text in fitted.notes)  # fmt: skip


def test_it_stops_when_asked_and_continues(tmp_path):
    sample, method = gaussians(2000), BoxSearch(BoxSettings(starts=3, optimism_folds=0))
    asked = iter([None] * 8)
    context = TrainingContext(replicas=range(4), checkpoint=tmp_path / "c.npz")
    with pytest.raises(Interrupted, match="the same command continues"):
        method.fit(sample, replace(context, stop_reason=lambda: next(asked, "SIGTERM")))
    assert method.fit(sample, context).flows == method.fit(sample, replace(context, checkpoint=None)).flows


def test_what_can_not_be_searched_is_refused_in_words():
    sample = gaussians(200)
    nothing = replace(sample, expected=np.where(sample.label == 1, 0.0, 1.0))
    with pytest.raises(InputError, match="weights of the signal sum to 0"):
        BoxSearch(BoxSettings()).fit(nothing, TrainingContext())
    with pytest.raises(ValueError, match="no such objective"):
        BoxSettings(objective="asimvo")
    with pytest.raises(ValueError, match="at least 2 parts"):
        BoxSettings(optimism_folds=1)
    with pytest.raises(UsageError, match="has no such rule"):
        BoxSettings(objective="accuracy").refuse_unused({"min_effective_events"})


def test_cuts_stand_in_the_order_of_what_they_add_the_same_in_replicas_and_consensus():
    sample = gaussians(3000, observables=4)
    shift = np.where(sample.label == 1, 1.0, -1.0)[:, None] * np.array([-0.4, 0.4, 1.0, 0.0])
    rng = np.random.default_rng(5)
    noise = rng.normal(0, 1, len(sample))
    x = np.where([True, True, True, False], sample.x + shift, noise[:, None]).astype(np.float32)
    fitted = BoxSearch(BoxSettings(starts=3, optimism_folds=0)).fit(
        replace(sample, x=x), TrainingContext(replicas=range(2))
    )
    assert {flow.observables for flow in fitted.flows} == {("x2", "x1", "x0", "x3")}
