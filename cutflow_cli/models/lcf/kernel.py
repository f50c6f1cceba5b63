"""The fused CPU kernel of LCF: one epoch of one replica in one compiled call.

An event lies on one side of a feature's centre, so one logistic function per feature and event suffices. Features come
as `u`, the standardised distance from the centre, whose sign says on which side. Events are in single precision, as in
the published code, parameters in double. Sums have a fixed order and nothing uses fast-math, so a training gives the
same bits whatever the vector width of the processor. `cutflow_cli.models.lcf.torch_path` computes the same with
autograd, and is what this file is tested against.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.compile import jit
from cutflow_cli.models.lcf import combine as rules
from cutflow_cli.models.lcf.constants import (
    BETA1,
    BETA2,
    BL,
    BU,
    EPSILON,
    LOGIT_CLIP,
    SEQUENTIAL_AND,
    SEQUENTIAL_APPLIED,
    WL,
    WU,
    K,
)

Array = NDArray[Any]
Single = Any  # a float32 scalar inside compiled code

_boundary = jit(rules.boundary)
_combine = jit(rules.combine)
_combine_by_side = jit(rules.combine_by_side)


# Single-precision constants: one double among them would make the whole loop double, at half the speed.
_ZERO, _ONE, _CLIP, _SIXTEENTH = np.float32(0.0), np.float32(1.0), np.float32(LOGIT_CLIP), np.float32(0.0625)
_E0, _E1, _E2, _E3 = (
    np.float32(0.9999999829026398),
    np.float32(-0.9999983429007745),
    np.float32(0.49997363177615234),
    np.float32(-0.16650824216356278),
)
_E4, _E5, _E6 = np.float32(0.04120863323951643), np.float32(-0.00764010531137662), np.float32(0.0008438838102378689)
_L0, _L1, _L2, _L3 = (
    np.float32(0.9999985737222923),
    np.float32(-0.49985899427077896),
    np.float32(0.33097525821221563),
    np.float32(-0.23454520051893873),
)
_L4, _L5, _L6 = np.float32(0.14829413431831745), np.float32(-0.06559030637164973), np.float32(0.013874484509336043)


@jit
def _exp_negative(x: Single) -> Single:
    """exp(-x) for 0 <= x <= 16.2, relative error 2e-6: a Chebyshev fit of exp(-x/16), squared four times."""
    r = x * _SIXTEENTH
    p = (((((_E6 * r + _E5) * r + _E4) * r + _E3) * r + _E2) * r + _E1) * r + _E0
    p *= p
    p *= p
    p *= p
    return p * p


@jit
def _log1p_unit(x: Single) -> Single:
    """log(1 + x) for 0 <= x <= 1, relative error 2e-6, by a Chebyshev fit; for the loss shown, not its gradient."""
    return x * ((((((_L6 * x + _L5) * x + _L4) * x + _L3) * x + _L2) * x + _L1) * x + _L0)


@jit
def importance(params: Array, share: Array) -> None:
    """Fill the importances: the softmax of the importance logits."""
    total = 0.0
    for i in range(params.shape[0]):
        share[i] = math.exp(params[i, K])
        total += share[i]
    for i in range(params.shape[0]):
        share[i] /= total


@jit
def regions(
    params: Array,
    share: Array,
    centres: Array,
    logit_threshold: float,
    minimum: float,
    region: Array,
    by_side: bool = False,
) -> None:
    """Fill for each feature the region that inference applies: code, lower and upper boundary in units of u."""
    features = params.shape[0]
    for i in range(features):
        low, up = params[i, WL] * share[i], params[i, WU] * share[i]
        lower = _boundary(low, params[i, BL] + low * centres[i], logit_threshold)
        upper = _boundary(up, params[i, BU] + up * centres[i], logit_threshold)
        if by_side:
            code, below, above = _combine_by_side(lower, upper, low > 0.0, up > 0.0, 0.0)
        else:
            code, below, above = _combine(lower, upper, low > 0.0, up > 0.0, 0.0)
        region[i, 0] = rules.ALL if share[i] <= minimum / features else code
        region[i, 1], region[i, 2] = below, above


@jit
def _passes(u: float, code: int, low: float, high: float) -> bool:
    if code == rules.ALL:
        return True
    if code == rules.BELOW:
        return u < high
    if code == rules.ABOVE:
        return u > low
    if code == rules.INSIDE:
        return low < u < high
    return u < low or u > high


@jit
def effective_events(u: Array, sign: Array, weight: Array, region: Array) -> Array:
    """Count the effective events of each class that reach each feature of a sequential flow.

    Args:
        u: distance from the centre, NaN where missing, shape (events, features).
        sign: +1 background, -1 signal, shape (events,).
        weight: training weights, shape (events,).
        region: what `regions` filled.

    Returns:
        (sum of weights)² / sum of squares, shape (features, 2): background, signal.
    """
    sums = np.zeros((u.shape[1], 2, 2))
    add_reaching(u, sign, weight, region, sums)
    result: Array = effective(sums)
    return result


@jit
def add_reaching(u: Array, sign: Array, weight: Array, region: Array, sums: Array) -> None:
    """Add up the weights, and their squares, of the events of each class that reach each feature: (features, 2, 2)."""
    events, features = u.shape
    for e in range(events):
        c = 0 if sign[e] > 0.0 else 1
        for i in range(features):
            sums[i, c, 0] += weight[e]
            sums[i, c, 1] += weight[e] * weight[e]
            if not _passes(u[e, i], int(region[i, 0]), region[i, 1], region[i, 2]):
                break


@jit
def effective(sums: Array) -> Array:
    """Turn the sums of `add_reaching` into numbers of effective events, shape (features, 2)."""
    features = sums.shape[0]
    result = np.zeros((features, 2))
    for i in range(features):
        for c in range(2):
            if sums[i, c, 1] > 0.0:
                result[i, c] = sums[i, c, 0] ** 2 / sums[i, c, 1]
    return result


@jit
def _sum(values: Array, count: int) -> Single:
    """Sum in a fixed order, eight running sums wide: vectorised without a change of the result."""
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = _ZERO
    whole = count - count % 8
    for i in range(0, whole, 8):
        s0 += values[i]
        s1 += values[i + 1]
        s2 += values[i + 2]
        s3 += values[i + 3]
        s4 += values[i + 4]
        s5 += values[i + 5]
        s6 += values[i + 6]
        s7 += values[i + 7]
    total = ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
    for i in range(whole, count):
        total += values[i]
    return total


@jit
def _row(count: int) -> Array:
    """Allocate a buffer of its own: rows of one array may overlap for all the compiler knows."""
    return np.empty(count, dtype=np.float32)


@jit
def _moments(u: Array, slope: Array, times_u: Array, lower: Array, lower_times_u: Array, count: int) -> None:
    """Fill slope times u, and both again for the lower neuron alone; a missing u has no slope and counts as zero."""
    for e in range(count):
        product = slope[e] * u[e] if slope[e] != _ZERO else _ZERO
        below = u[e] < _ZERO
        times_u[e] = product
        lower[e] = slope[e] if below else _ZERO
        lower_times_u[e] = product if below else _ZERO


@jit
def _cross_entropy(
    u: Array,
    sign: Array,
    weight: Array,
    low: Single,
    low0: Single,
    up: Single,
    up0: Single,
    first: Single,
    last: Single,
    slope: Array,
    loss: Array,
    count: int,
) -> None:
    """Fill the weighted loss of each event and its derivative by the logit; few arrays, so that it vectorises.

    Values outside [first, last] do not count, nor do missing ones and one at the centre. With sign s = 1 for
    background and -1 for signal the binary cross entropy of logit a is log(1 + exp(s a)).
    """
    for e in range(count):
        below = u[e] < _ZERO
        a = sign[e] * ((low if below else up) * u[e] + (low0 if below else up0))
        size = abs(a)
        size = size if size < _CLIP else _CLIP
        decay = _exp_negative(size)
        inverse = _ONE / (_ONE + decay)
        wrong = inverse if a > _ZERO else decay * inverse
        w = weight[e] if (u[e] != _ZERO) & (u[e] >= first) & (u[e] <= last) else _ZERO
        slope[e] = w * sign[e] * wrong if size < _CLIP else _ZERO
        loss[e] = w * ((size if a > _ZERO else _ZERO) + _log1p_unit(decay))


@jit
def _adam(params: Array, first: Array, second: Array, gradient: Array, step: int, learning_rate: float) -> None:
    """Take one step of Adam in Keras' form, where epsilon joins the root of the uncorrected second moment."""
    rate = learning_rate * math.sqrt(1.0 - BETA2**step) / (1.0 - BETA1**step)
    for i in range(params.shape[0]):
        for j in range(params.shape[1]):
            g = gradient[i, j]
            first[i, j] += (g - first[i, j]) * (1.0 - BETA1)
            second[i, j] += (g * g - second[i, j]) * (1.0 - BETA2)
            params[i, j] -= rate * first[i, j] / (math.sqrt(second[i, j]) + EPSILON)


@jit
def _narrow(mask: Array, u: Array, code: int, low: float, high: float, count: int) -> None:
    """Zero the weights of the events of a batch that a cut rejects; without branches, which would be mispredicted."""
    lower = np.float32(-np.inf if code == rules.BELOW else low)
    upper = np.float32(np.inf if code == rules.ABOVE else high)
    if code == rules.OUTSIDE:
        for e in range(count):
            mask[e] = mask[e] if (u[e] < lower) | (u[e] > upper) else _ZERO
    elif code != rules.ALL:
        for e in range(count):
            mask[e] = mask[e] if (u[e] > lower) & (u[e] < upper) else _ZERO


@jit
def _narrow_by_both(
    mask: Array,
    u: Array,
    low: Single,
    low0: Single,
    up: Single,
    up0: Single,
    threshold: Single,
    count: int,
) -> None:
    """Zero the weights of the events that either neuron rejects, as the published code does."""
    for e in range(count):
        both = (low * u[e] + low0 > threshold) & (up * u[e] + up0 > threshold)
        mask[e] = mask[e] if both else _ZERO


def packed(u: Array, sign: Array) -> Array:
    """Put what a step reads of an event side by side: one place in memory to fetch instead of two.

    Args:
        u: standardised features less their centre, NaN where missing, shape (events, features).
        sign: +1 background, -1 signal, shape (events,).

    Returns:
        Float32 of shape (events, features + 1).
    """
    return np.concatenate([u, sign[:, None]], axis=1, dtype=np.float32)


@jit
def train_epoch(
    rows: Array,
    weight: Array,
    order: Array,
    batch_size: int,
    params: Array,
    first: Array,
    second: Array,
    steps_done: int,
    centres: Array,
    limits: Array,
    unmasked: Array,
    mask_rule: int,
    logit_threshold: float,
    minimum: float,
    learning_rate: float,
    by_side: bool = False,
) -> float:
    """Train one replica for one epoch, in place.

    The loss of a batch of B events, as the published code has it, is
    1/(2n) sum_i sum_side 1/B sum_e w_e m_ie M_ie BCE(y_e, p_ie), with m the side of the centre, M the mask of a
    sequential flow (a constant for the gradient), p = sigmoid(w s z + b) and s = softmax(k).

    Args:
        rows: what `packed` gives: features u and sign of each event side by side, float32.
        weight: training weights, float32 of shape (events,).
        order: the events in the order of this epoch.
        batch_size: events per step; the last batch may be smaller.
        params: shape (features, 5), changed in place, as are the two moments of the same shape.
        first: Adam's running mean of the gradient.
        second: Adam's running mean of its square.
        steps_done: optimiser steps before this epoch.
        centres: centres in standardised units, shape (features,).
        limits: first and last value of u that counts in a feature's own loss, float32 of shape (features, 2).
        unmasked: features that ignore the mask of earlier cuts, shape (features,).
        mask_rule: PARALLEL, SEQUENTIAL_AND (as published) or SEQUENTIAL_APPLIED.
        logit_threshold: logit of the pass threshold.
        minimum: importance, as a share of the uniform one, at or below which a cut is not applied.
        learning_rate: Adam's learning rate.
        by_side: whether neurons are combined by `combine_by_side` rather than `combine`.

    Returns:
        The mean loss per event over the epoch.
    """
    events, features = rows.shape[0], rows.shape[1] - 1
    ub = np.empty((features, batch_size), dtype=np.float32)
    sb, wb, mask, kept = _row(batch_size), _row(batch_size), _row(batch_size), _row(batch_size)
    loss, slope, slope_u = _row(batch_size), _row(batch_size), _row(batch_size)
    lower_slope, lower_slope_u = _row(batch_size), _row(batch_size)
    gradient, share, region = np.zeros((features, 5)), np.empty(features), np.empty((features, 3))
    epoch_loss, step = 0.0, steps_done
    for start in range(0, events, batch_size):
        count = min(batch_size, events - start)
        scale = np.float32(1.0 / (2.0 * features * count))
        for e in range(count):
            event = order[start + e]
            sb[e] = rows[event, features]
            wb[e] = mask[e] = weight[event] * scale
            for i in range(features):
                ub[i, e] = rows[event, i]
        importance(params, share)
        if mask_rule == SEQUENTIAL_APPLIED:
            regions(params, share, centres, logit_threshold, minimum, region, by_side)
        batch_loss, mean = 0.0, 0.0
        for i in range(features):
            ui = ub[i]
            low, up = params[i, WL] * share[i], params[i, WU] * share[i]
            low0, up0 = params[i, BL] + low * centres[i], params[i, BU] + up * centres[i]
            for e in range(count):  # copied: a choice between two buffers would keep the next loop from vectorising
                kept[e] = wb[e] if unmasked[i] else mask[e]
            a, a0, b, b0 = np.float32(low), np.float32(low0), np.float32(up), np.float32(up0)
            _cross_entropy(ui, sb, kept, a, a0, b, b0, limits[i, 0], limits[i, 1], slope, loss, count)
            _moments(ui, slope, slope_u, lower_slope, lower_slope_u, count)
            batch_loss += _sum(loss, count)
            # z = u + centre, so the sums of slope times z follow from those of slope times u
            b_low, a_low = _sum(lower_slope, count), _sum(lower_slope_u, count)
            b_up, a_up = _sum(slope, count) - b_low, _sum(slope_u, count) - a_low
            a_low, a_up = a_low + centres[i] * b_low, a_up + centres[i] * b_up
            gradient[i, WL], gradient[i, BL] = a_low * share[i], b_low
            gradient[i, WU], gradient[i, BU] = a_up * share[i], b_up
            gradient[i, K] = a_low * params[i, WL] + a_up * params[i, WU]
            mean += share[i] * gradient[i, K]
            if mask_rule == SEQUENTIAL_APPLIED:
                _narrow(mask, ui, int(region[i, 0]), region[i, 1], region[i, 2], count)
            elif mask_rule == SEQUENTIAL_AND:
                _narrow_by_both(mask, ui, a, a0, b, b0, np.float32(logit_threshold), count)
        for i in range(features):
            gradient[i, K] = share[i] * (gradient[i, K] - mean)
        step += 1
        _adam(params, first, second, gradient, step, learning_rate)
        epoch_loss += batch_loss * count
    return float(epoch_loss / events)
