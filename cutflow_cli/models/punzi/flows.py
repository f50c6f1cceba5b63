"""The selections of Punzi networks: the window of a hypothesis, then a cut on the score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.models.punzi.results import FIXED, NETWORKS
from cutflow_cli.models.punzi.windows import Windows
from cutflow_cli.models.scores import SCORE
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CONSENSUS_REPLICA, CutFlow, LearnedCut
from cutflow_cli.selection.spread import half_interval

#: One selection for all masses is what the loss is for.
RECOMMENDED = FIXED


def working_point(score: str, cut: str) -> str:
    """Name a working point: `fixed`, `best`, `pretrained_fixed`, `pretrained_best`."""
    return cut if score == SCORE else f"{NETWORKS[score]}_{cut}"


def punzi_flows(
    cuts: Mapping[str, Mapping[str, NDArray[np.float32]]], windows: Windows, replicas: Sequence[int]
) -> tuple[CutFlow, ...]:
    """Make the flows of all networks, cuts, hypotheses and replicas, and of their consensus.

    Args:
        cuts: by name of the score and cut, shape (replicas + 1, hypotheses), the consensus last.
        windows: of the hypotheses.
        replicas: numbers of the replicas.
    """
    flows = []
    for score, of_cut in cuts.items():
        for name, thresholds in of_cut.items():
            for column, mass in enumerate(windows.hypotheses):
                window = windows.cuts[column]
                first = () if window is None else (LearnedCut(window),)
                for row, value in enumerate(thresholds[:, column].tolist()):
                    consensus = row == len(replicas)
                    error = _spread(thresholds[:-1, column]) if consensus and name != FIXED else None
                    step = LearnedCut(Cut(score, Region.ABOVE, value).rounded("float32"), lower_error=error)
                    flows.append(
                        CutFlow(
                            (*first, step),
                            working_point(score, name),
                            hypothesis=mass,
                            kind="consensus" if consensus else "replica",
                            replica=CONSENSUS_REPLICA if consensus else replicas[row],
                        )
                    )
    return tuple(flows)


def _spread(values: NDArray[np.float32]) -> float | None:
    return float(half_interval(values)) if len(values) > 1 else None
