"""ONNX: the score of a run's networks or trees, and whether its selection keeps an event, as one graph.

The graph is written operation by operation rather than by a converter: onnxmltools and skl2onnx convert the estimators
of their libraries, one by one, while here the mean over replicas, the units of the inputs and what happens to missing
values are part of the score too, and scikit-learn's trees are kept as plain arrays.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from cutflow_cli.export.dialect import Group, ReportUse, Selections

if TYPE_CHECKING:
    from cutflow_cli.export.onnx_trial import Sample
    from cutflow_cli.models.scores import Scorer


class Onnx:
    """The dialect `onnx`.

    The input `features` holds the run's features in their order, single precision, shape (events, features). Where the
    selection has a window in another column, that column is an input of its own name. The outputs are `score`, NaN
    where the run gives none, and `passed`.
    """

    name: ClassVar[str] = "onnx"
    summary: ClassVar[str] = "the score of mlp, bdt or punzi, and whether the selection keeps an event, as a graph"
    group: ClassVar[Group] = "scores"
    several: ClassVar[bool] = False
    executes: ClassVar[bool] = False
    objects: ClassVar[bool] = True
    report: ClassVar[ReportUse] = "none"

    def build(self, selections: Selections, scorer: Scorer, replicas: range) -> bytes:
        """Write the model; arguments and errors are those of `ModelDialect`."""
        from cutflow_cli.export.onnx_model import build

        return build(selections, scorer, replicas)

    def check(
        self, content: bytes, selections: Selections, scorer: Scorer, replicas: range, samples: Iterable[Sample]
    ) -> tuple[str, ...]:
        """Run the model with onnxruntime and compare it; arguments and errors are those of `ModelDialect`."""
        from cutflow_cli.export.onnx_graph import OPSETS
        from cutflow_cli.export.onnx_trial import compare

        found = compare(content, selections, scorer, replicas, samples)
        return (f"ONNX opset {OPSETS['']}; {found}", *_remarks(selections, scorer))


def _remarks(selections: Selections, scorer: Scorer) -> tuple[str, ...]:
    """Say what the model leaves to whoever applies it."""
    found = []
    if selections.preselection:
        found.append(f"the model does not apply the preselection: {' and '.join(selections.preselection)}")
    wide = [name for name in scorer.features if selections.feature(name).dtype != "float32"]
    if wide:
        found.append(f"the model takes single precision, the events have double precision in: {', '.join(wide)}")
    return tuple(found)
