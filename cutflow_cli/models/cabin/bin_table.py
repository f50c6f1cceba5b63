"""What each working point of a scan in bins keeps, bin by bin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.events.batch import EventSample
from cutflow_cli.models.binning import Binning
from cutflow_cli.selection.cutflow import CutFlow

Array = NDArray[np.float64]


def bin_table(
    binning: Binning, flows: Sequence[CutFlow], sample: EventSample, validation: EventSample | None
) -> dict[str, Any]:
    """Count what each working point's consensus keeps in each bin, by physical weights.

    Args:
        binning: the bins.
        flows: of all kinds.
        sample: the training split.
        validation: the validation split; None where there is none.

    Returns:
        Columns of `bins.parquet`: one row per working point and bin.
    """
    agreed = [flow for flow in flows if flow.kind == "consensus"]
    bins = len(binning)
    columns: dict[str, Any] = {
        "working_point": np.repeat([flow.working_point for flow in agreed], bins),
        "bin": np.tile(np.arange(bins, dtype=np.int32), len(agreed)),
        "bin_low": np.tile(binning.edges[:-1], len(agreed)),
        "bin_high": np.tile(binning.edges[1:], len(agreed)),
    }
    for split, events in (("train", sample), ("validation", validation)):
        for label, role in ((1, "signal"), (0, "background")):
            before, share = _in_bins(binning, agreed, events, label)
            columns[f"{split}_{role}_events"] = before
            columns[f"{split}_{role}_efficiency"] = share
    return columns


def _in_bins(binning: Binning, flows: Sequence[CutFlow], events: EventSample | None, label: int) -> tuple[Any, Array]:
    """Return the events of a class in each bin, and the share that each flow keeps; flow by flow."""
    counts, shares = np.zeros((len(flows), len(binning)), dtype=np.int64), np.full((len(flows), len(binning)), np.nan)
    if events is not None:
        mine = events.label == label
        where = binning.of(events.columns[binning.observable])[mine] + 1
        weight = events.weight[mine]
        total = np.bincount(where, weight, len(binning) + 1)[1:]
        counts[:] = np.bincount(where, minlength=len(binning) + 1)[1:]
        for number, flow in enumerate(flows):
            kept = flow.mask(events.columns, len(events))[mine]
            sums = np.bincount(where, weight * kept, len(binning) + 1)[1:]
            shares[number] = np.where(total > 0, sums / np.where(total > 0, total, 1.0), np.nan)
    return counts.ravel(), shares.ravel()
