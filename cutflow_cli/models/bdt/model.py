"""The method: boosted decision trees that tell signal from background."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.checkpoint import Arrays, FinishedReplicas
from cutflow_cli.engine.device import may_have_cuda
from cutflow_cli.engine.randomness import Stream, generator
from cutflow_cli.errors import Interrupted
from cutflow_cli.events.batch import EventSample
from cutflow_cli.models.bdt.prepare import Prepared, prepare
from cutflow_cli.models.bdt.scorer import BdtScorer, Trees, read_trees
from cutflow_cli.models.bdt.settings import BdtSettings
from cutflow_cli.models.bdt.watch import Watch
from cutflow_cli.models.protocol import Fitted, TrainingContext
from cutflow_cli.models.thresholds import threshold_flows
from cutflow_cli.selection.cutflow import CONSENSUS_REPLICA
from cutflow_cli.selection.spread import half_interval


@dataclass(frozen=True, slots=True)
class Grown:
    """One replica.

    Attributes:
        trees: up to the best one.
        loss: after each tree that was grown.
        validation_loss: the same on validation; empty without.
        best: how many trees are kept.
    """

    trees: Trees
    loss: NDArray[np.float64]
    validation_loss: NDArray[np.float64]
    best: int

    def arrays(self) -> Arrays:
        """Return everything by name, for a checkpoint."""
        return {
            "trees": np.frombuffer(self.trees.to_bytes(), dtype=np.uint8),
            "loss": self.loss,
            "validation_loss": self.validation_loss,
            "best": np.array(self.best),
        }

    @classmethod
    def restored(cls, stored: Arrays, backend: str, threads: int) -> Grown:
        """Read what `arrays` gave.

        Raises:
            KeyError, ValueError: if it is something else.
        """
        trees = read_trees(backend, stored["trees"].tobytes(), threads)
        return cls(trees, stored["loss"], stored["validation_loss"], int(stored["best"]))


class BoostedTrees:
    """Gradient-boosted decision trees with the log loss; see `models.bdt.settings` for presets.

    The score estimates the probability of signal for classes weighted as in training, so with balanced classes it is
    not the probability at physical rates; as an order of events it does not depend on that.

    Args:
        settings: what to train.
    """

    spectators: tuple[str, ...] = ()

    def __init__(self, settings: BdtSettings) -> None:
        self.settings = settings

    def cpu_only(self, *, streams: bool) -> str:
        """Say why trees grow on the CPU only: scikit-learn has nothing else, nor has an XGBoost built without CUDA."""
        del streams  # trees need their events in memory
        if self.settings.backend == "sklearn":
            return "scikit-learn grows trees on the CPU only; use --device cpu, or --backend xgboost"
        if not may_have_cuda():
            return ""
        from cutflow_cli.models.bdt.xgboost_trees import built_with_cuda

        if not built_with_cuda():
            return "this xgboost was built without CUDA; use --device cpu or auto"
        return ""

    def fit(self, sample: EventSample, context: TrainingContext) -> Fitted:
        """Grow all replicas, one after another, and choose a threshold for each and for their mean score.

        Args:
            sample: the training split, already checked.
            context: seed, replicas, device, validation split, checkpoint.

        Returns:
            One flow per replica, each with a cut on its own score, then one with a cut on the mean score; the table
            `importances`.

        Raises:
            UsageError: if an option does not fit the data or the number of replicas.
            InputError: if no usable event of a class is left.
            Interrupted: if asked to stop; replicas that were finished are in the checkpoint.
        """
        started = time.perf_counter()
        settings = self.settings
        bootstrap = settings.bootstraps(context.replicas)
        patience = settings.patience(has_validation=context.validation is not None)
        train = prepare(sample, settings, "training")
        validation = None if context.validation is None else prepare(context.validation, settings, "validation")
        prepared = time.perf_counter()
        kept = FinishedReplicas(context.checkpoint)
        grown: list[Grown] = []
        restored = partial(Grown.restored, backend=settings.backend, threads=context.threads)
        for replica in context.replicas:
            there = kept.read(replica, restored)
            if there is not None:
                grown.append(there)
                continue
            events = train.bootstrapped(context.seed, replica) if bootstrap else train
            watch = self._watch(events, validation, patience, context, len(grown))
            try:
                trees = self._grow(events, validation, context, replica, watch)
            except Interrupted as stop:
                msg = f"{stop} of replica {replica}; the same command goes on, and begins that replica again"
                raise Interrupted(msg) from stop
            grown.append(Grown(trees, np.array(watch.loss), np.array(watch.validation_loss), watch.best))
            kept.add(replica, grown[-1].arrays())
        trained = time.perf_counter()
        scorer = BdtScorer(sample.features, settings.backend, [one.trees for one in grown], context.replicas)
        flows, notes = threshold_flows(
            scorer, sample, context, settings.fom, settings.min_effective_events, settings.fixed_threshold
        )
        warnings = (*self._concerns(train, validation), *_unsettled(grown, settings.trees, patience), *notes)
        if validation is None and settings.early_stopping is None:
            warnings += (f"there is no validation split, so all {settings.trees} trees were kept (--trees)",)
        resolved: dict[str, Any] = {"bootstrap": bootstrap, "early_stopping": patience}
        if settings.backend == "xgboost":
            resolved["min_child_weight"] = settings.child_weight
        resolved["kept_trees"] = [one.best for one in grown]
        timings = {"prepare": prepared - started, "train": trained - prepared, "combine": time.perf_counter() - trained}
        tables = {"importances": importances(sample.features, [one.trees for one in grown], context.replicas)}
        return Fitted(flows, _history(grown, context.replicas), warnings, timings, resolved, scorer, tables)

    def _watch(
        self, events: Prepared, validation: Prepared | None, patience: int, context: TrainingContext, done: int
    ) -> Watch:
        def progress(trees: int, loss: float) -> None:
            context.progress((done + trees / self.settings.trees) / len(context.replicas), f"loss {loss:.5f}")

        return Watch(events, validation, patience, context.stop_reason, progress)

    def _grow(
        self, train: Prepared, validation: Prepared | None, context: TrainingContext, replica: int, watch: Watch
    ) -> Trees:
        seed = int(generator(context.seed, replica, Stream.SHUFFLE).integers(2**31))
        if self.settings.backend == "sklearn":
            from cutflow_cli.models.bdt import sklearn_trees

            return sklearn_trees.grow(train, validation, self.settings, seed=seed, watch=watch)
        from cutflow_cli.models.bdt import xgboost_trees

        return xgboost_trees.grow(
            train, validation, self.settings, seed=seed, device=context.device, threads=context.threads, watch=watch
        )

    def _concerns(self, train: Prepared, validation: Prepared | None) -> list[str]:
        """Say what became of events that lack a feature, or have a negative weight."""
        if self.settings.backend == "sklearn":
            fate = "they were left out, and such events have no score and pass no cut"
        else:
            fate = "trees learn which way such events go, so that they have a score and can pass the cut"
        concerns = [
            f"{events.incomplete} of {events.total} events of the {split} split lack a feature; {fate}"
            for split, events in (("training", train), ("validation", validation))
            if events is not None and events.incomplete
        ]
        negative = int(np.count_nonzero(train.weight < 0))
        if negative:
            concerns.append(
                f"{negative} of {train.total} events of the training split have negative weights, which were kept "
                "(--negative-weights)"
            )
        return concerns


def importances(features: Sequence[str], members: Sequence[Trees], replicas: Sequence[int]) -> dict[str, Any]:
    """Make the table of importances: the share of each feature in the gain of all splits.

    The gain is the decrease of the log loss to second order (XGBoost) or of the squared error of its gradient
    (scikit-learn). It is counted on the events trained on, and correlated features share it as it happens.

    Args:
        features: their names.
        members: the ensembles.
        replicas: their numbers.

    Returns:
        Columns replica, feature, importance and error; replica −1 has the mean over replicas, with half the 16-84 %
        interval of several as error. Null where there is nothing to say.
    """
    gains = np.stack([member.gain() for member in members])
    shares = gains / np.maximum(gains.sum(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    error: list[float | None] = [None] * len(features)
    if len(members) > 1:
        error = half_interval(shares).tolist()
    return {
        "replica": np.repeat(np.array([*replicas, CONSENSUS_REPLICA], dtype=np.int32), len(features)),
        "feature": [*features] * (len(members) + 1),
        "importance": np.concatenate([*shares, shares.mean(axis=0)]),
        "error": [None] * shares.size + error,
    }


def _history(grown: Sequence[Grown], replicas: Sequence[int]) -> dict[str, NDArray[Any]]:
    """Make the columns of the history: a row for each replica and tree."""

    def joined(column: Callable[[Grown], NDArray[Any]]) -> NDArray[Any]:
        return np.concatenate([column(one) for one in grown])

    columns = {
        "replica": np.repeat(np.array(replicas, dtype=np.int32), [len(one.loss) for one in grown]),
        "epoch": joined(lambda one: np.arange(1, len(one.loss) + 1, dtype=np.int32)),
        "loss": joined(lambda one: one.loss),
    }
    if len(grown[0].validation_loss):
        columns["validation_loss"] = joined(lambda one: one.validation_loss)
    return columns


def _unsettled(grown: Sequence[Grown], trees: int, patience: int) -> list[str]:
    """Say whether the validation loss was still falling at the last tree."""
    falling = sum(len(one.loss) == trees and one.best > 0.95 * trees for one in grown) if patience else 0
    if not falling:
        return []
    return [
        f"the validation loss of {falling} of {len(grown)} replicas was still falling after {trees} trees; more of "
        "them (--trees) or a higher --learning-rate may separate better"
    ]
