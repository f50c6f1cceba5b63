"""The stepper of CABIN for CUDA: sums over events for all replicas at once, in passes that memory holds.

As for the compiled kernel, weighted sums of scores and of their derivatives are all that a step needs of the events.
They are made on the device, one recorded graph an epoch (`engine.graphs`); what follows from them is small, and is put
together on the host in double precision by the code that the kernel uses too. Unlike the kernel it covers learned
weights and any steepness.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import softplus

from cutflow_cli.engine.checkpoint import Arrays
from cutflow_cli.engine.graphs import Step
from cutflow_cli.models.cabin.loss import EventSums, loss_and_gradient
from cutflow_cli.models.cabin.prepare import Neurons, Prepared
from cutflow_cli.models.cabin.settings import CabinSettings
from cutflow_cli.models.cabin.steppers import by_term, signal_first, stored_beside

#: Logistic functions (events × neurons × sub-networks × replicas) held at once, which is what memory depends on.
LARGEST_PASS = 1 << 25
#: torch.nn.BCELoss, which the publication uses: logarithms are at least −100, p(1 − p) in the gradient at least 1e-12.
_LOG_LIMIT, _DENOMINATOR = 100.0, 1e-12


class BatchedStepper:
    """Trains all replicas together by gradient descent, on any torch device.

    Args:
        data: the training split.
        weights: training weights of each replica, each of shape (events,).
        neurons: what each neuron looks at, and the side that it starts with.
        settings: of the training.
        device: where to sum over events.
        dtype: precision of each event, and of sums over a pass; these are added in double precision.
    """

    def __init__(
        self,
        data: Prepared,
        weights: Sequence[NDArray[np.float64]],
        neurons: Neurons,
        settings: CabinSettings,
        device: str,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._settings, self._device, self._dtype = settings, torch.device(device), dtype
        order, signal_events = signal_first(data)
        z = data.z[order][:, neurons.feature].T
        missing = np.isnan(z)
        self._missing = torch.as_tensor(missing, device=self._device) if missing.any() else None
        self._z = self._tensor(np.nan_to_num(z, nan=0.0))
        self._totals = [np.array([w[data.signal].sum(), w[~data.signal].sum()]) for w in weights]
        alike = all(one is weights[0] for one in weights)
        self._weight = self._tensor(np.stack([one[order] for one in (weights[:1] if alike else weights)]))
        self._bounds = (0, signal_events, len(order))
        networks = settings.networks
        self._bias = neurons.initial_bias(len(weights), networks)
        self._slope = np.tile(neurons.side, (len(weights), networks, 1))
        # Of each replica, neuron and sub-network, to be seen beside events.
        shape = (len(weights), len(neurons), networks, 1)
        self._offset, self._factor = (torch.zeros(shape, dtype=dtype, device=self._device) for _ in range(2))
        self._pass = max(1, LARGEST_PASS // self._offset.numel())
        columns = (1 + len(neurons) + self._slopes) * (2 if settings.delta else 1)
        self._sums = torch.zeros((2, len(weights), networks, columns), dtype=torch.float64, device=self._device)
        self._sum = Step(self._sum_events, self._device)

    @property
    def _slopes(self) -> int:
        """How many weights are learned of each sub-network."""
        return self._bias.shape[-1] if self._settings.learn_weights else 0

    def _tensor(self, values: NDArray[np.floating]) -> torch.Tensor:
        return torch.tensor(np.ascontiguousarray(values), dtype=self._dtype, device=self._device)

    def run_epoch(self, epoch: int) -> dict[str, NDArray[np.float64]]:
        """Take one step with every replica."""
        for own, values in ((self._offset, self._bias), (self._factor, self._slope)):
            turned = -self._settings.steepness * values.transpose(0, 2, 1)[..., None]
            own.copy_(torch.as_tensor(np.ascontiguousarray(turned)))
        self._sum()
        rows = [self._descend(row, sums) for row, sums in enumerate(self._sums.cpu().numpy().transpose(1, 0, 2, 3))]
        return by_term(rows)

    def _descend(self, row: int, sums: NDArray[np.float64]) -> dict[str, float]:
        """Take one replica's step.

        Args:
            row: position of the replica.
            sums: of signal and background, shape (2, sub-networks, columns), as `_sum_part` orders them.
        """
        settings, neurons = self._settings, self._bias.shape[-1]
        signal, background = sums / self._totals[row][:, None, None]
        both = sums.sum(axis=0) / self._totals[row].sum()
        first, slope = np.s_[:, 1 : 1 + neurons], np.s_[:, 1 + neurons : 1 + neurons + self._slopes]
        start = 1 + neurons + self._slopes
        entropy = both[:, start:] if settings.delta else np.zeros_like(both[:, :start])
        event_sums = EventSums(
            signal[:, 0], background[:, 0], signal[first], background[first], entropy[:, 0], entropy[first]
        )
        terms, gradient = loss_and_gradient(self._bias[row], event_sums, settings)
        if settings.learn_weights:
            # The loss depends on a weight through the events alone, on which it acts as the bias does, times z.
            miss = np.zeros(len(signal)) if settings.single else np.array(settings.targets) - signal[:, 0]
            by_score = settings.beta * background[slope] - 2 * settings.alpha * miss[:, None] * signal[slope]
            by_slope = settings.steepness * (by_score - settings.delta * entropy[slope])
            self._slope[row] -= settings.learning_rate * by_slope
        self._bias[row] -= settings.learning_rate * gradient
        return terms

    def _sum_events(self) -> None:
        self._sums.zero_()
        for position in range(2):
            for start in range(self._bounds[position], self._bounds[position + 1], self._pass):
                stop = min(start + self._pass, self._bounds[position + 1])
                self._sum_part(slice(start, stop), self._sums[position], signal=position == 0)

    def _sum_part(self, part: slice, sums: torch.Tensor, *, signal: bool) -> None:
        """Add the sums over some events of one class.

        With p the score of an event, q_j = 1 − σ_j and z_j what neuron j sees they are Σwp, Σwpq_j and, of learned
        weights, Σwpq_jz_j; with cross entropy then Σw·BCE, and the others with f = −w·dBCE/dlog p instead of wp.

        Args:
            part: the events.
            sums: to add to, shape (replicas, sub-networks, columns).
            signal: their class.
        """
        z, weight = self._z[None, :, None, part], self._weight[:, None, part]
        argument = torch.addcmul(self._offset, self._factor, z)  # −n (wz + b)
        if self._missing is not None:
            argument.masked_fill_(self._missing[None, :, None, part], torch.inf)
        minus_log = softplus(argument).sum(dim=1)
        rejection = argument.sigmoid_()
        score = torch.exp(-minus_log)
        sets = [(score * weight, score * weight)]
        if self._settings.delta:
            rejected = -torch.expm1(-minus_log)
            entropy = minus_log if signal else -torch.log(rejected)
            slope = weight * score / (score * rejected).clamp_min(_DENOMINATOR)
            sets.append((weight * entropy.clamp_max(_LOG_LIMIT), slope * (rejected if signal else -score)))
        columns = []
        for value, by_log in sets:
            steps = rejection * by_log[:, None]
            columns += [value[:, None], steps]
            if self._slopes:
                columns.append(steps * z)
        sums += torch.cat([one.sum(dim=-1).transpose(1, 2) for one in columns], dim=-1)

    @property
    def _learned(self) -> Arrays:
        return {"bias": self._bias, "slope": self._slope} if self._settings.learn_weights else {"bias": self._bias}

    def state(self) -> Arrays:
        """Return all that the next epoch depends on."""
        return {name: values.copy() for name, values in self._learned.items()}

    def restore(self, state: Arrays) -> None:
        """Go back to a state."""
        for own, stored in stored_beside(self._learned, state):
            own[...] = stored
