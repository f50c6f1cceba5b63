"""Laws of training: what a replica draws and learns depends on nothing beside it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cutflow_cli.engine.randomness import Stream, epoch_order, generator
from cutflow_cli.events.batch import EventSample
from cutflow_cli.models.lcf import kernel
from cutflow_cli.models.lcf.constants import PARALLEL, logit
from cutflow_cli.models.lcf.fused import FusedStepper, initial_parameters, replica_weights
from cutflow_cli.models.lcf.model import LearnableCutFlow
from cutflow_cli.models.lcf.prepare import Prepared, prepare
from cutflow_cli.models.lcf.settings import LcfSettings
from cutflow_cli.models.protocol import TrainingContext


@pytest.fixture(scope="module")
def sample():
    rng = np.random.default_rng(0)
    label = (np.arange(900) % 2).astype(np.int8)
    means = np.where(label == 1, 1.0, -1.0)[:, None] * np.array([1.0, -0.7, 0.3])
    return EventSample(
        features=("a", "b", "c"),
        x=rng.normal(means, 1.5).astype(np.float32),
        dtypes=dict.fromkeys("abc", "float32"),
        label=label,
        weight=(weight := rng.uniform(0.5, 2.0, 900)),
        expected=weight,
        process=label.astype(np.int32),
        processes=("background", "signal"),
    )


def fit(sample, replicas, threads=1, **settings):
    chosen = LcfSettings(**{"epochs": 5, "batch_size": 100, "learning_rate": 0.02, **settings})
    context = TrainingContext(seed=4, replicas=replicas, threads=threads)
    return LearnableCutFlow(chosen, "fused").fit(sample, context)


def of_replica(fitted, replica):
    """All that a fit says of one replica: its flow and its losses."""
    flow = next(flow for flow in fitted.flows if flow.replica == replica)
    return flow, fitted.history["loss"][fitted.history["replica"] == replica].tolist()


@pytest.mark.parametrize("settings", [{}, {"bootstrap": True}, {"strategy": "sequential"}], ids=str)
def test_a_block_of_replicas_is_that_block_of_the_whole(sample, settings):
    whole, block = fit(sample, range(10), **settings), fit(sample, range(5, 10), **settings)
    for replica in range(5, 10):
        assert of_replica(block, replica) == of_replica(whole, replica)
    assert len({tuple(of_replica(whole, replica)[1]) for replica in range(10)}) == 10


def test_threads_do_not_change_a_bit(sample):
    one, two = (fit(sample, range(5), threads=threads, bootstrap=True) for threads in (1, 2))
    assert one.flows == two.flows
    np.testing.assert_array_equal(one.history["loss"], two.history["loss"])


def test_a_replica_alone_is_the_same_replica(sample):
    alone, among = fit(sample, range(3, 4)), fit(sample, range(7))
    assert of_replica(alone, 3) == of_replica(among, 3)


def test_another_seed_is_another_training(sample):
    settings = LcfSettings(epochs=2)
    losses = [
        LearnableCutFlow(settings).fit(sample, TrainingContext(seed=seed)).history["loss"].tolist() for seed in (0, 1)
    ]
    assert losses[0] != losses[1]


@given(st.integers(0, 2**32), st.integers(0, 500), st.integers(0, 300), st.integers(0, 400))
def test_an_order_is_a_permutation_that_anyone_can_draw_again(seed, replica, epoch, events):
    order = epoch_order(seed, replica, epoch, events)
    assert order.dtype == np.int32
    assert sorted(order.tolist()) == list(range(events))
    np.testing.assert_array_equal(order, epoch_order(seed, replica, epoch, events))


@given(st.integers(0, 1000), st.integers(0, 100), st.integers(0, 100))
def test_an_order_depends_on_seed_replica_and_epoch(seed, replica, epoch):
    orders = [
        epoch_order(*key, 60).tolist()
        for key in ((seed, replica, epoch), (seed + 1, replica, epoch), (seed, replica + 1, epoch),
                    (seed, replica, epoch + 1))
    ]  # fmt: skip
    assert len({tuple(order) for order in orders}) == 4


def test_orders_are_uniform():
    # Where does each of 12 events end up in 6000 epochs? Chi-square with 11 × 11 degrees of freedom: 121 ± 15.6.
    epochs, events = 6000, 12
    counts = np.zeros((events, events))
    for epoch in range(epochs):
        counts[np.arange(events), epoch_order(1, 0, epoch, events)] += 1
    expected = epochs / events
    chi2 = ((counts - expected) ** 2 / expected).sum()
    assert abs(chi2 - 121) < 4 * np.sqrt(2 * 121)


def test_neighbours_in_an_order_are_uncorrelated():
    order = epoch_order(3, 1, 4, 100_000).astype(np.float64)
    for lag in (1, 2, 512):
        assert abs(np.corrcoef(order[:-lag], order[lag:])[0, 1]) < 4 / np.sqrt(len(order))


def test_the_streams_of_a_replica_are_apart():
    draws = [generator(5, replica, stream).random(4).tolist() for replica in (0, 1) for stream in Stream]
    assert len({tuple(draw) for draw in draws}) == 2 * len(Stream)


def test_initial_values_are_those_of_keras():
    values = np.stack([initial_parameters(20, 0, replica) for replica in range(200)])
    assert (values[..., 0] == 1).all()
    rest = values[..., 1:]
    limit = np.sqrt(6 / 4)
    assert -limit < rest.min() < -0.99 * limit
    assert 0.99 * limit < rest.max() < limit
    assert rest.mean() == pytest.approx(0.0, abs=4 * limit / np.sqrt(3 * rest.size))
    assert rest.var() == pytest.approx(limit**2 / 3, rel=0.05)


def prepared(events: int) -> Prepared:
    rng = np.random.default_rng(events)
    sign = np.where(np.arange(events) % 2, 1, -1).astype(np.float32)
    u = rng.normal(size=(events, 2)).astype(np.float32)
    weight = rng.uniform(0.5, 2.0, events).astype(np.float32)
    limits = np.array([[-np.inf, np.inf]] * 2, dtype=np.float32)
    return Prepared(u, sign, weight, np.zeros(2), np.ones(2), np.zeros(2), limits)


def test_bootstrap_weights_are_poisson_counts_of_mean_one():
    data, settings = prepared(50_000), LcfSettings(bootstrap=True)
    counts = [replica_weights(data, settings, 2, replica) / data.weight for replica in range(2)]
    for count in counts:
        whole = np.rint(count)
        np.testing.assert_allclose(count, whole, atol=1e-6)
        assert whole.mean() == pytest.approx(1.0, abs=4 / np.sqrt(50_000))
        assert whole.var() == pytest.approx(1.0, abs=4 * np.sqrt(3 / 50_000))  # var of a sample variance: (μ4 - σ⁴)/N
    assert abs(np.corrcoef(*counts)[0, 1]) < 4 / np.sqrt(50_000)
    np.testing.assert_array_equal(replica_weights(data, LcfSettings(), 2, 0), data.weight)


def step(data, weight):
    """Loss and gradient of one full batch, the loss as a sum rather than a mean."""
    params = np.random.default_rng(9).normal(size=(2, 5))
    first, second = np.zeros_like(params), np.zeros_like(params)
    events = len(data.u)
    unmasked = np.zeros(2, dtype=bool)
    arguments = (events, params, first, second, 0, data.standard_centre, data.limits, unmasked, PARALLEL)
    order = np.arange(events, dtype=np.int32)
    loss = kernel.train_epoch(kernel.packed(data.u, data.sign), weight, order, *arguments, logit(0.5), 0.05, 0.0)
    return loss * events, first * events


def test_an_event_twice_is_an_event_of_twice_the_weight():
    data = prepared(64)
    twice = np.repeat(np.arange(64), np.where(np.arange(64) % 3 == 0, 2, 1))
    doubled = replace(data, u=data.u[twice], sign=data.sign[twice], weight=data.weight[twice])
    weight = data.weight * np.where(np.arange(64) % 3 == 0, np.float32(2), np.float32(1))
    (one, gradient), (other, same) = step(data, weight), step(doubled, doubled.weight)
    assert one == pytest.approx(other, rel=1e-5)
    np.testing.assert_allclose(gradient, same, rtol=1e-4, atol=1e-5)


def test_a_full_batch_does_not_care_for_the_order(sample):
    settings = LcfSettings(epochs=1, batch_size=len(sample))
    data = prepare(sample, settings)
    backwards = {name: getattr(data, name)[::-1].copy() for name in ("u", "sign", "weight")}
    mirrored = replace(data, **backwards)
    losses = [FusedStepper(part, settings, 1, range(2), 1).run_epoch(0)["loss"] for part in (data, mirrored)]
    np.testing.assert_allclose(*losses, rtol=1e-5)
