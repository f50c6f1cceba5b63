"""A run's score as a model: built, tried on events, and only then given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cutflow_cli.errors import InputError, UsageError
from cutflow_cli.events.schema import SPLITS

if TYPE_CHECKING:
    from cutflow_cli.export.dialect import ModelDialect, Selections
    from cutflow_cli.export.onnx_trial import Sample
    from cutflow_cli.export.run_events import RunEvents
    from cutflow_cli.models.scores import Scorer
    from cutflow_cli.runs import Run

#: Events that a model is tried on at most.
TRIED = 100_000


def require_score(run: Run, dialect: str) -> None:
    """Refuse a run that gives no score.

    Raises:
        UsageError: if so.
    """
    if run.folds:
        msg = (
            f"{run.path}: trained once for each fold, so it has no one score for every event; give the training of one "
            f"fold, such as {run.folds[0].path}"
        )
        raise UsageError(msg)
    if not run.manifest.scores:
        msg = (
            f"{run.path}: {run.manifest.method} cuts on observables and computes no score; --format {dialect} is for "
            "mlp, bdt and punzi, all other formats say these cuts"
        )
        raise UsageError(msg)


def export_model(
    run: Run, dialect: ModelDialect, selections: Selections, data: Path | None
) -> tuple[bytes, tuple[str, ...]]:
    """Write a model, and compare it with the run on the run's validation and test events.

    Args:
        run: an opened run that gives a score.
        dialect: what to write.
        selections: the only flow, and what is known of the run.
        data: the events; None for those that the run was trained on, or made-up ones alone where they are not there.

    Returns:
        The model, and what a user should know of it, a sentence each.

    Raises:
        InputError: if the run is damaged, the model disagrees with it, or `data` can't be read.
        UsageError: if a library is missing.
    """
    from cutflow_cli.evaluation.inputs import open_scorer
    from cutflow_cli.export.run_events import open_run_events

    scorer = open_scorer(run)
    assert scorer is not None  # `require_score`
    replicas = range(*run.manifest.replicas)
    content = dialect.build(selections, scorer, replicas)
    notes: tuple[str, ...] = ()
    samples: Iterator[Sample] = iter(())
    try:
        opened = open_run_events(run, data)
    except InputError as error:
        if data is not None:
            raise
        notes = (f"the model is compared with the run on made-up events alone: {error}",)
    else:
        samples = _samples(opened, selections, scorer)
        notes = opened.notes
    return content, (*notes, *dialect.check(content, selections, scorer, replicas, samples))


def _samples(opened: RunEvents, selections: Selections, scorer: Scorer) -> Iterator[Sample]:
    """Read events of the validation and test splits."""
    from cutflow_cli.export.onnx_trial import Sample

    others = [cut.observable for cut in selections.flow.cuts if cut.observable not in scorer.names]
    left = TRIED
    for batch in opened.events.batches(tuple(dict.fromkeys((*scorer.features, *others)))):
        rows = np.flatnonzero(np.isin(batch.split, [SPLITS.index("validation"), SPLITS.index("test")]))[:left]
        left -= len(rows)
        if len(rows):
            x = np.stack([batch.columns[name][rows] for name in scorer.features], axis=1)
            title = f"validation and test events of {opened.events.path}"
            yield Sample(title, x, {name: batch.columns[name][rows] for name in others})
        if not left:
            return
