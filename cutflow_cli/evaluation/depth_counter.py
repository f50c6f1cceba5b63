"""Sums of events by depth: how many cuts of a selection each passes one after the other."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import InputError
from cutflow_cli.evaluation.cut_sums import AT_ONCE, Summing
from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.schema import SPLITS
from cutflow_cli.selection.cut import Cut
from cutflow_cli.selection.cutflow import CutFlow

#: More mass points than any grid has: such a column holds a continuous variable.
MAX_HYPOTHESES = 1000

#: Masks that are held at a time; a flow with more cuts than these needs all of its own.
_MASKS = 256

Prefix = tuple[Cut, ...]


@dataclass(frozen=True, slots=True)
class CountedPath:
    """The cuts of a selection, and the stages that are counted for it: those that no earlier one has.

    Attributes:
        cuts: in order.
        counted: number of cuts applied, and position in the sums.
    """

    cuts: Prefix
    counted: tuple[tuple[int, int], ...]


def refuse_too_many_hypotheses(points: Collection[float], where: str) -> None:
    """Refuse a column of mass points that is none.

    Raises:
        InputError: if it holds too many.
    """
    if len(points) > MAX_HYPOTHESES:
        msg = (
            f"{where}: column 'hypothesis' holds more than {MAX_HYPOTHESES} different values; "
            "it must hold the mass points of the signal, not a variable of the event"
        )
        raise InputError(msg)


def lay(flows: Iterable[CutFlow]) -> tuple[list[CountedPath], dict[Prefix, int]]:
    """Number the stages of all flows; those that begin alike share what they have in common."""
    prefixes: dict[Prefix, int] = {(): 0}
    paths: list[CountedPath] = []
    for flow in flows:
        known = len(prefixes)
        positions = [prefixes.setdefault(flow.cuts[:n], len(prefixes)) for n in range(1, len(flow.cuts) + 1)]
        counted = tuple((n, position) for n, position in enumerate(positions, start=1) if position >= known)
        if counted:
            paths.append(CountedPath(flow.cuts, counted))
    return paths, prefixes


def _group(paths: Sequence[CountedPath]) -> list[tuple[dict[Cut, int], list[int]]]:
    """Group paths one after the other, such that each group has few cuts: these, numbered, and the paths' positions."""
    groups: list[tuple[dict[Cut, int], list[int]]] = []
    for position, path in enumerate(paths):
        if not groups or len({*groups[-1][0], *path.cuts}) > _MASKS:
            groups.append(({}, []))
        cuts, members = groups[-1]
        for cut in path.cuts:
            cuts.setdefault(cut, len(cuts))
        members.append(position)
    return groups


class DepthCounter:
    """Sums by depth, hypothesis, process and split, added up batch by batch.

    Args:
        paths: the selections.
        processes: how many there are.
        where: the file, for messages.
        summing: how events are summed.
    """

    def __init__(self, paths: Sequence[CountedPath], processes: int, where: str, summing: Summing) -> None:
        self.codes: dict[float, int] = {}
        self.not_finite: dict[str, tuple[int, int]] = {}
        self._where, self._summing, self._paths = where, summing, paths
        self._groups = _group(paths)
        self._which = [
            np.array([cuts[cut] for cut in paths[position].cuts], dtype=np.intp)
            for cuts, members in self._groups
            for position in members
        ]
        self._masks = np.empty((max((len(cuts) for cuts, _ in self._groups), default=0), AT_ONCE), dtype=np.uint8)
        self._points = np.array([np.inf])  # mass points, sorted; behind them one that no event has
        # Of each path, and of no cuts at all: by hypothesis, process, split and depth.
        self._found = [np.zeros((1, processes, len(SPLITS), len(path.cuts) + 1, 3)) for path in paths]
        self._before = np.zeros((1, processes, len(SPLITS), 1, 3))

    def add(self, batch: EventBatch) -> None:
        """Count events, `AT_ONCE` at most."""
        for name, values in batch.columns.items():
            self._count_not_finite(name, values)
        cell = batch.process.astype(np.uint32) * np.uint32(len(SPLITS)) + batch.split.astype(np.uint32)
        if batch.hypothesis is not None:
            codes = self._codes(batch.hypothesis)
            cell += codes * np.uint32(np.prod(self._before.shape[1:3]))
        weight = batch.weight.copy()  # what was read can't be written to, for which more would have to be compiled
        self._sum(np.empty(0, dtype=np.intp), cell, weight, self._before)
        for cuts, members in self._groups:
            for cut, row in cuts.items():
                self._masks[row, : len(batch)] = cut.keeps(batch.columns)
            for position in members:
                self._sum(self._which[position], cell, weight, self._found[position])

    def _sum(
        self, which: NDArray[np.intp], cell: NDArray[np.uint32], weight: NDArray[np.float64], total: NDArray[np.float64]
    ) -> None:
        sums = np.zeros((total.size // (3 * total.shape[-2]), *total.shape[-2:]))
        self._summing.by_depth(self._masks, which, cell, weight, sums)
        total += sums.reshape(total.shape)

    def sums(self, stages: int) -> NDArray[np.float64]:
        """Return the sums of each stage, mass points in increasing order."""
        order = [0, *(self.codes[value] for value in sorted(self.codes))]
        sums = np.zeros((stages, *self._before.shape[:3], 3))
        sums[0] = self._before[order][..., 0, :]
        for path, found in zip(self._paths, self._found, strict=True):
            reached = found[order][..., ::-1, :].cumsum(axis=-2)[..., ::-1, :]
            for length, position in path.counted:
                sums[position] = reached[..., length, :]
        return sums

    def _count_not_finite(self, name: str, values: NDArray[Any]) -> None:
        strange = int(np.count_nonzero(~np.isfinite(values)))
        if strange:
            missing, infinite = self.not_finite.get(name, (0, 0))
            absent = int(np.count_nonzero(np.isnan(values)))
            self.not_finite[name] = (missing + absent, infinite + strange - absent)

    def _codes(self, hypothesis: NDArray[np.float64]) -> NDArray[np.uint32]:
        """Number the mass points as they appear; 0 for events without."""
        known = np.flatnonzero(np.isfinite(hypothesis))
        values = hypothesis[known]
        place = np.searchsorted(self._points, values)
        new = np.unique(values[self._points[place] != values])
        if len(new):
            self._learn(new.tolist())
            place = np.searchsorted(self._points, values)
        codes = np.zeros(len(hypothesis), dtype=np.uint32)
        codes[known] = np.array([*map(self.codes.get, self._points[:-1].tolist()), 0], dtype=np.uint32)[place]
        return codes

    def _learn(self, points: list[float]) -> None:
        """Make room for further mass points."""
        for point in points:
            self.codes[point] = len(self.codes) + 1
        refuse_too_many_hypotheses(self.codes, self._where)
        self._points = np.array([*sorted(self.codes), np.inf])
        grow = ((0, len(points)), *((0, 0),) * 4)
        self._before = np.pad(self._before, grow)
        self._found = [np.pad(found, grow) for found in self._found]
