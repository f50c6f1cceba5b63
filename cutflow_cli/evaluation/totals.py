"""The rows of `cutflow_totals.parquet`: signal against background after every cut of every flow."""

from __future__ import annotations

from collections.abc import Iterable

from cutflow_cli.evaluation.brief import brief
from cutflow_cli.evaluation.cut_flow import BEFORE
from cutflow_cli.evaluation.detail_rows import TotalsRow
from cutflow_cli.evaluation.normalise import Normalised
from cutflow_cli.evaluation.rows import NamedFlow
from cutflow_cli.evaluation.tables import hypotheses_of
from cutflow_cli.metrics.options import FigureOptions


def totals_rows(flows: Iterable[NamedFlow], events: Normalised, options: FigureOptions) -> tuple[TotalsRow, ...]:
    """Compute S, B, S/√B and Z after every cut of every flow, on every split.

    Args:
        flows: whose cuts were counted.
        events: the tally of these flows, normalised.
        options: how figures of merit are computed.
    """
    rows: list[TotalsRow] = []
    for named in flows:
        flow = named.flow
        for hypothesis in hypotheses_of(flow, events):
            for split in events.splits():
                for position in range(len(flow.cuts) + 1):
                    cuts = flow.cuts[:position]
                    found = brief(
                        events.of_class(cuts, "signal", split, hypothesis),
                        events.of_class(cuts, "background", split, hypothesis),
                        options,
                    )
                    B = found.background.value
                    rows.append(
                        TotalsRow(
                            named.run, flow.working_point, flow.kind, flow.replica, split, hypothesis, position,
                            str(cuts[-1]) if cuts else BEFORE, found.signal.value, found.signal.error,
                            B, found.background.error, None if B is None else found.relative * abs(B), found.n_eff,
                            found.s_over_sqrt_b.value, found.s_over_sqrt_b.error,
                            found.asimov.value, found.asimov.error, found.reason,
                        )
                    )  # fmt: skip
    return tuple(rows)
