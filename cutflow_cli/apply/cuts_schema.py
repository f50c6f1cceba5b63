"""The layout of a file of cuts, strictly checked."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError

from cutflow_cli.errors import InputError, nearest
from cutflow_cli.selection.cut import Region
from cutflow_cli.selection.cutflow import CONSENSUS_REPLICA
from cutflow_cli.validation import in_words

#: What this program reads and writes (`cutflow_cli.export.json`).
SCHEMA_VERSION: Final = 1
#: That of a file with cuts in bins, which is read in a file of either version.
BINNED_SCHEMA_VERSION: Final = 2
_TAGS = ("<cut>", "<condition>", "<binned cut>")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class FeatureModel(_Model):
    """A feature: what it is computed from, its unit and the type of its column."""

    expression: str | None = None
    unit: str | None = None
    dtype: Literal["float32", "float64"] | None = None


class CutModel(_Model):
    """A cut: the region of an observable that is kept."""

    observable: str = Field(min_length=1)
    region: Literal["below", "above", "inside", "outside", "all"]
    lower: float | None = None
    upper: float | None = None


class BinModel(_Model):
    """The cut of a bin."""

    region: Literal["below", "above", "inside", "outside", "all"]
    lower: float | None = None
    upper: float | None = None


class BinnedCutModel(_Model):
    """A cut for each bin of another observable."""

    observable: str = Field(min_length=1)
    binned_in: str = Field(min_length=1)
    edges: list[float] = Field(min_length=2)
    bins: list[BinModel] = Field(min_length=1)


def _tag(value: object) -> str:
    if isinstance(value, str):
        return _TAGS[1]
    binned = isinstance(value, dict) and not {"binned_in", "bins"}.isdisjoint(value)
    return _TAGS[2] if binned or isinstance(value, BinnedCutModel) else _TAGS[0]


_Entry = Annotated[
    Annotated[CutModel, Tag(_TAGS[0])] | Annotated[str, Tag(_TAGS[1])] | Annotated[BinnedCutModel, Tag(_TAGS[2])],
    Discriminator(_tag),
]


class RoundedModel(_Model):
    """A boundary that was rounded on export, for people to see."""

    observable: str
    side: Literal["lower", "upper"]
    before: float
    after: float


class FlowModel(_Model):
    """A cut flow: cuts in order, each written out or as a condition."""

    working_point: str = "default"
    target: float | None = None
    hypothesis: float | None = None
    replica: int = Field(default=CONSENSUS_REPLICA, ge=CONSENSUS_REPLICA)
    cuts: list[_Entry]
    rounded: list[RoundedModel] | None = None
    rounding_cost: dict[str, Any] | None = None  # for people to see, likewise


class Document(_Model):
    """The whole file: `cut_flows`, or for a single one `cuts`."""

    schema_version: Literal[1, 2] = SCHEMA_VERSION
    features: dict[str, FeatureModel] = Field(default_factory=dict)
    preselection: list[str] = Field(default_factory=list)
    cut_flows: list[FlowModel] | None = Field(default=None, min_length=1)
    cuts: list[_Entry] | None = Field(default=None, min_length=1)


def validate(raw: Any, where: str) -> Document:  # noqa: ANN401  (whatever JSON holds)
    """Check the layout of a file of cuts.

    Args:
        raw: what was decoded.
        where: the file, put before an error's message.

    Raises:
        InputError: at the first thing that is wrong, naming its place.
    """
    if not isinstance(raw, dict):
        msg = f'{where}: holds no JSON object; the shortest file of cuts is {{"cuts": ["60 < m_jet < 110"]}}'
        raise InputError(msg)
    if ("cuts" in raw) == ("cut_flows" in raw):
        what = "has cuts and cut_flows; leave one away" if "cuts" in raw else "has neither cut_flows nor cuts"
        hint = "" if "cuts" in raw else f"; {nearest('cut_flows', raw)}" if raw else ""
        msg = f"{where}: {what}{hint}"
        raise InputError(msg)
    if "cut_flows" in raw and "schema_version" not in raw:
        msg = f"{where}: schema_version: is missing; this layout is {SCHEMA_VERSION}"
        raise InputError(msg)
    version = raw.get("schema_version", SCHEMA_VERSION)
    if type(version) is not int or version not in (SCHEMA_VERSION, BINNED_SCHEMA_VERSION):
        msg = f"{where}: schema_version {version!r}, this cutflow reads up to {BINNED_SCHEMA_VERSION}; "
        msg += "export the cuts with it"
        raise InputError(msg)
    try:
        return Document.model_validate(raw)
    except ValidationError as error:
        msg = f"{where}: {_explain(error)}"
        raise InputError(msg) from error


def _explain(error: ValidationError) -> str:
    """Say the first thing that is wrong in one line; an unknown key first, since what is missing may be misspelt."""
    errors = error.errors(include_url=False)
    first = next((item for item in errors if item["type"] == "extra_forbidden"), errors[0])
    parts = [part for part in first["loc"] if part not in _TAGS]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).lstrip(".")
    given = first["input"]
    key = parts[-1] if parts else ""
    if first["type"] == "extra_forbidden":
        return f"{place}: no such key; {nearest(str(key), _keys_beside(first['loc']))}"
    if first["type"] == "missing":
        return f"{place}: is missing"
    if first["type"] == "finite_number":
        remedy = "; leave the boundary away that the region has not" if key in ("lower", "upper") else ""
        return f"{place}: is {given!r}, a finite number is needed{remedy}"
    if key == "region" and isinstance(given, str):
        return f"{place}: no region {given!r}; {nearest(given, list(Region))}"
    if first["type"] == "model_type":
        return f"{place}: is {given!r:.60}; give an object with observable and region, or a condition as text"
    if first["type"] == "too_short":
        return f"{place}: is empty"
    shown = f" (got {given!r:.60})" if isinstance(given, str | int | float) or given is None else ""
    return f"{place}: {in_words(first)}{shown}"


def _keys_beside(place: tuple[int | str, ...]) -> list[str]:
    """Return the keys that are known where an unknown one stands."""
    model: type[BaseModel] = Document
    if "features" in place[:1]:
        model = FeatureModel
    elif _TAGS[0] in place:
        model = CutModel
    elif _TAGS[2] in place:
        model = BinModel if "bins" in place else BinnedCutModel
    elif len(place) > 1:
        model = FlowModel
    return list(model.model_fields)
