"""Trees grown by scikit-learn's GradientBoostingClassifier, kept as plain arrays.

A pickle would execute what it is told to, and the estimator's own state is tied to the version of scikit-learn that
wrote it. Nodes, thresholds and answers are all that a score needs; they are read years later by anything.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError

from cutflow_cli.models.bdt.prepare import Prepared, finite_or_nan
from cutflow_cli.models.bdt.settings import BdtSettings
from cutflow_cli.models.bdt.watch import Watch

_TYPES = {
    "root": np.int32,
    "feature": np.int32,
    "threshold": np.float64,
    "left": np.int32,
    "right": np.int32,
    "value": np.float64,
    "prior": np.float64,
    "gain": np.float64,
}
_LEAF = -1


class SklearnTrees:
    """An ensemble of trees as arrays.

    The log odds of an event are `prior` plus `value` of the leaf that it reaches in each tree; it goes to the node
    `left` where its feature is at or below `threshold`, to `right` otherwise.

    Args:
        content: what `to_bytes` gave: safetensors with `root` (first node of each tree), then for each node `feature`,
            `threshold`, `left`, `right` (−1 in leaves) and `value` (times the learning rate), then `prior` and `gain`.

    Raises:
        ValueError: if the content can't be read or describes no trees.
    """

    suffix = ".safetensors"

    def __init__(self, content: bytes) -> None:
        self._content = content
        try:
            self._arrays = safetensors.numpy.load(content)
        except SafetensorError as error:
            raise ValueError(str(error)) from error
        _require_trees(self._arrays)

    @property
    def features(self) -> int:
        """How many features the trees know."""
        return len(self._arrays["gain"])

    def to_bytes(self) -> bytes:
        """Return what was given to the constructor."""
        return self._content

    def margin(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the log odds of signal, shape (events,); NaN for an event that lacks a feature."""
        margin = np.empty(len(x))
        arrays = self._arrays
        nodes = (arrays[name] for name in ("root", "feature", "threshold", "left", "right", "value"))
        _compiled_margin()(x, *nodes, arrays["prior"][0], margin)
        margin[np.isnan(x).any(axis=1)] = np.nan
        return margin

    def score(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Return the signal probability, shape (events,); NaN for an event that lacks a feature."""
        return logistic(self.margin(finite_or_nan(x))).astype(np.float32)

    def gain(self) -> NDArray[np.float64]:
        """Return by how much all splits on each feature lowered the impurity, shape (features,)."""
        return self._arrays["gain"]


def logistic(margin: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn log odds into a probability, without overflow."""
    small = np.exp(-np.abs(margin))
    return np.where(margin >= 0, 1.0, small) / (1.0 + small)


def grow(
    train: Prepared, validation: Prepared | None, settings: BdtSettings, *, seed: int, watch: Watch
) -> SklearnTrees:
    """Grow an ensemble, on one thread, which is all that this class of scikit-learn uses.

    Args:
        train: complete events to grow trees on, with weights that are not negative.
        validation: complete events to watch; None for none.
        settings: how many trees, how deep, how fast.
        seed: of the subsamples, and of the choice between splits that are equally good.
        watch: told after each tree.
    """
    from sklearn.ensemble import GradientBoostingClassifier

    rate = settings.learning_rate
    watched = [some for some in (train, validation) if some is not None]
    margins: list[NDArray[np.float64]] = []

    def monitor(tree: int, model: Any, _local: Any) -> bool:  # noqa: ANN401
        if not margins:
            margins.extend(np.full(len(some), _prior(model)) for some in watched)
        for position, some in enumerate(watched):
            margins[position] += rate * model.estimators_[tree, 0].tree_.predict(some.x)[:, 0]
        return watch.enough(*margins)

    model = GradientBoostingClassifier(
        n_estimators=settings.trees,
        max_depth=settings.depth,
        learning_rate=rate,
        subsample=settings.subsample,
        random_state=seed,
    )
    model.fit(train.x, train.label.astype(np.int8), sample_weight=train.weight, monitor=monitor)
    trees = [model.estimators_[tree, 0].tree_ for tree in range(watch.best)]
    return SklearnTrees(safetensors.numpy.save(_as_arrays(trees, _prior(model), rate)))


def _prior(model: Any) -> float:  # noqa: ANN401
    """Return the log odds that boosting starts from: the weighted classes', as scikit-learn has them."""
    epsilon = np.finfo(np.float32).eps
    share = np.clip(np.float64(model.init_.class_prior_[1]), epsilon, 1 - epsilon)
    return float(np.log(share / (1 - share)))


def _as_arrays(trees: list[Any], prior: float, rate: float) -> dict[str, NDArray[Any]]:
    """Write trees one after another."""
    root = np.cumsum([0, *(tree.node_count for tree in trees[:-1])])
    left, right = (
        np.concatenate([np.where(part < 0, _LEAF, part + start) for start, part in zip(root, children, strict=True)])
        for children in ([tree.children_left for tree in trees], [tree.children_right for tree in trees])
    )
    arrays = {
        "root": root,
        "feature": np.concatenate([np.maximum(tree.feature, 0) for tree in trees]),
        "threshold": np.concatenate([tree.threshold for tree in trees]),
        "left": left,
        "right": right,
        "value": rate * np.concatenate([tree.value[:, 0, 0] for tree in trees]),
        "prior": np.array([prior]),
        "gain": np.sum([tree.compute_feature_importances(normalize=False) for tree in trees], axis=0),
    }
    return {name: np.ascontiguousarray(arrays[name], dtype=kind) for name, kind in _TYPES.items()}


def _require_trees(arrays: dict[str, NDArray[Any]]) -> None:
    """Check that every walk through the trees stays inside the arrays and ends.

    Raises:
        ValueError: if not.
    """
    for name, kind in _TYPES.items():
        if name not in arrays or arrays[name].dtype != kind or arrays[name].ndim != 1:
            msg = f"no array {name!r} of the right kind"
            raise ValueError(msg)
    nodes = len(arrays["value"])
    sizes = {len(arrays[name]) for name in ("feature", "threshold", "left", "right", "value")}
    root, left, right, position = arrays["root"], arrays["left"], arrays["right"], np.arange(nodes)
    inner = left != _LEAF
    sound = (
        sizes == {nodes}
        and len(root) > 0
        and len(arrays["prior"]) == 1
        and bool(((root >= 0) & (root < nodes)).all())
        and bool(((arrays["feature"] >= 0) & (arrays["feature"] < len(arrays["gain"]))).all())
        and all(bool(((some > position) & (some < nodes))[inner].all()) for some in (left, right))
        and bool((right[~inner] == _LEAF).all())
        and all(bool(np.isfinite(arrays[name]).all()) for name in ("threshold", "value", "prior", "gain"))
    )
    if not sound:
        msg = "its nodes are no trees"
        raise ValueError(msg)


@cache
def _compiled_margin() -> Callable[..., None]:
    """Compile the walk when it is first needed."""
    from cutflow_cli.engine.compile import jit

    return jit(_margin)


def _margin(
    x: NDArray[np.float32],
    root: NDArray[np.int32],
    feature: NDArray[np.int32],
    threshold: NDArray[np.float64],
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    value: NDArray[np.float64],
    prior: float,
    margin: NDArray[np.float64],
) -> None:
    for event in range(len(x)):
        total = prior
        for tree in range(len(root)):
            node = root[tree]
            while left[node] >= 0:
                node = left[node] if x[event, feature[node]] <= threshold[node] else right[node]
            total += value[node]
        margin[event] = total
