"""The fused CPU kernel: small tanh networks and sums over windows, a tile of events at a time.

A network of some hundred parameters is too small for torch, whose every operation writes a tensor as large as the
sample to memory. Here a tile of events goes through all layers within the cache, and the backward pass computes the
forward one again rather than remember it. Sums have a fixed order and nothing uses fast-math, so a training gives the
same bits whatever the vector width of the processor and however many threads. `cutflow_cli.engine.network` with
autograd is what this file is tested against.

Parameters of a network come in the order of `engine.network.Architecture.shapes`: per layer a matrix (inputs, outputs),
then the biases.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.compile import jit

Array = NDArray[Any]
Single = Any  # a float32 scalar inside compiled code

#: Events per tile: activations of wide layers still fit the first-level cache.
TILE = 256
_TILE = TILE

# Single-precision constants: one double among them would make the whole loop double, at half the speed.
_ZERO, _HALF, _ONE, _LIMIT = np.float32(0.0), np.float32(0.5), np.float32(1.0), np.float32(7.90531110763549805)
_A1, _A3, _A5 = np.float32(4.89352455891786e-03), np.float32(6.37261928875436e-04), np.float32(1.48572235717979e-05)
_A7, _A9 = np.float32(5.12229709037114e-08), np.float32(-8.60467152213735e-11)
_A11, _A13 = np.float32(2.00018790482477e-13), np.float32(-2.76076847742355e-16)
_B0, _B2 = np.float32(4.89352518554385e-03), np.float32(2.26843463243900e-03)
_B4, _B6 = np.float32(1.18534705686654e-04), np.float32(1.19825839466702e-06)


@jit
def _tanh(values: Array) -> None:
    """Replace values by their tanh to a few units in the last place: the rational minimax fit that Eigen uses."""
    for e in range(_TILE):
        x = min(max(values[e], -_LIMIT), _LIMIT)
        s = x * x
        p = x * ((((((_A13 * s + _A11) * s + _A9) * s + _A7) * s + _A5) * s + _A3) * s + _A1)
        q = ((_B6 * s + _B4) * s + _B2) * s + _B0
        values[e] = p / q


@jit
def _add_scaled(total: Array, factor: Single, values: Array) -> None:
    for e in range(_TILE):
        total[e] += factor * values[e]


@jit
def _add_four(
    total: Array, f0: Single, f1: Single, f2: Single, f3: Single, v0: Array, v1: Array, v2: Array, v3: Array
) -> None:
    for e in range(_TILE):
        total[e] += (f0 * v0[e] + f1 * v1[e]) + (f2 * v2[e] + f3 * v3[e])


@jit
def _accumulate(lanes: Array, a: Array, b: Array) -> None:
    """Add the products of a whole tile to 16 running sums: vectorised without a change of the result."""
    for e in range(16):
        first = (a[e] * b[e] + a[e + 16] * b[e + 16]) + (a[e + 32] * b[e + 32] + a[e + 48] * b[e + 48])
        second = (a[e + 64] * b[e + 64] + a[e + 80] * b[e + 80]) + (a[e + 96] * b[e + 96] + a[e + 112] * b[e + 112])
        third = (a[e + 128] * b[e + 128] + a[e + 144] * b[e + 144]) + (
            a[e + 160] * b[e + 160] + a[e + 176] * b[e + 176]
        )
        fourth = (a[e + 192] * b[e + 192] + a[e + 208] * b[e + 208]) + (
            a[e + 224] * b[e + 224] + a[e + 240] * b[e + 240]
        )
        lanes[e] += (first + second) + (third + fourth)


@jit
def _weighted_rows(total: Array, factors: Array, step: int, first: int, rows: Array, start: int, number: int) -> None:
    """Add factors[first + i step] × rows[start + i] over i below number to total."""
    i = 0
    while i + 4 <= number:
        f = first + i * step
        r = start + i
        _add_four(
            total, factors[f], factors[f + step], factors[f + 2 * step], factors[f + 3 * step],
            rows[r], rows[r + 1], rows[r + 2], rows[r + 3],
        )  # fmt: skip
        i += 4
    while i < number:
        _add_scaled(total, factors[first + i * step], rows[start + i])
        i += 1


@jit
def _forward_tile(params: Array, units: Array, rows: Array) -> None:
    """Fill the rows of all layers after the inputs' (the first units[0] rows); the last row is the logit."""
    start, offset = 0, 0
    layers = len(units) - 1
    for layer in range(layers):
        inputs, outputs = units[layer], units[layer + 1]
        biases = offset + inputs * outputs
        for j in range(outputs):
            row = rows[start + inputs + j]
            row[:] = params[biases + j]
            _weighted_rows(row, params, outputs, offset + j, rows, start, inputs)
            if layer < layers - 1:
                _tanh(row)
        start += inputs
        offset = biases + outputs


@jit
def _gather(x: Array, order: Array, first: int, rows: Array, count: int) -> None:
    for i in range(x.shape[1]):
        row = rows[i]
        for e in range(count):
            row[e] = x[order[first + e], i]


@jit
def forward(params: Array, units: Array, x: Array, order: Array, sharpness: Single, output: Array) -> None:
    """Fill the outputs, sigmoid(sharpness × logit), of some events.

    Args:
        params: of one network, float32, shape (parameters,).
        units: of each layer, inputs first.
        x: scaled features of all events, float32, shape (events, features).
        order: which events, shape (batch,).
        sharpness: float32.
        output: filled, float32, shape (batch,).
    """
    rows = np.zeros((units.sum(), _TILE), dtype=np.float32)
    logit = rows[rows.shape[0] - 1]
    for first in range(0, len(order), _TILE):
        count = min(_TILE, len(order) - first)
        _gather(x, order, first, rows, count)
        _forward_tile(params, units, rows)
        for e in range(_TILE):
            logit[e] *= _HALF * sharpness
        _tanh(logit)
        for e in range(count):
            output[first + e] = _HALF + _HALF * logit[e]


@jit
def backward(params: Array, units: Array, x: Array, order: Array, slope: Array, gradient: Array) -> None:
    """Fill the gradient of Σ slope · logit.

    Args:
        params: see `forward`.
        units: see `forward`.
        x: see `forward`.
        order: see `forward`.
        slope: derivative of the loss by each event's logit, float32, shape (batch,).
        gradient: filled, float64, shape (parameters,).
    """
    rows = np.zeros((units.sum(), _TILE), dtype=np.float32)
    slopes = np.zeros((units.sum(), _TILE), dtype=np.float32)
    lanes = np.zeros((len(params), 16), dtype=np.float32)
    last = slopes[slopes.shape[0] - 1]
    gradient[:] = 0.0
    for first in range(0, len(order), _TILE):
        count = min(_TILE, len(order) - first)
        _gather(x, order, first, rows, count)
        _forward_tile(params, units, rows)
        for e in range(count):
            last[e] = slope[first + e]
        last[count:] = _ZERO
        _backward_tile(params, units, rows, slopes, lanes)
        if first // _TILE % 16 == 15 or first + count == len(order):
            for p in range(len(params)):
                for e in range(16):
                    gradient[p] += lanes[p, e]
                    lanes[p, e] = _ZERO


@jit
def _backward_tile(params: Array, units: Array, rows: Array, slopes: Array, lanes: Array) -> None:
    layers = len(units) - 1
    ones = np.ones(_TILE, dtype=np.float32)
    start, offset = rows.shape[0] - 1, len(params)
    for layer in range(layers - 1, -1, -1):
        inputs, outputs = units[layer], units[layer + 1]
        offset -= (inputs + 1) * outputs
        biases = offset + inputs * outputs
        for j in range(outputs):
            by_output = slopes[start + j]
            _accumulate(lanes[biases + j], by_output, ones)
            for i in range(inputs):
                _accumulate(lanes[offset + i * outputs + j], by_output, rows[start - inputs + i])
        if layer > 0:
            for i in range(inputs):
                row, by_input = rows[start - inputs + i], slopes[start - inputs + i]
                by_input[:] = _ZERO
                _weighted_rows(by_input, params, 1, offset + i * outputs, slopes, start, outputs)
                for e in range(_TILE):
                    by_input[e] *= _ONE - row[e] * row[e]
        start -= inputs


@jit
def add_to_slots(output: Array, order: Array, slot: Array, weight: Array, squared: Array, sums: Array) -> None:
    """Add output × weight, and output × squared weight, of each event to its slot.

    Args:
        output: of each event of the batch, shape (batch,).
        order: which events, shape (batch,).
        slot: of all events, shape (events,).
        weight: of all events, shape (events,).
        squared: its square.
        sums: float64, shape (2, slots).
    """
    for e in range(len(order)):
        row = order[e]
        sums[0, slot[row]] += output[e] * weight[row]
        sums[1, slot[row]] += output[e] * squared[row]


@jit
def slopes_from_slots(
    output: Array, order: Array, slot: Array, weight: Array, squared: Array, by_sum: Array, slope: Array
) -> None:
    """Fill the derivative of the loss by each event's logit, given that by the sums in each slot (2, slots)."""
    for e in range(len(order)):
        row = order[e]
        by_output = by_sum[0, slot[row]] * weight[row] + by_sum[1, slot[row]] * squared[row]
        slope[e] = by_output * output[e] * (_ONE - output[e])
