"""What is made of the events for the tables of single cuts and of pairs, in the pass that counts the selections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cutflow_cli.evaluation.correlations import CorrelationCounter
from cutflow_cli.evaluation.detail_rows import CorrelationRow, OverlapRow, VariantRow
from cutflow_cli.evaluation.normalise import Normalised
from cutflow_cli.evaluation.overlap import OverlapCounter
from cutflow_cli.evaluation.rows import NamedFlow
from cutflow_cli.evaluation.tally import Listener
from cutflow_cli.evaluation.variants import VariantCounter
from cutflow_cli.events.schema import Split
from cutflow_cli.events.table import EventsFile
from cutflow_cli.metrics.options import FigureOptions


@dataclass(frozen=True, slots=True)
class Details:
    """The counters of one evaluation.

    Attributes:
        variants: quoted selections without a cut, or with a boundary moved.
        overlap: events that quoted selections have in common.
        correlations: of the features.
    """

    variants: VariantCounter
    overlap: OverlapCounter
    correlations: CorrelationCounter

    @classmethod
    def of(
        cls,
        flows: Sequence[NamedFlow],
        quoted: Mapping[str, str],
        totals: Normalised,
        split: Split,
        events: EventsFile,
    ) -> Details:
        """Make the counters for the consensus of each run at its quoted working point.

        Args:
            flows: all flows.
            quoted: the working point of each run.
            totals: all events, normalised.
            split: the events to count.
            events: their file.
        """
        shown = [
            named for named in flows if named.flow.kind == "consensus" and named.flow.working_point == quoted[named.run]
        ]
        scores = {name for columns in events.derived for name in columns.names}
        for_all = [named for named in shown if named.flow.hypothesis is None]
        return cls(
            VariantCounter(shown, totals, split, events.dtypes),
            OverlapCounter(for_all, totals, split),
            CorrelationCounter([name for name in events.features if name not in scores], totals, split),
        )

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """What takes the events."""
        return self.variants, self.overlap, self.correlations

    def rows(
        self, options: FigureOptions
    ) -> tuple[tuple[VariantRow, ...], tuple[VariantRow, ...], tuple[OverlapRow, ...], tuple[CorrelationRow, ...]]:
        """Return the rows of N−1, stability, overlap and correlations.

        Args:
            options: how figures of merit are computed.
        """
        return (*self.variants.rows(options), self.overlap.rows(), self.correlations.rows())
