"""Samples and landscapes for the tests of the box search."""

from __future__ import annotations

import numpy as np

from cutflow_cli.events.batch import EventSample
from cutflow_cli.metrics.objectives import parse_objective
from cutflow_cli.models.box.binning import bin_sample
from cutflow_cli.models.box.landscape import Landscape, make_landscape, weights_of


def sample_of(x, label, weight=None, dtypes=None) -> EventSample:
    """Make a sample of one process a class."""
    names = tuple(f"x{k}" for k in range(x.shape[1]))
    weight = np.ones(len(label)) if weight is None else weight
    kinds = dtypes or dict.fromkeys(names, "float32")
    return EventSample(names, x, kinds, label.astype(np.int8), weight, weight, label.astype(np.int32), ("b", "s"))


def gaussians(events=4000, observables=3, seed=1, missing=0.0, correlation=0.0) -> EventSample:
    """Two classes of normal distributions that lie apart; some values missing, the classes weighted."""
    rng = np.random.default_rng(seed)
    label = (np.arange(events) % 2).astype(np.int8)
    x = rng.normal(0, 1, (events, observables)) + correlation * rng.normal(0, 1, (events, 1))
    x += np.where(label == 1, 0.8, -0.8)[:, None]
    x[rng.random(x.shape) < missing] = np.nan
    weight = np.where(label == 1, 0.05, 1.0) * rng.uniform(0.5, 1.5, events)
    return sample_of(x.astype(np.float32), label, weight)


def landscape_of(sample, objective="asimov", systematic=0.1, *, smooth=True, least=10.0, gain=0.0, chance=0.0, bins=40):
    """Prepare a sample as the method does, without any charge for boundaries."""
    weights = weights_of(sample.label == 1, sample.expected)
    wanted = parse_objective(objective, systematic)
    made: Landscape = make_landscape(
        bin_sample(sample, sample.expected, bins), weights, wanted, smooth=smooth, min_effective_events=least,
        min_gain=gain, chance=chance,
    )  # fmt: skip
    return made
