"""Sums over windows against the dense matrix that they replace."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from punzi_cases import peak_sample, peak_settings

from cutflow_cli.models.punzi.sums import NOWHERE, FixedPoint, Layout, slot_sums
from cutflow_cli.models.punzi.windows import Windows, find_windows
from cutflow_cli.selection.cut import Cut, Region


def dense(sample, windows, values):
    """Background and own signal in each trained window, from a mask for each."""
    background = [values[(sample.label == 0) & windows.inside(i, sample)].sum() for i in windows.trained]
    signal = [values[windows.signal_of(i, sample) & windows.inside(i, sample)].sum() for i in windows.trained]
    return np.array(background), np.array(signal)


def segmented(sample, windows, values):
    layout = Layout.of(windows, sample)
    slot = layout.assign(sample, windows)
    used = slot != NOWHERE
    sums = slot_sums(torch.as_tensor(values[used]), torch.as_tensor(slot[used], dtype=torch.int64), layout.slots)
    background, signal = layout.totals(sums)
    return background.numpy(), signal.numpy()


@pytest.mark.parametrize("n_sigma", [0.5, 2.0, 4.0, 20.0])
@pytest.mark.parametrize("holdout", [None, "every-second"])
def test_segment_sums_are_dense_sums(n_sigma, holdout):
    sample = peak_sample(seed=3)
    windows = find_windows(sample, peak_settings(n_sigma=n_sigma, holdout_hypotheses=holdout))
    values = np.random.default_rng(0).uniform(0, 1, len(sample)) * sample.weight
    for found, expected in zip(segmented(sample, windows, values), dense(sample, windows, values), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(1, 6)), min_size=1, max_size=6),
    st.lists(st.integers(0, 18), min_size=1, max_size=40),
)
def test_any_windows_and_values_on_their_bounds(spans, masses):
    """Windows that overlap, touch, coincide or hold nothing; values that equal bounds lie outside."""
    label = np.zeros(len(masses), dtype=np.int8)
    sample = peak_sample(len(masses))
    sample = type(sample)(
        **{
            **{name: getattr(sample, name) for name in sample.__slots__},
            "label": label,
            "hypothesis": np.full(len(masses), np.nan),
            "spectators": {"m2": np.array(masses, dtype=np.float32)},
        }
    )
    cuts = tuple(Cut("m2", Region.INSIDE, low, low + size) for low, size in spans)
    windows = Windows(tuple(float(i) for i in range(len(spans))), (False,) * len(spans), cuts)
    values = np.arange(1.0, len(masses) + 1)
    np.testing.assert_array_equal(segmented(sample, windows, values)[0], dense(sample, windows, values)[0])


def test_events_outside_every_window_add_to_nothing():
    sample = peak_sample()
    windows = find_windows(sample, peak_settings(n_sigma=1.0))
    slot = Layout.of(windows, sample).assign(sample, windows)
    inside = np.array([windows.inside(i, sample) for i in range(4)])
    own = np.array([windows.signal_of(i, sample) for i in range(4)])
    used = np.where(sample.label == 1, (inside & own).any(axis=0), inside.any(axis=0))
    np.testing.assert_array_equal(slot != NOWHERE, used)
    assert 0 < used.sum() < len(sample)


def test_without_a_mass_column_all_background_counts_for_each_hypothesis():
    sample = peak_sample()
    windows = find_windows(sample, peak_settings(mass_column=None, windows=None))
    background, signal = segmented(sample, windows, sample.weight)
    np.testing.assert_allclose(background, sample.weight[sample.label == 0].sum())
    np.testing.assert_allclose(signal, 2.5)


def test_large_and_small_windows_keep_their_precision():
    """A cumulative sum passes a million events' weight before it comes to a window with one."""
    layout = Layout(np.array([0.0, 1.0, 2.0, 3.0]), np.array([2, 6]), np.array([3, 7]))
    sums = torch.zeros(layout.slots, dtype=torch.float64)
    sums[2], sums[6] = 1e9, 1e-3
    assert layout.totals(sums)[0][1].item() == pytest.approx(1e-3, rel=1e-3)


def test_the_gradient_is_that_of_the_slot():
    slot = torch.tensor([[0, 2, 2, 1]])
    values = torch.ones(1, 4, dtype=torch.float64, requires_grad=True)
    (slot_sums(values, slot, 3) * torch.tensor([10.0, 20.0, 30.0], dtype=torch.float64)).sum().backward()
    assert values.grad.tolist() == [[10.0, 30.0, 30.0, 20.0]]


def test_sums_in_fixed_point_are_those_in_double_precision_in_any_order():
    rng = np.random.default_rng(8)
    slot = torch.as_tensor(rng.integers(0, 7, 5000))
    slot[slot == 3] = 2  # a slot without events
    scale = 10.0 ** torch.as_tensor(rng.integers(-8, 8, 7))
    weights = torch.as_tensor(rng.normal(size=(2, 5000))) * scale[slot]
    fixed = FixedPoint(weights, slot, 7, torch.device("cpu"))
    outputs = torch.as_tensor(rng.uniform(size=(1, 5000)))
    both = slot.expand(2, -1)
    found = fixed.sums(outputs * fixed.weights, both)
    # as close to exact sums as rounding the products lets them be
    exact = [[math.fsum(row[slot == number].tolist()) for number in range(7)] for row in outputs * weights]
    size = slot_sums((outputs * weights).abs(), both, 7)
    assert ((found - torch.tensor(exact, dtype=torch.float64)).abs() <= 1e-15 * size).all()
    shuffled = torch.as_tensor(rng.permutation(5000))
    again = fixed.sums((outputs * fixed.weights)[:, shuffled], both[:, shuffled])
    assert torch.equal(found, again)
    assert found[:, 3].tolist() == [0.0, 0.0]
