"""Settings of the multilayer perceptron, with publications as presets.

`lcf`: the baseline of arXiv:2503.22498, section 3.2, in Keras: normalisation by mean and standard deviation, five
hidden layers, Adam, no early stopping, events selected at a score of 0.5.

`cabin`: the simple network of arXiv:2502.08615, equation 9: one weight for each feature and no bias, gradient descent
at a rate of 0.1 on the whole sample at once. The paper gives 100 to 200 epochs for its other networks, 100 are taken,
and no working point, so that the figure of merit chooses it.

`hml`: SimpleMLP of HEP ML LAB, code examples 38 and 39: features scaled to 0 to 1, three hidden layers, a softmax over
two classes (4 386 parameters for three features, as the text says). It is compiled without naming an optimiser, which
in Keras means RMSprop at a rate of 0.001.

Where our defaults differ: classes weigh the same whatever was simulated and the relative weights inside a class count;
units are robust, so that an outlier neither stretches them nor dominates a layer; the learning rate starts ten times
higher and falls with the loss; training stops when the validation loss does, for each replica on its own; and the
threshold is the one that the figure of merit prefers on validation.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal

from pydantic import Field, field_validator

from cutflow_cli.engine.architecture import Activation, Architecture, Initial
from cutflow_cli.engine.scaling import Unit
from cutflow_cli.metrics.figures_of_merit import DEFAULT_FIGURE, MIN_EFFECTIVE_EVENTS
from cutflow_cli.models.protocol import Settings
from cutflow_cli.models.setting_types import BatchSize, FigureName
from cutflow_cli.models.thresholds import unused_beside_threshold
from cutflow_cli.models.weights import ClassWeights, NegativeWeights

OptimiserName = Literal["adam", "rmsprop", "sgd"]

#: Optimiser steps that are made where no number of epochs is given.
DEFAULT_STEPS = 6_000
#: So few passes, or so many, are made over a large or a small sample.
EPOCH_LIMITS = (10, 200)
#: Patience where there is a validation split and none is given.
DEFAULT_PATIENCE = 10


class MlpSettings(Settings):
    """Settings of `mlp`.

    Attributes:
        preset: a publication, to the letter.
        hidden: units of each hidden layer; none for a linear model.
        activation: of the hidden layers.
        bias: whether layers add a bias.
        outputs: 1 for the logit of a sigmoid, 2 for a softmax over background and signal.
        initial: how initial values are drawn, see `engine.network.Architecture`.
        unit: of the features, see `engine.scaling.Scaling.measure`.
        optimiser: `adam` and `rmsprop` as in Keras, or plain gradient descent, `sgd`.
        learning_rate: of the optimiser.
        halve_after: halve a replica's learning rate when more than so many epochs in a row bring its loss on validation
            (where there is none, on train) no lower; 0 for never.
        epochs: passes over the training split; None for as many as make 6 000 steps, at least 10 and at most 200.
        batch_size: events per step, or `all` for one step per epoch.
        early_stopping: stop a replica after so many epochs without a smaller validation loss, and take its best epoch;
            0 to train all epochs and take the last; None for 10 where there is a validation split.
        class_weights: `balanced`, `physical` or `unit` event weights in the loss.
        negative_weights: what training does with negative weights.
        bootstrap: give each replica its own Poisson(1) weights, so that the spread covers the training sample too.
        fom: figure of merit that chooses the threshold.
        min_effective_events: effective events of either class that a threshold must keep.
        fixed_threshold: a threshold to use instead; None to choose one.
    """

    preset: Literal["lcf", "cabin", "hml"] | None = None
    hidden: tuple[int, ...] = (64, 64)
    activation: Activation = "relu"
    bias: bool = True
    outputs: Literal[1, 2] = 1
    initial: Initial = "glorot"
    unit: Unit = "robust"
    optimiser: OptimiserName = "adam"
    learning_rate: float = Field(default=1e-2, gt=0)
    halve_after: int = Field(default=4, ge=0)
    epochs: int | None = Field(default=None, ge=1)
    batch_size: BatchSize = 512
    early_stopping: int | None = Field(default=None, ge=0)
    class_weights: ClassWeights = "balanced"
    negative_weights: NegativeWeights = "keep"
    bootstrap: bool = False
    fom: FigureName = DEFAULT_FIGURE
    min_effective_events: float = Field(default=MIN_EFFECTIVE_EVENTS, ge=0)
    fixed_threshold: float | None = Field(default=None, gt=0, lt=1)

    @field_validator("hidden", mode="before")
    @classmethod
    def _layers(cls, value: Any) -> Any:  # noqa: ANN401  (whatever a file or an option holds)
        """Take `32,32` or `none` for a list; refuse layers without units."""
        if isinstance(value, str):
            words = [] if value.strip() == "none" else [word.strip() for word in value.split(",")]
            value = [int(word) if word.isdigit() else 0 for word in words]
        if isinstance(value, list | tuple) and any(not isinstance(units, int) or units < 1 for units in value):
            msg = "give the units of each hidden layer, such as 32,32, or none"
            raise ValueError(msg)
        return tuple(value) if isinstance(value, list) else value

    def unused(self, chosen: Collection[str]) -> Mapping[str, str]:
        """What a fixed threshold, or a model without hidden layers, has no use for."""
        unused = unused_beside_threshold(self.fixed_threshold, None if "fixed_threshold" in chosen else self.preset)
        if not self.hidden:
            unused["activation"] = "there is no hidden layer; leave it out"
        return unused

    def architecture(self, features: int) -> Architecture:
        """Return the layers for so many features."""
        return Architecture(features, self.hidden, self.activation, self.bias, self.outputs, self.initial)

    def batch(self, events: int) -> int:
        """Return the events per step for so many in all."""
        return events if self.batch_size == "all" else min(self.batch_size, events)

    def resolved_epochs(self, events: int) -> int:
        """Return how many epochs to train at most: those given, or what makes the default number of steps."""
        if self.epochs is not None:
            return self.epochs
        steps_per_epoch = -(-events // self.batch(events))
        low, high = EPOCH_LIMITS
        return min(max(low, -(-DEFAULT_STEPS // steps_per_epoch)), high)


PRESETS: dict[str, dict[str, Any]] = {
    "lcf": {
        "hidden": (16, 32, 64, 32, 16),
        "activation": "relu",
        "bias": True,
        "outputs": 1,
        "initial": "glorot",
        "unit": "moments",
        "optimiser": "adam",
        "learning_rate": 1e-3,
        "halve_after": 0,
        "epochs": 200,
        "batch_size": 512,
        "early_stopping": 0,
        "class_weights": "unit",
        "bootstrap": False,
        "fixed_threshold": 0.5,
    },
    "cabin": {
        "hidden": (),
        "bias": False,
        "outputs": 1,
        "initial": "torch",
        "unit": "moments",
        "optimiser": "sgd",
        "learning_rate": 0.1,
        "halve_after": 0,
        "epochs": 100,
        "batch_size": "all",
        "early_stopping": 0,
        "class_weights": "unit",
        "bootstrap": False,
    },
    "hml": {
        "hidden": (32, 64, 32),
        "activation": "relu",
        "bias": True,
        "outputs": 2,
        "initial": "glorot",
        "unit": "min-max",
        "optimiser": "rmsprop",
        "learning_rate": 1e-3,
        "halve_after": 0,
        "epochs": 100,
        "batch_size": 128,
        "early_stopping": 0,
        "class_weights": "unit",
        "bootstrap": False,
        "fixed_threshold": 0.5,
    },
}
