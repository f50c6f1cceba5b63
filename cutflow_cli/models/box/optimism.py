"""How much too good the objective of the best box is, and how good it would be with fewer cuts.

The training split is divided into parts. For each the search is repeated without it, and the box judged on it: what
it keeps there is signal counted, and background predicted from that part's own distributions and combined with its own
count. The search has not seen these, so that the mean difference of the two objectives is its optimism. The search
on fewer events is a little more optimistic than that on all, so the estimate errs on the safe side.

What is not seen so: an error that the prediction makes in every part alike. Its size is measured (`landscape`) and
said beside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.models.box.landscape import Box, Kept, Landscape, make_landscape
from cutflow_cli.models.box.search import Climber

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judged:
    """What boxes of one kind, found without a part, do on that part.

    Attributes:
        on_train: mean of the objective as the searches saw it.
        held_out: the objective of what the boxes keep of the parts they were not found on, put together.
        error: standard error of the difference: its scatter over the parts (a jackknife), and how well the background
            of all parts together is known, which the parts share.
    """

    on_train: float
    held_out: float
    error: float

    @property
    def optimism(self) -> float:
        """How much too good the objective on train is."""
        return self.on_train - self.held_out

    def said(self, title: str, value: float, parts: int) -> str:
        """Say what to expect of a box.

        Args:
            title: of the objective.
            value: of the box, as estimated on the training split.
            parts: how many parts were left out in turn.
        """
        if not np.isfinite([self.optimism, self.error]).all():
            return (
                f"{title} {value:.4g} as estimated on train; how good it is on fresh events can't be estimated, since "
                "it is undefined without some part of the events"
            )
        return (
            f"{title} {value:.4g} as estimated on train; {value - self.optimism:.4g} ± {self.error:.2g} expected on "
            f"fresh events (optimism {self.optimism:+.2g}, from {parts} parts left out in turn)"
        )


def parts_of(events: int, parts: int, random: np.random.Generator, signal: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Number the parts that events belong to, each class divided evenly."""
    number = np.empty(events, dtype=np.int64)
    for role in (signal, ~signal):
        rows = np.flatnonzero(role)
        number[random.permutation(rows)] = np.arange(len(rows)) % parts
    return number


def judge(
    landscape: Landscape,
    part: NDArray[np.int64],
    find: Callable[[Landscape], Sequence[Box]],
) -> list[Judged]:
    """Find boxes without each part, and judge them on it.

    Args:
        landscape: of all events.
        part: number of the part of each event, shape (events,).
        find: searches a landscape; returns as many boxes each time, such as those with one, two, … cuts.
    """
    parts = int(part.max()) + 1
    seen: list[list[float]] = []
    kept: list[list[Kept]] = []
    for number in range(parts):
        inside = _on(landscape, part != number, parts / (parts - 1))
        outside = _on(landscape, part == number, float(parts))
        boxes = find(inside)
        seen.append([inside.value(box) for box in boxes])
        kept.append([_honest(outside, box) for box in boxes])
    count = min(len(row) for row in seen)
    return [_judged(landscape, [row[k] for row in seen], [row[k] for row in kept]) for k in range(count)]


def _honest(landscape: Landscape, box: Box) -> Kept:
    """Return what a box keeps where it was not found: no boundary was put where it rejects most."""
    return replace(landscape, chance=0.0, min_effective_events=0.0).kept(box)


def _on(landscape: Landscape, rows: NDArray[np.bool_], factor: float) -> Landscape:
    """Return the landscape of some of the events, scaled to stand for all; σ_B stays that of all."""
    weights = np.where(rows, landscape.weights, 0.0) * np.array([[factor], [factor**2], [factor], [factor**2]])
    made = make_landscape(
        landscape.binned, weights, landscape.objective, smooth=landscape.tables is not None,
        min_effective_events=landscape.min_effective_events / factor, min_gain=landscape.min_gain,
        chance=landscape.chance,
    )  # fmt: skip
    return replace(made, variance=landscape.variance, variance_scale=landscape.variance_scale / factor)


def _judged(landscape: Landscape, seen: Sequence[float], kept: Sequence[Kept]) -> Judged:
    S, S2, B, B2 = (np.array([float(getattr(one, name)) for one in kept]) for name in ("S", "S2", "B", "B2"))
    mean = Kept(*(np.array([column.mean()]) for column in (S, S2, B, B2)))
    held_out = float(landscape.figure(mean)[0])
    parts = len(kept)
    left_out = [
        float(landscape.figure(Kept(*(np.array([np.delete(column, k).mean()]) for column in (S, S2, B, B2))))[0])
        for k in range(parts)
    ]
    if not np.isfinite([held_out, *left_out, *seen]).all():  # a part without signal, or nothing kept of it
        return Judged(float("nan"), float("nan"), float("nan"))
    differences = np.array([np.delete(np.array(seen), k).mean() - left_out[k] for k in range(parts)])
    scatter = np.sqrt((parts - 1) / parts * ((differences - differences.mean()) ** 2).sum())
    error = float(np.hypot(scatter, _of_background(landscape, mean)))
    return Judged(float(np.mean(seen)), held_out, error)


def _of_background(landscape: Landscape, mean: Kept) -> float:
    """Return the objective's error from that of B, 1/√(n + 1/v) for n events and a prediction of variance v."""
    events = float(mean.B[0]) * landscape.totals[2] / landscape.totals[3]
    known = max(events, 0.0) + (1 / landscape.variance if landscape.tables is not None else 0.0)
    change = 1 / np.sqrt(max(known, 1.0))
    ends = [
        float(landscape.figure(replace(mean, B=mean.B * factor, B2=mean.B2 * factor))[0])
        for factor in (1 + change, 1 / (1 + change))
    ]
    return abs(ends[1] - ends[0]) / 2 if np.isfinite(ends).all() else 0.0


def by_cuts(landscape: Landscape, best: Box, tell: Callable[[], None] = lambda: None) -> list[Box]:
    """Return the best boxes found with 1, 2, … cuts, up to as many as the best box has.

    From the best box on, the cut without which the others do best is left out and the others are moved; the same from
    no cut on, adding the best; the better of both is taken at each number.

    Args:
        landscape: the sample.
        best: the box to begin from.
        tell: called now and then; what it raises ends the search.
    """
    down: dict[int, tuple[float, Box]] = {}
    box = best
    while box.cuts > 0:
        down[box.cuts] = (landscape.value(box), box)
        tell()
        tried = []
        for i in np.flatnonzero(box.kind):
            less = box.without(int(i))
            tried.append((landscape.value(less), less))
        climber = Climber(landscape, max(tried, key=lambda one: one[0])[1])
        climber.climb(box.cuts - 1, steps=(1,))
        box = (
            climber.box
            if climber.box.cuts < box.cuts
            else climber.box.without(int(np.flatnonzero(climber.box.kind)[0]))
        )
    box = Box.open(landscape.observables)
    for cuts in range(1, best.cuts + 1):
        tell()
        climber = Climber(landscape, box)
        climber.climb(cuts, steps=(4, 1))
        box, value = climber.box, landscape.value(climber.box)
        if box.cuts == cuts and (cuts not in down or value > down[cuts][0]):
            down[cuts] = value, box
    return [down[cuts][1] for cuts in sorted(down)]
