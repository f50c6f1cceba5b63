"""The score of multilayer perceptrons, and how a finished run gives it again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.network import Networks, load_networks
from cutflow_cli.errors import InputError
from cutflow_cli.models.scores import SCORE

FILE = "networks.safetensors"


class MlpScorer:
    """Each replica's signal probability.

    Args:
        features: columns that it needs, in this order.
        networks: one for each replica.
    """

    names: tuple[str, ...] = (SCORE,)

    def __init__(self, features: tuple[str, ...], networks: Networks) -> None:
        self.features = features
        self.networks = networks

    def scores(self, x: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """Compute the score of events.

        Args:
            x: features, shape (events, features).

        Returns:
            `score`, of shape (replicas, events), between 0 and 1; NaN, which passes no cut, where a feature is missing
            or infinite.
        """
        return {SCORE: self.networks.scores(x)}

    def save(self, directory: Path) -> None:
        """Write the networks as safetensors."""
        self.networks.save(directory / FILE)


def load_scorer(directory: Path, features: tuple[str, ...], replicas: int) -> MlpScorer:
    """Read the networks of a finished run.

    Raises:
        InputError: if their file is missing, damaged, or another run's.
    """
    networks = load_networks(directory / FILE)
    if networks.architecture.features != len(features) or len(networks) != replicas:
        found = f"{len(networks)} networks of {networks.architecture.features} features"
        msg = f"{directory / FILE}: holds {found}, the run has {replicas} of {len(features)}; train again"
        raise InputError(msg)
    return MlpScorer(features, networks)
