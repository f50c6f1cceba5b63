"""How outputs, sums and gradients of all replicas are computed: compiled for the CPU, or with torch on any device."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from cutflow_cli.engine.network import Networks
from cutflow_cli.models.punzi.prepare import Prepared
from cutflow_cli.models.punzi.sums import FixedPoint, slot_sums

#: Rows of a split for each replica, shape (replicas, batch).
Order = NDArray[np.int32] | torch.Tensor
#: What logits are multiplied by; on CUDA a single number on the device.
Sharpness = float | torch.Tensor


class Backend(Protocol):
    """Computes on the events of one split, for all replicas of a group.

    Orders are rows of the split for each replica, shape (replicas, batch), each row at most once.
    """

    def outputs(self, order: Order, sharpness: Sharpness) -> torch.Tensor:
        """Return sigmoid(sharpness × logit), shape (replicas, batch), and remember the pass for `gradient`."""

    def sums(self, outputs: torch.Tensor, order: Order) -> torch.Tensor:
        """Return Σ output·weight and Σ output·weight² of each slot, float64, shape (replicas, 2, slots)."""

    def slopes(self, outputs: torch.Tensor, order: Order, by_sum: torch.Tensor) -> torch.Tensor:
        """Return the derivative of the loss by sharpness × logit, shape (replicas, batch), from that by the sums."""

    def gradient(self, order: Order, slopes: torch.Tensor, sharpness: Sharpness) -> torch.Tensor:
        """Return the derivative by the parameters, shape (replicas, parameters)."""

    def cross_entropy(self, outputs: torch.Tensor, order: Order) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the mean weighted cross entropy of each replica, and its derivative by the logit of each event."""


class _Split:
    """What both backends hold of the events."""

    def __init__(self, data: Prepared, networks: Networks, slots: int, counts: NDArray[np.float64] | None) -> None:
        device = networks.values.device
        factor = np.ones((1, len(data))) if counts is None else counts
        self.networks, self.slots = networks, slots
        self.label = torch.as_tensor(data.label, device=device).to(networks.values.dtype)
        self.weight = data.weight * factor
        self.squared = data.weight**2 * factor
        self.cross_entropy_weight = torch.as_tensor(data.cross_entropy_weight * factor, device=device).to(self.label)
        self.slot = data.slot

    def cross_entropy(self, outputs: torch.Tensor, order: Order) -> tuple[torch.Tensor, torch.Tensor]:
        index = torch.as_tensor(order, dtype=torch.int64, device=outputs.device)
        label = self.label[index]
        weight = self.cross_entropy_weight
        weight = weight[0, index] if len(weight) == 1 else weight.gather(1, index)
        loss = torch.nn.functional.binary_cross_entropy(outputs, label, weight, reduction="none")
        return loss.double().mean(dim=1), (outputs - label) * weight / order.shape[1]


class TorchBackend(_Split):
    """Everything in torch: for CUDA, and what the compiled kernel is tested against.

    Args:
        data: the split.
        networks: of the group's replicas.
        slots: number of slots.
        counts: bootstrap counts, shape (replicas, events); None for none.
    """

    def __init__(self, data: Prepared, networks: Networks, slots: int, counts: NDArray[np.float64] | None) -> None:
        super().__init__(data, networks, slots, counts)
        device = networks.values.device
        self._inputs = networks.inputs(data.x)
        slot = torch.as_tensor(data.slot, dtype=torch.int64)
        weights = torch.as_tensor(np.stack([self.weight, self.squared], axis=1))
        self._slot, self._weights = slot.to(device), weights.to(device)
        self._fixed = FixedPoint(weights, slot, slots, device) if device.type == "cuda" else None
        self._logits = torch.empty(0)

    def outputs(self, order: Order, sharpness: Sharpness) -> torch.Tensor:
        """See `Backend`."""
        index = torch.as_tensor(order, dtype=torch.int64, device=self._inputs.device)
        self._logits = self.networks.logits(self._inputs[index])
        return torch.sigmoid(sharpness * self._logits.detach())

    def _slots_of(self, order: Order) -> torch.Tensor:
        index = torch.as_tensor(order, dtype=torch.int64, device=self._inputs.device)
        return self._slot[index][:, None].expand(-1, 2, -1)

    def _of(self, weights: torch.Tensor, order: Order) -> torch.Tensor:
        index = torch.as_tensor(order, dtype=torch.int64, device=self._inputs.device)
        if len(weights) == 1:
            return weights[0][:, index].transpose(0, 1)
        return weights.gather(2, index[:, None].expand(-1, 2, -1))

    def sums(self, outputs: torch.Tensor, order: Order) -> torch.Tensor:
        """See `Backend`."""
        slot = self._slots_of(order)
        if self._fixed is None:
            return slot_sums(outputs[:, None] * self._of(self._weights, order), slot, self.slots)
        return self._fixed.sums(outputs[:, None] * self._of(self._fixed.weights, order), slot)

    def slopes(self, outputs: torch.Tensor, order: Order, by_sum: torch.Tensor) -> torch.Tensor:
        """See `Backend`."""
        by_output = (by_sum.gather(2, self._slots_of(order)) * self._of(self._weights, order)).sum(dim=1)
        return (by_output * outputs * (1 - outputs)).to(outputs.dtype)

    def gradient(self, order: Order, slopes: torch.Tensor, sharpness: Sharpness) -> torch.Tensor:
        """See `Backend`."""
        logits, self._logits = self._logits, torch.empty(0)  # what remembers a pass keeps its memory
        return self.networks.gradient((logits * (slopes * sharpness)).sum(dim=1))


class FusedBackend(_Split):
    """Everything compiled, replica by replica, in one thread.

    Args:
        data: the split.
        networks: of the group's replicas, on the CPU and in single precision.
        slots: number of slots.
        counts: bootstrap counts, shape (replicas, events); None for none.
    """

    def __init__(self, data: Prepared, networks: Networks, slots: int, counts: NDArray[np.float64] | None) -> None:
        super().__init__(data, networks, slots, counts)
        from cutflow_cli.models.punzi import kernel

        self._kernel: Any = kernel
        self._x = np.ascontiguousarray(networks.inputs(data.x).numpy())
        self._units = np.array([networks.architecture.features, *networks.architecture.hidden, 1])
        self._values = networks.values.numpy()  # shares memory, so that it is always the present parameters

    def outputs(self, order: Order, sharpness: Sharpness) -> torch.Tensor:
        """See `Backend`."""
        rows = np.asarray(order)
        found = np.empty(rows.shape, dtype=np.float32)
        for row, params in enumerate(self._values):
            self._kernel.forward(params, self._units, self._x, rows[row], np.float32(sharpness), found[row])
        return torch.from_numpy(found)

    def sums(self, outputs: torch.Tensor, order: Order) -> torch.Tensor:
        """See `Backend`."""
        rows = np.asarray(order)
        found = np.zeros((len(rows), 2, self.slots))
        for row, values in enumerate(outputs.numpy()):
            weight, squared = self._weights(row)
            self._kernel.add_to_slots(values, rows[row], self.slot, weight, squared, found[row])
        return torch.from_numpy(found)

    def slopes(self, outputs: torch.Tensor, order: Order, by_sum: torch.Tensor) -> torch.Tensor:
        """See `Backend`."""
        rows = np.asarray(order)
        found = np.empty(rows.shape, dtype=np.float32)
        for row, values in enumerate(outputs.numpy()):
            weight, squared = self._weights(row)
            slope = by_sum[row].numpy()
            self._kernel.slopes_from_slots(values, rows[row], self.slot, weight, squared, slope, found[row])
        return torch.from_numpy(found)

    def gradient(self, order: Order, slopes: torch.Tensor, sharpness: Sharpness) -> torch.Tensor:
        """See `Backend`."""
        rows = np.asarray(order)
        found = np.empty(self._values.shape)
        for row, by_logit in enumerate((slopes * sharpness).numpy()):
            self._kernel.backward(self._values[row], self._units, self._x, rows[row], by_logit, found[row])
        return torch.from_numpy(found).float()

    def _weights(self, row: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        row = row if len(self.weight) > 1 else 0
        return self.weight[row], self.squared[row]
