"""Which flows of a run are meant: working point, mass hypothesis, consensus or replicas."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cutflow_cli.errors import UsageError, nearest
from cutflow_cli.selection.cutflow import CutFlow

_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Choice:
    """Which flows of a run are asked for.

    Attributes:
        replica: number of one replica; None for the consensus.
        every_replica: the replicas too.
        working_point: name of a working point, or its target; None for all.
        hypothesis: signal mass hypothesis; None for all.
    """

    replica: int | None = None
    every_replica: bool = False
    working_point: str | None = None
    hypothesis: float | None = None


def choose(flows: Sequence[CutFlow], choice: Choice) -> tuple[CutFlow, ...]:
    """Pick flows of a run.

    Raises:
        UsageError: if there is none as asked for; the message lists what there is.
    """
    if choice.replica is not None and choice.every_replica:
        msg = "--replica and --all exclude each other; --all gives every replica and the consensus"
        raise UsageError(msg)
    chosen = _of_working_point(flows, choice.working_point)
    chosen = _of_hypothesis(chosen, choice.hypothesis)
    return tuple(chosen) if choice.every_replica else _of_replica(chosen, choice.replica)


def require_one(flows: Sequence[CutFlow], dialect: str) -> None:
    """Check that one flow is left for a dialect that carries one.

    Raises:
        UsageError: otherwise, naming the option that decides.
    """
    points = _distinct(flow.working_point for flow in flows)
    if len(points) > 1:
        msg = f"--format {dialect} carries one selection, the run has {len(points)} working points and none is "
        raise UsageError(f"{msg}marked as recommended; add --working-point: {_listed(points)}")
    masses = _distinct(f"{flow.hypothesis:.15g}" for flow in flows if flow.hypothesis is not None)
    if len(masses) > 1:
        msg = f"--format {dialect} carries one selection, the run has {len(masses)} hypotheses; add --hypothesis: "
        raise UsageError(msg + _listed(masses))
    if len(flows) > 1:
        msg = f"--format {dialect} carries one selection; leave --all away, or add --replica: "
        raise UsageError(msg + _listed(str(flow.replica) for flow in flows if flow.kind == "replica"))


def _of_working_point(flows: Sequence[CutFlow], wanted: str | None) -> Sequence[CutFlow]:
    if wanted is None:
        return flows
    named = [flow for flow in flows if flow.working_point == wanted]
    target = _as_number(wanted)
    found = named or [flow for flow in flows if target is not None and flow.target == target]
    if not found:
        points = _distinct(flow.working_point for flow in flows)
        shown = f"there is: {points[0]}" if len(points) == 1 else nearest(wanted, points)
        msg = f"--working-point {wanted}: the run has no such working point; {shown}"
        raise UsageError(msg)
    points = _distinct(flow.working_point for flow in found)
    if len(points) > 1:
        msg = f"--working-point {wanted}: is the target of several working points; give one by name: {_listed(points)}"
        raise UsageError(msg)
    return found


def _of_hypothesis(flows: Sequence[CutFlow], wanted: float | None) -> Sequence[CutFlow]:
    if wanted is None:
        return flows
    found = [flow for flow in flows if flow.hypothesis == wanted]
    if not found:
        masses = _distinct(f"{flow.hypothesis:.15g}" for flow in flows if flow.hypothesis is not None)
        shown = f"there are: {_listed(masses)}" if masses else "its selection is the same for all hypotheses"
        msg = f"--hypothesis {wanted:.15g}: the run has no such hypothesis; {shown}"
        raise UsageError(msg)
    return found


def _of_replica(flows: Sequence[CutFlow], wanted: int | None) -> tuple[CutFlow, ...]:
    """Pick one replica, or the consensus; a run of a single replica without consensus is its own consensus."""
    replicas = _distinct(str(flow.replica) for flow in flows if flow.kind == "replica")
    agreed = tuple(flow for flow in flows if flow.kind == "consensus")
    if wanted is None:
        if agreed or len(replicas) == 1:
            return agreed or tuple(flows)
        msg = f"the run holds no consensus; add --replica or --all; there are the replicas: {_listed(replicas)}"
        raise UsageError(msg)
    found = tuple(flow for flow in flows if flow.kind == "replica" and flow.replica == wanted)
    if not found:
        msg = f"--replica {wanted}: the run has no such replica; there are: {_listed(replicas) or 'none'}"
        raise UsageError(msg)
    return found


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _listed(values: Iterable[str]) -> str:
    names = list(values)
    return ", ".join(names[:_SHOWN]) + (f", … ({len(names)} in all)" if len(names) > _SHOWN else "")


def _as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
