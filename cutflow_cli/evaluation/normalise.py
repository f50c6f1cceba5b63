"""From sums over simulated events to expected events of each process and class."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import InputError
from cutflow_cli.evaluation.depth_counter import Prefix
from cutflow_cli.evaluation.tally import Tally
from cutflow_cli.events.batch import EventBatch
from cutflow_cli.events.schema import SPLITS, ProcessInfo, Role, Split
from cutflow_cli.metrics.summary import Kept
from cutflow_cli.metrics.yields import Sums


class BackgroundShifts(Protocol):
    """What systematic variations do to the background (`cutflow_cli.evaluation.variations.Variations`)."""

    def of_background(self, prefix: Prefix, split: Split) -> float:
        """Return the uncertainty of the background after a stage of a selection, in events."""


@dataclass(frozen=True, slots=True)
class Normalised:
    """A tally whose splits each stand for the whole sample.

    A split of a process (of one mass point of it, where there are several) is scaled by Σw(all splits)/Σw(split), so
    that its yields are those at the stated luminosity; numbers of events are never scaled. The scale is NaN where a
    split holds nothing of a process that other splits have.

    Attributes:
        tally: the sums as counted.
        processes: name and role of each process.
        scale: shape (1 + hypotheses, processes, splits).
        shifts: what variations do to the background; None without any.
    """

    tally: Tally
    processes: tuple[ProcessInfo, ...]
    scale: NDArray[np.float64]
    shifts: BackgroundShifts | None = None

    def splits(self) -> tuple[Split, ...]:
        """Return the splits that hold events of both classes."""
        return tuple(
            split
            for split in SPLITS
            if all(self.of_class((), role, split, None).total.events for role in ("signal", "background"))
        )

    def scaled_weights(self, batch: EventBatch) -> NDArray[np.float64]:
        """Return the weights of events scaled so that their split stands for the whole sample, shape (events,)."""
        code = np.zeros(len(batch), dtype=np.int64)
        if batch.hypothesis is not None and self.tally.hypotheses:
            known = np.isfinite(batch.hypothesis)
            code[known] = 1 + np.searchsorted(np.array(self.tally.hypotheses), batch.hypothesis[known])
        return np.asarray(batch.weight * self.scale[code, batch.process, batch.split])

    def of_process(self, prefix: Prefix, position: int, split: Split, hypothesis: float | None) -> Sums:
        """Sum one process after a stage of a selection.

        Args:
            prefix: the cuts applied so far.
            position: the process.
            split: which split.
            hypothesis: mass point of a signal process; None for all. A background has none and is taken whole.

        Returns:
            Scaled sums; sums of weights are NaN where the split can't be normalised.
        """
        stage, column = self.tally.prefixes[prefix], SPLITS.index(split)
        cells = self.tally.sums[stage, :, position, column]
        scale = self.scale[:, position, column]
        if hypothesis is not None and self.processes[position].role == "signal":
            chosen = slice(self.tally.hypotheses.index(hypothesis) + 1, self.tally.hypotheses.index(hypothesis) + 2)
            cells, scale = cells[chosen], scale[chosen]
        return Sums(int(cells[:, 0].sum()), float((cells[:, 1] * scale).sum()), float((cells[:, 2] * scale**2).sum()))

    def of_class(self, prefix: Prefix, role: Role, split: Split, hypothesis: float | None) -> Kept:
        """Sum all processes of a class after a stage of a selection, and before it.

        Args:
            prefix: the cuts applied so far.
            role: the class.
            split: which split.
            hypothesis: mass point of the signal; None for all.
        """
        members = [position for position, process in enumerate(self.processes) if process.role == role]
        passed = [self.of_process(prefix, position, split, hypothesis) for position in members]
        total = [self.of_process((), position, split, hypothesis) for position in members]
        broken = [self.processes[p].name for p, sums in zip(members, total, strict=True) if np.isnan(sums.sumw)]
        undefined = None
        if broken:
            undefined = (
                f"split {split!r} can't stand for process {broken[0]!r}: "
                "its weights there add up to nothing, or to the other sign"
            )
        return Kept(
            passed=sum(passed, Sums()),
            total=sum(total, Sums()),
            weights=tuple(sums.mean_weight for sums in total if sums.events),
            yields=tuple((self.processes[p].name, sums.sumw) for p, sums in zip(members, passed, strict=True)),
            undefined=undefined,
            shift=self._shift(prefix, role, split) if undefined is None else 0.0,
        )

    def _shift(self, prefix: Prefix, role: Role, split: Split) -> float:
        return 0.0 if self.shifts is None or role == "signal" else self.shifts.of_background(prefix, split)


def normalise(tally: Tally, processes: Iterable[ProcessInfo]) -> Normalised:
    """Scale each split of each process to the whole sample (DESIGN: Σw(all splits)/Σw(split)).

    Args:
        tally: the sums as counted.
        processes: in the order in which the tally counts them.
    """
    split_sumw = tally.sums[0, ..., 1]
    all_sumw = split_sumw.sum(axis=-1, keepdims=True)
    events = tally.sums[0, ..., 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = all_sumw / split_sumw
    ratio = np.where(np.isfinite(ratio) & (ratio > 0), ratio, np.nan)
    nothing_anywhere = (tally.sums[0, ..., 2].sum(axis=-1, keepdims=True) == 0) | (events.sum(-1, keepdims=True) == 0)
    return Normalised(tally, tuple(processes), np.where(nothing_anywhere, 1.0, ratio))


def require_usable(normalised: Normalised, split: Split, where: str) -> None:
    """Check that a split can be evaluated.

    Raises:
        InputError: if there is no signal or no background, or its weights are all zero.
    """
    for role in ("signal", "background"):
        members = [position for position, process in enumerate(normalised.processes) if process.role == role]
        sums = normalised.tally.sums[0][:, members]
        in_split = sums[:, :, SPLITS.index(split)]
        if sums[..., 0].sum() == 0:
            msg = f"{where}: holds no {role} event (label {int(role == 'signal')}); both classes are needed"
        elif in_split[..., 0].sum() == 0:
            held = ", ".join(f"{name} {sums[:, :, i, 0].sum():.0f}" for i, name in enumerate(SPLITS))
            msg = f"{where}: split {split!r} holds no {role} event (there are: {held}); choose another --split"
        elif in_split[..., 2].sum() == 0:
            msg = f"{where}: all weights of the {role} in split {split!r} are zero; give them weights, or none at all"
        else:
            continue
        raise InputError(msg)
