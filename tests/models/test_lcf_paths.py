"""The compiled path against the torch path over whole trainings, and what both decide about starved features.

The paths differ in rounding alone: events, weights, orders and initial values are the same to the bit. Adam divides by
the root of the second moment, so that rounding grows where a gradient is near zero; over the steps here parameters
agree to 1e-4 with torch in double precision and to 1e-3 in single.
"""

import threading

import numpy as np
import pytest
import torch
from lcf_cases import make_sample, mock_sample

from cutflow_cli.models.lcf import kernel
from cutflow_cli.models.lcf.flow import learned_flow
from cutflow_cli.models.lcf.fused import FusedStepper
from cutflow_cli.models.lcf.model import LearnableCutFlow
from cutflow_cli.models.lcf.prepare import prepare
from cutflow_cli.models.lcf.settings import LcfSettings, resolve_settings
from cutflow_cli.models.lcf.torch_path import TorchStepper
from cutflow_cli.models.protocol import TrainingContext
from cutflow_cli.selection.cutflow import consensus

CENTERS = {"left": -2.0, "right": 2.0, "middle": 0.0, "edge": 0.0}
CASES = [
    ("parallel", {}),
    ("parallel", {"bootstrap": True, "class_weights": "physical"}),
    ("parallel", {"preset": "lcf", "centers": CENTERS}),
    ("sequential", {"bootstrap": True}),
    ("sequential", {"min_effective_events": 0.0}),
    ("sequential", {"preset": "lcf", "centers": CENTERS}),
]


@pytest.fixture(scope="module")
def sample():
    """700 events with weights, some values missing; the last batch of an epoch is a short one."""
    torch.set_num_threads(1)  # for tensors this small threads only get into each other's way
    plain = mock_sample(700, seed=12)
    x = plain.x.copy()
    x[::97, 1] = np.nan
    weight = np.random.default_rng(1).uniform(0.5, 1.5, len(x))
    return make_sample(x, plain.label, weight, plain.features)


def trained(stepper, epochs):
    losses = [stepper.run_epoch(epoch)["loss"] for epoch in range(epochs)]
    return stepper.state(), np.array(losses)


@pytest.mark.parametrize(("strategy", "chosen"), CASES)
def test_both_paths_learn_the_same(sample, strategy, chosen):
    chosen = {**chosen, "batch_size": 128, "learning_rate": 0.01}
    settings, _ = resolve_settings(strategy, chosen)
    data = prepare(sample, settings)
    seed, replicas, epochs = 3, range(1, 4), 6
    fused, fused_losses = trained(FusedStepper(data, settings, seed, replicas, threads=2), epochs)
    if settings.min_effective_events and strategy == "sequential":
        assert 0 < np.count_nonzero(fused["unmasked"]) < fused["unmasked"].size
    for dtype, tolerance in ((torch.float64, 1e-4), (torch.float32, 1e-3)):
        reference, losses = trained(TorchStepper(data, settings, seed, replicas, "cpu", dtype), epochs)
        np.testing.assert_array_equal(fused["unmasked"], reference["unmasked"])
        np.testing.assert_allclose(fused_losses, losses, rtol=tolerance)
        np.testing.assert_allclose(fused["params"], reference["params"], atol=tolerance)
        np.testing.assert_allclose(fused["first"], reference["first"], atol=tolerance)
        flows = [
            [learned_flow(state["params"][r], state["unmasked"][r], data, sample, settings, r) for r in range(3)]
            for state in (fused, reference)
        ]
        for ours, theirs in zip(*flows, strict=True):
            for a, b in zip(ours.steps, theirs.steps, strict=True):
                assert (a.cut.region, a.active, a.note is None) == (b.cut.region, b.active, b.note is None)
                if a.active:
                    ends = [[x for x in (cut.lower, cut.upper) if x is not None] for cut in (a.cut, b.cut)]
                    assert ends[0] == pytest.approx(ends[1], rel=0.01, abs=0.02)


def test_fit_by_either_path_gives_the_same_selection(sample):
    settings, _ = resolve_settings("sequential", {"epochs": 6, "learning_rate": 0.03, "batch_size": 256})
    context = TrainingContext(seed=3, replicas=range(2))
    fused, reference = (LearnableCutFlow(settings, path).fit(sample, context) for path in ("fused", "torch"))
    for ours, theirs in zip(fused.flows, reference.flows, strict=True):
        assert [(s.cut.region, s.active) for s in ours.steps] == [(s.cut.region, s.active) for s in theirs.steps]
        a, b = (flow.mask(sample.columns, len(sample)) for flow in (ours, theirs))
        assert np.count_nonzero(a != b) <= 3
    assert fused.history["replica"].tolist() == [0, 1] * 6
    assert fused.history["epoch"].tolist() == [epoch for epoch in range(1, 7) for _ in range(2)]
    np.testing.assert_allclose(fused.history["loss"], reference.history["loss"], rtol=1e-3)


def test_the_consensus_of_a_fit_is_that_of_its_replicas(sample):
    settings, _ = resolve_settings("parallel", {"epochs": 4, "learning_rate": 0.03, "tidy": False})
    fitted = LearnableCutFlow(settings).fit(sample, TrainingContext(seed=1, replicas=range(5)))
    *flows, agreed = fitted.flows
    expected = consensus(flows).rounded(sample.dtypes)
    assert [(step.cut, step.active, step.agreement) for step in agreed.steps] == [
        (step.cut, step.active, step.agreement) for step in expected.steps
    ]
    assert [flow.replica for flow in fitted.flows] == [0, 1, 2, 3, 4, -1]


def test_the_default_path_is_the_compiled_one_on_a_cpu(sample):
    settings, _ = resolve_settings("parallel", {"epochs": 2})
    context = TrainingContext(seed=5, replicas=range(2))
    auto, fused = (LearnableCutFlow(settings, path).fit(sample, context) for path in ("auto", "fused"))
    np.testing.assert_array_equal(auto.history["loss"], fused.history["loss"])


def test_a_training_cuts_where_the_classes_are_equally_likely():
    settings, _ = resolve_settings("parallel", {"epochs": 200, "learning_rate": 0.01, "centers": CENTERS})
    sample = mock_sample(10_000, seed=1)
    flow = LearnableCutFlow(settings).fit(sample, TrainingContext(replicas=range(3), threads=2)).flows[-1]
    cuts = {cut.observable: cut for cut in flow.cuts}
    # N(-2, 2) and N(2, 2) are equal at 0; N(0, 2) and the mean of N(±5, 2) where cosh(5x/4) = exp(25/8), at ±3.0543.
    peak = np.arccosh(np.exp(25 / 8)) * 4 / 5
    assert cuts["left"].upper == pytest.approx(0.0, abs=0.25)
    assert cuts["right"].lower == pytest.approx(0.0, abs=0.25)
    assert (cuts["middle"].lower, cuts["middle"].upper) == pytest.approx((-peak, peak), abs=0.25)
    assert (cuts["edge"].lower, cuts["edge"].upper) == pytest.approx((-peak, peak), abs=0.25)


def test_effective_events_against_brute_force():
    rng = np.random.default_rng(4)
    u = rng.normal(size=(300, 3)).astype(np.float32)
    u[::29, 1] = np.nan
    sign = rng.choice([-1.0, 1.0], 300).astype(np.float32)
    weight = rng.uniform(-0.5, 2.0, 300).astype(np.float32)
    below, inside, everything = [1, np.nan, 0.4], [3, -1.0, 0.8], [0, np.nan, np.nan]
    found = kernel.effective_events(u, sign, weight, np.array([below, inside, everything]))
    reach = np.ones(300, dtype=bool)
    for i, keep in enumerate((u[:, 0] < 0.4, (u[:, 1] > -1) & (u[:, 1] < 0.8), True)):
        for column, side in enumerate((1.0, -1.0)):
            w = weight[reach & (sign == side)].astype(np.float64)
            assert found[i, column] == pytest.approx(w.sum() ** 2 / (w**2).sum(), rel=1e-7)
        reach = reach & keep


def test_a_class_without_events_counts_zero():
    u = np.array([[1.0, 0.0], [2.0, 0.0]], dtype=np.float32)
    sign, weight = np.array([1, -1], dtype=np.float32), np.ones(2, dtype=np.float32)
    found = kernel.effective_events(u, sign, weight, np.array([[1, np.nan, 1.5], [0, np.nan, np.nan]]))
    assert found.tolist() == [[1.0, 1.0], [1.0, 0.0]]


def test_a_rare_signal_that_stands_apart_is_found():
    # Two events in a hundred are signal, five deviations away: most of the highest twentieth of all events.
    rng = np.random.default_rng(0)
    label = np.r_[np.ones(300), np.zeros(15_000)].astype(int)
    sample = make_sample(np.r_[rng.normal(5.0, 1.0, 300), rng.normal(0.0, 1.0, 15_000)][:, None], label)
    settings, _ = resolve_settings("parallel", {"epochs": 40, "learning_rate": 0.01})
    for flow in LearnableCutFlow(settings).fit(sample, TrainingContext(replicas=range(4), threads=2)).flows:
        (cut,) = flow.cuts
        assert cut.lower == pytest.approx(2.5, abs=0.5)  # where classes of equal weight are equally likely


def test_compiled_code_is_loaded_by_one_thread_before_others_run_it(sample, monkeypatch):
    # Loaded by two threads at once for the first time, it made numba wait for ever now and then.
    calls, train = [], FusedStepper._train

    def recorded(stepper, position, epoch):
        calls.append((epoch, position, threading.current_thread() is threading.main_thread()))
        return train(stepper, position, epoch)

    monkeypatch.setattr(FusedStepper, "_train", recorded)
    settings = LcfSettings()
    trained(FusedStepper(prepare(sample, settings), settings, 1, range(4), threads=2), 2)
    assert calls[0] == (0, 0, True)
    assert sorted(calls[1:]) == [(0, 1, False), (0, 2, False), (0, 3, False), *((1, r, False) for r in range(4))]
