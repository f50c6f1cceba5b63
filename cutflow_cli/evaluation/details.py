"""What is made of the events for the tables of single cuts and of pairs, in the pass that counts the selections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cutflow_cli.evaluation.correlations import CorrelationCounter
from cutflow_cli.evaluation.detail_rows import CorrelationRow, OverlapRow, VariantRow
from cutflow_cli.evaluation.normalise import Normalised
from cutflow_cli.evaluation.overlap import OverlapCounter
from cutflow_cli.evaluation.rows import NamedFlow
from cutflow_cli.evaluation.split_events import OfSplit
from cutflow_cli.evaluation.tally import Listener
from cutflow_cli.evaluation.variants import VariantCounter
from cutflow_cli.evaluation.variations import scales_under
from cutflow_cli.events.schema import Split, VariationInfo
from cutflow_cli.events.table import EventsFile
from cutflow_cli.metrics.options import FigureOptions
from cutflow_cli.metrics.systematics import Source, quadratic_sum


@dataclass(frozen=True, slots=True)
class Details:
    """The counters of one evaluation.

    Attributes:
        totals: all events, normalised.
        split: the events to count.
        variants: quoted selections without a cut, or with a boundary moved.
        overlap: events that quoted selections have in common.
        correlations: of the features.
        varied: the first under each systematic variation.
    """

    totals: Normalised
    split: Split
    variants: VariantCounter
    overlap: OverlapCounter
    correlations: CorrelationCounter
    varied: dict[str, VariantCounter] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        flows: Sequence[NamedFlow],
        quoted: Mapping[str, str],
        totals: Normalised,
        split: Split,
        events: EventsFile,
        variations: Sequence[VariationInfo] = (),
    ) -> Details:
        """Make the counters for the consensus of each run at its quoted working point.

        Args:
            flows: all flows.
            quoted: the working point of each run.
            totals: all events, normalised.
            split: the events to count.
            events: their file.
            variations: systematic variations that are counted too.
        """
        shown = [
            named for named in flows if named.flow.kind == "consensus" and named.flow.working_point == quoted[named.run]
        ]
        scores = {name for columns in events.derived for name in columns.names}
        for_all = [named for named in shown if named.flow.hypothesis is None]
        return cls(
            totals,
            split,
            VariantCounter(shown, totals, split, events.dtypes),
            OverlapCounter(for_all, totals, split),
            CorrelationCounter([name for name in events.features if name not in scores], totals, split),
            {one.name: VariantCounter(shown, scales_under(totals, one), split, events.dtypes) for one in variations},
        )

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """What takes the events."""
        return (OfSplit(self.totals, self.split, (self.variants, self.overlap, self.correlations)),)

    def under(self, variation: VariationInfo) -> tuple[Listener, ...]:
        """Return what takes the events under a variation."""
        return (OfSplit(scales_under(self.totals, variation), self.split, (self.varied[variation.name],)),)

    def rows(
        self, options: FigureOptions, sources: Sequence[Source] = ()
    ) -> tuple[tuple[VariantRow, ...], tuple[VariantRow, ...], tuple[OverlapRow, ...], tuple[CorrelationRow, ...]]:
        """Return the rows of N−1, stability, overlap and correlations.

        Args:
            options: how figures of merit are computed.
            sources: which variations belong together.
        """
        nominal = self.variants.background_yields()
        under = {name: counter.background_yields() for name, counter in self.varied.items()}
        shifts = [
            quadratic_sum(sources, {name: yields[flow] - own for name, yields in under.items()}) + np.zeros_like(own)
            for flow, own in enumerate(nominal)
        ]
        return (*self.variants.rows(options, shifts), self.overlap.rows(), self.correlations.rows())
