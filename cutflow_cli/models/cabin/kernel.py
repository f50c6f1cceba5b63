"""The fused CPU kernel of CABIN: every sum over events that loss and gradient need, in one compiled pass.

With weights of ±1 the logistic function of a neuron is σ(n(wx + b)) = 1 / (1 + E c), with E = exp(−nwx) of the event,
computed once, and c = exp(−nb) of the sub-network: no exponential is left in the inner loop. The loss depends on events
through weighted sums of scores alone, so sums of the scores' derivatives are all that a step needs, and events are read
once. They are in single precision; sums have a fixed order within blocks of fixed size and blocks are added in order,
so results depend neither on the number of threads nor on the vector width. `torch_path` computes the same with
autograd, and is what this file is tested against.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.compile import jit

Array = NDArray[Any]
Single = Any  # a float32 scalar inside compiled code

#: Events in a block: what a sub-network needs of a block stays in the first-level cache.
BLOCK = 512
#: |n w x| and |n b| beyond which a logistic function is 0 or 1 for all that single precision knows.
EXPONENT_LIMIT = 85.0

# Single-precision constants: one double among them would make the whole loop double, at half the speed.
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)
_LARGE = np.float32(1e18)  # a logistic function below its inverse would make products denormal, which are slow
_TINY = np.float32(1e-16)  # a score below this is zero
_CROWDED, _LARGEST = np.float32(1e16), np.float32(3e38)
_SHRINK, _SMALLEST = np.float32(1e-18), np.float32(1e-37)
_LOG_LARGE, _LN2 = np.float32(18 * math.log(10)), np.float32(math.log(2))
_FRACTION, _UNIT_EXPONENT = np.int32(0x7FFFFF), np.int32(0x3F800000)
_S3, _S5, _S7, _S9 = np.float32(1 / 3), np.float32(1 / 5), np.float32(1 / 7), np.float32(1 / 9)
#: torch.nn.BCELoss, which the publication uses: logarithms are at least −100, p(1 − p) in the gradient at least 1e-12.
_LOG_LIMIT, _DENOMINATOR = np.float32(100.0), np.float32(1e-12)


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
def _dot(first: Array, second: Array, count: int) -> Single:
    """Sum products, in the order of `_sum`."""
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = _ZERO
    whole = count - count % 8
    for i in range(0, whole, 8):
        s0 += first[i] * second[i]
        s1 += first[i + 1] * second[i + 1]
        s2 += first[i + 2] * second[i + 2]
        s3 += first[i + 3] * second[i + 3]
        s4 += first[i + 4] * second[i + 4]
        s5 += first[i + 5] * second[i + 5]
        s6 += first[i + 6] * second[i + 6]
        s7 += first[i + 7] * second[i + 7]
    total = ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
    for i in range(whole, count):
        total += first[i] * second[i]
    return total


@jit
def _scores(exponential: Array, start: int, c: Array, miss: Array, score: Array, count: int) -> None:
    """Fill the scores of a block, and of each neuron the probability 1 − σ that it rejects the event."""
    score[:count] = _ONE
    for j in range(exponential.shape[0]):
        row, out, cj = exponential[j, start : start + count], miss[j], c[j]
        for e in range(count):
            odds = row[e] * cj
            odds = odds if odds < _LARGE else _LARGE
            passing = _ONE / (_ONE + odds)
            out[e] = odds * passing
            product = score[e] * passing
            score[e] = product if product > _TINY else _ZERO


@jit
def _rejections(miss: Array, rejected: Array, count: int) -> None:
    """Fill 1 − score without the cancellation that is left of the difference where the score is near one."""
    rejected[:count] = _ZERO
    for j in range(miss.shape[0]):
        row = miss[j]
        for e in range(count):
            rejected[e] += row[e] * (_ONE - rejected[e])


@jit
def _negative_logs(exponential: Array, start: int, c: Array, product: Array, shift: Array, count: int) -> None:
    """Fill −ln(score) as ln(product) + shift: a score far below what single precision holds still has a logarithm."""
    product[:count] = _ONE
    shift[:count] = _ZERO
    for j in range(exponential.shape[0]):
        row, cj = exponential[j, start : start + count], c[j]
        for e in range(count):
            odds = row[e] * cj
            far = odds > _LARGE
            scale = _SHRINK if far else _ONE
            value = product[e] * (scale + (odds if odds < _LARGEST else _LARGEST) * scale)
            large = value > _CROWDED
            product[e] = value * (_SHRINK if large else _ONE)
            shift[e] += (_LOG_LARGE if far else _ZERO) + (_LOG_LARGE if large else _ZERO)
            shift[e] += _LOG_LIMIT if row[e] * cj > _LARGEST else _ZERO  # missing, or beyond single precision


@jit
def _logs(values: Array, mantissa: Array, logs: Array, count: int) -> None:
    """Fill natural logarithms of positive normal numbers, absolute error 2e-6; vectorised, unlike the library's.

    With x = 2^k m and s = (m − 1)/(m + 1) in [0, 1/3), ln m = 2 artanh s = 2 (s + s³/3 + s⁵/5 + …).
    """
    bits, cut = values.view(np.int32), mantissa.view(np.int32)
    for e in range(count):
        cut[e] = (bits[e] & _FRACTION) | _UNIT_EXPONENT
    for e in range(count):
        s = (mantissa[e] - _ONE) / (mantissa[e] + _ONE)
        q = s * s
        series = _ONE + q * (_S3 + q * (_S5 + q * (_S7 + q * _S9)))
        logs[e] = np.float32((bits[e] >> 23) - 127) * _LN2 + (s + s) * series


@jit
def _entropy(logs: Array, shift: Array, signal: bool, count: int) -> None:
    """Turn ln(product) of the signal, or ln(1 − score) of the background, into the cross entropy, in place."""
    if signal:
        for e in range(count):
            value = logs[e] + shift[e]
            logs[e] = value if value < _LOG_LIMIT else _LOG_LIMIT
    else:
        for e in range(count):
            logs[e] = -logs[e]


@jit
def _entropy_factor(score: Array, rejected: Array, weight: Array, signal: bool, factor: Array, count: int) -> None:
    """Fill −dBCE/dln(score) times the weight."""
    for e in range(count):
        p = score[e]
        variance = p * rejected[e]
        slope = weight[e] * p / (variance if variance > _DENOMINATOR else _DENOMINATOR)
        factor[e] = slope * (rejected[e] if signal else -p)


@jit
def event_sums(
    exponential: Array, weight: Array, signal_events: int, first: int, last: int, c: Array, entropy: bool, sums: Array
) -> None:
    """Fill the sums over each of some blocks of events, for every sub-network.

    Blocks are numbered through the signal first; a block holds one class only. For p the score of an event and q_j the
    probability that neuron j rejects it, the sums are Σwp, Σwpq_j for each j, and if `entropy` Σw·BCE and Σfq_j, with
    f = −dBCE/dlog p · w, as torch.nn.BCELoss defines both.

    Args:
        exponential: exp(−nwx), infinite where x is missing, float32 of shape (neurons, events), signal first.
        weight: float32 of shape (events,), of order one.
        signal_events: how many events are signal.
        first: first block to fill.
        last: one after the last.
        c: exp(−nb), float32 of shape (targets, neurons).
        entropy: whether the cross entropy counts.
        sums: filled, shape (blocks, targets, 2 + 2 neurons): Σwp, Σwpq_j, Σw·BCE, Σfq_j.
    """
    neurons, events = exponential.shape
    signal_blocks = -(-signal_events // BLOCK)
    miss = np.empty((neurons, BLOCK), dtype=np.float32)
    score, factor = np.empty(BLOCK, dtype=np.float32), np.empty(BLOCK, dtype=np.float32)
    product, shift = np.empty(BLOCK, dtype=np.float32), np.empty(BLOCK, dtype=np.float32)
    mantissa, rejected = np.empty(BLOCK, dtype=np.float32), np.empty(BLOCK, dtype=np.float32)
    for block in range(first, last):
        signal = block < signal_blocks
        start = block * BLOCK if signal else signal_events + (block - signal_blocks) * BLOCK
        count = min(BLOCK, (signal_events if signal else events) - start)
        w = weight[start : start + count]
        for t in range(c.shape[0]):
            out = sums[block, t]
            _scores(exponential, start, c[t], miss, score, count)
            if entropy:
                _rejections(miss, rejected, count)
                if signal:
                    _negative_logs(exponential, start, c[t], product, shift, count)
                else:
                    for e in range(count):
                        product[e] = max(rejected[e], _SMALLEST)
                _logs(product, mantissa, factor, count)
                _entropy(factor, shift, signal, count)
                out[1 + neurons] = _dot(factor, w, count)
                _entropy_factor(score, rejected, w, signal, factor, count)
                for j in range(neurons):
                    out[2 + neurons + j] = _dot(factor, miss[j], count)
            for e in range(count):
                factor[e] = score[e] * w[e]
            out[0] = _sum(factor, count)
            for j in range(neurons):
                out[1 + j] = _dot(factor, miss[j], count)
