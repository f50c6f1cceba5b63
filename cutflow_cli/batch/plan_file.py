"""The file that a user writes: which samples, methods, settings and blocks to fan out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from cutflow_cli.engine.replicas import parse_replicas
from cutflow_cli.errors import UsageError, nearest
from cutflow_cli.models.registry import METHODS
from cutflow_cli.settings_file import read_mapping
from cutflow_cli.validation import in_words

#: What names of entries may hold, since they become names of directories and stand in lists of batch systems.
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$"
Name = Annotated[str, Field(pattern=NAME, max_length=100)]

#: Options that the plan itself decides.
RESERVED = ("--out", "-o", "--settings", "--replicas", "--seed", "--features", "--folds", "--force", "--fresh",
            "--json", "--keep-state", "--shard", "--cut-flow", "--observables-from", "--data", "--cuts")  # fmt: skip


def _listed(value: Any) -> Any:  # noqa: ANN401
    """Take a single table for a list of one."""
    return [value] if isinstance(value, dict) else value


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    options: tuple[str, ...] = ()

    @field_validator("options")
    @classmethod
    def _not_ours(cls, options: tuple[str, ...]) -> tuple[str, ...]:
        for option in options:
            if option.partition("=")[0] in RESERVED:
                msg = f"{option.partition('=')[0]} is for the plan to decide; it has a key of its own, or needs none"
                raise ValueError(msg)
        return options


class TrainEntry(_Entry):
    """A training, for each sample × seed × point of the grid, its replicas in blocks.

    Attributes:
        name: begins the names of its results.
        method: as in `cutflow train METHOD`.
        samples: names from `[samples]`; all of them by default.
        replicas: how many, or a part of them such as `5:10`.
        block: replicas of a task; all in one by default.
        seeds: a result for each.
        folds: as `cutflow train --folds`.
        features: as `cutflow train --features`.
        settings: as in a file for `cutflow train --settings`.
        grid: for each setting its values; a result for each combination.
        options: further options of `cutflow train`; without `--device` there, all train on the CPU, lest blocks of one
            training differ.
    """

    method: str
    samples: tuple[str, ...] | None = None
    replicas: str = "10"
    block: int | None = Field(default=None, ge=1)
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(default=(0,), min_length=1)
    folds: int | None = Field(default=None, ge=2)
    features: tuple[str, ...] | None = None
    settings: dict[str, Any] = Field(default_factory=dict)
    grid: dict[str, list[Any]] = Field(default_factory=dict)

    @field_validator("replicas", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:  # noqa: ANN401
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("replicas")
    @classmethod
    def _readable(cls, value: str) -> str:
        try:
            parse_replicas(value)
        except UsageError as error:
            raise ValueError(str(error).removeprefix("--replicas ")) from error
        return value

    @field_validator("method")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in METHODS:
            msg = f"no method {value!r}; {nearest(value, METHODS)}"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> TrainEntry:
        for name, values in self.grid.items():
            if not values:
                msg = f"grid.{name}: has no values"
                raise ValueError(msg)
            if name in self.settings:
                msg = f"grid.{name}: is in settings too; leave it in one of them"
                raise ValueError(msg)
        if len(set(self.seeds)) < len(self.seeds):
            msg = "seeds: one comes twice"
            raise ValueError(msg)
        return self


class IngestEntry(_Entry):
    """An ingest in shards.

    Attributes:
        name: of the events file.
        settings: the settings file of `cutflow ingest`.
        shards: how many tasks.
        observables_from: as `cutflow ingest --observables-from`.
        options: further options of `cutflow ingest`.
    """

    settings: Path
    shards: int = Field(ge=1)
    observables_from: Path | None = None


class ApplyEntry(_Entry):
    """Counts of the events that pass cuts, a task for each file.

    Attributes:
        name: of the cut flow.
        cuts: the file of cuts, as in `cutflow apply`.
        files: paths and patterns.
        options: further options of `cutflow apply`.
    """

    cuts: Path
    files: tuple[str, ...] = Field(min_length=1)


class EvaluateEntry(_Entry):
    """Reports on runs and cuts, a task for each events file, such as an era, and the sum of their cut flows.

    Attributes:
        name: of the reports and of the cut flow.
        runs: run directories.
        cuts: files of cuts, as `cutflow evaluate --cuts`.
        files: paths and patterns of events files.
        options: further options of `cutflow evaluate`.
    """

    runs: tuple[Path, ...] = ()
    cuts: tuple[Path, ...] = ()
    files: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _of_something(self) -> EvaluateEntry:
        if not (self.runs or self.cuts):
            msg = "runs: is missing, and so is cuts; there is nothing to evaluate"
            raise ValueError(msg)
        return self


class PlanFile(BaseModel):
    """All of it; paths are relative to the file.

    Attributes:
        samples: events files by name.
        train: trainings.
        ingest: ingests in shards.
        apply: counts, file by file.
        evaluate: reports, events file by events file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    samples: dict[Name, Path] = Field(default_factory=dict)
    train: Annotated[tuple[TrainEntry, ...], BeforeValidator(_listed)] = ()
    ingest: Annotated[tuple[IngestEntry, ...], BeforeValidator(_listed)] = ()
    apply: Annotated[tuple[ApplyEntry, ...], BeforeValidator(_listed)] = ()
    evaluate: Annotated[tuple[EvaluateEntry, ...], BeforeValidator(_listed)] = ()

    @model_validator(mode="after")
    def _consistent(self) -> PlanFile:
        entries = (*self.train, *self.ingest, *self.apply, *self.evaluate)
        if not entries:
            msg = "plans nothing; add [[train]], [[ingest]], [[apply]] or [[evaluate]]"
            raise ValueError(msg)
        names = [entry.name for entry in entries]
        for name in names:
            if names.count(name) > 1:
                msg = f"name = {name!r} comes twice; results need different names"
                raise ValueError(msg)
        return self


_SECTIONS: dict[str, type[BaseModel]] = {
    "train": TrainEntry, "ingest": IngestEntry, "apply": ApplyEntry, "evaluate": EvaluateEntry,
}  # fmt: skip


def read_plan_file(path: Path) -> PlanFile:
    """Read a plan, TOML or YAML.

    Raises:
        InputError: if the file is missing or no text.
        UsageError: at the first thing in it that is unknown, wrong or contradicts another.
    """
    raw = read_mapping(path)
    try:
        return PlanFile.model_validate(raw)
    except ValidationError as error:
        msg = f"{path}: {_explain(error, raw)}"
        raise UsageError(msg) from error


def _explain(error: ValidationError, raw: dict[str, Any]) -> str:
    """Say the first thing that is wrong in one line; unknown keys first, which may be what another lacks."""
    errors = error.errors(include_url=False)
    first = next((item for item in errors if item["type"] == "extra_forbidden"), errors[0])
    place = [str(part) for part in first["loc"] if part != "[key]"]
    model = _SECTIONS.get(place[0]) if len(place) > 1 else PlanFile
    where = _named(place, raw)
    if first["type"] == "extra_forbidden" and model is not None:
        return f"{where}: no such key; {nearest(place[-1], model.model_fields)}"
    if first["type"] == "missing":
        return f"{where}: is missing"
    text = in_words(first)
    if first["type"] == "string_pattern_mismatch":
        text = f"{first['input']!r} is no name; one has letters, digits and . _ + -"
    elif first["type"] == "tuple_type":
        text = f'give a list in brackets, such as ["a", "b"] (got {first["input"]!r})'
    elif first["type"] != "value_error":
        text = f"{text} (got {first['input']!r})"
    return f"{where}: {text}" if where else text


def _named(place: list[str], raw: dict[str, Any]) -> str:
    """Say where something is: an entry by its name, where it has one."""
    if len(place) < 2 or place[0] not in _SECTIONS or not place[1].isdecimal():
        return ".".join(place)
    entries = raw.get(place[0])
    entry = entries[int(place[1])] if isinstance(entries, list) else entries
    name = entry.get("name") if isinstance(entry, dict) else None
    named = repr(name) if isinstance(name, str) and place[2:3] != ["name"] else str(int(place[1]) + 1)
    return f"{place[0]} {named}{': ' if place[2:] else ''}{'.'.join(place[2:])}"
