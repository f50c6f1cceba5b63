"""The rows of `variations.parquet`: what systematic variations do to each selection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from cutflow_cli.evaluation.normalise import Normalised
from cutflow_cli.evaluation.rows import NamedFlow
from cutflow_cli.evaluation.shifts import Key, Quantity, SelectionShifts, Shifted, Z
from cutflow_cli.evaluation.tables import hypotheses_of
from cutflow_cli.evaluation.variations import Variations
from cutflow_cli.events.schema import Split
from cutflow_cli.metrics.estimate import Estimate
from cutflow_cli.metrics.options import FigureOptions
from cutflow_cli.metrics.systematics import Source, quadratic_sum

RowOf = Literal["nominal", "variation", "source", "total"]
#: What rows are called that are of no variation.
NOMINAL: Final = "nominal"
TOTAL: Final = "quadratic sum"
_NOTHING: Final = Estimate(None)


@dataclass(frozen=True, slots=True)
class VariationRow:
    """One number of a selection without and under systematic variations: `variations.parquet`.

    Attributes:
        run: name of the run.
        working_point: of the flow, its consensus.
        split: the events counted.
        hypothesis: mass point of the signal counted; None for all signal.
        kind: `nominal`; `variation`; `source` for the larger shift of its two sides, or its only one; `total` for the
            quadratic sum over the sources.
        variation: its name, or that of the source.
        source: the source that a variation belongs to; None in other rows.
        quantity: `yield` (expected events), `efficiency`, or `asimov` (Z).
        process: its name, or `signal`, `background` for the sum of a class; None for Z.
        value: the number; None where undefined, and for sources and the quadratic sum. Z is with σ_B without
            variations, its statistics those of the nominal simulation in per cent of B; but Z of the quadratic sum is
            that of the nominal yields with σ_B by all variations.
        stat_error: statistical error of it.
        shift: value less the nominal one; for sources and the quadratic sum the uncertainty, not negative.
        shift_error: statistical error of the shift under a variation: the same events count with the difference of
            their weights, an alternative sample and what it replaces as independent.
        relative_shift: shift over the absolute nominal value; None where that is 0.
        reason: why something is undefined, or what to know of it.
    """

    run: str
    working_point: str
    split: Split
    hypothesis: float | None
    kind: RowOf
    variation: str
    source: str | None
    quantity: Quantity
    process: str | None
    value: float | None
    stat_error: float | None
    shift: float | None
    shift_error: float | None
    relative_shift: float | None
    reason: str | None


def variation_rows(
    flows: Iterable[NamedFlow],
    events: Normalised,
    variations: Variations,
    split: Split,
    options: FigureOptions,
) -> tuple[VariationRow, ...]:
    """Compute yields, efficiencies and Z of every consensus without and under each variation.

    Args:
        flows: all flows.
        events: their tally, whose σ_B knows the variations.
        variations: all of them; without any there are no rows.
        split: the one that is quoted.
        options: how figures of merit are computed.
    """
    rows: list[VariationRow] = []
    for named in flows:
        if named.flow.kind != "consensus" or not variations.varied:
            continue
        for hypothesis in hypotheses_of(named.flow, events):
            numbers = SelectionShifts(variations.nominal, named.flow.cuts, split, hypothesis, options)
            rows += _rows(named, numbers, events, variations)
    return tuple(rows)


def _rows(
    named: NamedFlow, numbers: SelectionShifts, events: Normalised, variations: Variations
) -> Iterator[VariationRow]:
    nominal = numbers.without()
    found = {one.info.name: numbers.under(one) for one in variations.varied}
    source_of = {name: source.name for source in variations.sources for name in source.variations}

    def row(
        kind: RowOf, variation: str, key: Key, value: Estimate, shift: Estimate = _NOTHING, source: str | None = None
    ) -> VariationRow:
        before = nominal[key].value
        relative = None if shift.value is None or not before else shift.value / abs(before)
        return VariationRow(
            named.run, named.flow.working_point, numbers.split, numbers.hypothesis, kind, variation, source, *key,
            value.value, value.error, shift.value, shift.error, relative, value.reason or shift.reason,
        )  # fmt: skip

    for key, number in nominal.items():
        yield row("nominal", NOMINAL, key, number)
    for name, under in found.items():
        for key, number in under.values.items():
            yield row("variation", name, key, number, under.shifts[key], source_of[name])
    counted = [key for key in nominal if key != Z]
    for source in variations.sources:
        for key in counted:
            yield row("source", source.name, key, _NOTHING, _combined([source], found, key))
    for key in counted:
        yield row("total", TOTAL, key, _NOTHING, _combined(variations.sources, found, key))
    all_in = numbers.brief(events)
    z, before = replace(all_in.asimov, reason=all_in.asimov.reason or all_in.reason), nominal[Z].value
    yield row("total", TOTAL, Z, z, _NOTHING if z.value is None or before is None else Estimate(z.value - before))


def _combined(sources: Sequence[Source], found: Mapping[str, Shifted], key: Key) -> Estimate:
    """Combine the shifts of a number under the variations of sources."""
    shifts = {name: found[name].shifts[key] for source in sources for name in source.variations}
    values = {name: shift.value for name, shift in shifts.items() if shift.value is not None}
    if len(values) < len(shifts):
        return Estimate.undefined(next(one.reason for one in shifts.values() if one.value is None) or "undefined")
    return Estimate(float(quadratic_sum(sources, values)))
