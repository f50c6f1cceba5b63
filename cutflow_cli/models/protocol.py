"""What a method is: settings in, a fitted selection or score out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from cutflow_cli.errors import UsageError
from cutflow_cli.events.batch import EventSample
from cutflow_cli.models.scores import Scorer
from cutflow_cli.selection.cutflow import CutFlow


class Settings(BaseModel):
    """Base of every method's settings: unknown names are refused, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def unused(self, chosen: Collection[str]) -> Mapping[str, str]:
        """Name settings that have no effect beside the others.

        Args:
            chosen: names of the settings that the user gave.

        Returns:
            Why, and what to do, by name; given or not.
        """
        del chosen
        return {}

    def refuse_unused(self, chosen: Collection[str]) -> None:
        """Refuse what was chosen but would have no effect: nothing is ignored in silence.

        Args:
            chosen: names of the settings that the user gave.

        Raises:
            UsageError: at the first of them.
        """
        for name, why in self.unused(chosen).items():
            if name in chosen:
                msg = f"--{name.replace('_', '-')}: {why}"
                raise UsageError(msg)


@dataclass(frozen=True, slots=True)
class TrainingContext:
    """How to train, as opposed to what: nothing here changes what is learned beyond the choice of replicas.

    Attributes:
        seed: seed of everything random.
        replicas: which replicas to train.
        device: `cpu` or `cuda`.
        threads: how many threads may be used.
        validation: the validation split, on which thresholds and stopping are decided; None where it has no events.
        luminosity: that the weights are normalised to, in fb⁻¹; None where they came as yields.
        checkpoint: where to save; None for nowhere.
        stop_reason: says why to stop, or None to go on.
        progress: told the share done and the current loss.
    """

    seed: int = 0
    replicas: range = range(1)
    device: str = "cpu"
    threads: int = 1
    validation: EventSample | None = None
    luminosity: float | None = None
    checkpoint: Path | None = None
    stop_reason: Callable[[], str | None] = lambda: None
    progress: Callable[[float, str], None] = lambda done, text: None


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a method learned.

    Attributes:
        flows: replicas and consensus. A method that gives a score cuts on the score.
        history: columns of `history.parquet` (replica, epoch and loss terms), each of the same length.
        warnings: what a user should know of the training, a sentence each.
        timings: seconds by stage.
        resolved: settings that the sample decided, by name, for the record.
        scorer: what computes the scores that the flows cut on; None for a method that cuts on features alone.
        tables: further tables for the run directory, by name: columns of equal length.
        recommended: the working point to take where one is needed; None where there is only one.
        notes: what came out, in sentences, that are no warnings.
    """

    flows: tuple[CutFlow, ...]
    history: dict[str, Any]
    warnings: tuple[str, ...] = ()
    timings: dict[str, float] = field(default_factory=dict)
    resolved: dict[str, Any] = field(default_factory=dict)
    scorer: Scorer | None = None
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    recommended: str | None = None
    notes: tuple[str, ...] = ()


class Method(Protocol):
    """A trainable method."""

    def fit(self, sample: EventSample, context: TrainingContext) -> Fitted:
        """Learn from the training split."""

    @property
    def settings(self) -> Settings:
        """Every resolved setting."""

    @property
    def spectators(self) -> tuple[str, ...]:
        """Columns that are needed beside the features."""
