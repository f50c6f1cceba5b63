"""Whether a finished run was made of what a plan asks for, though by a version that had fewer settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cutflow_cli.artifacts import digest
from cutflow_cli.models.protocol import Settings

#: In the `data` of `run.json`: the settings as they were asked for, before the sample decided any.
ASKED = "settings_asked"


def digest_beside(described: Mapping[str, Any], settings: Settings, stored: Mapping[str, Any]) -> str:
    """Digest what a plan asks for, without the settings that a stored run's version had not and that are at defaults.

    Args:
        described: all that the result depends on, as `models.plan.described` gives it.
        settings: of the method.
        stored: `run.json` of the run; empty for none.
    """
    known = stored.get("settings")
    if not isinstance(known, dict):
        return digest(described)
    fields = type(settings).model_fields
    shared = {
        name: value
        for name, value in described["settings"].items()
        if name in known or getattr(settings, name) != fields[name].get_default(call_default_factory=True)
    }
    return digest({**described, "settings": shared})


def first_difference(described: Mapping[str, Any], stored: Mapping[str, Any]) -> str:
    """Name the first thing in which a plan differs from a stored run, such as `seed: 0 → 1`; empty if none is known.

    Of a run that did not record the settings as asked for, those that the sample decides are not compared.
    """
    data = stored.get("data", {})
    then = {"method": stored.get("method"), "features": [one.get("name") for one in stored.get("features", ())],
            "seed": stored.get("seed"), "replicas": stored.get("replicas"), "device": stored.get("device")}  # fmt: skip
    for name, old in then.items():
        new = list(described[name]) if isinstance(old, list) else described[name]
        if new != old:
            return _changed(name, old, new)
    asked = data.get(ASKED)
    known = stored.get("settings", {}) if asked is None else asked
    for name, new in described["settings"].items():
        decided = asked is None and (new is None or new == {})
        if name in known and known[name] != new and not decided:
            return _changed(name, known[name], new)
    return "" if data.get("digest") == described["data"] else f"the content of the events, then {data.get('path')}"


def _changed(name: str, old: object, new: object) -> str:
    def shown(value: object) -> str:
        return ",".join(map(str, value)) if isinstance(value, list) else str(value)

    return f"{name.replace('_', '-')}: {shown(old)} → {shown(new)}"
