"""What one row of the tables about single cuts and pairs of things is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from cutflow_cli.evaluation.rows import RowKind
from cutflow_cli.events.schema import Role, Split

#: The classes in the order in which people read them.
CLASSES: Final[tuple[Role, ...]] = ("signal", "background")
#: Which side of a cut a boundary is.
Side = Literal["lower", "upper"]
#: Which of two selections keeps an event.
KeptBy = Literal["both", "first", "second", "neither"]


@dataclass(frozen=True, slots=True)
class TotalsRow:
    """Signal against background after one cut of a flow: `cutflow_totals.parquet`.

    Attributes:
        run: name of the run.
        working_point: of the flow.
        kind: `replica` or `consensus`.
        replica: its number; −1 for the consensus.
        split: the events counted.
        hypothesis: mass point of the signal counted; None for all signal.
        position: number of cuts applied.
        cut: the last cut applied.
        signal_yield: S; None where the split can't be normalised.
        signal_yield_error: statistical error of it.
        background_yield: B.
        background_yield_error: statistical error of it.
        background_systematic: systematic uncertainty of B, in events.
        background_n_eff: effective number of background events.
        s_over_sqrt_b: S/√B; None where undefined.
        s_over_sqrt_b_error: statistical error of it.
        asimov: Asimov Z; None where undefined.
        asimov_error: statistical error of it.
        reason: why something is undefined, or what to know of it.
    """

    run: str
    working_point: str
    kind: RowKind
    replica: int
    split: Split
    hypothesis: float | None
    position: int
    cut: str
    signal_yield: float | None
    signal_yield_error: float | None
    background_yield: float | None
    background_yield_error: float | None
    background_systematic: float | None
    background_n_eff: float | None
    s_over_sqrt_b: float | None
    s_over_sqrt_b_error: float | None
    asimov: float | None
    asimov_error: float | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class VariantRow:
    """A quoted selection with one cut changed: `n_minus_1.parquet` without the cut, `stability.parquet` with it moved.

    Attributes:
        run: name of the run.
        working_point: of the flow, its consensus.
        split: the events counted.
        hypothesis: mass point of the signal counted; None for all signal.
        position: of the cut in the flow, from 1; 0 for the flow as it is.
        cut: the cut as it is; empty for the flow as it is.
        side: which boundary is moved; None where the cut is left out.
        move: by how much: `-error`, `+1 %` and so on; None where the cut is left out.
        boundary: where the moved boundary lies; None where the cut is left out, or has one in each bin.
        n_signal: simulated signal events that pass.
        n_background: simulated background events that pass.
        signal_yield: S; None where the split can't be normalised.
        signal_yield_error: statistical error of it.
        background_yield: B.
        background_yield_error: statistical error of it.
        background_n_eff: effective number of background events.
        asimov: Asimov Z; None where undefined.
        asimov_error: statistical error of it.
        change: Z less that of the flow as it is; None where one of them is undefined.
        change_error: statistical error of it; events that both keep hardly count.
        reason: why something is undefined, or what to know of it.
        binned_in: the observable of the bins where the boundaries of a cut in bins are moved, in all of them at once;
            None otherwise. The file has this column and the next only where there is such a cut.
        boundaries: where the moved boundary of each bin lies, None for a bin without one; None for other cuts.
    """

    run: str
    working_point: str
    split: Split
    hypothesis: float | None
    position: int
    cut: str
    side: Side | None
    move: str | None
    boundary: float | None
    n_signal: int
    n_background: int
    signal_yield: float | None
    signal_yield_error: float | None
    background_yield: float | None
    background_yield_error: float | None
    background_n_eff: float | None
    asimov: float | None
    asimov_error: float | None
    change: float | None
    change_error: float | None
    reason: str | None
    binned_in: str | None = None
    boundaries: tuple[float | None, ...] | None = None


@dataclass(frozen=True, slots=True)
class OverlapRow:
    """Events of a class that two quoted selections keep, or do not: `overlap.parquet`.

    Attributes:
        first: name of a run.
        second: name of another.
        split: the events counted.
        role: `signal` or `background`.
        kept_by: `both`, `first` alone, `second` alone or `neither`.
        n_raw: number of simulated events.
        yield_: expected events; None where the split can't be normalised.
        yield_error: √Σw².
        share: of the events of the class.
        share_error: statistical error of it.
    """

    first: str
    second: str
    split: Split
    role: Role
    kept_by: KeptBy
    n_raw: int
    yield_: float | None
    yield_error: float | None
    share: float | None
    share_error: float | None


@dataclass(frozen=True, slots=True)
class CorrelationRow:
    """Linear correlation of two features in a class: `correlations.parquet`.

    Attributes:
        role: `signal` or `background`.
        split: the events counted.
        first: a feature.
        second: another; each pair once.
        correlation: weighted Pearson coefficient, −1 to 1; None where undefined.
        error: statistical error of it, (1 − ρ²)/√(n_eff − 1).
        n_raw: simulated events with both features.
        n_eff: their effective number.
        reason: why it is undefined.
    """

    role: Role
    split: Split
    first: str
    second: str
    correlation: float | None
    error: float | None
    n_raw: int
    n_eff: float | None
    reason: str | None
