"""The methods by the names that they have on the command line and in `run.json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from cutflow_cli.errors import InputError, nearest
from cutflow_cli.models.protocol import Method
from cutflow_cli.validation import in_words

METHODS = ("lcf-parallel", "lcf-sequential", "cabin-scan", "cut-and-count", "box", "bdt", "mlp", "punzi")


def method_of(name: str, settings: Mapping[str, Any]) -> Method:
    """Make a method anew from what a run recorded of it.

    Args:
        name: for example `lcf-parallel`.
        settings: all of its settings, as they were before the sample decided any.

    Raises:
        InputError: if there is no such method, or it has other settings.
    """
    try:
        return _made(name, settings)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "settings"
        msg = f"method {name}: {where}: {in_words(first)}; it was trained by another version of cutflow"
        raise InputError(msg) from error


def _made(name: str, settings: Mapping[str, Any]) -> Method:
    """Import a method only where it is asked for: some bring libraries that take seconds to load."""
    match name:
        case "lcf-parallel" | "lcf-sequential":
            from cutflow_cli.models.lcf.model import LearnableCutFlow
            from cutflow_cli.models.lcf.settings import LcfSettings

            return LearnableCutFlow(LcfSettings(**settings))
        case "cabin-scan":
            from cutflow_cli.models.cabin.model import CabinScan
            from cutflow_cli.models.cabin.settings import CabinSettings

            return CabinScan(CabinSettings(**settings))
        case "cut-and-count":
            from cutflow_cli.models.cut_and_count.model import CutAndCount
            from cutflow_cli.models.cut_and_count.settings import CutAndCountSettings

            return CutAndCount(CutAndCountSettings(**settings))
        case "box":
            from cutflow_cli.models.box.model import BoxSearch
            from cutflow_cli.models.box.settings import BoxSettings

            return BoxSearch(BoxSettings(**settings))
        case "bdt":
            from cutflow_cli.models.bdt.model import BoostedTrees
            from cutflow_cli.models.bdt.settings import BdtSettings

            return BoostedTrees(BdtSettings(**settings))
        case "mlp":
            from cutflow_cli.models.mlp.model import MultilayerPerceptron
            from cutflow_cli.models.mlp.settings import MlpSettings

            return MultilayerPerceptron(MlpSettings(**settings))
        case "punzi":
            from cutflow_cli.models.punzi.model import PunziNet
            from cutflow_cli.models.punzi.settings import PunziSettings

            return PunziNet(PunziSettings(**settings))
        case _:
            msg = f"no method {name!r}; {nearest(name, METHODS)}"
            raise InputError(msg)
