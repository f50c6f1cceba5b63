"""What a fully connected network is made of, without the library that evaluates it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.randomness import Stream, generator

Activation = Literal["relu", "tanh"]
Initial = Literal["glorot", "torch"]


@dataclass(frozen=True, slots=True)
class Architecture:
    """Layers of a network with one logit.

    Attributes:
        features: number of inputs.
        hidden: units of each hidden layer; none for a linear model.
        activation: of the hidden layers.
        bias: whether layers add a bias.
        outputs: units of the last layer. 1 gives the logit; 2 gives a softmax over background and signal, whose logit
            is the difference of both.
        initial: `glorot` for U(±√(6/(fan_in + fan_out))) and zero biases (Glorot & Bengio 2010; Keras does so),
            `torch` for U(±1/√fan_in), biases included (the default of torch.nn.Linear).
    """

    features: int
    hidden: tuple[int, ...]
    activation: Activation = "relu"
    bias: bool = True
    outputs: Literal[1, 2] = 1
    initial: Initial = "glorot"

    @property
    def layers(self) -> tuple[tuple[int, int], ...]:
        """Inputs and outputs of each layer."""
        units = (self.features, *self.hidden, self.outputs)
        return tuple(pairwise(units))

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of one replica's parameters by name, in the order in which they are stored."""
        named: dict[str, tuple[int, ...]] = {}
        for position, (inputs, outputs) in enumerate(self.layers):
            named[f"layer{position}.weight"] = (inputs, outputs)
            if self.bias:
                named[f"layer{position}.bias"] = (outputs,)
        return named

    @property
    def parameters(self) -> int:
        """Number of trainable numbers of one replica."""
        return sum(math.prod(shape) for shape in self.shapes.values())

    def draw(self, seed: int, replica: int) -> NDArray[np.float64]:
        """Draw what a replica starts from, shape (parameters,)."""
        limits = []
        for inputs, outputs in self.layers:
            glorot = self.initial == "glorot"
            limit = math.sqrt(6 / (inputs + outputs)) if glorot else 1 / math.sqrt(inputs)
            limits.append(np.full(inputs * outputs, limit))
            if self.bias:
                limits.append(np.full(outputs, 0.0 if glorot else limit))
        return np.concatenate(limits) * generator(seed, replica, Stream.INITIAL).uniform(-1.0, 1.0, self.parameters)
