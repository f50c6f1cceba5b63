"""Settings of Punzi networks, with the publication as a preset.

`--preset punzi` is EPJ C 82 (2022) 121, section 5: inputs scaled to 0 to 1, layers of 8 and 4 with tanh, cross entropy
at a rate of 1 and then Punzi's σ_min at 5e-4, both by plain gradient descent whose rate is halved after 10 epochs
without gain. The unit of σ_min decides what that rate means; fb is taken. Of the released code, which differs in
places, the expression for σ_min is offered as `form="improved"`.

Where our defaults differ, on the publication's own kind of search at 50 fb⁻¹, and why:

1. *The rate depends on the unit of the loss.* Mended: the loss is divided by its value after pretraining.
2. *Gradient descent takes thousands of epochs, and stops in a shallow minimum* where all hypotheses keep much
   background, since cutting harder pays only once it is much harder. Mended: Adam with a rate that falls along a
   cosine, features in units of their standard deviation, layers of 16 and 16.
3. *A sum of outputs is not a count*: many events with an output of a few per cent make up a background that the cut at
   0.5 rejects, so that the cut that was trained is not the one that is applied. Mended: the logit is multiplied by a
   factor that grows from 1 to `sharpness` during the training, until sums and counts agree. This is what brings the
   fixed cut to the best one.
4. *A window left with few simulated events has a background near zero for the network, not in nature.* Mended:
   B never counts for less than `background_floor` effective events of the training split.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from cutflow_cli.engine.architecture import Architecture, Initial
from cutflow_cli.engine.scaling import Unit
from cutflow_cli.metrics.figures_of_merit import MIN_EFFECTIVE_EVENTS
from cutflow_cli.metrics.punzi import POWER, SIGNIFICANCE, Form
from cutflow_cli.models.protocol import Settings
from cutflow_cli.models.punzi.window_table import KNOWN, WindowRow, read_window_table
from cutflow_cli.models.setting_types import BatchSize
from cutflow_cli.models.weights import NegativeWeights

EVERY_SECOND = "every-second"


class PunziSettings(Settings):
    """Settings of `punzi`.

    Attributes:
        preset: `punzi` for the published method to the letter.
        mass_column: reconstructed mass in which each hypothesis has its window; None for no windows.
        mass_scale: whether that is a mass or its square, for windows without a centre.
        windows: table of centres and widths; None to fit them to the signal.
        window_columns: names of its columns `mass`, `centre`, `width` and `generated`.
        n_sigma: half the size of a window, in widths.
        holdout_hypotheses: `every-second`, or masses that are not trained on; None for none.
        generated_events: generated signal events that the file stands for, of each mass; None for those of the table,
            or else for the events in the file.
        luminosity: in fb⁻¹; None for that of the events.
        a: significance of the discovery in standard deviations.
        b: standard deviations of its power.
        form: eq. 9 as printed (`paper`), or as the released code has it (`improved`).
        hidden: units of each hidden layer, all with tanh.
        unit: of the features, see `engine.scaling.Scaling.measure`.
        initial: how initial values are drawn, see `engine.network.Architecture`.
        optimiser: `adam`, whose rate falls along a cosine, or `sgd`, whose rate is halved when the loss stops falling.
        patience: epochs without gain before it is halved.
        bce_epochs: passes of the pretraining.
        bce_batch_size: events per step of the pretraining.
        bce_learning_rate: its learning rate.
        epochs: passes with Punzi's loss.
        batch_size: events per step with it, about (batches are of equal size), or `all`.
        learning_rate: its learning rate.
        normalise_loss: divide the loss by its value after pretraining.
        sharpness: what the logit has been multiplied by at the end; 1 for a plain sum of outputs.
        background_floor: effective events that B counts for at least; 0 for none.
        negative_weights: what training does with negative weights.
        bootstrap: give each replica its own Poisson(1) weights.
        fixed_threshold: the one cut for all hypotheses.
        min_effective_events: effective background events that the best cut of a hypothesis must keep on validation.
    """

    preset: Literal["punzi"] | None = None
    mass_column: str | None = None
    mass_scale: Literal["squared", "linear"] = "squared"
    windows: tuple[WindowRow, ...] | None = None
    window_columns: dict[str, str] = Field(default_factory=dict)
    n_sigma: float = Field(default=2.0, gt=0)
    holdout_hypotheses: Literal["every-second"] | tuple[float, ...] | None = None
    generated_events: float | None = Field(default=None, gt=0)
    luminosity: float | None = Field(default=None, gt=0)
    a: float = Field(default=SIGNIFICANCE, gt=0)
    b: float = Field(default=POWER, gt=0)
    form: Form = "paper"
    hidden: tuple[int, ...] = (16, 16)
    unit: Unit = "moments"
    initial: Initial = "glorot"
    optimiser: Literal["adam", "sgd"] = "adam"
    patience: int = Field(default=10, ge=0)
    bce_epochs: int = Field(default=20, ge=1)
    bce_batch_size: int = Field(default=1024, ge=1)
    bce_learning_rate: float = Field(default=0.01, gt=0)
    epochs: int = Field(default=100, ge=1)
    batch_size: BatchSize = 20_000
    learning_rate: float = Field(default=0.03, gt=0)
    normalise_loss: bool = True
    sharpness: float = Field(default=20.0, ge=1)
    background_floor: float = Field(default=60.0, ge=0)
    negative_weights: NegativeWeights = "keep"
    bootstrap: bool = False
    fixed_threshold: float = Field(default=0.5, gt=0, lt=1)
    min_effective_events: float = Field(default=MIN_EFFECTIVE_EVENTS, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _read_table(cls, data: Any) -> Any:  # noqa: ANN401  (whatever a file or an option holds)
        """Read the table now: settings, and what is known of a finished run, hold its numbers rather than its name."""
        if isinstance(data, Mapping) and isinstance(data.get("windows"), str | Path):
            columns = data.get("window_columns") or {}
            return {**data, "windows": read_window_table(Path(data["windows"]), columns)}
        return data

    @field_validator("window_columns")
    @classmethod
    def _known_columns(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if name not in KNOWN:
                msg = f"{name} is none of {', '.join(KNOWN)}"
                raise ValueError(msg)
        return value

    @field_validator("holdout_hypotheses", mode="before")
    @classmethod
    def _masses(cls, value: Any) -> Any:  # noqa: ANN401
        """Take `0.5,1.5` for masses."""
        if not isinstance(value, str) or value == EVERY_SECOND:
            return tuple(value) if isinstance(value, list) else value
        try:
            return tuple(float(part) for part in value.split(","))
        except ValueError as error:
            msg = f"give {EVERY_SECOND}, or masses with commas between"
            raise ValueError(msg) from error

    @field_validator("hidden", mode="before")
    @classmethod
    def _layers(cls, value: Any) -> Any:  # noqa: ANN401
        """Take `16,16` for a list; refuse layers without units."""
        if isinstance(value, str):
            words = [word.strip() for word in value.split(",")]
            value = [int(word) if word.isdigit() else 0 for word in words]
        if isinstance(value, list | tuple) and (not value or any(not isinstance(u, int) or u < 1 for u in value)):
            msg = "give the units of each hidden layer, such as 16,16"
            raise ValueError(msg)
        return tuple(value) if isinstance(value, list) else value

    def unused(self, chosen: Collection[str]) -> Mapping[str, str]:
        """What windows and the optimiser leave without effect."""
        unused: dict[str, str] = {}
        if self.mass_column is None:
            why = "there is no --mass-column to have windows in"
            unused = dict.fromkeys(("mass_scale", "windows", "window_columns", "n_sigma"), why)
        elif self.windows is None:
            why = "without --windows they are fitted to the signal"
            unused = dict.fromkeys(("mass_scale", "window_columns"), why)
        elif all(row.centre is not None for row in self.windows):
            unused = {"mass_scale": "the table of --windows has centres"}
        if self.optimiser == "adam":
            unused["patience"] = "Adam's rate falls along a cosine"
        return {name: f"{why}; leave it out" for name, why in unused.items()}

    def architecture(self, features: int) -> Architecture:
        """Return the layers for so many features."""
        return Architecture(features, self.hidden, "tanh", True, 1, self.initial)

    def batches(self, events: int) -> int:
        """Return into how many batches of about the wanted size so many events are divided for Punzi's loss."""
        return 1 if self.batch_size == "all" else max(1, round(events / self.batch_size))


#: EPJ C 82 (2022) 121, section 5. The initial values are those of torch, which it used.
PRESETS: dict[str, dict[str, Any]] = {
    "punzi": {
        "n_sigma": 2.0,
        "a": 3.0,
        "b": 1.28155,
        "form": "paper",
        "hidden": (8, 4),
        "unit": "min-max",
        "initial": "torch",
        "optimiser": "sgd",
        "patience": 10,
        "bce_epochs": 200,
        "bce_batch_size": 2048,
        "bce_learning_rate": 1.0,
        "epochs": 2000,
        "batch_size": 50_000,
        "learning_rate": 5e-4,
        "normalise_loss": False,
        "sharpness": 1.0,
        "background_floor": 0.0,
        "bootstrap": False,
        "fixed_threshold": 0.5,
    }
}
