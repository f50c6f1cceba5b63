"""Fully connected networks for all replicas at once: replicas are the leading dimension of every tensor.

Each replica draws its initial values on the host from its own generator, so that replicas 5:10 start as those of a
longer run. Whether they end alike depends on rounding, which training amplifies without bound: a product of many
matrices may be rounded otherwise than that of few, and a vectorised exponential differs from the one that the last few
elements of a tensor get. Operations are therefore given one thread each and events in multiples of `LANES`; then a
replica's numbers are the same bit for bit in any company on the processors that were tried. What is promised is that
they agree to 1e-4 after a few epochs.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save
from torch.nn.functional import pad

from cutflow_cli.artifacts import written_file
from cutflow_cli.engine.architecture import Architecture, Initial
from cutflow_cli.engine.checkpoint import Arrays
from cutflow_cli.engine.scaling import Scaling
from cutflow_cli.errors import InputError, naming

__all__ = ["LANES", "Architecture", "Initial", "Networks", "load_networks"]

_ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh}
#: Numbers that one layer of one replica may hold in one evaluation; more events are taken in blocks.
_LAYER_SIZE = 2**19
#: How many times larger blocks are on a GPU, which has no use for a cache that holds one.
_GPU_BLOCKS = 8
#: Events are evaluated in multiples of this, 64 bytes of single precision, so that no replica shares a vector register
#: with another.
LANES = 16


class Networks:
    """One network per replica, all of one architecture.

    Attributes:
        architecture: its layers.
        scaling: units of the inputs, part of the network.
        values: all parameters, shape (replicas, parameters); optimisers change them in place.

    Args:
        architecture: see above.
        scaling: see above.
        parameters: shape (replicas, parameters), in the order of `Architecture.shapes`.
        device: `cpu` or `cuda`.
        dtype: of the parameters; double precision for tests of gradients.
    """

    def __init__(
        self,
        architecture: Architecture,
        scaling: Scaling,
        parameters: NDArray[np.floating],
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.architecture, self.scaling = architecture, scaling
        if parameters.ndim != 2 or parameters.shape[1] != architecture.parameters:
            msg = f"parameters of shape {parameters.shape}, expected (replicas, {architecture.parameters})"
            raise ValueError(msg)
        self.values = torch.tensor(np.ascontiguousarray(parameters), dtype=dtype, device=device)
        self._leaves = {name: part.detach().requires_grad_() for name, part in self._parts(self.values).items()}

    @classmethod
    def drawn(
        cls, architecture: Architecture, scaling: Scaling, seed: int, replicas: Sequence[int], device: str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> Networks:  # fmt: skip
        """Start from what each replica draws for itself."""
        return cls(architecture, scaling, np.stack([architecture.draw(seed, r) for r in replicas]), device, dtype)

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: slice) -> Networks:
        """Return a copy of some of the replicas' networks."""
        values = self.values[rows]
        return Networks(self.architecture, self.scaling, values.cpu().numpy(), str(values.device), values.dtype)

    def _parts(self, values: torch.Tensor) -> dict[str, torch.Tensor]:
        """Views of (replicas, parameters) by name, each of shape (replicas, …)."""
        parts, start = {}, 0
        for name, shape in self.architecture.shapes.items():
            stop = start + math.prod(shape)
            parts[name] = values[:, start:stop].view(-1, *shape)
            start = stop
        return parts

    @property
    def block(self) -> int:
        """How many events may be evaluated at once: a multiple of `LANES`, whatever the replicas."""
        widest = max(self.architecture.features, *(outputs for _, outputs in self.architecture.layers))
        size = _LAYER_SIZE if self.values.device.type == "cpu" else _GPU_BLOCKS * _LAYER_SIZE
        return max(1, size // (widest * LANES)) * LANES

    def inputs(self, x: NDArray[Any]) -> torch.Tensor:
        """Scale features and put them on the device: shape (events, features), NaN where a value is not finite."""
        return torch.as_tensor(self.scaling.apply(x)).to(self.values)

    def logits(self, inputs: torch.Tensor) -> torch.Tensor:
        """Evaluate every replica's network, ready for `gradient`.

        Args:
            inputs: scaled features (see `inputs`): (events, features) for all replicas alike, or (replicas, events,
                features) for each its own.

        Returns:
            Logit of the signal's probability, shape (replicas, events).
        """
        activation = _ACTIVATIONS[self.architecture.activation]
        hidden = inputs.expand(len(self), *inputs.shape[-2:])
        last = len(self.architecture.layers) - 1
        for position in range(last + 1):
            weight, bias = self._leaves[f"layer{position}.weight"], self._leaves.get(f"layer{position}.bias")
            if position == last and self.architecture.outputs == 1:
                # As a product of matrices this would be rounded otherwise where there is one replica alone.
                logit = (hidden * weight[:, None, :, 0]).sum(dim=-1)
                return logit if bias is None else logit + bias
            hidden = torch.bmm(hidden, weight) if bias is None else torch.baddbmm(bias[:, None], hidden, weight)
            hidden = hidden if position == last else activation(hidden)
        return hidden[..., 1] - hidden[..., 0]

    def gradient(self, loss: torch.Tensor) -> torch.Tensor:
        """Differentiate a loss.

        Args:
            loss: of each replica, shape (replicas,), from its own logits alone.

        Returns:
            Shape (replicas, parameters).
        """
        parts = torch.autograd.grad(loss.sum(), list(self._leaves.values()))
        return torch.cat([part.flatten(1) for part in parts], dim=1)

    def scores(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Return each replica's signal probability, in blocks of bounded memory.

        Args:
            x: unscaled features, shape (events, features).

        Returns:
            Shape (replicas, events), in [0, 1]; NaN for an event with a feature that is not finite.
        """
        out = np.empty((len(self), len(x)), dtype=np.float32)
        with torch.no_grad():
            for start in range(0, len(x), self.block):
                inputs = self.inputs(x[start : start + self.block])
                logits = self.logits(pad(inputs, (0, 0, 0, -len(inputs) % LANES)))
                out[:, start : start + self.block] = logits.sigmoid()[:, : len(inputs)].float().cpu().numpy()
        return out

    def state(self) -> Arrays:
        """Return the parameters by name, for a checkpoint."""
        return {"network/parameters": self.values.detach().cpu().numpy().copy()}

    def restore(self, state: Arrays) -> None:
        """Take the parameters over from `state`.

        Raises:
            ValueError: if they are for other networks.
        """
        stored = state["network/parameters"]
        if stored.shape != tuple(self.values.shape):
            msg = f"network parameters of shape {stored.shape}, expected {tuple(self.values.shape)}"
            raise ValueError(msg)
        self.values.copy_(torch.as_tensor(stored))

    def save(self, path: Path) -> None:
        """Write everything that `load_networks` needs as safetensors."""
        tensors = {name: part.float().cpu().numpy() for name, part in self._parts(self.values).items()}
        tensors = {name: np.ascontiguousarray(part) for name, part in tensors.items()}
        scaling = {"scaling.shift": self.scaling.shift, "scaling.scale": self.scaling.scale}
        about = {"architecture": json.dumps(asdict(self.architecture)), "tail": repr(self.scaling.tail)}
        content = _in_one_order(save({**tensors, **scaling}, metadata=about))
        with written_file(path) as partial:
            partial.write_bytes(content)  # by Python, whose error for a full disk is known as one


def _in_one_order(content: bytes) -> bytes:
    """Sort the metadata in the header of safetensors, which come in any order: the same networks, the same bytes.

    The format is the header's length in eight bytes, the header in JSON, padded with blanks to a multiple of eight
    bytes, and the tensors, whose places are counted from its end.
    """
    header, start = _header(content)
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + content[start:]


def _header(content: bytes) -> tuple[dict[str, Any], int]:
    """Read the header of safetensors, and where the tensors start."""
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), 8 + length


def load_networks(path: Path) -> Networks:
    """Read networks that `Networks.save` wrote; nothing in the file is executed.

    Raises:
        InputError: if the file is missing or damaged.
    """
    if not path.is_file():
        msg = f"{path}: no such file; the run is incomplete, train again"
        raise InputError(msg)
    with naming(path):
        content = path.read_bytes()  # rather than mapped, where a disk that fails would end the process
    try:
        stored = load(content)
        about = _header(content)[0]["__metadata__"]
        described = json.loads(about["architecture"])
        architecture = Architecture(**{**described, "hidden": tuple(described["hidden"])})
        parts = [stored[name] for name in architecture.shapes]
        scaling = Scaling(stored["scaling.shift"], stored["scaling.scale"], float(about["tail"]))
        parameters = np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)
        return Networks(architecture, scaling, parameters)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        msg = f"{path}: damaged ({error}); train again"
        raise InputError(msg) from error
