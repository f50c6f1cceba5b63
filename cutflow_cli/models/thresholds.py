"""From scores to selections: the threshold of each replica and of the consensus, chosen on validation."""

from __future__ import annotations

from collections.abc import Sequence

from cutflow_cli.events.batch import EventSample
from cutflow_cli.metrics.figures_of_merit import FIGURES_OF_MERIT
from cutflow_cli.metrics.threshold import best_threshold
from cutflow_cli.models.protocol import TrainingContext
from cutflow_cli.models.scores import Scorer, mean_score
from cutflow_cli.selection.cut import Cut, Region
from cutflow_cli.selection.cutflow import CONSENSUS_REPLICA, CutFlow, Kind, LearnedCut
from cutflow_cli.selection.spread import half_interval


def unused_beside_threshold(fixed: float | None, preset: str | None) -> dict[str, str]:
    """Name settings that have no effect beside a fixed threshold, and say why.

    Args:
        fixed: the threshold; None where it is chosen.
        preset: what fixed it; None for the user.
    """
    if fixed is None:
        return {}
    why = f"the threshold is fixed at {fixed:g}{f' by --preset {preset}' if preset else ''}; leave it out"
    return {"fom": why, "min_effective_events": why}


def threshold_flows(
    scorer: Scorer,
    sample: EventSample,
    context: TrainingContext,
    fom: str,
    min_effective_events: float,
    fixed: float | None = None,
) -> tuple[tuple[CutFlow, ...], tuple[str, ...]]:
    """Choose a threshold on the main score, for each replica on its own and for the consensus on their mean.

    Args:
        scorer: of the run.
        sample: the training split, which is used only where there is no validation split.
        context: with the validation split.
        fom: figure of merit, a key of `FIGURES_OF_MERIT`.
        min_effective_events: effective events of either class that a threshold must keep.
        fixed: a threshold that takes the place of all of them; None to choose.

    Returns:
        The replicas' flows and their consensus, and what a user should know.
    """
    if fixed is not None:
        return score_flows(scorer.names[0], [fixed] * len(context.replicas), fixed, context.replicas), ()
    judged = sample if context.validation is None else context.validation
    warnings = []
    if context.validation is None:
        warnings.append(
            "there is no validation split, so the threshold was chosen on the events trained on, whose scores are "
            "better than others'; --fixed-threshold X sets one instead"
        )
    scores = scorer.scores(judged.x)[scorer.names[0]]
    chosen = [
        best_threshold(row, judged.label, judged.expected, fom, min_effective_events)
        for row in (*scores, mean_score(scores))
    ]
    notes = dict.fromkeys(one.note for one in chosen if one.note)
    warnings += [f"threshold of {FIGURES_OF_MERIT[fom]}: {note}" for note in notes]
    flows = score_flows(scorer.names[0], [one.value for one in chosen[:-1]], chosen[-1].value, context.replicas)
    return flows, tuple(warnings)


def score_flows(
    score: str, thresholds: Sequence[float], consensus: float, replicas: Sequence[int]
) -> tuple[CutFlow, ...]:
    """Make the flows that keep what scores above a threshold.

    Args:
        score: name of the score.
        thresholds: one for each replica.
        consensus: the threshold on the mean score.
        replicas: numbers of the replicas.
    """

    def flow(value: float, kind: Kind, replica: int, error: float | None = None) -> CutFlow:
        cut = Cut(score, Region.ABOVE, value).rounded("float32")
        return CutFlow((LearnedCut(cut, lower_error=error),), kind=kind, replica=replica)

    error = float(half_interval(thresholds)) if len(thresholds) > 1 else None
    return (
        *(flow(value, "replica", replica) for value, replica in zip(thresholds, replicas, strict=True)),
        flow(consensus, "consensus", CONSENSUS_REPLICA, error),
    )
