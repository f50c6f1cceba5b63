"""The stepper of LCF in torch: for CUDA, and the reference that the compiled kernel is tested against.

Replicas are the leading dimension of every tensor. The loss is written as the paper writes it and differentiated by
autograd; only Adam is ours, in Keras' form, whose epsilon torch places elsewhere. Events stay on the device, where
CUDA replays what was recorded of a batch (`engine.graphs`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from cutflow_cli.engine.checkpoint import Arrays
from cutflow_cli.engine.graphs import Step
from cutflow_cli.engine.orders import Orders
from cutflow_cli.engine.randomness import epoch_order
from cutflow_cli.models.lcf import combine as rules
from cutflow_cli.models.lcf.constants import (
    BETA1,
    BETA2,
    BL,
    BU,
    EPSILON,
    LOGIT_CLIP,
    PARALLEL,
    SEQUENTIAL_APPLIED,
    WL,
    WU,
    K,
    logit,
)
from cutflow_cli.models.lcf.fused import LcfState, Order, mask_rule, replica_weights
from cutflow_cli.models.lcf.prepare import Prepared
from cutflow_cli.models.lcf.settings import LcfSettings


def applied_regions(
    params: torch.Tensor, centres: torch.Tensor, threshold: float, minimum: float, by_side: bool = False
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Combine the neurons of each feature as inference does (`combine`), for all replicas at once.

    Args:
        params: shape (replicas, features, 5).
        centres: in standardised units, shape (features,).
        threshold: logit of the pass threshold.
        minimum: importance, as a share of the uniform one, at or below which a cut is not applied.
        by_side: whether neurons are combined by `combine_by_side` rather than `combine`.

    Returns:
        Region code, lower and upper boundary in units of u, each of shape (replicas, features).
    """
    share = torch.softmax(params[..., K], dim=-1)
    slope_low, slope_up = params[..., WL] * share, params[..., WU] * share
    lower = (threshold - params[..., BL]) / slope_low - centres
    upper = (threshold - params[..., BU]) / slope_up - centres
    combined = _combine_by_side if by_side else _combine
    code, low, high = combined(lower, upper, slope_low > 0, slope_up > 0)
    return torch.where(share <= minimum / params.shape[1], rules.ALL, code), low, high


def _combine(
    lower: torch.Tensor, upper: torch.Tensor, low_above: torch.Tensor, up_above: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Do what `combine.combine` does, element by element, with the centre at zero."""
    low_valid = lower < 0
    up_valid = torch.where(low_valid, upper > 0, upper >= 0)
    both, follow_lower, follow_upper = low_valid & up_valid, low_valid & ~up_valid, ~low_valid & up_valid
    same = low_above == up_above
    one_sided = follow_lower | follow_upper | same
    above = torch.where(follow_lower, low_above, up_above)
    value = torch.where(follow_lower | (~follow_upper & ~up_above), lower, upper)
    window = torch.where(low_above, rules.INSIDE, rules.OUTSIDE)
    crossed = torch.where(low_above, rules.OUTSIDE, rules.ALL)
    code = torch.where(one_sided, torch.where(above, rules.ABOVE, rules.BELOW), torch.where(both, window, crossed))
    first, last = torch.where(both, lower, upper), torch.where(both, upper, lower)
    return code, torch.where(one_sided, value, first), torch.where(one_sided, value, last)


def _combine_by_side(
    lower: torch.Tensor, upper: torch.Tensor, low_above: torch.Tensor, up_above: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Do what `combine.combine_by_side` does, element by element, with the centre at zero."""
    low_valid, up_valid = lower < 0, upper > 0
    centre = torch.zeros_like(lower)
    first, last = torch.where(low_valid, lower, centre), torch.where(up_valid, upper, centre)
    same = low_above == up_above
    one_sided = torch.where(up_above, rules.ABOVE, rules.BELOW)
    two_sided = torch.where(low_above, rules.INSIDE, rules.OUTSIDE)
    two_sided = torch.where(low_valid | up_valid, two_sided, rules.ALL)
    value = torch.where(up_above, torch.where(up_valid, upper, first), torch.where(low_valid, lower, last))
    return torch.where(same, one_sided, two_sided), torch.where(same, value, first), torch.where(same, value, last)


def passes(u: torch.Tensor, code: torch.Tensor, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    """Say which events a region keeps; shapes broadcast, and a missing u is kept only by a region of all."""
    kept = torch.where(code == rules.BELOW, u < high, u > low)
    kept = torch.where(code == rules.INSIDE, (u > low) & (u < high), kept)
    kept = torch.where(code == rules.OUTSIDE, (u < low) | (u > high), kept)
    return kept | (code == rules.ALL)


def batch_loss(
    params: torch.Tensor,
    u: torch.Tensor,
    sign: torch.Tensor,
    weight: torch.Tensor,
    centres: torch.Tensor,
    limits: torch.Tensor,
    unmasked: torch.Tensor,
    rule: int,
    threshold: float,
    minimum: float,
    by_side: bool = False,
) -> torch.Tensor:
    """Loss of one batch, for each replica (facts of the published code, section 3).

    Args:
        params: shape (replicas, features, 5).
        u: standardised features less their centre, NaN where missing, shape (replicas, events, features).
        sign: +1 background, -1 signal, shape (replicas, events).
        weight: training weights, same shape.
        centres: in standardised units, shape (features,).
        limits: first and last value of u that counts in a feature's own loss, shape (features, 2).
        unmasked: features that ignore earlier cuts, shape (replicas, features).
        rule: which events go on (`kernel.PARALLEL`, …).
        threshold: logit of the pass threshold.
        minimum: importance share at or below which a cut is not applied.
        by_side: whether neurons are combined by `combine_by_side` rather than `combine`.

    Returns:
        Shape (replicas,).
    """
    features, events = u.shape[2], u.shape[1]
    values = torch.nan_to_num(u, nan=0.0)
    column = params.unbind(dim=-1)  # one operation of autograd, where an index each would be five
    share = torch.softmax(column[K], dim=-1)
    z = values + centres
    lower_logit = (column[WL] * share)[:, None] * z + column[BL][:, None]
    upper_logit = (column[WU] * share)[:, None] * z + column[BU][:, None]
    a = sign[..., None] * torch.where(values < 0, lower_logit, upper_logit)
    cross_entropy = torch.nn.functional.softplus(a.clamp(-LOGIT_CLIP, LOGIT_CLIP))
    # comparisons with a missing value are false, so it counts nowhere and fails every cut
    counted = (u != 0) & (u >= limits[:, 0]) & (u <= limits[:, 1])
    total = weight[..., None] * counted * cross_entropy
    if rule != PARALLEL:
        with torch.no_grad():
            if rule == SEQUENTIAL_APPLIED:
                regions = applied_regions(params, centres, threshold, minimum, by_side)
                keep = passes(u, *(part[:, None] for part in regions))
            else:
                keep = (lower_logit > threshold) & (upper_logit > threshold) & ~torch.isnan(u)
            # How many cuts before a feature's fail: a product with this matrix, which a GPU does sooner than cumprod.
            before = torch.ones(features, features, dtype=u.dtype, device=u.device).triu(diagonal=1)
            reached = ((~keep).to(u.dtype) @ before == 0) | unmasked[:, None]
        total = total * reached
    return total.sum(dim=(1, 2)) / (2 * features * events)


class TorchStepper:
    """Trains all replicas in one batch on any torch device."""

    def __init__(
        self,
        data: Prepared,
        settings: LcfSettings,
        seed: int,
        replicas: Sequence[int],
        device: str,
        dtype: torch.dtype = torch.float32,
        order: Order = epoch_order,
    ) -> None:
        self._settings, self._replicas = settings, tuple(replicas)
        self._lcf = LcfState(data.u.shape[1], seed, self._replicas)
        self._device, self._dtype = torch.device(device), dtype
        self._orders = Orders(seed, self._replicas, len(data.u), self._device, order)
        self._u, self._sign = self._tensor(data.u), self._tensor(data.sign)
        weights = [replica_weights(data, settings, seed, replica) for replica in self._replicas]
        self._weight = self._tensor(np.stack(weights))
        self._rows = torch.arange(len(self._replicas), device=self._device)[:, None]
        self._centres, self._limits = self._tensor(data.standard_centre), self._tensor(data.limits)
        self._params, self._first, self._second = (
            self._tensor(values) for values in (self._lcf.params, self._lcf.first, self._lcf.second)
        )
        self._unmasked = torch.as_tensor(self._lcf.unmasked, device=self._device).clone()
        self._sums = torch.zeros(len(self._replicas), dtype=torch.float64, device=self._device)
        self._step = Step(self._batch, self._device)

    def _tensor(self, values: NDArray[np.floating]) -> torch.Tensor:
        """Copy to the device."""
        return torch.tensor(np.ascontiguousarray(values), dtype=self._dtype, device=self._device)

    def run_epoch(self, epoch: int) -> dict[str, NDArray[np.float64]]:
        """Train every replica for one epoch."""
        events, batch = len(self._u), self._settings.batch_size
        if mask_rule(self._settings) == SEQUENTIAL_APPLIED:
            self._lcf.unmasked[...] = self._starved()
        self._unmasked.copy_(torch.as_tensor(self._lcf.unmasked))
        starts = range(0, events, batch)
        orders, rates = self._orders(epoch), self._rates(epoch * len(starts), len(starts))
        self._sums.zero_()
        for start, rate in zip(starts, rates, strict=True):
            self._step(orders[:, start : start + batch].long(), rate)
        return {"loss": (self._sums / events).cpu().numpy()}

    def _batch(self, index: torch.Tensor, rate: torch.Tensor) -> None:
        """Take one step of Adam.

        Args:
            index: which events each replica sees, shape (replicas, batch).
            rate: of this step, a single number.
        """
        settings = self._settings
        params = self._params.detach().requires_grad_()
        loss = batch_loss(
            params,
            self._u[index],
            self._sign[index],
            self._weight[self._rows, index],
            self._centres,
            self._limits,
            self._unmasked,
            mask_rule(settings),
            logit(settings.threshold),
            settings.min_importance,
            settings.by_side,
        )
        (gradient,) = torch.autograd.grad(loss.sum(), params)
        self._first += (gradient - self._first) * (1 - BETA1)
        self._second += (gradient * gradient - self._second) * (1 - BETA2)
        self._params -= rate * self._first / (self._second.sqrt() + EPSILON)
        self._sums += loss.detach().double() * index.shape[1]

    def _rates(self, done: int, steps: int) -> torch.Tensor:
        """Return Adam's rate, corrected for the moments' start, of the steps after so many, on the device."""
        taken = range(done + 1, done + steps + 1)
        rates = [self._settings.learning_rate * math.sqrt(1 - BETA2**t) / (1 - BETA1**t) for t in taken]
        return self._tensor(np.array(rates))

    def _starved(self) -> NDArray[np.bool_]:
        """Say which features too few effective events of a class reach, shape (replicas, features)."""
        settings = self._settings
        threshold, minimum = logit(settings.threshold), settings.min_importance
        regions = applied_regions(self._params, self._centres, threshold, minimum, settings.by_side)
        reach = torch.ones_like(self._weight)
        enough = []
        for i in range(self._u.shape[1]):
            # In double precision, as in the kernel: in single, the floor below would be zero.
            by_class = [(reach * self._weight * (self._sign == side)).double() for side in (1, -1)]
            effective = [w.sum(dim=1) ** 2 / (w**2).sum(dim=1).clamp_min(1e-300) for w in by_class]
            enough.append(torch.minimum(*effective) < settings.min_effective_events)
            u = self._u[:, i].expand_as(reach)
            reach = reach * passes(u, *(part[:, i, None] for part in regions))
        return torch.stack(enough, dim=1).cpu().numpy()

    def state(self) -> Arrays:
        """Return all that the next epoch depends on."""
        for name, values in (("params", self._params), ("first", self._first), ("second", self._second)):
            getattr(self._lcf, name)[...] = values.detach().cpu().numpy()
        return self._lcf.arrays()

    def restore(self, state: Arrays) -> None:
        """Go back to a state."""
        self._lcf.restore(state)
        for name, values in (("params", self._params), ("first", self._first), ("second", self._second)):
            values.copy_(torch.as_tensor(getattr(self._lcf, name)))
