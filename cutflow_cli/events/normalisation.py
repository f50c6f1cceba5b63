"""What an event is worth: from generator weights to expected events.

An event with generator weight g, of a sample whose generated events have weights that sum to Σg, stands for

    w = σ · k · ε · L · g / Σg

expected events: σ the cross section in pb, k a K-factor, ε the share of the cross section that was generated (a
generator filter's efficiency), L the luminosity in fb⁻¹ (1 fb⁻¹ = 1000 pb⁻¹). Weights may be negative, as those of
next-to-leading-order generators are; then Σg, not the number of events, is what σ corresponds to. The formula holds
for one sample of one generation: Σg must run over all events that were generated, so it has to be given where the files
hold only part of them, and samples that overlap in phase space must not both be added up.

The statistical error of a sum of weights is √Σw²; (Σw)²/Σw² is the number of unweighted events that would have the
same relative error (L. Kish, Survey Sampling, Wiley 1965, §11.7).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import InputError
from cutflow_cli.events.process_settings import ProcessSettings, TreeSum

#: 1 fb⁻¹ in pb⁻¹.
INVERSE_PB_PER_INVERSE_FB = 1000.0


@dataclass(frozen=True, slots=True)
class GeneratorSums:
    """Sums over generator weights.

    Attributes:
        events: number of events.
        sumw: sum of their generator weights.
        sumw2: sum of the squares; None if unknown.
    """

    events: int | None
    sumw: float | None
    sumw2: float | None


@dataclass(frozen=True, slots=True)
class Found:
    """What the files of a process say of its normalisation.

    Attributes:
        read: sums over the rows that belong to the process; None inside where they were not needed.
        beside: sum of weights in trees beside the events; None unless it was asked for.
        headers: cross section (pb) and its error in the header of each file; empty unless they were asked for.
    """

    read: GeneratorSums
    beside: float | None = None
    headers: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Normalisation:
    """How a process's weights become expected events.

    Attributes:
        kind: by cross section; as they come (yields); or 1 for each event.
        cross_section: in pb, K-factor and filter efficiency included; None unless by cross section.
        luminosity: in fb⁻¹; None where it plays no part.
    """

    kind: Literal["cross section", "yields", "unit"]
    cross_section: float | None = None
    luminosity: float | None = None

    @classmethod
    def of(cls, name: str, process: ProcessSettings, luminosity: float | None, found: Found) -> Normalisation:
        """Return the normalisation that checked settings ask for.

        Raises:
            InputError: if cross sections were to come from headers that do not agree.
        """
        if process.weights_are_yields:
            return cls("yields")
        if process.cross_section is None:
            return cls("unit")
        sigma = process.cross_section
        if sigma == "header":
            sigma = header_cross_section(name, found.headers)
        effective = sigma * process.k_factor * process.filter_efficiency
        return cls("cross section", effective, luminosity)

    def scale(self, sumw: float | None) -> float:
        """Return the factor from generator weights to expected events.

        Args:
            sumw: sum of generator weights over all generated events.
        """
        if self.kind != "cross section":
            return 1.0
        assert self.cross_section is not None  # by construction
        assert self.luminosity is not None
        assert sumw is not None
        return self.cross_section * self.luminosity * INVERSE_PB_PER_INVERSE_FB / sumw


def header_cross_section(name: str, headers: Sequence[tuple[float, float]]) -> float:
    """Return the cross section that the headers of a process's files agree on: their mean.

    Args:
        name: the process, for messages.
        headers: cross section and error of each file, in pb.

    Raises:
        InputError: if one is not positive, or two differ by more than three standard deviations and by more than 1 %.
    """
    values = [value for value, _ in headers]
    least, greatest = min(headers), max(headers)
    if not least[0] > 0:
        msg = f"process {name!r}: a file's header gives the cross section {least[0]:g} pb; give cross_section (pb)"
        raise InputError(msg)
    apart = greatest[0] - least[0]
    if apart > 3 * math.hypot(least[1], greatest[1]) and apart > 0.01 * greatest[0]:
        msg = (
            f"process {name!r}: headers of its files give cross sections from {least[0]:g} to {greatest[0]:g} pb, "
            "so they are different samples; make a process of each, or give cross_section (pb)"
        )
        raise InputError(msg)
    return math.fsum(values) / len(values)


def generated(name: str, process: ProcessSettings, found: Found) -> GeneratorSums:
    """Settle what was generated, from what the settings say and what the files hold.

    Args:
        name: the process, for messages.
        process: its settings.
        found: what its files say.

    Raises:
        InputError: if the sum of weights is not positive, or if the files can't hold all generated events though the
            sum of weights was left to be found from them.
    """
    read = found.read
    if process.weights_are_yields:
        return GeneratorSums(process.generated_events, None, None)
    if isinstance(process.sum_of_weights, TreeSum):
        tree = process.sum_of_weights
        if found.beside is None or not found.beside > 0:
            msg = (
                f"process {name!r}: {tree.column!r} of tree {tree.tree!r} sums to {found.beside or 0:g}; "
                "a cross section needs a positive sum of weights"
            )
            raise InputError(msg)
        if process.weight is None:
            return _number_of_events(name, tree, found.beside, read.events)
        return GeneratorSums(process.generated_events, found.beside, None)
    if process.sum_of_weights is not None:
        sumw2 = process.sum_of_weights if process.weight is None else None  # weights are 1, so are their squares
        return GeneratorSums(process.generated_events, process.sum_of_weights, sumw2)
    if process.generated_events is not None and process.weight is None:
        return GeneratorSums(process.generated_events, float(process.generated_events), float(process.generated_events))
    if process.generated_events not in (None, read.events):
        msg = (
            f"process {name!r}: {process.generated_events} events were generated but the files hold {read.events}, "
            "so the sum of weights can't be found from them; give sum_of_weights"
        )
        raise InputError(msg)
    if read.sumw is None or not read.sumw > 0:
        what = f"the weights of its {read.events} events before any preselection"
        zero = f"{what} are all zero" if read.sumw2 == 0 else f"{what} sum to {read.sumw:g}"
        msg = f"process {name!r}: {zero}; a cross section needs a positive sum of weights"
        raise InputError(msg)
    return read


def _number_of_events(name: str, tree: TreeSum, total: float, read: int | None) -> GeneratorSums:
    """Take a sum beside the events for their number, since without a weight every event counts 1.

    Raises:
        InputError: if it can't be a number of events.
    """
    if total != round(total) or total < (read or 0):
        msg = (
            f"process {name!r}: without weight every event counts 1, but {tree.column!r} of tree {tree.tree!r} sums to "
            f"{total:g}, which is no number of events such as could hold the {read} that were read; name the weight"
        )
        raise InputError(msg)
    return GeneratorSums(int(total), total, total)


def check_weights(weights: NDArray[np.float64], where: str, name: str, first_row: int, rows: int) -> None:
    """Refuse weights that are missing or infinite.

    Args:
        weights: shape (events,).
        where: the file, for messages.
        name: the column or expression they come from.
        first_row: where the rows that they come from begin in the file.
        rows: how many rows they are; more than weights if some belong to no event.

    Raises:
        InputError: naming how many there are and where the first is.
    """
    bad = np.flatnonzero(~np.isfinite(weights))
    if len(bad):
        value = weights[bad[0]]
        what = "missing" if math.isnan(value) else "infinite"
        among = f"rows {first_row} to {first_row + rows - 1}"
        if rows == len(weights):
            place = f"of {among} (first: row {first_row + int(bad[0])})"
        else:
            place = f"of the {len(weights)} events picked from {among}"
        msg = f"{where}: weight {name!r} is {what} for {len(bad)} {place}; remove or mend those events"
        raise InputError(msg)
