"""Raw counts: published accuracy and precision, and errors against repeated experiments."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cutflow_cli.metrics.counting import Counts, accuracy, binomial_count, precision

#: Published means of mock1 over ten runs are built from such runs; this is run 1 of the parallel strategy.
RUN_1 = Counts(tp=25742, fp=34, tn=50143 - 34, fn=49857 - 25742)


def test_published_run():
    assert accuracy(RUN_1).value == pytest.approx((25742 + 50109) / 100_000)
    assert precision(RUN_1).value == pytest.approx(25742 / 25776)


def test_errors_are_the_scatter_of_repeated_experiments():
    rng = np.random.default_rng(3)
    n_s, n_b, times = 600, 900, 3000
    found = []
    for tp, fp in zip(rng.binomial(n_s, 0.4, times), rng.binomial(n_b, 0.1, times), strict=True):
        counts = Counts(tp=int(tp), fp=int(fp), tn=int(n_b - fp), fn=int(n_s - tp))
        numbers = (binomial_count(counts.tp, n_s), accuracy(counts), precision(counts))
        found.append([(number.value, number.error) for number in numbers])
    values, errors = np.moveaxis(np.array(found), 2, 0)
    assert errors.mean(axis=0) == pytest.approx(values.std(axis=0), rel=0.05)


def test_bounds_have_no_spread():
    assert binomial_count(0, 10).error == 0
    assert binomial_count(10, 10).error == 0
    assert binomial_count(5, 10).error == pytest.approx(math.sqrt(2.5))


def test_precision_of_one_class_alone_says_so():
    found = precision(Counts(tp=5, fp=0, tn=5, fn=5))
    assert (found.value, found.error) == (1, 0)
    assert "one class alone" in found.reason


def test_empty_classes():
    assert binomial_count(0, 0).reason == "there are no events of this class"
    assert accuracy(Counts(0, 0, 0, 0)).value is None
    nothing = precision(Counts(tp=0, fp=0, tn=5, fn=5))
    assert nothing.value is None
    assert nothing.reason == "no simulated event passes: the precision is undefined"
