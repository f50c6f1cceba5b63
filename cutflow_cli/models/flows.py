"""What is said of a flow, whatever learned it: what each cut is worth, and what to look at before trusting it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.events.batch import EventSample
from cutflow_cli.selection.cutflow import TIED, CutFlow


def with_n_minus_1(flow: CutFlow, sample: EventSample) -> CutFlow:
    """Fill in for each applied cut what the flow's balanced error on train would gain without it.

    The balanced error is ½ (1 - ε_s + ε_b), with efficiencies of physical weights. A positive number means that the cut
    helps, a negative one that the flow separates better without it, as happens to correlated parallel cuts. Where the
    physical weights of a class do not sum to a positive number there are no efficiencies, and nothing is filled in.
    """
    if not (np.bincount(sample.label, weights=sample.weight, minlength=2) > 0).all():
        return flow
    masks = dict(zip((cut.observable for cut in flow.cuts), flow.step_masks(sample.columns), strict=True))
    failed = np.zeros(len(sample), dtype=np.int32)
    for mask in masks.values():
        failed += ~mask
    whole = balanced_error(sample, failed == 0)
    steps = [
        replace(step, n_minus_1_loss=balanced_error(sample, failed == ~masks[step.cut.observable]) - whole)
        if step.active and step.cut.observable in masks
        else step
        for step in flow.steps
    ]
    return replace(flow, steps=tuple(steps))


def balanced_error(sample: EventSample, kept: NDArray[np.bool_]) -> float:
    """Return ½ (1 - ε_s + ε_b) of a selection, by physical weights."""
    total = np.bincount(sample.label, weights=sample.weight, minlength=2)
    passed = np.bincount(sample.label, weights=sample.weight * kept, minlength=2)
    efficiency = passed / total
    return float(1 - efficiency[1] + efficiency[0]) / 2


def concerns(flow: CutFlow, sample: EventSample) -> tuple[str, ...]:
    """Say in words what a user should look at before trusting a consensus."""
    kept = flow.mask(sample.columns, len(sample))
    background, signal = (bool(kept[sample.label == value].any()) for value in (0, 1))
    return concerns_of(flow, keeps_background=background, keeps_signal=signal)


def concerns_of(flow: CutFlow, *, keeps_background: bool, keeps_signal: bool) -> tuple[str, ...]:
    """Do what `concerns` does, knowing only whether any event of each class is kept."""
    found = [
        f"{step.cut.observable}: {step.note}; it is not cut on"
        if step.note is not None and step.note.startswith(TIED)
        else f"{step.cut.observable}: only {step.agreement:.0%} of the replicas agree on its region"
        for step in flow.steps
        if step.agreement is not None and step.agreement < 0.8
    ]
    for keeps, role in ((keeps_signal, "signal"), (keeps_background, "background")):
        if not keeps:
            found.append(f"the selection keeps no {role} event of the training split")
    if not flow.cuts:
        found.append("no cut is applied: the selection keeps every event")
    return tuple(found)
