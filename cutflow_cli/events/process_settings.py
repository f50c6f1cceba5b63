"""What `cutflow ingest` is told of one feature, one process, or one variation."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from cutflow_cli.events.schema import Role

EventFormat = Literal["Delphes", "NanoAOD", "LHE", "flat"]
NAME = r"[A-Za-z_]\w*"


def no_truth_value(value: Any) -> Any:  # noqa: ANN401  (whatever stands in the file)
    """Refuse true and false where a number is needed; pydantic would take them for 1 and 0."""
    if isinstance(value, bool):
        msg = f"is {str(value).lower()}, a number is needed"
        raise ValueError(msg)
    return value


Positive = Annotated[float, BeforeValidator(no_truth_value), Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, BeforeValidator(no_truth_value), Field(allow_inf_nan=False)]
Count = Annotated[int, BeforeValidator(no_truth_value), Field(gt=0)]


class Settings(BaseModel):
    """What all settings have in common: unknown keys are errors, and nothing changes them later."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FeatureSettings(Settings):
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


class TreeSum(Settings):
    """A sum of generator weights that the files themselves carry, in a tree beside the events.

    Attributes:
        tree: the tree, such as NanoAOD's `Runs`.
        column: the column to sum over its entries, such as `genEventSumw`.
    """

    tree: str
    column: str


class VariationSettings(Settings):
    """A systematic variation of weights.

    Attributes:
        weight: takes the place of the processes' weight: a column or an expression.
        processes: which processes it holds for; None for all that have a weight.
    """

    weight: str
    processes: tuple[str, ...] | None = None

    @field_validator("processes", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:  # noqa: ANN401
        return (value,) if isinstance(value, str) else value


class ProcessSettings(Settings):
    """One process: where its events are, and what they are worth.

    Attributes:
        role: signal or background.
        files: files and patterns, relative to the settings file (or to the working directory for options).
        tree: TTree or RNTuple in ROOT files; None for the only one, or of a NanoAOD file `Events`.
        format: how the files spell objects and their observables; None to recognise it.
        rows: which rows of the files belong to this process: a condition, or wanted values by column, such as
            `{process = "WW"}`. Sums of weights over events are over these rows; one that is given, or stands in a tree
            beside the events, is taken as it is for that of the events that the cross section is for.
        cross_section: in pb; `header` takes it from the headers of LHE files.
        k_factor: multiplies the cross section.
        filter_efficiency: share of the cross section that the sum of weights stands for, such as a generator filter's.
        weight: generator weight (or yield): a column or an expression; None for 1.
        sum_of_weights: sum of generator weights over all generated events: a number, or where the files hold it; None
            to sum over the rows read, which is right only if the files hold all generated events.
        generated_events: number of generated events; None for the number of rows read, likewise.
        weights_are_yields: the weights are expected events already.
        hypothesis: mass point of a signal: a number, a column or an expression.
        replaces: for an alternative sample, the process whose place it takes under a variation.
        variation: the name of that variation.
    """

    role: Role
    files: tuple[str, ...] = Field(min_length=1)
    tree: str | None = None
    format: EventFormat | None = None
    rows: str | dict[str, str | Finite] | None = None
    cross_section: Positive | Literal["header"] | None = None
    k_factor: Positive = 1.0
    filter_efficiency: Annotated[Positive, Field(le=1)] = 1.0
    weight: str | None = None
    sum_of_weights: Positive | TreeSum | None = None
    generated_events: Count | None = None
    weights_are_yields: bool = False
    hypothesis: str | Finite | None = None
    replaces: str | None = None
    variation: Annotated[str, Field(pattern=f"^{NAME}$")] | None = None

    @field_validator("format", mode="before")
    @classmethod
    def _in_any_case(cls, value: Any) -> Any:  # noqa: ANN401
        known = {name.lower(): name for name in get_args(EventFormat)}
        return known.get(value.lower(), value) if isinstance(value, str) else value

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
        if self.cross_section == "header" and self.rows is not None:
            msg = (
                "cross_section = 'header' together with rows: a header's cross section is that of all events of the "
                "file; give that of these rows"
            )
            raise ValueError(msg)
        if isinstance(self.sum_of_weights, TreeSum) and self.weight is None and self.generated_events is not None:
            msg = "without weight every event counts 1: give generated_events or sum_of_weights, not both"
            raise ValueError(msg)
        if (self.replaces is None) != (self.variation is None):
            msg = "an alternative sample needs both: replaces, the process, and variation, what to call it"
            raise ValueError(msg)
        unit_sum = self.generated_events if self.weight is None else None
        if unit_sum is not None and isinstance(self.sum_of_weights, float) and self.sum_of_weights != unit_sum:
            msg = f"without weight every event counts 1: sum_of_weights can't differ from generated_events ({unit_sum})"
            raise ValueError(msg)
        return self
