"""What settings come to: parsed expressions, the columns they need, and the files that have them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from cutflow_cli.artifacts import digest
from cutflow_cli.errors import InputError
from cutflow_cli.events.inputs import InputFile, Needs
from cutflow_cli.events.process_settings import FeatureSettings, ProcessSettings
from cutflow_cli.events.schema import SCHEMA_VERSION, FeatureInfo, SkippedFile, SourceFile
from cutflow_cli.events.settings import IngestSettings
from cutflow_cli.observables import NOTHING, UserObservables
from cutflow_cli.selection.parse import parse
from cutflow_cli.selection.per_object import one_per_object, without_quantifiers
from cutflow_cli.selection.text import render
from cutflow_cli.selection.tree import Name, Node, names

#: Told the share done (0 to 1) and what is being done.
Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class ProcessRecipe:
    """One process, ready to be read.

    Attributes:
        name: as in the settings.
        settings: of the process.
        weight: the generator weight; None for 1.
        variations: generator weights under the variations that change them.
        hypothesis: the mass point of a signal; None where it has none.
        condition: picks rows; None for all.
        needs: what it takes from its files.
    """

    name: str
    settings: ProcessSettings
    weight: Node | None
    variations: Mapping[str, Node]
    hypothesis: Node | None
    condition: Node | None
    needs: Needs


@dataclass(frozen=True, slots=True)
class FilePlan:
    """A file of a process.

    Attributes:
        process: the process.
        file: the file, found fit for use.
    """

    process: ProcessRecipe
    file: InputFile


@dataclass(frozen=True)
class Recipe:
    """Everything to read and compute.

    Attributes:
        settings: as given.
        nodes: the expression of each feature.
        preselection: the conditions that all events must pass.
        processes: in the order of the settings.
        files: all files in the order in which they are read.
        skipped: files that can't be used and are done without.
        notes: what a user should know of the files, a sentence each.
        shard: which part of the files this is, from 1, and of how many.
        found: digest of the names of all files, those of other shards included.
        user_defined: observables from a user's file.
    """

    settings: IngestSettings
    nodes: dict[str, Node]
    preselection: tuple[Node, ...]
    processes: tuple[ProcessRecipe, ...]
    files: tuple[FilePlan, ...]
    skipped: tuple[SkippedFile, ...] = ()
    shard: tuple[int, int] = (1, 1)
    notes: tuple[str, ...] = ()
    found: str = ""
    user_defined: UserObservables = NOTHING

    @cached_property
    def per_object(self) -> frozenset[str]:
        """Names that have one value for each object of a collection."""
        return frozenset(
            name for plan in self.files for name in plan.file.bound.names if plan.file.bound.per_object(name)
        )

    @cached_property
    def observables(self) -> tuple[str, ...]:
        """Names that are no column with one value per event: observables of objects, and users' own."""
        found = (
            name
            for plan in self.files
            for name in plan.file.bound.names
            if plan.file.bound.per_object(name) or not plan.file.bound.is_column(name)
        )
        return tuple(dict.fromkeys(found))

    @cached_property
    def conditions(self) -> tuple[Node, ...]:
        """The preselection, without `[any]` and `[all]` where there is one value per event."""
        return tuple(without_quantifiers(node, self.per_object) for node in self.preselection)

    @cached_property
    def condition_texts(self) -> tuple[str, ...]:
        """The preselection in our own language."""
        return condition_texts(self.settings, self.conditions)

    @cached_property
    def features(self) -> tuple[FeatureInfo, ...]:
        """Name, type, unit, label and expression of each feature."""
        return tuple(
            _feature(name, item, self.nodes[name], self.files) for name, item in self.settings.features.items()
        )

    @cached_property
    def spectator_types(self) -> dict[str, str]:
        """Numpy's name of each spectator's type, the same for all files."""
        return {name: _spectator_type(name, self.files) for name in self.settings.spectators}

    @cached_property
    def formats(self) -> dict[str, str]:
        """How the files of each process were understood."""
        found: dict[str, dict[str, None]] = {}
        for plan in self.files:
            found.setdefault(plan.process.name, {})[plan.file.format] = None
        return {name: " and ".join(formats) for name, formats in found.items()}

    @cached_property
    def digest(self) -> str:
        """Digest of what decides the result: settings, user's observables, files in their order, and which shard."""
        files: dict[str, list[tuple[int, str]]] = {process.name: [] for process in self.processes}
        for plan in self.files:
            files[plan.process.name].append((plan.file.size, plan.file.digest))
        shard = () if self.shard == (1, 1) else (*self.shard, self.found)
        return recipe_digest(self.settings, self.user_defined.digest, files, shard)

    def check(self) -> None:
        """Settle everything that can be wrong with expressions and types before events are read.

        Raises:
            InputError: if an expression gives a number for each object where one for the event is needed, or if no
                one type keeps a spectator.
        """
        wanted: list[tuple[str, Node | None]] = [(f"feature {name!r}", node) for name, node in self.nodes.items()]
        for process in self.processes:
            where = f"process {process.name!r}: "
            wanted += [(f"{where}weight", process.weight), (f"{where}hypothesis", process.hypothesis)]
            wanted += [(f"variation {name!r}", node) for name, node in process.variations.items()]
        for user, node in wanted:
            if node is not None and one_per_object(node, self.per_object):
                text = render(node)
                msg = (
                    f"{user}: `{text}` is one number for each object, where one for the event is needed; "
                    f"take one object, such as jet0 of jet, or reduce it: max({text}), sum({text})"
                )
                raise InputError(msg)
        for name in self.settings.spectators:
            if name in self.per_object:
                msg = f"spectator {name!r} has one value for each object, where one for the event is needed"
                raise InputError(msg)
        _ = self.features, self.spectator_types


def condition_texts(settings: IngestSettings, conditions: Iterable[Node]) -> tuple[str, ...]:
    """Write the preselection in our own language, as the user did where that says the same.

    Args:
        settings: with the conditions as they were asked for.
        conditions: what they came to, in the same order.
    """
    asked = (" ".join(text.split()) for text in settings.preselection)
    own = settings.cut_dialect == "cutflow"
    pairs = zip(asked, conditions, strict=True)
    return tuple(text if own and parse(text) == node else render(node) for text, node in pairs)


def recipe_digest(
    settings: IngestSettings,
    user_defined: str | None,
    files: Mapping[str, Iterable[tuple[int, str]]],
    shard: tuple[int | str, ...] = (),
) -> str:
    """Digest of what decides the result of an ingest.

    Args:
        settings: as given.
        user_defined: digest of the user's own observables; None for none.
        files: size and digest of every file, by process, in the order in which they are read.
        shard: for a shard, which part of the files, of how many, and of which.
    """
    asked: dict[str, Any] = settings.model_dump(mode="json", exclude={"on_bad_file"})
    order = [list(settings.features), list(settings.processes)]  # which a digest of tables forgets
    content = {name: [list(file) for file in of_process] for name, of_process in files.items()}
    whole = {"schema": SCHEMA_VERSION, "settings": asked, "files": content, "order": order}
    return digest({**whole, "observables": user_defined, "shard": list(shard)})


def source_of(file: InputFile) -> SourceFile:
    """Describe a file for the metadata."""
    return SourceFile(file.location.shown, file.size, file.digest)


def _feature(name: str, item: FeatureSettings, node: Node, files: Iterable[FilePlan]) -> FeatureInfo:
    """Describe a feature; one that is stored narrower than its source was computed from it, if only by rounding."""
    # float32 where it keeps every value of every column that the feature is made from
    fits = all(plan.file.bound.fits_float32(used) for plan in files for used in names(node))
    needed = "float32" if fits else "float64"
    dtype = item.dtype or needed
    as_it_is = node == Name(name) and dtype in (needed, "float64")
    return FeatureInfo(name, dtype, item.unit, item.label, None if as_it_is else item.expression or name)


def _spectator_type(name: str, files: Iterable[FilePlan]) -> str:
    """Find one type that keeps a spectator's values in all files; empty if there are none.

    Raises:
        InputError: if there is none.
    """
    so_far, first = "", ""
    for plan in files:
        found = plan.file.dtype_of(name)
        common = common_type(so_far or found, found)
        if common is None:
            msg = (
                f"spectator {name!r} is {so_far} in {first} and {found} in {plan.file.location}; no one type keeps both"
            )
            raise InputError(msg)
        so_far, first = common, first or str(plan.file.location)
    return so_far


def common_type(one: str, other: str) -> str | None:
    """Return numpy's name of a type that keeps the values of two; None if there is none."""
    if "object" in (one, other):
        return "object" if one == other else None
    common = np.result_type(np.dtype(one), np.dtype(other))
    exact = common.kind != "f" or "f" in np.dtype(one).kind + np.dtype(other).kind
    return common.name if exact else None
