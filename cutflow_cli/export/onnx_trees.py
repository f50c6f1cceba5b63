"""Boosted trees of all replicas as one ONNX operation, read from the files of the run as a converter would."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from cutflow_cli.export.onnx_graph import TREES, Graph
from cutflow_cli.models.bdt.scorer import BdtScorer, Trees
from cutflow_cli.models.bdt.settings import Backend


@dataclass(frozen=True, slots=True)
class Nodes:
    """The nodes of an ensemble, tree after tree; arrays have the shape (nodes,).

    An event goes to `left` where its feature is below the threshold (`mode` BRANCH_LT) or not above it (BRANCH_LEQ).

    Attributes:
        tree: number of the tree.
        node: number of the node in its tree, 0 for the root.
        feature: that is looked at.
        threshold: single precision; of no meaning in a leaf.
        left: number of the node in the same tree; −1 in a leaf.
        right: likewise.
        missing_left: where a missing feature goes.
        value: of a leaf, what it adds to the log odds.
        prior: log odds without trees.
        mode: how features are compared.
    """

    tree: NDArray[np.int64]
    node: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float32]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    missing_left: NDArray[np.bool_]
    value: NDArray[np.float32]
    prior: float
    mode: str


def add_trees(graph: Graph, features: str, backend: Backend, members: Sequence[Trees]) -> str:
    """Add boosted trees to a graph.

    Args:
        graph: to add to.
        features: float32, shape (events, features); NaN for what is missing.
        backend: which library grew the trees.
        members: the ensembles of the replicas.

    Returns:
        The probabilities of signal, float32, shape (replicas, events).
    """
    read = _of_xgboost if backend == "xgboost" else _of_sklearn
    ensembles = [read(member.to_bytes()) for member in members]
    first = np.cumsum([0, *(int(one.tree[-1]) + 1 if len(one.tree) else 0 for one in ensembles)])
    one = _joined(ensembles, first[:-1])
    inner = one.left >= 0
    replica = np.searchsorted(first, one.tree, side="right") - 1
    margin = graph.add(
        "TreeEnsembleRegressor",
        features,
        domain=TREES,
        n_targets=len(ensembles),
        base_values=[np.float32(ensemble.prior).item() for ensemble in ensembles],
        nodes_treeids=one.tree.tolist(),
        nodes_nodeids=one.node.tolist(),
        nodes_featureids=one.feature.tolist(),
        nodes_modes=[one.mode if some else "LEAF" for some in inner],
        nodes_values=one.threshold.tolist(),
        nodes_truenodeids=np.where(inner, one.left, 0).tolist(),
        nodes_falsenodeids=np.where(inner, one.right, 0).tolist(),
        nodes_missing_value_tracks_true=one.missing_left.astype(np.int64).tolist(),
        target_treeids=one.tree[~inner].tolist(),
        target_nodeids=one.node[~inner].tolist(),
        target_ids=replica[~inner].tolist(),
        target_weights=one.value[~inner].tolist(),
    )
    return graph.add("Sigmoid", graph.add("Transpose", margin, perm=[1, 0]))


def _joined(ensembles: Sequence[Nodes], first: NDArray[Any]) -> Nodes:
    """Put ensembles one after another; `prior` is that of the first."""
    arrays = ("node", "feature", "threshold", "left", "right", "missing_left", "value")
    joined = {name: np.concatenate([getattr(one, name) for one in ensembles]) for name in arrays}
    tree = np.concatenate([one.tree + start for one, start in zip(ensembles, first, strict=True)])
    return Nodes(tree=tree, prior=ensembles[0].prior, mode=ensembles[0].mode, **joined)


def _of_xgboost(content: bytes) -> Nodes:
    """Read XGBoost's own format: an event goes left where its feature is below the split condition."""
    import xgboost

    booster = xgboost.Booster()
    booster.load_model(bytearray(content))
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    trees = learner["gradient_booster"]["model"]["trees"]
    sizes = [len(tree["left_children"]) for tree in trees]

    def joined(name: str, kind: type) -> NDArray[Any]:
        return np.concatenate([np.asarray(tree[name], dtype=kind) for tree in trees])

    share = np.float64(str(learner["learner_model_param"]["base_score"]).strip("[]"))
    left, condition = joined("left_children", np.int64), joined("split_conditions", np.float32)
    return Nodes(
        tree=np.repeat(np.arange(len(trees)), sizes),
        node=np.concatenate([np.arange(size) for size in sizes]),
        feature=joined("split_indices", np.int64),
        threshold=condition,
        left=left,
        right=joined("right_children", np.int64),
        missing_left=joined("default_left", np.bool_),
        value=np.where(left < 0, condition, np.float32(0)),  # XGBoost keeps a leaf's answer where splits have theirs
        prior=float(np.log(share / (1 - share))),
        mode="BRANCH_LT",
    )


def _of_sklearn(content: bytes) -> Nodes:
    """Read `SklearnTrees`: an event goes left where its feature is at or below a threshold of double precision.

    A single-precision feature is at or below that where it is at or below the next single-precision number under it,
    so that no event goes another way.
    """
    arrays = safetensors.numpy.load(content)
    root, nodes = arrays["root"].astype(np.int64), len(arrays["value"])
    tree = np.searchsorted(root, np.arange(nodes), side="right") - 1
    below = arrays["threshold"].astype(np.float32)
    below = np.where(below > arrays["threshold"], np.nextafter(below, np.float32(-np.inf)), below)
    left, right = (
        np.where(arrays[name] < 0, -1, arrays[name].astype(np.int64) - root[tree]) for name in ("left", "right")
    )
    return Nodes(
        tree=tree,
        node=np.arange(nodes) - root[tree],
        feature=arrays["feature"].astype(np.int64),
        threshold=below.astype(np.float32),
        left=left,
        right=right,
        missing_left=np.zeros(nodes, dtype=np.bool_),
        value=arrays["value"].astype(np.float32),
        prior=float(arrays["prior"][0]),
        mode="BRANCH_LEQ",
    )


def splits(scorer: BdtScorer) -> list[NDArray[np.float32]]:
    """Return for each feature the numbers that the trees split at, and their neighbours, in order."""
    read = _of_xgboost if scorer.backend == "xgboost" else _of_sklearn
    found: list[list[NDArray[np.float32]]] = [[] for _ in scorer.features]
    for member in scorer.members:
        nodes = read(member.to_bytes())
        inner = nodes.left >= 0
        for position, values in enumerate(found):
            values.append(nodes.threshold[inner & (nodes.feature == position)])
    joined = [np.unique(np.concatenate(values)) for values in found]
    ends = np.array([-1.0, 1.0], dtype=np.float32)
    return [
        np.unique(
            [np.nextafter(values, -np.inf, dtype=np.float32), values, np.nextafter(values, np.inf, dtype=np.float32)]
        )
        if len(values)
        else ends
        for values in joined
    ]
