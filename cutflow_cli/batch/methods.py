"""Settings of the methods, checked when a plan is made rather than by a thousand jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from cutflow_cli.errors import InputError, UsageError, nearest
from cutflow_cli.events.table import EventsFile
from cutflow_cli.models.protocol import Settings
from cutflow_cli.models.settings import resolve_settings
from cutflow_cli.validation import in_words

#: Settings that hold a value for each observable.
_BY_OBSERVABLE = ("centers", "directions")


def settings_kind(method: str) -> tuple[type[Settings], Mapping[str, Mapping[str, Any]], dict[str, Any]]:
    """Return a method's settings, its presets, and the settings that its name decides; none of it imports torch."""
    match method:
        case "lcf-parallel" | "lcf-sequential":
            from cutflow_cli.models.lcf.settings import PRESETS as LCF_PRESETS
            from cutflow_cli.models.lcf.settings import LcfSettings

            return LcfSettings, LCF_PRESETS, {"strategy": method.removeprefix("lcf-")}
        case "cabin-scan":
            from cutflow_cli.models.cabin.settings import PRESETS as CABIN_PRESETS
            from cutflow_cli.models.cabin.settings import CabinSettings

            return CabinSettings, CABIN_PRESETS, {}
        case "cut-and-count":
            from cutflow_cli.models.cut_and_count.settings import PRESETS as COUNT_PRESETS
            from cutflow_cli.models.cut_and_count.settings import CutAndCountSettings

            return CutAndCountSettings, COUNT_PRESETS, {}
        case "box":
            from cutflow_cli.models.box.settings import PRESETS as BOX_PRESETS
            from cutflow_cli.models.box.settings import BoxSettings

            return BoxSettings, BOX_PRESETS, {}
        case "bdt":
            from cutflow_cli.models.bdt.settings import PRESETS as BDT_PRESETS
            from cutflow_cli.models.bdt.settings import BdtSettings

            return BdtSettings, BDT_PRESETS, {}
        case "mlp":
            from cutflow_cli.models.mlp.settings import PRESETS as MLP_PRESETS
            from cutflow_cli.models.mlp.settings import MlpSettings

            return MlpSettings, MLP_PRESETS, {}
        case "punzi":
            from cutflow_cli.models.punzi.settings import PRESETS as PUNZI_PRESETS
            from cutflow_cli.models.punzi.settings import PunziSettings

            return PunziSettings, PUNZI_PRESETS, {}
    msg = f"no method {method!r}"
    raise UsageError(msg)


def check_settings(method: str, chosen: Mapping[str, Any], where: str) -> Settings:
    """Make a method's settings from what a plan says, as training will.

    Args:
        method: as in `cutflow train METHOD`.
        chosen: settings by name.
        where: which entry, for messages.

    Raises:
        UsageError: at the first setting that is unknown, out of range, or would have no effect.
    """
    kind, presets, fixed = settings_kind(method)
    for name, value in chosen.items():
        if name not in kind.model_fields:
            msg = f"{where}: {name}: {method} has no such setting; {nearest(name, kind.model_fields)}"
            raise UsageError(msg)
        if name in fixed and value != fixed[name]:
            msg = f"{where}: {name} = {value!r}, but method {method} has {fixed[name]!r}"
            raise UsageError(msg)
    try:
        settings, _ = resolve_settings(kind, presets, {**chosen, **fixed})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        text = in_words(first)
        if not first["loc"]:
            msg = f"{where}: {text}"
            raise UsageError(msg) from error
        msg = f"{where}: {first['loc'][0]}: {text} (got {first['input']!r})"
        raise UsageError(msg) from error
    except UsageError as error:
        msg = f"{where}: {str(error).removeprefix('--')}"
        raise UsageError(msg) from error
    return settings


def check_columns(settings: Settings, events: EventsFile, where: str) -> None:
    """Check that a sample has the columns that settings name.

    Args:
        settings: of the method.
        events: the sample.
        where: which entry, for messages.

    Raises:
        InputError: if a setting names an observable that is no feature, or a column that is not there.
    """
    for field in _BY_OBSERVABLE:
        for name in getattr(settings, field, None) or {}:
            if name not in events.features:
                msg = f"{where}: {field}: {events.path} has no feature {name!r}; {nearest(name, events.features)}"
                raise InputError(msg)
    column = getattr(settings, "mass_column", None)
    if column is not None:
        events.column_type(column)
