"""The graph of a run's score and of the selection on it."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from cutflow_cli import __version__
from cutflow_cli.errors import UsageError
from cutflow_cli.export.dialect import Selections, describe, provenance
from cutflow_cli.export.onnx_graph import Graph, Port
from cutflow_cli.export.onnx_networks import add_networks
from cutflow_cli.export.onnx_trees import add_trees
from cutflow_cli.models.bdt.scorer import BdtScorer
from cutflow_cli.models.mlp.scorer import MlpScorer
from cutflow_cli.models.punzi.scorer import PunziScorer
from cutflow_cli.models.scores import Scorer
from cutflow_cli.selection.cut import Cut, Region

#: The tensors of every model.
FEATURES, PROBABILITY, PASSED = "features", "score", "passed"


def build(selections: Selections, scorer: Scorer, replicas: range) -> bytes:
    """Write the model; see `onnx.Onnx`.

    Raises:
        UsageError: if onnx is not installed, or a column has a name that the model needs for itself.
    """
    flow = selections.flow
    rows = [replicas.index(flow.replica)] if flow.kind == "replica" else range(len(replicas))
    inputs = (
        Port(FEATURES, "float32", len(scorer.features), f"in this order: {', '.join(scorer.features)}"),
        *(
            Port(name, selections.feature(name).dtype, None, _in_words(selections, name))
            for name in _other_columns(selections, scorer)
        ),
    )
    outputs = (
        Port(PROBABILITY, "float32", None, "probability of signal; NaN, which passes no cut, where there is none"),
        Port(PASSED, "bool", None, " and ".join(map(str, flow.cuts)) or "every event"),
    )
    graph = Graph([port.name for port in (*inputs, *outputs)])
    _add_score(graph, scorer, score_of(selections, scorer), rows)
    _add_passed(graph, selections, scorer)
    about = " ".join(provenance(selections))
    return graph.to_bytes("selection", about, inputs, outputs, _properties(selections, scorer))


def score_of(selections: Selections, scorer: Scorer) -> str:
    """Return the score that the only flow cuts on; the main one if it cuts on none.

    Raises:
        UsageError: if it cuts on several.
    """
    used = [name for name in scorer.names if name in {cut.observable for cut in selections.flow.cuts}]
    if len(used) > 1:
        msg = f"--format onnx gives one score, and this selection cuts on {' and '.join(used)}"
        raise UsageError(msg)
    return used[0] if used else scorer.names[0]


def _other_columns(selections: Selections, scorer: Scorer) -> tuple[str, ...]:
    """Return the columns that are cut on beside the score, such as the mass of a window."""
    names = tuple(dict.fromkeys(cut.observable for cut in selections.flow.cuts))
    others = tuple(name for name in names if name not in scorer.names)
    for name in others:
        if name in (FEATURES, PROBABILITY, PASSED):
            msg = f"--format onnx has no room for a cut on the column {name!r}, as a tensor of the model is called so"
            raise UsageError(msg)
    return others


def _add_score(graph: Graph, scorer: Scorer, score: str, rows: Sequence[int]) -> None:
    """Compute the score: of each replica in single precision, then the mean in double precision (`mean_score`)."""
    nan = graph.constant(np.array(np.nan, dtype=np.float32), "nan")
    infinite = graph.add("IsInf", FEATURES)
    if isinstance(scorer, BdtScorer) and scorer.backend == "xgboost":
        scores = _trees(graph, graph.add("Where", infinite, nan, FEATURES), scorer, rows)
        _add_mean(graph, scores, len(rows), PROBABILITY)
        return
    zero = graph.constant(np.array(0, dtype=np.float32), "zero")
    missing = graph.add("IsNaN", FEATURES)
    strange = graph.add("Or", missing, infinite)
    finite = graph.add("Where", strange, zero, FEATURES)
    if isinstance(scorer, BdtScorer):
        scores = _trees(graph, finite, scorer, rows)
    else:
        scores = _networks(graph, finite, scorer, score, rows)
    mean = _add_mean(graph, scores, len(rows), None)
    incomplete = graph.add("ReduceMax", graph.cast(strange, "float32"), axes=[1], keepdims=0)
    graph.add("Where", graph.add("Greater", incomplete, zero), nan, mean, out=PROBABILITY)


def _trees(graph: Graph, features: str, scorer: BdtScorer, rows: Sequence[int]) -> str:
    return add_trees(graph, features, scorer.backend, [scorer.members[row] for row in rows])


def _networks(graph: Graph, features: str, scorer: Scorer, score: str, rows: Sequence[int]) -> str:
    if isinstance(scorer, PunziScorer):
        return add_networks(graph, features, scorer.networks[score], rows)
    if isinstance(scorer, MlpScorer):
        return add_networks(graph, features, scorer.networks, rows)
    msg = f"--format onnx knows networks and trees, not a score by {type(scorer).__name__}"
    raise UsageError(msg)


def _add_mean(graph: Graph, scores: str, replicas: int, out: str | None) -> str:
    if replicas == 1:
        return graph.add("Squeeze", scores, graph.constant(np.array([0], dtype=np.int64), "first"), out=out)
    mean = graph.add("ReduceMean", graph.cast(scores, "float64"), axes=[0], keepdims=0)
    return graph.cast(mean, "float32", out)


def _add_passed(graph: Graph, selections: Selections, scorer: Scorer) -> None:
    """Apply the cuts; comparisons with NaN are false in ONNX as they are here."""
    masks = []
    for cut in selections.flow.cuts:
        column = PROBABILITY if cut.observable in scorer.names else cut.observable
        dtype = "float32" if column == PROBABILITY else selections.feature(column).dtype
        masks.append(_mask(graph, cut, column, dtype))
    if not masks:
        nothing = graph.add("IsNaN", PROBABILITY)
        masks = [graph.add("Or", nothing, graph.add("Not", nothing))]
    kept = masks[0]
    for mask in masks[1:]:
        kept = graph.add("And", kept, mask)
    graph.add("Identity", kept, out=PASSED)


def _mask(graph: Graph, cut: Cut, column: str, dtype: str) -> str:
    sides = [
        graph.add(operation, column, graph.constant(np.array(edge, dtype=dtype), "boundary"))
        for operation, edge in _comparisons(cut)
    ]
    if len(sides) == 1:
        return sides[0]
    return graph.add("Or" if cut.region is Region.OUTSIDE else "And", *sides)


def _comparisons(cut: Cut) -> list[tuple[str, float]]:
    """Return what is asked of the column: for `outside`, to be below the lower boundary or above the upper one."""
    inverse = cut.region is Region.OUTSIDE
    lower, upper = ("Less", "Greater") if inverse else ("Greater", "Less")
    return [(name, edge) for name, edge in ((lower, cut.lower), (upper, cut.upper)) if edge is not None]


def _properties(selections: Selections, scorer: Scorer) -> dict[str, str]:
    """Say what the model is, as text; lists are JSON."""
    flow, score = selections.flow, score_of(selections, scorer)
    threshold = [cut.lower for cut in flow.cuts if cut.observable == score]
    features = [selections.feature(name) for name in scorer.features]
    found = {
        "cutflow_version": __version__,
        "run": selections.run,
        "run_digest": selections.digest,
        "method": selections.method,
        "selection": describe(flow, selections),
        "working_point": flow.working_point,
        "hypothesis": "" if flow.hypothesis is None else f"{flow.hypothesis:.15g}",
        "score": score,
        "threshold": "" if not threshold else repr(threshold[0]),
        "cuts": json.dumps([str(cut) for cut in flow.cuts], ensure_ascii=False),
        "features": json.dumps(
            [
                {"name": one.name, "unit": one.unit, "expression": one.expression, "dtype": one.dtype}
                for one in features
            ],
            ensure_ascii=False,
        ),
        "preselection": json.dumps(list(selections.preselection), ensure_ascii=False),
    }
    return {name: text for name, text in found.items() if text}


def _in_words(selections: Selections, name: str) -> str:
    feature = selections.feature(name)
    return f"{name}{selections.unit(name)}" + (f" = {feature.expression}" if feature.expression else "")
