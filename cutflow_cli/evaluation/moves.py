"""What is done to a selection to see how much hangs on each cut: it is left out, or one of its boundaries moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cutflow_cli.evaluation.boundaries import End
from cutflow_cli.evaluation.detail_rows import Side
from cutflow_cli.selection.binned import BinnedCut
from cutflow_cli.selection.cut import Cut
from cutflow_cli.selection.cutflow import CutFlow, LearnedCut

#: Shares of its size by which each boundary is moved.
SHARES = (0.01, 0.05)
_SIDES: tuple[Side, ...] = ("lower", "upper")


@dataclass(frozen=True, slots=True)
class Variant:
    """One change of a flow.

    Attributes:
        position: of the cut that is changed, from 1; 0 for the flow as it is.
        cut: what replaces it; None where it is left out.
        side: which boundary is moved.
        move: by how much, in words.
    """

    position: int
    cut: Cut | None
    side: Side | None = None
    move: str | None = None

    @property
    def end(self) -> End:
        """The end of the cut that is moved."""
        assert self.side is not None
        return self.position - 1, self.side

    @property
    def boundary(self) -> float | None:
        """Where the boundary lies now; None where none is moved, or one in each bin."""
        return None if self.cut is None else self.cut.lower if self.side == "lower" else self.cut.upper

    @property
    def binned_in(self) -> str | None:
        """The observable of the bins of a cut that has a boundary in each."""
        return self.cut.binned_in if isinstance(self.cut, BinnedCut) else None

    @property
    def boundaries(self) -> tuple[float | None, ...] | None:
        """Where the boundary of each bin lies now; None for a cut without bins."""
        if not isinstance(self.cut, BinnedCut) or self.side is None:
            return None
        return self.cut.sides(self.side)


def variants_of(flow: CutFlow, dtypes: Mapping[str, str]) -> list[Variant]:
    """List what is done to a flow: each cut left out, each of its boundaries moved by its error and by shares of it.

    Those of a cut in bins are moved in all bins at once, in each by the error of its own boundary or by a share of it;
    a bin without an error (one replica, or one that agrees with no other) keeps its boundary where others move.

    Args:
        flow: the selection, rounded.
        dtypes: the types of the columns, to which moved boundaries are rounded.
    """
    found: list[Variant] = []
    steps = [step for step in flow.steps if step.active and step.cut in flow.cuts]
    for position, step in enumerate(steps, start=1):
        found.append(Variant(position, None))
        if not step.cut.has_boundaries and not isinstance(step.cut, BinnedCut):
            continue
        for side in _SIDES:
            for move, shifts in _moves(step, side):
                moved = _shifted(step.cut, side, shifts).rounded(dtypes[step.cut.observable])
                found.append(Variant(position, moved, side, move))
    return found


def _moves(step: LearnedCut, side: Side) -> list[tuple[str, list[float]]]:
    """List by how much one side of a cut is moved: a word for it, and the shift of each bin (one without bins)."""
    parts = _parts(step)
    boundaries = [cut.lower if side == "lower" else cut.upper for cut, _, _ in parts]
    errors = [lower if side == "lower" else upper for _, lower, upper in parts]
    known = [value if value is not None and np.isfinite(value) else None for value in boundaries]
    sizes = {"error": [0.0 if value is None else error or 0.0 for value, error in zip(known, errors, strict=True)]}
    for share in SHARES:
        sizes[f"{share:.0%}".replace("%", " %")] = [0.0 if value is None else share * abs(value) for value in known]
    return [
        (sign + name, [factor * size for size in those])
        for name, those in sizes.items()
        if any(those)
        for sign, factor in (("-", -1.0), ("+", 1.0))
    ]


def _parts(step: LearnedCut) -> list[tuple[Cut, float | None, float | None]]:
    """Return the cut of each bin with the errors of its boundaries; of a step without bins its own."""
    if not isinstance(step.cut, BinnedCut):
        return [(step.cut, step.lower_error, step.upper_error)]
    errors = [(one.lower_error, one.upper_error) for one in step.bins] or [(None, None)] * len(step.cut.members)
    return [(cut, *own) for cut, own in zip(step.cut.members, errors, strict=True)]


def _shifted(cut: Cut, side: Side, shifts: Sequence[float]) -> Cut:
    """Return a cut with one side moved, in each bin by its own shift."""
    if isinstance(cut, BinnedCut):
        bins = zip(cut.members, shifts, strict=True)
        return replace(cut, members=tuple(_shifted(member, side, [shift]) for member, shift in bins))
    (shift,) = shifts
    boundary = cut.lower if side == "lower" else cut.upper
    if boundary is None or not shift:
        return cut
    there = boundary + shift
    return replace(cut, lower=there) if side == "lower" else replace(cut, upper=there)
