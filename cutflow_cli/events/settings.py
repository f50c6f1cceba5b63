"""What `cutflow ingest` is told: features, processes and their normalisation, from a file or from options.

A TOML or YAML file and the command's options are two spellings of the same models. What could be meant in two ways is
refused, never guessed.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from cutflow_cli.errors import UsageError, nearest
from cutflow_cli.events.process_settings import (
    NAME,
    FeatureSettings,
    Finite,
    Positive,
    ProcessSettings,
    Settings,
    VariationSettings,
    no_truth_value,
)
from cutflow_cli.events.schema import RESERVED, SPLITS
from cutflow_cli.events.splits import SplitFractions


class IngestSettings(Settings):
    """Everything that `cutflow ingest` needs to know.

    Attributes:
        features: by name, in the order of the flow.
        processes: by name, in the order of the events.
        luminosity: in fb⁻¹; with cross sections it is needed, with yields it records what they were made for.
        split: shares of train, validation and test.
        seed: seed of the split assignment.
        spectators: columns to carry along, never trained on.
        preselection: conditions that events of all processes must pass, in order.
        cut_dialect: the language of conditions: our own, or that of a TCut.
        split_by: columns that tell an event, such as `event`, or `run`, `luminosityBlock` and `event`: an event's split
            is decided by a hash of their values, so that a sample that grows keeps it; none for the row number.
        keep_quantiles: for every feature, keep events between these two quantiles of it in the training split (signal
            and background together, unweighted, after the preselection).
        variations: alternative weights by name.
        on_bad_file: whether to stop at files that can't be used, or to go on without them.
    """

    features: dict[str, FeatureSettings] = Field(min_length=1)
    processes: dict[str, ProcessSettings] = Field(min_length=1)
    luminosity: Positive | None = None
    split: SplitFractions = SplitFractions()
    seed: Annotated[int, BeforeValidator(no_truth_value), Field(ge=0, lt=2**63)] = 0
    spectators: tuple[str, ...] = ()
    preselection: tuple[str, ...] = ()
    cut_dialect: Literal["cutflow", "root"] = "cutflow"
    split_by: tuple[str, ...] = ()
    keep_quantiles: tuple[Finite, Finite] | None = None
    variations: dict[Annotated[str, Field(pattern=f"^{NAME}$")], VariationSettings] = Field(default_factory=dict)
    on_bad_file: Literal["fail", "skip"] = "fail"

    @field_validator("features", mode="before")
    @classmethod
    def _features_by_name(cls, value: Any) -> Any:  # noqa: ANN401
        if isinstance(value, list | tuple):
            for item in value:
                if not isinstance(item, str):
                    msg = f"{item!r} in a list: name features there; with unit or label, write a table for each"
                    raise ValueError(msg)
            return _listed_features(list(value))
        if isinstance(value, dict):
            return {name: {"expression": item} if isinstance(item, str) else item for name, item in value.items()}
        return value

    @field_validator("split", mode="before")
    @classmethod
    def _read_split(cls, value: Any) -> Any:  # noqa: ANN401
        if isinstance(value, str):
            return SplitFractions.parse(value)
        if isinstance(value, list | tuple):
            return SplitFractions.parse(",".join(map(str, value)))
        if isinstance(value, dict):
            for key, share in value.items():
                if key not in SPLITS:
                    msg = f"no split {key!r}; {nearest(str(key), SPLITS)}"
                    raise ValueError(msg)
                if isinstance(share, bool) or not isinstance(share, int | float):
                    msg = f"{key} is {share!r}, a number is needed"
                    raise ValueError(msg)
            return SplitFractions(**{split: float(value.get(split, 0.0)) for split in SPLITS})
        return value

    @field_validator("preselection", "split_by", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:  # noqa: ANN401
        return (value,) if isinstance(value, str) else value

    @field_validator("split_by", "spectators", mode="after")
    @classmethod
    def _columns_have_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not name.strip():
                msg = "an empty name, of no column"
                raise ValueError(msg)
        return value

    @field_validator("keep_quantiles", mode="before")
    @classmethod
    def _two_quantiles(cls, value: Any) -> Any:  # noqa: ANN401
        if value is None:
            return None
        try:
            low, high = (float(no_truth_value(share)) for share in value)
            in_order = 0 <= low < high <= 1
        except (ValueError, TypeError):
            in_order = False
        if not in_order:
            shown = ",".join(map(str, value)) if isinstance(value, list | tuple) else value
            msg = f"{shown}: give two shares in increasing order, such as 0.05,0.95"
            raise ValueError(msg)
        return value

    @field_validator("variations", mode="before")
    @classmethod
    def _weight_alone(cls, value: Any) -> Any:  # noqa: ANN401
        if isinstance(value, dict):
            return {name: {"weight": item} if isinstance(item, str) else item for name, item in value.items()}
        return value

    @field_validator("spectators", mode="after")
    @classmethod
    def _spectators_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name in RESERVED:
                msg = f"{name!r} is a column of the events file itself; it can't be a spectator"
                raise ValueError(msg)
            if value.count(name) > 1:
                msg = f"{name!r} is named twice"
                raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name in self.features:
            if name in RESERVED:
                msg = f"features: {name!r} is a column of the events file itself; give the feature another name"
                raise ValueError(msg)
            if name in self.spectators:
                msg = f"{name!r} is a feature and a spectator; a spectator is what is not trained on"
                raise ValueError(msg)
        for role in ("signal", "background"):
            if not any(process.role == role for process in self.nominal.values()):
                msg = f"processes: no {role}; a selection needs signal and background"
                raise ValueError(msg)
        without = [n for n, p in self.processes.items() if p.role == "signal" and p.hypothesis is None]
        if without and any(process.hypothesis is not None for process in self.processes.values()):
            msg = f"processes.{without[0]}: other signals have a hypothesis, this one has none"
            raise ValueError(msg)
        self._check_variations()
        self._check_luminosity()
        return self

    @property
    def nominal(self) -> dict[str, ProcessSettings]:
        """The processes that are no alternatives to others."""
        return {name: process for name, process in self.processes.items() if process.replaces is None}

    @property
    def variation_names(self) -> tuple[str, ...]:
        """All variations, of weights and by alternative samples, each once."""
        samples = (process.variation for process in self.processes.values() if process.variation is not None)
        return tuple(dict.fromkeys((*self.variations, *samples)))

    def _check_variations(self) -> None:
        """Refuse variations of what is not there, or of what has no weight."""
        taken: dict[tuple[str, str], str] = {}
        for name, process in self.processes.items():
            if process.replaces is None or process.variation is None:
                continue
            original = self.nominal.get(process.replaces)
            if original is None or original.role != process.role:
                msg = f"processes.{name}: replaces {process.replaces!r}, which is no {process.role}; "
                same = [other for other, item in self.nominal.items() if item.role == process.role]
                raise ValueError(msg + nearest(process.replaces, same))
            other = taken.setdefault((process.replaces, process.variation), name)
            if other != name:
                msg = f"processes.{name}: {other} replaces {process.replaces!r} under {process.variation!r} already"
                raise ValueError(msg)
        for name, variation in self.variations.items():
            for process_name in variation.processes or ():
                if process_name not in self.nominal:
                    msg = f"variations.{name}: no process {process_name!r}; {nearest(process_name, self.nominal)}"
                    raise ValueError(msg)
                if (process_name, name) in taken:
                    msg = f"variations.{name}: {taken[process_name, name]} replaces {process_name!r} under it already"
                    raise ValueError(msg)
            if variation.processes is None and all(process.weight is None for process in self.nominal.values()):
                msg = f"variations.{name}: no process has a weight that it could take the place of; name its processes"
                raise ValueError(msg)

    def _check_luminosity(self) -> None:
        """Refuse normalisations that would compare unlike with unlike."""
        sigma = [name for name, process in self.processes.items() if process.cross_section is not None]
        neither = [n for n, p in self.processes.items() if p.cross_section is None and not p.weights_are_yields]
        if sigma and self.luminosity is None:
            msg = f"processes.{sigma[0]} has a cross_section, but there is no luminosity (fb^-1) to multiply it with"
            raise ValueError(msg)
        if neither and len(neither) < len(self.processes):
            msg = (
                f"processes.{neither[0]} has no cross_section (pb), other processes are normalised; give it one as well"
            )
            raise ValueError(msg)
        if neither and self.luminosity is not None:
            msg = f"luminosity is given, but processes.{neither[0]} has no cross_section (pb) to multiply it with"
            raise ValueError(msg)


_DEFINITION = re.compile(r"\s*(?P<name>[A-Za-z_][\w.]*)\s*=(?!=)\s*(?P<expression>.*)", re.DOTALL)


def _listed_features(items: list[str]) -> dict[str, dict[str, str]]:
    """Read features given as `column` or `name=expression`.

    Raises:
        UsageError: if one comes twice, or if an expression has no name.
    """
    found: dict[str, dict[str, str]] = {}
    for item in items:
        match = _DEFINITION.fullmatch(item)
        if match is None and (wrong := re.match(r"([^=<>!]*)=(?!=)", item)):
            msg = f"feature {item!r}: {wrong[1].strip()!r} is no name; one has letters, digits, underscores and dots"
            raise UsageError(msg)
        name = match["name"] if match else item.strip()
        if match is None and not re.fullmatch(r"[A-Za-z_][\w.]*", name):
            msg = f"feature {item!r}: give the expression a name, such as 'ratio={item.strip()}'"
            raise UsageError(msg)
        if name in found:
            msg = f"feature {name!r} is given twice"
            raise UsageError(msg)
        found[name] = {"expression": match["expression"]} if match else {}
    return found
