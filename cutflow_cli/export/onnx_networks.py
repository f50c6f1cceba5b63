"""Networks of all replicas as one ONNX graph: what `engine.network.Networks.scores` computes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cutflow_cli.engine.network import Networks
from cutflow_cli.engine.scaling import Scaling
from cutflow_cli.export.onnx_graph import Graph

_ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh"}


def add_networks(graph: Graph, features: str, networks: Networks, replicas: Sequence[int]) -> str:
    """Add networks to a graph.

    Features are scaled in double precision, as `Scaling.apply` does, the layers are single precision.

    Args:
        graph: to add to.
        features: unscaled and finite, float32, shape (events, features).
        networks: of all replicas.
        replicas: positions of those to add.

    Returns:
        The probabilities of signal, float32, shape (replicas, events).
    """
    architecture = networks.architecture
    values = networks.values.float().cpu().numpy()[list(replicas)]
    hidden, start = _scaled(graph, features, networks.scaling), 0
    parts = {}
    for name, shape in architecture.shapes.items():
        parts[name] = values[:, start : start + math.prod(shape)].reshape(-1, *shape)
        start += math.prod(shape)
    last = len(architecture.layers) - 1
    for position in range(last + 1):
        name = f"layer{position}.weight"
        hidden = graph.add("MatMul", hidden, graph.constant(parts[name], name))
        if architecture.bias:
            name = f"layer{position}.bias"
            hidden = graph.add("Add", hidden, graph.constant(parts[name][:, None, :], name))
        if position < last:
            hidden = graph.add(_ACTIVATIONS[architecture.activation], hidden)
    if architecture.outputs == 2:
        background, signal = (
            graph.add("Gather", hidden, graph.constant(np.array(unit, dtype=np.int64), "unit"), axis=2)
            for unit in (0, 1)
        )
        logit = graph.add("Sub", signal, background)
    else:
        logit = graph.add("Squeeze", hidden, graph.constant(np.array([2], dtype=np.int64), "unit"))
    return graph.add("Sigmoid", logit)


def _scaled(graph: Graph, features: str, scaling: Scaling) -> str:
    """Add the units of the inputs (`Scaling.apply`)."""
    shift, scale = (
        graph.constant(part[None], name) for part, name in ((scaling.shift, "shift"), (scaling.scale, "scale"))
    )
    u = graph.add("Div", graph.add("Sub", graph.cast(features, "float64"), shift), scale)
    if np.isfinite(scaling.tail):
        one, tail = (graph.constant(np.array(value), name) for value, name in ((1.0, "one"), (scaling.tail, "tail")))
        far = graph.add("Max", graph.add("Div", graph.add("Abs", u), tail), one)
        size = graph.add("Mul", tail, graph.add("Add", one, graph.add("Log", far)))
        u = graph.add("Where", graph.add("Greater", far, one), graph.add("Mul", graph.add("Sign", u), size), u)
    limit = float(np.finfo(np.float32).max)
    low, high = (graph.constant(np.array(edge), name) for edge, name in ((-limit, "least"), (limit, "most")))
    return graph.cast(graph.add("Clip", u, low, high), "float32")
