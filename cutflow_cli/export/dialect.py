"""What is exported, and what a dialect promises.

Every dialect renders the same selection: the preselection that the events had passed, then the active cuts in order. A
dialect that has no word for a part of it raises, it never writes something subtly different. For dialects that
execute, what they write selects the same events as `CutFlow.mask`, missing and infinite values included. Cuts on the
source's own columns, and on sums, products, quotients and roots of them, agree to the last bit; `log`, `sin`, `**` and
their like come from another library in each language and may differ in a double's last bit, as may sums of products
on processors where a compiler fuses them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, runtime_checkable

from cutflow_cli import __version__
from cutflow_cli.events.schema import FeatureInfo
from cutflow_cli.export.cut_flow_table import CutFlowTable
from cutflow_cli.export.rounding import Rounded
from cutflow_cli.selection.binned import expressions
from cutflow_cli.selection.cutflow import CutFlow
from cutflow_cli.selection.parse import parse_arithmetic, parse_condition
from cutflow_cli.selection.text import render
from cutflow_cli.selection.tree import AsFloat32, Node, substitute

if TYPE_CHECKING:
    from cutflow_cli.export.onnx_trial import Sample
    from cutflow_cli.export.rounding_cost import Cost
    from cutflow_cli.models.scores import Scorer

#: What the exported selection is applied to: the files that were ingested, or the events file.
ColumnNames = Literal["source", "features"]
#: Whom a dialect is for, as `--format` lists them.
Group = Literal["people", "data", "Python", "ROOT and C++", "publication", "scores"]
#: Whether a dialect takes the cut-flow table of a report, in which the selection was evaluated.
ReportUse = Literal["none", "optional", "required"]


@dataclass(frozen=True, slots=True)
class Selections:
    """What is exported: one or more flows of a run, and what is needed to apply them elsewhere.

    Attributes:
        run: name of the run.
        method: what learned the flows.
        flows: the flows, boundaries rounded to their columns' type.
        features: the run's features in the order of the flow.
        preselection: conditions on source columns that come before the cuts; empty if left out.
        per_object: names in preselection and expressions that are observables of objects, no columns of the source.
        columns: whether names are the source's, or the features' as in the events file.
        replicas: how many replicas the run trained.
        folds: how many folds, of each of which a replica among the flows is the consensus; 0 for a run without.
        seed: seed of the run.
        recommended: the working point to take where one is needed; None where there is only one.
        data: the events file that it was trained on, as `train` was given it; None if not known.
        digest: of the inputs and settings of the run.
        rounded: for each flow the boundaries that were rounded to be published; empty if none were to be.
        costs: for each flow what rounding costs; empty if nothing was rounded, or that is not known.
        table: the cut-flow table of the only flow, for dialects that take one.
    """

    run: str
    method: str
    flows: tuple[CutFlow, ...]
    features: tuple[FeatureInfo, ...]
    preselection: tuple[str, ...] = ()
    per_object: tuple[str, ...] = ()
    columns: ColumnNames = "source"
    replicas: int = 1
    folds: int = 0
    seed: int = 0
    recommended: str | None = None
    data: str | None = None
    digest: str = ""
    rounded: tuple[tuple[Rounded, ...], ...] = ()
    costs: tuple[Cost, ...] = ()
    table: CutFlowTable | None = None

    @property
    def flow(self) -> CutFlow:
        """The only flow, for dialects that carry one."""
        (flow,) = self.flows
        return flow

    def feature(self, name: str) -> FeatureInfo:
        """Return a feature by name, or what a score is; `handover` has checked that the run has it."""
        return next((feature for feature in self.features if feature.name == name), FeatureInfo(name))

    def unit(self, name: str) -> str:
        """Return a feature's unit with a space before it, or nothing, as for a score."""
        unit = next((feature.unit for feature in self.features if feature.name == name), None)
        return f" {unit}" if unit else ""


class Format(Protocol):
    """One way to hand a selection over.

    Attributes:
        name: what `--format` calls it.
        summary: what it is, a few words.
        several: whether it carries several flows in one text.
        group: whom it is for.
        executes: whether it is code that is applied to events, so that `--columns` means something.
        objects: whether it can say observables of objects, such as `jet0.pt`.
        report: whether it takes the cut-flow table of a report.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    group: ClassVar[Group]
    several: ClassVar[bool]
    executes: ClassVar[bool]
    objects: ClassVar[bool]
    report: ClassVar[ReportUse]


class Dialect(Format, Protocol):
    """A way to write a selection as text."""

    def render(self, selections: Selections) -> str:
        """Write the selection.

        Returns:
            The text, with a line break at its end.

        Raises:
            UsageError: if the dialect can't say a part of the selection.
        """


@runtime_checkable
class ModelDialect(Format, Protocol):
    """A way to hand over what computes a score, and the selection on it, as a model in a file of bytes."""

    def build(self, selections: Selections, scorer: Scorer, replicas: range) -> bytes:
        """Write the model.

        Args:
            selections: the only flow, and what is known of its run.
            scorer: of the run.
            replicas: numbers of the run's replicas.

        Raises:
            UsageError: if a library is missing, or the model can't say a part of the selection.
        """

    def check(
        self, content: bytes, selections: Selections, scorer: Scorer, replicas: range, samples: Iterable[Sample]
    ) -> tuple[str, ...]:
        """Run the model and compare it with the run.

        Args:
            content: what `build` gave, for the same arguments.
            selections: see there.
            scorer: see there.
            replicas: see there.
            samples: events to run it on.

        Returns:
            What a user should know of it, a sentence each.

        Raises:
            InputError: if it disagrees with the run.
        """


@runtime_checkable
class Remarking(Protocol):
    """A dialect with something to say of what it wrote, which stands not in it."""

    def remarks(self, text: str) -> tuple[str, ...]:
        """Say what a user should know, a sentence each."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a selection, to be rendered.

    Attributes:
        title: the condition in words, one line: what a cut-flow table calls it.
        tree: the condition.
    """

    title: str
    tree: Node


def feature_tree(feature: FeatureInfo) -> Node | None:
    """Return the expression that a feature was computed from, or None for the source's own column.

    Expressions are computed in double precision, then rounded to the type of the feature's column.

    Raises:
        UsageError: if the expression is not in the language.
    """
    if feature.expression is None:
        return None
    tree = parse_arithmetic(feature.expression, f"feature {feature.name!r}: ")
    return AsFloat32(tree) if feature.dtype == "float32" else tree


def preselection_conditions(selections: Selections) -> tuple[Condition, ...]:
    """Return the preselection, condition by condition.

    Raises:
        UsageError: if a condition is not in the language.
    """
    trees = [parse_condition(text, "preselection: ") for text in selections.preselection]
    return tuple(Condition(f"preselection: {render(tree)}", tree) for tree in trees)


def cut_conditions(selections: Selections) -> tuple[Condition, ...]:
    """Return the applied cuts of the only flow, in terms of features."""
    trees = zip(map(str, selections.flow.cuts), expressions(selections.flow.cuts), strict=True)
    return tuple(Condition(title, tree) for title, tree in trees if tree is not None)


def conditions(selections: Selections) -> tuple[Condition, ...]:
    """Return all conditions of the only flow in order, in terms of the columns that they are to be applied to.

    Features that were computed are replaced by their expressions, unless the names are to be the features'.

    Raises:
        UsageError: if an expression of the run is not in the language.
    """
    cuts = cut_conditions(selections)
    if selections.columns == "source":
        used = selections.flow.columns
        trees = {name: feature_tree(selections.feature(name)) for name in used}
        replacements = {name: tree for name, tree in trees.items() if tree is not None}
        cuts = tuple(Condition(cut.title, substitute(cut.tree, replacements)) for cut in cuts)
    return (*preselection_conditions(selections), *cuts)


def is_recommended(flow: CutFlow, selections: Selections) -> bool:
    """Whether a flow is at the recommended one of the working points that are exported together."""
    points = {one.working_point for one in selections.flows}
    return len(points) > 1 and flow.working_point == selections.recommended


def provenance(selections: Selections) -> tuple[str, ...]:
    """Say in words what is exported: a line on the run, a line on the only flow, and what it was trained on."""
    first, *others = provenance_of(selections)
    flow = f"It is the {describe(selections.flow, selections)}, seed {selections.seed}."
    return (first, " ".join(flow.split()), *others)


def provenance_of(selections: Selections) -> tuple[str, ...]:
    """Say in words what is exported, whichever flows these are."""
    lines = [f"Selection of the run {selections.run}, learned by {selections.method} (cutflow {__version__})."]
    if selections.data:
        lines.append(f"Trained on {selections.data}.")
    if selections.columns == "features":
        lines.append("For the columns of the events file, to which the preselection has been applied.")
    lines += [f"Rounded: {one}." for found in selections.rounded for one in found]
    return tuple(" ".join(line.split()) for line in lines)


def describe(flow: CutFlow, selections: Selections) -> str:
    """Say which of a run's flows this is."""
    member, count = ("fold", selections.folds) if selections.folds else ("replica", selections.replicas)
    what = f"{member} {flow.replica}"
    if flow.kind == "consensus":
        what = f"consensus of {count} {member}s" if count > 1 else f"selection of {count} {member}"
    hypothesis = "" if flow.hypothesis is None else f", hypothesis {flow.hypothesis:.15g}"
    return f"{what}, working point {flow.working_point}{hypothesis}"
