"""What is written down about a training: `run.json`."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from cutflow_cli import __version__
from cutflow_cli.cut_rows import version_for
from cutflow_cli.events.schema import SPLIT, FeatureInfo
from cutflow_cli.events.splits import SplitFractions
from cutflow_cli.events.table import EventsFile
from cutflow_cli.models.plan import TrainingPlan, must_stream
from cutflow_cli.models.protocol import Fitted
from cutflow_cli.models.same import ASKED
from cutflow_cli.runs import FOLD, FOLDS, RunManifest


def manifest_of(
    plan: TrainingPlan, events: EventsFile, device: str, wanted: str, fitted: Fitted, timings: dict[str, float]
) -> RunManifest:
    """Describe a run.

    Args:
        plan: what was trained.
        events: on what.
        device: where.
        wanted: digest of inputs and settings.
        fitted: what came of it.
        timings: seconds by stage.
    """
    return RunManifest(
        method=plan.name,
        settings={**plan.method.settings.model_dump(mode="json"), **fitted.resolved},
        features=_columns(events, events.features),
        preselection=events.metadata.preselection,
        per_object=events.metadata.per_object,
        spectators=_columns(events, plan.method.spectators),
        scores=() if fitted.scorer is None else fitted.scorer.names,
        data={
            "path": str(plan.data),
            "digest": events.digest,
            "events": events.rows,
            **_assignment(plan, events),
            "hypothesis_column": plan.hypothesis_column,
            "streamed": must_stream(plan, events),
            ASKED: plan.method.settings.model_dump(mode="json"),
        },
        digest=wanted,
        seed=plan.seed,
        replicas=(plan.replicas.start, plan.replicas.stop),
        device=device,
        timings=timings,
        versions=_versions(("numpy", "torch", "numba", "pyarrow", *plan.libraries)),
        warnings=fitted.warnings,
        notes=fitted.notes,
        recommended=fitted.recommended,
        command=plan.command,
        schema_version=version_for(fitted.flows),
    )


def _columns(events: EventsFile, names: Sequence[str]) -> tuple[FeatureInfo, ...]:
    known = {feature.name: feature for feature in events.metadata.features}
    return tuple(replace(known.get(name, FeatureInfo(name)), dtype=events.column_type(name)) for name in names)


def _assignment(plan: TrainingPlan, events: EventsFile) -> dict[str, Any]:
    """Say how events were divided."""
    if plan.folds is not None:
        return {FOLDS: plan.folds.as_json(), FOLD: plan.fold}
    if SPLIT in events.reserved_columns:
        return {"split_fractions": None, "split_seed": None}
    fractions = plan.fractions or SplitFractions()
    return {"split_fractions": list(fractions.as_tuple()), "split_seed": plan.split_seed}


def _versions(libraries: Sequence[str]) -> dict[str, str]:
    return {
        "cutflow": __version__,
        "python": platform.python_version(),
        **{library: _version(library) for library in libraries},
    }


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:  # the same module in a package of another name, such as xgboost-cpu
        return str(import_module(library).__version__)
