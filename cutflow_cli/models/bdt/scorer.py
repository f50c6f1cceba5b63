"""The score of boosted decision trees, and how a finished run gives it again.

Each replica has a file of its own: XGBoost's UBJSON, which XGBoost itself and converters to C++ read, or the arrays of
`sklearn_trees` as safetensors. `trees.json` lists them with their digests, so that a damaged file is found before its
nodes are walked through. Nothing in them is executed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.artifacts import written_file
from cutflow_cli.engine.device import resolve_threads
from cutflow_cli.errors import InputError, naming
from cutflow_cli.models.bdt.settings import Backend
from cutflow_cli.models.scores import SCORE

FILE = "trees.json"


class Trees(Protocol):
    """The ensemble of one replica."""

    suffix: str

    @property
    def features(self) -> int:
        """How many features the trees know."""

    def to_bytes(self) -> bytes:
        """Return the content of its file."""

    def score(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Return the signal probability, shape (events,)."""

    def gain(self) -> NDArray[np.float64]:
        """Return by how much all splits on each feature helped, shape (features,)."""


def read_trees(backend: str, content: bytes, threads: int) -> Trees:
    """Read the ensemble of one replica.

    Raises:
        ValueError: if the content can't be read, or the backend is unknown.
    """
    if backend == "xgboost":
        from cutflow_cli.models.bdt.xgboost_trees import XgboostTrees

        return XgboostTrees(content, threads)
    if backend == "sklearn":
        from cutflow_cli.models.bdt.sklearn_trees import SklearnTrees

        return SklearnTrees(content)
    msg = f"no backend {backend!r}"
    raise ValueError(msg)


class BdtScorer:
    """Each replica's signal probability.

    Args:
        features: columns that it needs, in this order.
        backend: which library grew the trees.
        members: the ensembles.
        replicas: their numbers.
    """

    names: tuple[str, ...] = (SCORE,)

    def __init__(
        self, features: tuple[str, ...], backend: Backend, members: Sequence[Trees], replicas: Sequence[int]
    ) -> None:
        self.features = features
        self.backend = backend
        self.members = tuple(members)
        self._replicas = tuple(replicas)

    def scores(self, x: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        """Compute the score of events.

        Args:
            x: features, shape (events, features).

        Returns:
            `score`, of shape (replicas, events), between 0 and 1. Where a feature is missing or infinite, XGBoost's
            trees take the way that they learned for it (or, where training had no such event, one that means nothing);
            scikit-learn's give NaN, which passes no cut.
        """
        return {SCORE: np.stack([member.score(x) for member in self.members])}

    def save(self, directory: Path) -> None:
        """Write a file for each replica, and `trees.json`."""
        files = []
        for replica, member in zip(self._replicas, self.members, strict=True):
            name, content = f"replica-{replica}{member.suffix}", member.to_bytes()
            files.append({"name": name, "replica": replica, "sha256": hashlib.sha256(content).hexdigest()})
            with written_file(directory / name) as partial:
                partial.write_bytes(content)
        with written_file(directory / FILE) as partial:
            partial.write_text(json.dumps({"backend": self.backend, "files": files}, indent=1) + "\n", "utf-8")


def load_scorer(directory: Path, features: tuple[str, ...], replicas: int) -> BdtScorer:
    """Read the trees of a finished run.

    Raises:
        InputError: if a file is missing, damaged, or another run's.
    """
    try:
        listed = json.loads(_content(directory / FILE))
        backend, files = listed["backend"], [(one["name"], one["replica"], one["sha256"]) for one in listed["files"]]
    except (ValueError, KeyError, TypeError) as error:
        msg = f"{directory / FILE}: damaged ({error}); train again"
        raise InputError(msg) from error
    members = [_read(directory, str(name), backend, digest) for name, _, digest in files]
    known = {member.features for member in members}
    if len(members) != replicas or known != {len(features)}:
        found = f"{len(members)} ensembles of {' and '.join(map(str, sorted(known)))} features"
        msg = f"{directory / FILE}: lists {found}, the run has {replicas} of {len(features)}; train again"
        raise InputError(msg)
    return BdtScorer(features, backend, members, [replica for _, replica, _ in files])


def _read(directory: Path, name: str, backend: str, digest: str) -> Trees:
    path = directory / name
    if path.parent != directory:
        msg = f"{directory / FILE}: lists {name!r}, which is not in the run; train again"
        raise InputError(msg)
    content = _content(path)
    if hashlib.sha256(content).hexdigest() != digest:
        msg = f"{path}: damaged, its content is not what was written; train again"
        raise InputError(msg)
    try:
        return read_trees(backend, content, resolve_threads(None))
    except ValueError as error:
        msg = f"{path}: damaged ({error}); train again"
        raise InputError(msg) from error


def _content(path: Path) -> bytes:
    if not path.is_file():
        msg = f"{path}: no such file; the run is incomplete, train again"
        raise InputError(msg)
    with naming(path):
        return path.read_bytes()
