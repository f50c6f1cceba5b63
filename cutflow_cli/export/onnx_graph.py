"""ONNX graphs, operation by operation.

Only operations of opset 13 and ai.onnx.ml 1 are used, in a file of IR version 7: what ONNX 1.8 (2020) defines, so that
the inference libraries of experiments' software read it, which are often years old.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli import __version__
from cutflow_cli.export.onnx_backend import TensorProto, checker, helper, numpy_helper

#: The domain of trees.
TREES = "ai.onnx.ml"
#: Version of each domain's operations; the empty one is ONNX's own.
OPSETS = {"": 13, TREES: 1}
_IR_VERSION = 7

_TYPES = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE, "bool": TensorProto.BOOL}


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a graph.

    Attributes:
        name: of the tensor.
        dtype: `float32`, `float64` or `bool`.
        width: length of the second dimension; None for a tensor of shape (events,).
        about: what it holds, in words.
    """

    name: str
    dtype: str
    width: int | None = None
    about: str = ""


class Graph:
    """A graph in the making. Tensors go by their names; every method that adds an operation returns that of the result.

    Args:
        reserved: names of inputs and outputs, which no tensor in between gets.
    """

    def __init__(self, reserved: Sequence[str]) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._taken = set(reserved)
        self._domains = {""}

    def constant(self, values: NDArray[Any], name: str) -> str:
        """Store an array.

        Args:
            values: any array.
            name: what to call it, if nothing is called so.
        """
        name = self._free(name)
        self._constants.append(numpy_helper.from_array(np.asarray(values, order="C"), name))
        return name

    def add(self, operation: str, *inputs: str, domain: str = "", out: str | None = None, **attributes: Any) -> str:  # noqa: ANN401
        """Add an operation with one result.

        Args:
            operation: its ONNX name.
            inputs: names of tensors.
            domain: of the operation; empty for ONNX's own.
            out: name of the result; None for one made up.
            attributes: of the operation.
        """
        result = self._free(operation.lower()) if out is None else out
        self._domains.add(domain)
        self._nodes.append(helper.make_node(operation, list(inputs), [result], domain=domain, **attributes))
        return result

    def cast(self, tensor: str, dtype: str, out: str | None = None) -> str:
        """Convert the type of a tensor."""
        return self.add("Cast", tensor, out=out, to=_TYPES[dtype])

    def _free(self, wanted: str) -> str:
        name, number = wanted, 1
        while name in self._taken:
            name, number = f"{wanted}_{number}", number + 1
        self._taken.add(name)
        return name

    def to_bytes(
        self, name: str, about: str, inputs: Sequence[Port], outputs: Sequence[Port], properties: Mapping[str, str]
    ) -> bytes:
        """Finish a model: the same graph gives the same bytes.

        Args:
            name: of the graph.
            about: what it computes, in words.
            inputs: of the graph.
            outputs: of the graph.
            properties: further information, kept in `metadata_props`.
        """
        graph = helper.make_graph(
            self._nodes, name, [_value(one) for one in inputs], [_value(one) for one in outputs], self._constants
        )
        model = helper.make_model(
            graph,
            ir_version=_IR_VERSION,
            opset_imports=[helper.make_opsetid(domain, OPSETS[domain]) for domain in sorted(self._domains)],
            producer_name="cutflow",
            producer_version=__version__,
            doc_string=about,
        )
        helper.set_model_props(model, dict(properties))
        checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString(deterministic=True))


def _value(port: Port) -> Any:  # noqa: ANN401
    shape: list[str | int] = ["events"] if port.width is None else ["events", port.width]
    return helper.make_tensor_value_info(port.name, _TYPES[port.dtype], shape, port.about)
