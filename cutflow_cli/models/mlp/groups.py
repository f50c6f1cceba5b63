"""The replicas of a multilayer perceptron, dealt out to threads, and put together again."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from cutflow_cli.engine.network import Networks
from cutflow_cli.engine.parallel import SMALL_STEP_THREADS, ParallelStepper, shared_out
from cutflow_cli.engine.randomness import epoch_order
from cutflow_cli.models.mlp.prepare import Prepared
from cutflow_cli.models.mlp.settings import MlpSettings
from cutflow_cli.models.mlp.stepper import Events, MlpStepper
from cutflow_cli.models.protocol import TrainingContext

#: Steps of at least so many events are worth several threads for each operation.
_LARGE_STEP = 16_384


class Groups:
    """Trains the replicas on as many threads as may be used; on CUDA all of them together.

    Args:
        networks: of all replicas, as they start.
        train: the training split.
        validation: the validation split; None for none.
        settings: of the training.
        patience: for early stopping; 0 for none.
        context: seed, replicas, device and threads.

    Attributes:
        stepper: trains an epoch of all replicas.
    """

    def __init__(
        self,
        networks: Networks,
        train: Prepared,
        validation: Prepared | None,
        settings: MlpSettings,
        patience: int,
        context: TrainingContext,
    ) -> None:
        threads = context.threads if context.device == "cpu" else 1
        large = settings.batch(len(train.sample)) >= _LARGE_STEP
        groups = shared_out(context.replicas, threads if large else min(threads, SMALL_STEP_THREADS))
        torch.set_num_threads(max(1, threads // len(groups)) if large else 1)
        epoch_order(context.seed, context.replicas[0], 0, 1)  # compiled code must be loaded before threads use it
        self._networks = networks
        learned = Events(train, networks)
        judged = None if validation is None else Events(validation, networks)
        self._steppers = []
        start = 0
        for group in groups:
            rows = slice(start, start + len(group))
            start += len(group)
            self._steppers.append(
                MlpStepper(networks.take(rows), learned, judged, settings, patience, context.seed, group)
            )
        self.stepper = ParallelStepper(self._steppers, [len(group) for group in groups])

    @property
    def finished(self) -> bool:
        """Whether every replica has stopped early."""
        return all(stepper.finished for stepper in self._steppers)

    @property
    def best_epochs(self) -> NDArray[np.int64]:
        """Epoch of each replica with the smallest validation loss, from 1; 0 without early stopping."""
        return np.concatenate([stepper.best_epoch for stepper in self._steppers])

    @property
    def last_epochs(self) -> NDArray[np.int64]:
        """Epoch in which each replica stopped early, from 1; 0 if it did not."""
        return np.concatenate([stepper.last_epoch for stepper in self._steppers])

    def networks(self) -> Networks:
        """Return the trained networks of all replicas: of their best epochs with early stopping, else of the last."""
        parts = [stepper.result() for stepper in self._steppers]
        self._networks.values.copy_(torch.cat(parts))
        return self._networks
