"""The scores of Punzi networks, final and pretrained, and how a finished run gives them again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.network import Networks, load_networks
from cutflow_cli.errors import InputError
from cutflow_cli.models.scores import SCORE

PRETRAINED = "pretrained_score"
_FILES = {SCORE: "networks.safetensors", PRETRAINED: "pretrained.safetensors"}


class PunziScorer:
    """Each replica's output after Punzi's loss (`score`), and after the pretraining (`pretrained_score`).

    Args:
        features: columns that it needs, in this order.
        networks: by name of the score, one for each replica.
    """

    names: tuple[str, ...] = (SCORE, PRETRAINED)

    def __init__(self, features: tuple[str, ...], networks: dict[str, Networks]) -> None:
        self.features = features
        self.networks = networks

    def scores(self, x: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """Compute both scores of events.

        Args:
            x: features, shape (events, features).

        Returns:
            Each of shape (replicas, events), between 0 and 1; NaN, which passes no cut, where a feature is missing.
        """
        return {name: self.networks[name].scores(x) for name in self.names}

    def save(self, directory: Path) -> None:
        """Write the networks as safetensors."""
        for name, file in _FILES.items():
            self.networks[name].save(directory / file)


def load_scorer(directory: Path, features: tuple[str, ...], replicas: int) -> PunziScorer:
    """Read the networks of a finished run.

    Raises:
        InputError: if a file is missing, damaged, or another run's.
    """
    found = {name: load_networks(directory / file) for name, file in _FILES.items()}
    for name, networks in found.items():
        if networks.architecture.features != len(features) or len(networks) != replicas:
            held = f"{len(networks)} networks of {networks.architecture.features} features"
            msg = f"{directory / _FILES[name]}: holds {held}, the run has {replicas} of {len(features)}; train again"
            raise InputError(msg)
    return PunziScorer(features, found)
