"""A run with folds as one selection: each event has to pass the cuts of the training that did not see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import InputError
from cutflow_cli.events.table import ROW, DerivedColumns
from cutflow_cli.models.scores import Scorer, load_scorer, score_columns, with_columns
from cutflow_cli.runs import Run
from cutflow_cli.selection.binned import BinnedCut, members_of
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

#: Which flow: working point, target, mass point, kind and replica.
Key = tuple[str, float | None, float | None, str, int]


@dataclass(frozen=True, slots=True)
class FoldedCut(Cut):
    """A cut that differs from fold to fold, as a cut on a column of its own: 1 for events that pass it, else 0.

    Attributes:
        members: the cut of each fold; None where a fold does not cut.
    """

    members: tuple[Cut | None, ...] = ()

    @property
    def has_boundaries(self) -> bool:
        """No: those of the column say nothing of the observable."""
        return False

    @property
    def names(self) -> tuple[str, ...]:
        """The observables that the folds cut on."""
        return tuple(dict.fromkeys(member.observable for member in self.members if member is not None))

    def text(self, number: Callable[[float], str]) -> str:
        """Return the cut for people, with the range of each boundary over the folds."""
        folds = [member for member in self.members if member is not None]
        cuts = [one for member in folds for one in members_of(member) or (member,) if one.region is not Region.ALL]
        name = ", ".join(self.names)
        by = dict.fromkeys(member.binned_in for member in folds if isinstance(member, BinnedCut))
        if len({cut.region for cut in cuts}) > 1 or len(self.names) > 1:
            return f"{name}, another region by fold"
        low, high = (_range([getattr(cut, side) for cut in cuts], number) for side in ("lower", "upper"))
        some = "" if len(folds) == len(self.members) else f" in {len(folds)} of {len(self.members)}"
        match cuts[0].region:
            case Region.BELOW:
                text = f"{name} < {high}"
            case Region.ABOVE:
                text = f"{name} > {low}"
            case Region.INSIDE:
                text = f"{low} < {name} < {high}"
            case _:
                text = f"{name} < {low} or {name} > {high}"
        return f"{text}, by {' and '.join((*by, 'fold'))}{some}"


def _range(values: Sequence[float | None], number: Callable[[float], str]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    return number(low) if low == high else f"{number(low)}…{number(high)}"


def by_fold(run: Run, name: str, dtypes: Mapping[str, str]) -> tuple[Run, DerivedColumns]:
    """Turn a run with folds into one whose flows cut on columns that say what each event passes in its fold.

    Args:
        run: with folds.
        name: what tables call it.
        dtypes: type of each feature's column, to which boundaries are rounded.

    Returns:
        The run, with the flows that every fold has; and its columns: a score where it has one (that of the training
        which did not see the event), and one for each step of each flow.

    Raises:
        InputError: if the folds have no consensus in common, or a score can't be read.
    """
    division = run.manifest.folds
    assert division is not None
    scorers = [
        load_scorer(one.manifest.method, one.path, one.features, len(range(*one.manifest.replicas)))
        for one in run.folds
    ]
    scores = [
        None if scorer is None else score_columns(name, scorer, range(*run.manifest.replicas)) for scorer in scorers
    ]
    flows: list[CutFlow] = []
    members: dict[str, tuple[Cut | None, ...]] = {}
    for key, those in _common_flows(run, name, scorers).items():
        types = {**dtypes, **dict.fromkeys((column for one in scores if one for column in one.names), "float32")}
        flows.append(_folded_flow(run, name, key, [flow.rounded(types) for flow in those], members))
    inputs = tuple(dict.fromkeys((*run.columns, ROW)))
    names = (*(() if scores[0] is None else scores[0].names), *members)

    def compute(columns: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        fold = division.of_rows(columns[ROW])
        found = {column: np.empty(len(fold), dtype=np.float32) for column in names}
        for number, score in enumerate(scores):
            rows = np.flatnonzero(fold == number)
            here = {column: values[rows] for column, values in columns.items()}
            own = {} if score is None else score.compute(here)
            for column, values in own.items():
                found[column][rows] = values
            for column, cuts in members.items():
                cut = cuts[number]
                passed = True if cut is None else cut.keeps({**here, **own})
                found[column][rows] = passed
        return found

    return replace(run, flows=tuple(flows)), DerivedColumns(names, inputs, compute)


def _common_flows(run: Run, name: str, scorers: Sequence[Scorer | None]) -> dict[Key, list[CutFlow]]:
    """Collect the flows of all folds, those of scores on the columns of these events; leave out what a fold lacks."""
    found: dict[Key, list[CutFlow]] = {}
    for one, scorer in zip(run.folds, scorers, strict=True):
        for flow in one.flows:
            key = (flow.working_point, flow.target, flow.hypothesis, flow.kind, flow.replica)
            found.setdefault(key, []).append(flow if scorer is None else with_columns(flow, name, scorer))
    complete = {key: flows for key, flows in found.items() if len(flows) == len(run.folds)}
    if not any(key[3] == "consensus" for key in complete):
        msg = f"{run.path}: its folds have no selection in common; train again"
        raise InputError(msg)
    return complete


def _folded_flow(
    run: Run, name: str, key: Key, flows: Sequence[CutFlow], members: dict[str, tuple[Cut | None, ...]]
) -> CutFlow:
    """Make one flow of those of all folds; steps go by observable, in the order of the first fold.

    Args:
        run: its consensus of the folds says how boundaries spread over them.
        name: of the run.
        key: which flow it is.
        flows: one for each fold.
        members: to which the columns of its steps are added, with the cut of each fold.
    """
    point, target, hypothesis, kind, replica = key
    agreed = next(
        (flow for flow in run.flows if kind == "consensus" == flow.kind and _same(flow, point, hypothesis)), None
    )
    said = {} if agreed is None else {step.cut.observable: step for step in agreed.steps}
    own = [{cut.observable: cut for cut in flow.cuts} for flow in flows]
    steps: list[LearnedCut] = []
    for observable in dict.fromkeys(observable for flow in flows for observable in flow.observables):
        cuts = tuple(one.get(observable) for one in own)
        step = said.get(observable, LearnedCut(Cut(observable, Region.ALL), active=False))
        if len(set(cuts)) == 1 and cuts[0] is not None:  # such as a window that is given
            step = replace(step, cut=cuts[0], active=True)
        elif any(cut is not None for cut in cuts):
            column = "|".join(map(str, (name, *key, observable)))
            members[column] = cuts
            step = replace(step, cut=FoldedCut(column, Region.ABOVE, 0.5, None, cuts), active=True)
        steps.append(step)
    return CutFlow(tuple(steps), point, target, hypothesis, flows[0].kind, replica)


def _same(flow: CutFlow, point: str, hypothesis: float | None) -> bool:
    return (flow.working_point, flow.hypothesis) == (point, hypothesis)
