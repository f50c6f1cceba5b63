"""What a block of replicas keeps so that it can be merged: the end of its training, and what was asked for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cutflow_cli.engine.checkpoint import Arrays, load_checkpoint, save_checkpoint
from cutflow_cli.errors import InputError

if TYPE_CHECKING:
    from cutflow_cli.models.plan import TrainingPlan

STATE = "state.npz"
_ASKED = "asked"


@dataclass(frozen=True, slots=True)
class TrainingState:
    """A finished training before its replicas were combined.

    Attributes:
        asked: what was asked for, as opposed to what the sample decided: settings, features, how events are
            divided and libraries of the `TrainingPlan`.
        arrays: its last checkpoint.
    """

    asked: dict[str, Any]
    arrays: Arrays


def save_state(directory: Path, plan: TrainingPlan, checkpoint: Path) -> None:
    """Keep the last checkpoint of a training in its run directory, with what was asked for."""
    asked = {
        "settings": plan.method.settings.model_dump(mode="json"),
        "features": plan.features,
        "fractions": None if plan.fractions is None else plan.fractions.as_tuple(),
        "split_seed": plan.split_seed,
        "libraries": plan.libraries,
    }
    content = np.frombuffer(json.dumps(asked, sort_keys=True).encode(), dtype=np.uint8)
    save_checkpoint(directory / STATE, {_ASKED: content, **load_checkpoint(checkpoint)})


def read_state(run: Path) -> TrainingState:
    """Read what a run kept.

    Raises:
        InputError: if it kept nothing, or that is damaged.
    """
    path = run / STATE
    if not path.is_file():
        msg = f"{run}: holds no {STATE}, without which replicas can't be merged; train with --keep-state"
        raise InputError(msg)
    arrays = load_checkpoint(path)
    try:
        return TrainingState(json.loads(arrays.pop(_ASKED).tobytes()), arrays)
    except (KeyError, ValueError) as error:
        msg = f"{path}: damaged ({error}); train again"
        raise InputError(msg) from error
