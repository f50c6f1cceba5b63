"""What is said of the boxes that were found: tables, and sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cutflow_cli.budget import enough_cuts
from cutflow_cli.models.box.landscape import LEAST_ERROR, USELESS, Box
from cutflow_cli.models.box.optimism import Judged
from cutflow_cli.models.box.settings import BoxSettings
from cutflow_cli.selection.cutflow import CutFlow

if TYPE_CHECKING:
    from cutflow_cli.models.box.model import Result

#: What `trade.traded` leaves behind.
_NOTHING_NEAR = "nothing better was found by changing the region of one observable or trading signal between two"


def results_table(
    result: Result, flows: Sequence[CutFlow], boxes: Sequence[Box], judged: Sequence[Judged]
) -> dict[str, Any]:
    """Make a row of each working point's consensus.

    Args:
        result: of the search on the training split.
        flows: one for each working point.
        boxes: theirs.
        judged: of each working point, or of each number of cuts; empty for none.
    """
    landscape = result.landscape
    kept = [landscape.kept(box) for box in boxes]
    counted = np.array([landscape.counted(box) for box in boxes])
    missing = np.full(len(boxes), np.nan)
    known = _of_boxes(boxes, judged)
    columns = {
        "working_point": [flow.working_point for flow in flows],
        "objective": np.array([landscape.value(box) for box in boxes]),
        "optimism": missing if known is None else np.array([one.optimism for one in known]),
        "optimism_error": missing if known is None else np.array([one.error for one in known]),
        "signal": counted[:, 0],
        "background": np.array([float(one.B) for one in kept]),
        "background_counted": counted[:, 2],
        "background_predicted": missing
        if landscape.tables is None
        else np.array([landscape.predicted(box) for box in boxes]),
        "prediction_error": missing
        if landscape.tables is None
        else np.full(len(boxes), np.sqrt(landscape.variance) if landscape.variance < USELESS else np.inf),
        "starts": np.array([one.starts for one in result.found], dtype=np.int32),
        "agreeing_starts": np.array([one.agreeing for one in result.found], dtype=np.int32),
    }
    return columns


def _of_boxes(boxes: Sequence[Box], judged: Sequence[Judged]) -> Sequence[Judged] | None:
    """Return what was judged of each box: of targets one each, of a single box that with most cuts."""
    if not judged:
        return None
    return judged if len(boxes) > 1 else judged[-1:]


def budget_table(judged: Sequence[Judged]) -> dict[str, Any]:
    """Make a row of each number of cuts."""
    return {
        "cuts": np.arange(1, len(judged) + 1, dtype=np.int32),
        "objective_seen": np.array([one.on_train for one in judged]),
        "objective_held_out": np.array([one.held_out for one in judged]),
        "error": np.array([one.error for one in judged]),
    }


def recommended_cuts(judged: Sequence[Judged]) -> int:
    """Return the least number of cuts that is as good on held-out events as the best, within that one's error."""
    return enough_cuts(np.array([one.held_out for one in judged]), np.array([one.error for one in judged]))


def remarks(
    result: Result, settings: BoxSettings, flows: Sequence[CutFlow], boxes: Sequence[Box], judged: Sequence[Judged]
) -> tuple[str, ...]:
    """Say what a user should know of the search."""
    landscape, said = result.landscape, []
    title = landscape.objective.title
    sought = "background" if settings.signal_efficiencies else "objective"
    known = _of_boxes(boxes, judged)
    for k, (flow, box, found) in enumerate(zip(flows, boxes, result.found, strict=True)):
        value = landscape.value(box)
        which = "" if len(boxes) == 1 else f"{flow.working_point}: "
        text = f"{title} {value:.4g} as estimated on train"
        if known is not None:
            text = known[k].said(title, value, settings.optimism_folds)
        said.append(f"{which}{text}")
        agree = f"{which}{found.agreeing} of {found.starts} starts reached the same {sought} within 0.1 %"
        proved = "" if settings.signal_efficiencies else f"; {_NOTHING_NEAR}"
        if proved and box.key != found.box.key:  # a consensus: what was searched is another box
            proved = (
                f"; the search on all events reached {landscape.value(found.box):.4g}, and {_NOTHING_NEAR} of that box"
            )
        said.append(f"{agree}{proved}")
    if landscape.tables is not None and landscape.variance >= USELESS:
        said.append("backgrounds predicted from pairs of observables differ too much from counts, which alone are used")
    elif landscape.tables is not None and np.sqrt(landscape.variance) > 2 * LEAST_ERROR:
        said.append(
            f"backgrounds predicted from pairs of observables are off by {np.sqrt(landscape.variance):.0%} or so"
        )
    if len(judged) > 1 and len(boxes) == 1 and np.isfinite(judged[-1].held_out):
        enough = recommended_cuts(judged)
        if enough < len(judged):
            said.append(
                f"{enough} {'cut is' if enough == 1 else 'cuts are'} as good on held-out events as {len(judged)} "
                "within errors "
                f"({judged[enough - 1].held_out:.4g}, {judged[-1].held_out:.4g}); see --max-cuts"
            )
    return tuple(said)
