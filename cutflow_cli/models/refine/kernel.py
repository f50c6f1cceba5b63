"""Sums over events of soft masks, and what their gradients need, in one compiled pass over binned events.

The soft mask of an event is a product over observables of numbers that depend on its bin alone, so that a step needs no
logistic function per event, and a sum's derivative by a boundary is one over bins: Σ_bins (Σ_events w m) ∂ln p/∂t.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from cutflow_cli.engine.compile import jit

Array = NDArray[Any]

#: A mask below this counts as zero: all events together would add less than 10⁻⁷ of one.
LEAST = 1e-13


@jit
def soft_sums(
    codes: Array, weight: Array, square: Array, signal: Array, passes: Array, sums: Array, bins: Array
) -> None:
    """Add up soft masks, in the order of the events: results depend on nothing else.

    Args:
        codes: bin of each event in each observable, shape (events, observables).
        weight: Σw of what each event stands for, shape (events,).
        square: Σw² of the same.
        signal: whether it is signal.
        passes: probability to pass in each bin, shape (observables, bins).
        sums: receives Σ w m, Σ w² m and Σ w² m² of background and of signal, shape (2, 3).
        bins: receives the same by the bin of each observable, shape (2, 3, observables, bins).
    """
    sums[:] = 0.0
    bins[:] = 0.0
    observables = codes.shape[1]
    for event in range(len(codes)):
        if square[event] == 0.0:
            continue
        mask = 1.0
        for k in range(observables):
            mask *= passes[k, codes[event, k]]
            if mask < LEAST:
                break
        if mask < LEAST:
            continue
        first, second = weight[event] * mask, square[event] * mask
        third = second * mask
        role = signal[event]
        sums[role, 0] += first
        sums[role, 1] += second
        sums[role, 2] += third
        for k in range(observables):
            code = codes[event, k]
            bins[role, 0, k, code] += first
            bins[role, 1, k, code] += second
            bins[role, 2, k, code] += third
