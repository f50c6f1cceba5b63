"""Gradient ascent of an objective on soft counts whose steepness grows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from cutflow_cli.engine.optimisers import Adam
from cutflow_cli.metrics.figures_of_merit import Yields
from cutflow_cli.metrics.objectives import Objective
from cutflow_cli.models.refine.soft import SoftSums

Array = NDArray[np.float64]

STEPS = 100
#: Steepness at the first and the last step. A boundary is soft over 1/2, in the end 1/7 of its observable's width (of
#: half the narrower class's 16-84 % interval): not less, since the smearing is what keeps fluctuations out.
STEEPNESS = (2.0, 7.0)
#: Learning rates at the first and last step, in the same unit.
RATES = (0.1, 0.005)
#: What falling below the effective background events that are needed costs: this times its logarithm, while an
#: objective counts as its own logarithm does.
_GUARD = 5.0
#: Effective events, (Σ w m)²/Σ w² m², from which a smeared background must be estimated to be believed, whatever is
#: asked of hard cuts.
_SMEARED = 10.0
#: Relative step of derivatives: truncation 1e-10, rounding 1e-11.
_STEP = 1e-5


def ascend(
    sums: SoftSums,
    start: Array,
    totals: tuple[float, float],
    objective: Objective,
    min_effective: float,
    note: Callable[[int, float, Array, float], None] = lambda step, steepness, parameters, objective: None,
) -> Array:
    """Climb from a start, as long as there is a gradient.

    Args:
        sums: soft counts of boundaries.
        start: boundaries, in units of their observables' widths.
        totals: expected background and signal events before any cut.
        objective: what to make large.
        min_effective: effective background events, (Σ w m)²/Σ w² m, that hard cuts are to keep.
        note: told of each step, and of the end, its number, steepness, parameters and objective; what it raises ends
            the ascent.

    Returns:
        The parameters in the end.
    """
    values = torch.from_numpy(start.copy())[None]
    optimiser = Adam(values, RATES[0])
    for step in range(STEPS + 1):
        share = min(step / (STEPS - 1), 1.0)
        steepness = STEEPNESS[0] * (STEEPNESS[1] / STEEPNESS[0]) ** share
        parameters = values[0].numpy().copy()
        kept, slopes = sums.at(parameters, steepness)
        figure, by_sum = judged(kept, totals, objective, min_effective)
        note(step, steepness, parameters, figure)
        gradient = np.einsum("rk,rkp->p", by_sum, slopes)
        if step == STEPS or not np.isfinite(gradient).all():
            break
        optimiser.rates[:] = RATES[0] * (RATES[1] / RATES[0]) ** share
        optimiser.step(torch.from_numpy(-gradient)[None])
    return parameters


def judged(kept: Array, totals: tuple[float, float], objective: Objective, min_effective: float) -> tuple[float, Array]:
    """Return an objective, and the direction in which its logarithm, guard included, grows fastest.

    The derivatives by six numbers are central differences, which any formula has, and which cost less than a tape.

    Args:
        kept: Σ w m, Σ w² m and Σ w² m² of background and signal, shape (2, 3).
        totals: expected background and signal events before any cut.
        objective: what to make large.
        min_effective: effective background events that hard cuts are to keep.

    Returns:
        The objective, and derivatives of the same shape as `kept`.
    """
    middle = kept.ravel()
    step = _STEP * np.abs(middle)
    moves = np.concatenate([np.zeros((1, 6)), np.diag(step), -np.diag(step)])
    B, B_variance, smeared, S, S_variance, _ = (middle + moves).T
    figures = objective.values(Yields(S, B, B_variance, totals[1], totals[0], S_variance))
    wanted = figures / (max(abs(figures[0]), 1e-12) if np.isfinite(figures[0]) else 1.0)
    if not objective.additive:
        for least, squares in ((min_effective, B_variance), (_SMEARED, smeared)):
            if least > 0:
                effective = np.maximum(B, 1e-100) ** 2 / np.maximum(squares, 1e-200)
                wanted = wanted - _GUARD * np.maximum(np.log(least) - np.log(effective), 0)
    with np.errstate(invalid="ignore"):
        change = wanted[1:7] - wanted[7:]
    slopes = np.divide(change, 2 * step, out=np.zeros(6), where=step > 0)
    return float(figures[0]), slopes.reshape(2, 3)
