"""The cuts of an efficiency scan against its target efficiencies, observable by observable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.schema import FeatureInfo
from cutflow_cli.plots.learned import feature_of, main_flow, replicas_of
from cutflow_cli.plots.sampling import sampled_quantiles
from cutflow_cli.runs import Run
from cutflow_cli.selection.cut import Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

#: What is shown of each class behind the cuts: the median, and the central 68 %.
LEVELS = (0.16, 0.5, 0.84)

Side = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class Boundary:
    """One side of the cuts on one observable.

    Attributes:
        values: boundary at each target, shape (targets,); NaN where the working point does not apply it.
        errors: half the 16-84 % interval over replicas, shape (targets,), zero where there is none.
        outside: where the cut keeps what is outside of its two boundaries, shape (targets,).
    """

    values: NDArray[np.float64]
    errors: NDArray[np.float64]
    outside: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ScanPanel:
    """The cuts on one observable.

    Attributes:
        feature: the observable.
        above: boundaries above which events are kept.
        below: boundaries below which events are kept; where these are the lower ones, what lies between is removed.
        signal: 16, 50 and 84 % quantiles of the signal; None where it has no finite value.
        background: those of the background.
    """

    feature: FeatureInfo
    above: Boundary
    below: Boundary
    signal: NDArray[np.float64] | None
    background: NDArray[np.float64] | None


@dataclass(frozen=True, slots=True)
class Scan:
    """The working points of one run.

    Attributes:
        title: the run.
        targets: target signal efficiencies, rising, shape (targets,).
        quoted: the target of the working point that the run's numbers are quoted at; None where there is none.
        panels: one per observable, in the order of the flow.
        replicas: how many replicas the bands come from.
    """

    title: str
    targets: NDArray[np.float64]
    quoted: float | None
    panels: tuple[ScanPanel, ...]
    replicas: int


def scanned_flows(run: Run) -> tuple[CutFlow, ...]:
    """Return the flows of a scan at rising targets: the consensus, or the first replica; empty for other runs."""
    main = main_flow(run)
    if main is None or main.target is None or run.manifest.scores:
        return ()
    mine = [flow for flow in run.flows if (flow.kind, flow.replica) == (main.kind, main.replica)]
    by_target = {flow.target: flow for flow in mine if flow.target is not None and flow.hypothesis == main.hypothesis}
    if len(by_target) < 2 or main.binnings:  # cuts in bins have a figure of their own
        return ()
    return tuple(by_target[target] for target in sorted(by_target))


def scan_of(run: Run, samples: Sequence[EventBatch]) -> Scan | None:
    """Collect the cuts of a scan; None for a run that is none.

    Args:
        run: the run.
        samples: of both classes, with the observables of the run's flows.
    """
    flows = scanned_flows(run)
    main = main_flow(run)
    if not flows or main is None:
        return None
    observables = dict.fromkeys(name for flow in flows for name in flow.observables)
    replicas = len(replicas_of(run, main))
    targets = np.array([flow.target for flow in flows], dtype=np.float64)
    return Scan(
        title=f"{run.name} ({run.manifest.method})",
        targets=targets,
        quoted=main.target if main.working_point == run.manifest.recommended else None,
        panels=tuple(_panel(run, name, flows, samples) for name in observables),
        replicas=replicas if main.kind == "consensus" else 1,
    )


def _panel(run: Run, observable: str, flows: Sequence[CutFlow], samples: Sequence[EventBatch]) -> ScanPanel:
    above, below = boundaries_of([_step_on(flow, observable) for flow in flows])
    return ScanPanel(
        feature=feature_of(run, observable),
        above=above,
        below=below,
        signal=sampled_quantiles(samples, observable, 1, LEVELS),
        background=sampled_quantiles(samples, observable, 0, LEVELS),
    )


def _step_on(flow: CutFlow, observable: str) -> LearnedCut | None:
    """Return the step of a flow that cuts on an observable; None if it does not apply one."""
    for step in flow.steps:
        if step.cut.observable == observable and step.applied:
            return step
    return None


def sides_of(step: LearnedCut | None) -> tuple[Side, Side]:
    """Return the boundary above which a step keeps events, and that below which it does, with their errors."""
    if step is None:
        return (None, None), (None, None)
    lower, upper = (step.cut.lower, step.lower_error), (step.cut.upper, step.upper_error)
    return (upper, lower) if step.cut.region is Region.OUTSIDE else (lower, upper)


def boundaries_of(steps: Sequence[LearnedCut | None]) -> tuple[Boundary, Boundary]:
    """Collect the boundaries above which events are kept, and those below which they are, with their errors.

    Args:
        steps: the step of each working point or bin; None where there is none that is applied.
    """
    sides = [sides_of(step) for step in steps]
    outside = np.array([step is not None and step.cut.region is Region.OUTSIDE for step in steps], dtype=np.bool_)
    above, below = (_boundary([side[which] for side in sides], outside) for which in (0, 1))
    return above, below


def _boundary(pairs: Sequence[Side], outside: NDArray[np.bool_]) -> Boundary:
    values = np.array([np.nan if value is None else value for value, _ in pairs], dtype=np.float64)
    errors = np.array([error or 0.0 for _, error in pairs], dtype=np.float64)
    return Boundary(values, errors, outside)
