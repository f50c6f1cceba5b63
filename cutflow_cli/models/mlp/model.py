"""The method: multilayer perceptrons that tell signal from background."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cutflow_cli.engine.loop import history_columns, train
from cutflow_cli.engine.network import Networks
from cutflow_cli.engine.scaling import Scaling
from cutflow_cli.errors import UsageError
from cutflow_cli.events.batch import EventSample
from cutflow_cli.models.mlp.groups import Groups
from cutflow_cli.models.mlp.prepare import Prepared, prepare
from cutflow_cli.models.mlp.scorer import MlpScorer
from cutflow_cli.models.mlp.settings import DEFAULT_PATIENCE, MlpSettings
from cutflow_cli.models.protocol import Fitted, TrainingContext
from cutflow_cli.models.thresholds import threshold_flows


class MultilayerPerceptron:
    """Fully connected networks trained with the binary cross entropy; see `models.mlp.settings` for presets.

    The score estimates the probability of signal for classes weighted as in training, so with balanced classes it is
    not the probability at physical rates; as an order of events it does not depend on that.

    Args:
        settings: what to train.
    """

    spectators: tuple[str, ...] = ()

    def __init__(self, settings: MlpSettings) -> None:
        self.settings = settings

    def fit(self, sample: EventSample, context: TrainingContext) -> Fitted:
        """Train all replicas and choose a threshold for each and for their mean score.

        Args:
            sample: the training split, already checked.
            context: seed, replicas, device, validation split, checkpoint.

        Returns:
            One flow per replica, each with a cut on its own score, then one with a cut on the mean score.

        Raises:
            UsageError: if early stopping is asked for and there is no validation split.
            InputError: if no complete event of a class is left.
        """
        started = time.perf_counter()
        settings = self.settings
        learned, validation = self._prepared(sample, context)
        patience = self._patience(validation)
        epochs = settings.resolved_epochs(len(learned.sample))
        groups = Groups(self._networks(learned, context), learned, validation, settings, patience, context)
        prepared = time.perf_counter()
        history = train(
            groups.stepper,
            epochs,
            checkpoint=context.checkpoint,
            stop_reason=context.stop_reason,
            progress=context.progress,
            finished=lambda: groups.finished,
        )
        trained = time.perf_counter()
        torch.set_num_threads(context.threads)
        scorer = MlpScorer(sample.features, groups.networks())
        flows, notes = threshold_flows(
            scorer, sample, context, settings.fom, settings.min_effective_events, settings.fixed_threshold
        )
        warnings = (*_left_out(learned, validation), *_unsettled(groups, epochs), *notes)
        resolved: dict[str, Any] = {"epochs": epochs, "early_stopping": patience}
        if patience:
            resolved["best_epochs"] = groups.best_epochs.tolist()
        columns = _columns(history, context.replicas, groups.last_epochs)
        timings = {"prepare": prepared - started, "train": trained - prepared, "combine": time.perf_counter() - trained}
        return Fitted(flows, columns, warnings, timings, resolved, scorer)

    def _prepared(self, sample: EventSample, context: TrainingContext) -> tuple[Prepared, Prepared | None]:
        options = self.settings.class_weights, self.settings.negative_weights
        validation = None if context.validation is None else prepare(context.validation, *options, "validation")
        return prepare(sample, *options, "training"), validation

    def _patience(self, validation: Prepared | None) -> int:
        wanted = self.settings.early_stopping
        if wanted and validation is None:
            msg = f"--early-stopping {wanted}: there is no validation split to watch; "
            raise UsageError(msg + "give 0, or events with one (see --split)")
        if wanted is None:
            return 0 if validation is None else DEFAULT_PATIENCE
        return wanted

    def _networks(self, data: Prepared, context: TrainingContext) -> Networks:
        scaling = Scaling.measure(data.sample.x, self.settings.unit)
        architecture = self.settings.architecture(len(data.sample.features))
        return Networks.drawn(architecture, scaling, context.seed, context.replicas, context.device)


def _columns(
    history: dict[str, NDArray[np.float64]], replicas: range, last: NDArray[np.int64]
) -> dict[str, NDArray[Any]]:
    """Make the columns of the history; epochs after the one in which a replica stopped are not its own."""
    epochs = len(history["loss"])
    columns = history_columns(history, replicas)
    own = columns["epoch"] <= np.tile(np.where(last > 0, last, epochs), epochs)
    return {name: values[own] for name, values in columns.items()}


def _left_out(train: Prepared, validation: Prepared | None) -> list[str]:
    """Say how many events could not be used."""
    return [
        f"{data.left_out} of {data.left_out + len(data.sample)} events of the {split} split lack a feature; they were "
        "left out, and such events have no score and pass no cut"
        for split, data in (("training", train), ("validation", validation))
        if data is not None and data.left_out
    ]


def _unsettled(groups: Groups, epochs: int) -> list[str]:
    """Say whether training ended while the validation loss was still falling."""
    falling = int(np.count_nonzero((groups.last_epochs == 0) & (groups.best_epochs > 0.9 * epochs)))
    if not falling:
        return []
    return [
        f"the validation loss of {falling} of {len(groups.last_epochs)} replicas was still falling after {epochs} "
        f"epochs; more of them (--epochs) may separate better"
    ]
