"""What `cutflow ingest` is told: features, processes and their normalisation, from a file or from options.

A TOML or YAML file and the command's options are two spellings of the same models. What could be meant in two ways is
refused, never guessed.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from cutflow_cli.errors import UsageError, nearest
from cutflow_cli.events.schema import RESERVED, SPLITS, Role
from cutflow_cli.events.splits import SplitFractions


def _no_truth_value(value: Any) -> Any:  # noqa: ANN401  (whatever stands in the file)
    if isinstance(value, bool):
        msg = f"is {str(value).lower()}, a number is needed"
        raise ValueError(msg)
    return value


Positive = Annotated[float, BeforeValidator(_no_truth_value), Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, BeforeValidator(_no_truth_value), Field(allow_inf_nan=False)]
Count = Annotated[int, BeforeValidator(_no_truth_value), Field(gt=0)]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FeatureSettings(_Settings):
    """One feature.

    Attributes:
        expression: arithmetic in the files' column names; None for the column of the feature's own name.
        unit: for example `GeV`.
        label: TeX label for figures.
        dtype: type to store; None for float32 where that keeps every column it is made from (floats up to 32 bits,
            integers up to 16), and float64 otherwise, CSV always included.
    """

    expression: str | None = None
    unit: str | None = None
    label: str | None = None
    dtype: Literal["float32", "float64"] | None = None


class ProcessSettings(_Settings):
    """One process: where its events are, and what they are worth.

    Attributes:
        role: signal or background.
        files: files and patterns, relative to the settings file (or to the working directory for options).
        tree: TTree or RNTuple in ROOT files; None for the only one.
        rows: which rows of the files belong to this process: a condition, or wanted values by column, such as
            `{process = "WW"}`. Sums of weights are over these rows.
        cross_section: in pb.
        k_factor: multiplies the cross section.
        filter_efficiency: share of the cross section that the sum of weights stands for, such as a generator filter's.
        weight: generator weight (or yield): a column or an expression; None for 1.
        sum_of_weights: sum of generator weights over all generated events; None to sum over the rows read, which is
            right only if the files hold all generated events.
        generated_events: number of generated events; None for the number of rows read, likewise.
        weights_are_yields: the weights are expected events already.
        hypothesis: mass point of a signal: a number, a column or an expression.
    """

    role: Role
    files: tuple[str, ...] = Field(min_length=1)
    tree: str | None = None
    rows: str | dict[str, str | Finite] | None = None
    cross_section: Positive | None = None
    k_factor: Positive = 1.0
    filter_efficiency: Annotated[Positive, Field(le=1)] = 1.0
    weight: str | None = None
    sum_of_weights: Positive | None = None
    generated_events: Count | None = None
    weights_are_yields: bool = False
    hypothesis: str | Finite | None = None

    @field_validator("files", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:  # noqa: ANN401
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_normalisation(self) -> Self:
        if self.hypothesis is not None and self.role == "background":
            msg = "a background has no hypothesis; leave it away"
            raise ValueError(msg)
        factors = [
            name for name in ("k_factor", "filter_efficiency", "sum_of_weights") if name in self.model_fields_set
        ]
        if self.weights_are_yields:
            given = [*(["cross_section"] if self.cross_section is not None else []), *factors]
            if given:
                msg = f"weights_are_yields together with {given[0]}: yields are normalised already; take one away"
                raise ValueError(msg)
            if self.weight is None:
                msg = "weights_are_yields needs weight, the column that holds them"
                raise ValueError(msg)
        elif self.cross_section is None:
            if factors:
                msg = f"{factors[0]} is of no use without cross_section"
                raise ValueError(msg)
            if self.weight is not None:
                msg = "weight is given, but not what it means: set cross_section (pb), or weights_are_yields = true"
                raise ValueError(msg)
        unit_sum = self.generated_events if self.weight is None else None
        if unit_sum is not None and self.sum_of_weights is not None and self.sum_of_weights != unit_sum:
            msg = f"without weight every event counts 1: sum_of_weights can't differ from generated_events ({unit_sum})"
            raise ValueError(msg)
        return self


class IngestSettings(_Settings):
    """Everything that `cutflow ingest` needs to know.

    Attributes:
        features: by name, in the order of the flow.
        processes: by name, in the order of the events.
        luminosity: in fb⁻¹; with cross sections it is needed, with yields it records what they were made for.
        split: shares of train, validation and test.
        seed: seed of the split assignment.
        spectators: columns to carry along, never trained on.
    """

    features: dict[str, FeatureSettings] = Field(min_length=1)
    processes: dict[str, ProcessSettings] = Field(min_length=1)
    luminosity: Positive | None = None
    split: SplitFractions = SplitFractions()
    seed: Annotated[int, BeforeValidator(_no_truth_value), Field(ge=0, lt=2**63)] = 0
    spectators: tuple[str, ...] = ()

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
            if not any(process.role == role for process in self.processes.values()):
                msg = f"processes: no {role}; a selection needs signal and background"
                raise ValueError(msg)
        without = [n for n, p in self.processes.items() if p.role == "signal" and p.hypothesis is None]
        if without and any(process.hypothesis is not None for process in self.processes.values()):
            msg = f"processes.{without[0]}: other signals have a hypothesis, this one has none"
            raise ValueError(msg)
        self._check_luminosity()
        return self

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
        name = match["name"] if match else item.strip()
        if match is None and not re.fullmatch(r"[A-Za-z_][\w.]*", name):
            msg = f"feature {item!r}: give the expression a name, such as 'ratio={item.strip()}'"
            raise UsageError(msg)
        if name in found:
            msg = f"feature {name!r} is given twice"
            raise UsageError(msg)
        found[name] = {"expression": match["expression"]} if match else {}
    return found
