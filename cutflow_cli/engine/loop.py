"""The training loop: epochs, history, checkpoints, stopping. What an epoch does is the stepper's affair."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.checkpoint import (
    EPOCHS_DONE,
    HISTORY,
    Arrays,
    load_checkpoint,
    save_checkpoint,
    without_finished,
)
from cutflow_cli.errors import CutflowError, InputError, Interrupted

#: Seconds between checkpoints.
CHECKPOINT_INTERVAL = 20.0


class Stepper(Protocol):
    """Trains all replicas together, an epoch at a time, and can be put back to any epoch's end."""

    def run_epoch(self, epoch: int) -> dict[str, NDArray[np.float64]]:
        """Train one epoch; return loss terms (`loss` among them), each of shape (replicas,)."""

    def state(self) -> Arrays:
        """Return all that the next epoch depends on."""

    def restore(self, state: Arrays) -> None:
        """Go back to a state."""


#: What trains part of an epoch at each `next`, yields the share of the epoch that is done, and returns the loss terms.
Parts = Generator[float, None, dict[str, NDArray[np.float64]]]


@runtime_checkable
class PartStepper(Stepper, Protocol):
    """A stepper whose epochs take long: it can be stopped and saved between two parts of one."""

    def run_parts(self, epoch: int) -> Parts:
        """Train an epoch, or what is left of the one that `restore` went back into; `state` says where in it."""


def in_one_go(parts: Parts) -> dict[str, NDArray[np.float64]]:
    """Train all parts; return the loss terms."""
    while True:
        try:
            next(parts)
        except StopIteration as end:
            return dict(end.value)


def train(
    stepper: Stepper,
    epochs: int,
    *,
    checkpoint: Path | None = None,
    stop_reason: Callable[[], str | None] = lambda: None,
    progress: Callable[[float, str], None] = lambda done, text: None,
    finished: Callable[[], bool] = lambda: False,
) -> dict[str, NDArray[np.float64]]:
    """Train, from the checkpoint if there is one, saving a checkpoint now and then, and at the end.

    Args:
        stepper: what trains an epoch.
        epochs: how many epochs in all.
        checkpoint: where to save; None for nowhere.
        stop_reason: says why to stop, or None to go on; asked after each epoch, and each part of one.
        progress: told the share done and the current loss.
        finished: says whether further epochs would change nothing; asked before each epoch.

    Returns:
        The history: for each loss term an array of shape (epochs that were run, replicas).

    Raises:
        Interrupted: if asked to stop; the checkpoint was saved.
        CutflowError: if a loss is not finite.
    """
    rows: dict[str, list[NDArray[np.float64]]] = {}
    done, text = 0, ""
    if checkpoint is not None and checkpoint.is_file():
        done = _resume(stepper, load_checkpoint(checkpoint), rows, checkpoint)
    saved = time.monotonic()

    def between(share: float) -> None:
        nonlocal saved
        progress((done + share) / epochs, text or f"epoch {done + 1}")
        reason = stop_reason()
        if checkpoint is not None and (reason or time.monotonic() - saved > CHECKPOINT_INTERVAL):
            save_checkpoint(checkpoint, _bundle(stepper, rows, done))
            saved = time.monotonic()
        if reason:
            msg = f"stopped by {reason} in epoch {done + 1} of {epochs}; the same command continues from there"
            raise Interrupted(msg)

    while done < epochs and not finished():
        terms = _epoch(stepper, done, between)
        done += 1
        for name, values in terms.items():
            rows.setdefault(name, []).append(np.array(values, dtype=np.float64))
        loss = terms["loss"]
        if not np.isfinite(loss).all():
            msg = f"the loss of {np.count_nonzero(~np.isfinite(loss))} replicas is not finite after epoch {done}; "
            raise CutflowError(msg + "lower --learning-rate or look for extreme weights")
        text = f"loss {np.median(loss):.5f}"
        progress(done / epochs, text)
        reason = stop_reason()
        late = time.monotonic() - saved > CHECKPOINT_INTERVAL
        if checkpoint is not None and (reason or late or done == epochs or finished()):
            save_checkpoint(checkpoint, _bundle(stepper, rows, done))
            saved = time.monotonic()
        if reason and done < epochs and not finished():
            msg = f"stopped by {reason} after epoch {done} of {epochs}; the same command continues from there"
            raise Interrupted(msg)
    return {name: np.stack(values) for name, values in rows.items()}


def _epoch(stepper: Stepper, epoch: int, between: Callable[[float], None]) -> dict[str, NDArray[np.float64]]:
    """Train an epoch; `between` is told the share that is done after each part of it, and may raise."""
    if not isinstance(stepper, PartStepper):
        return stepper.run_epoch(epoch)
    with closing(stepper.run_parts(epoch)) as parts:  # what it reads ahead ends before its files are closed
        while True:
            try:
                share = next(parts)
            except StopIteration as end:
                return dict(end.value)
            between(share)


def history_columns(history: dict[str, NDArray[np.float64]], replicas: range) -> dict[str, NDArray[Any]]:
    """Lay a history out as the columns of `history.parquet`: a row for each epoch, counted from 1, and replica.

    Args:
        history: by loss term, shape (epochs, replicas).
        replicas: their numbers.
    """
    epochs = len(history["loss"])
    return {
        "replica": np.tile(np.array(replicas, dtype=np.int32), epochs),
        "epoch": np.repeat(np.arange(1, epochs + 1, dtype=np.int32), len(replicas)),
        **{name: values.ravel() for name, values in history.items()},
    }


def _bundle(stepper: Stepper, rows: dict[str, list[NDArray[np.float64]]], done: int) -> Arrays:
    history: dict[str, Any] = {HISTORY + name: np.stack(values) for name, values in rows.items()}
    return {**stepper.state(), **history, EPOCHS_DONE: np.array(done)}


def _resume(stepper: Stepper, stored: Arrays, rows: dict[str, list[NDArray[np.float64]]], where: Path) -> int:
    try:
        stored = without_finished(stored)
        done = int(stored.pop(EPOCHS_DONE))
        for name in [key for key in stored if key.startswith(HISTORY)]:
            rows[name.removeprefix(HISTORY)] = list(stored.pop(name))
        stepper.restore(stored)
    except (KeyError, ValueError) as error:
        msg = f"{where}: this checkpoint belongs to another training ({error}); start over with --fresh"
        raise InputError(msg) from error
    return done
