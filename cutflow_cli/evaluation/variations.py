"""What selections keep under systematic variations, and what that says of the uncertainty of the background.

Weights under a variation are scaled as those without are, by Σw(all splits)/Σw(split) of the nominal weights: a split
then stands for the whole sample with the variation's own normalisation, and what the variation changes of that is not
divided out. An alternative sample belongs to no split, was never trained on, and is normalised to its own cross section
when it is made: all of its events count, as they are, against the nominal sample scaled to the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import UsageError, nearest
from cutflow_cli.evaluation.depth_counter import Prefix
from cutflow_cli.evaluation.normalise import Normalised
from cutflow_cli.evaluation.tally import Listener, Tally, tally
from cutflow_cli.evaluation.varied_events import Unchanged, VariedEvents
from cutflow_cli.events.schema import SPLITS, EventsMetadata, Role, Split, VariationInfo
from cutflow_cli.events.table import EventsFile
from cutflow_cli.executor import HERE, Executor
from cutflow_cli.metrics.summary import Kept
from cutflow_cli.metrics.systematics import Source, quadratic_sum, sources_of
from cutflow_cli.selection.cutflow import CutFlow

OPTION = "--variation"


@dataclass(frozen=True, slots=True)
class Varied:
    """Events under one variation.

    Attributes:
        info: the variation.
        events: what is kept of them, normalised.
        change: Σ(w' − w) and Σ(w' − w)² over the events that both count, normalised likewise. Where an alternative
            sample takes the place of a process the two are independent: the difference of the yields, and the sum of
            their variances.
    """

    info: VariationInfo
    events: Normalised
    change: Normalised

    def kept(self, prefix: Prefix, role: Role, split: Split, hypothesis: float | None) -> Kept:
        """Sum all processes of a class, as `Normalised.of_class` does, unless a mass point of it was not simulated."""
        kept = self.events.of_class(prefix, role, split, hypothesis)
        missing = self._missing(hypothesis) if role == "signal" else None
        if kept.undefined is None and missing is not None:
            return replace(kept, undefined=f"the alternative sample of {missing[0]!r} has no hypothesis {missing[1]:g}")
        return kept

    def _missing(self, hypothesis: float | None) -> tuple[str, float] | None:
        """Return a process and a mass point of it that its alternative sample lacks."""
        points = self.events.tally.hypotheses
        for position, process in enumerate(self.events.processes):
            if process.name not in self.info.replaced or process.role != "signal":
                continue
            for column, point in enumerate(points, start=1):
                counted = self.events.tally.sums[0, column, position, :, 0].sum()
                before = self.change.tally.sums[0, column, position, :, 0].sum()
                if hypothesis in (None, point) and before > counted == 0:
                    return process.name, point
        return None


@dataclass(frozen=True, slots=True)
class Variations:
    """Events under all variations.

    Attributes:
        nominal: the events without any.
        varied: under each variation.
        sources: which variations belong together; different ones are independent.
        background: uncertainty of the background after each stage in each split, in events, shape (stages, splits).
    """

    nominal: Normalised
    varied: tuple[Varied, ...]
    sources: tuple[Source, ...]
    background: NDArray[np.float64]

    def of_background(self, prefix: Prefix, split: Split) -> float:
        """Return the uncertainty of the background after a stage of a selection, in events.

        Args:
            prefix: the cuts applied so far.
            split: which split.
        """
        return float(self.background[self.nominal.tally.prefixes[prefix], SPLITS.index(split)])

    def attached(self) -> Normalised:
        """Return the events without variations, whose background has the uncertainty by all of them."""
        return replace(self.nominal, shifts=self) if self.varied else self.nominal

    def as_json(self) -> tuple[dict[str, Any], ...]:
        """Return as JSON-like values what was varied how."""
        source_of = {name: source.name for source in self.sources for name in source.variations}
        return tuple(
            {
                "name": one.info.name,
                "source": source_of[one.info.name],
                "weight": one.info.weight,
                "processes": list(one.info.processes),
                "replaced": list(one.info.replaced),
            }
            for one in self.varied
        )


def choose_variations(metadata: EventsMetadata, wanted: Sequence[str] | None, where: str) -> tuple[VariationInfo, ...]:
    """Settle which variations count.

    Args:
        metadata: of the events.
        wanted: their names; None for all.
        where: the file, for messages.

    Raises:
        UsageError: if there is none of a name.
    """
    known = [variation.name for variation in metadata.variations]
    for name in wanted or ():
        if name not in known:
            hint = nearest(name, known) if known else "it has none"
            msg = f"{OPTION} {name}: {where} has no variation of that name; {hint}"
            raise UsageError(msg)
    return tuple(one for one in metadata.variations if wanted is None or one.name in wanted)


def count_variations(
    events: EventsFile,
    flows: Iterable[CutFlow],
    nominal: Normalised,
    variations: Sequence[VariationInfo],
    split: Split,
    listeners: Callable[[VariationInfo], Sequence[Listener]] = lambda _: (),
    progress: Callable[[float, str], None] | None = None,
    executor: Executor = HERE,
) -> Variations:
    """Count flows under each variation, one pass over the file for each.

    Args:
        events: the file.
        flows: those that `nominal` counts.
        nominal: without variations.
        variations: which.
        split: the one that is quoted, which listeners see alternative samples in; sums have them in every split.
        listeners: makes what is given the events under a variation.
        progress: called with the share done, of which the pass without variations is one part, and a few words.
        executor: counts ranges of the file.
    """
    flows = tuple(flows)
    varied = []
    for number, info in enumerate(variations, start=1):
        source = VariedEvents(events, info, split, nominal.tally.hypotheses)
        of_events = [Unchanged(listener, len(events.processes)) for listener in listeners(info)]
        told = in_turn(progress, number, 1 + len(variations), f"{info.name}, ")
        counted = tally(source, flows, progress=told, listeners=of_events, executor=executor)
        varied.append(_varied(info, counted, nominal, split))
    sources = sources_of([one.name for one in variations])
    background = quadratic_sum(sources, {one.info.name: _background_shift(one.change) for one in varied})
    return Variations(nominal, tuple(varied), sources, background)


def _background_shift(change: Normalised) -> NDArray[np.float64]:
    """Return the shift of the background after each stage in each split, shape (stages, splits)."""
    members = [position for position, process in enumerate(change.processes) if process.role == "background"]
    return np.asarray((change.tally.sums[..., 1] * change.scale)[:, :, members].sum(axis=(1, 2)))


def in_turn(
    progress: Callable[[float, str], None] | None, number: int, passes: int, prefix: str = ""
) -> Callable[[float, str], None]:
    """Return what reports the progress of one of several passes, numbered from 0."""

    def report(share: float, text: str) -> None:
        if progress is not None:
            progress((number + min(share, 1.0)) / passes, f"{prefix}{text}")

    return report


def scales_under(nominal: Normalised, variation: VariationInfo) -> Normalised:
    """Return the scales of events under a variation: 1 where an alternative sample takes the place of a process.

    Args:
        nominal: the events without variations.
        variation: the variation.
    """
    scale = nominal.scale.copy()
    scale[:, _replaced(nominal, variation)] = 1.0
    return replace(nominal, scale=scale, shifts=None)


def _replaced(nominal: Normalised, variation: VariationInfo) -> list[int]:
    return [position for position, one in enumerate(nominal.processes) if one.name in variation.replaced]


def _varied(info: VariationInfo, counted: Tally, nominal: Normalised, home: Split) -> Varied:
    """Arrange a tally of `VariedEvents` as that of the nominal events is, with their scales."""
    processes, before, scales = len(nominal.processes), nominal.tally, scales_under(nominal, info)
    sums = np.zeros((*before.sums.shape[:2], 2 * processes, *before.sums.shape[3:]))
    columns = [0, *(1 + before.hypotheses.index(point) for point in counted.hypotheses)]
    for prefix, stage in before.prefixes.items():
        sums[stage, columns] = counted.sums[counted.prefixes[prefix]]
    under, change = sums[:, :, :processes], sums[:, :, processes:]
    replaced = _replaced(nominal, info)
    first = SPLITS.index(home)
    sample = under[:, :, replaced, first : first + 1]  # the same against every split
    gone, scale = before.sums[:, :, replaced], nominal.scale[:, replaced]
    difference = np.empty_like(gone)
    difference[..., 0] = gone[..., 0]
    difference[..., 1] = sample[..., 1] - gone[..., 1] * scale
    difference[..., 2] = sample[..., 2] + gone[..., 2] * scale**2
    under[:, :, replaced], change[:, :, replaced] = sample, difference
    return Varied(
        info,
        replace(scales, tally=replace(before, sums=under)),
        replace(scales, tally=replace(before, sums=change)),
    )
