"""From events to what is trained on: slots, and the weights of the two losses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import InputError
from cutflow_cli.events.batch import EventSample
from cutflow_cli.models.punzi.settings import PunziSettings
from cutflow_cli.models.punzi.sums import NOWHERE, Layout
from cutflow_cli.models.punzi.windows import Windows, shown
from cutflow_cli.models.weights import NegativeWeights

#: By what a signal's efficiency in the file is multiplied for that among the generated events, by hypothesis.
Acceptance = Mapping[float | None, float]


@dataclass(frozen=True, slots=True)
class Prepared:
    """The events of a split that lie in a window of a trained hypothesis.

    Attributes:
        x: features, shape (events, features).
        label: 1 signal, 0 background, shape (events,).
        slot: of each event, see `sums.Layout`.
        weight: in the sums: expected background events, or a share of the generated signal events.
        cross_entropy_weight: in the pretraining: background as it is, signal to the same sum, mean one.
        outside: events of the split in no such window, or of no trained hypothesis.
        incomplete: events left out because a feature is missing or infinite.
    """

    x: NDArray[np.floating]
    label: NDArray[np.int8]
    slot: NDArray[np.int32]
    weight: NDArray[np.float64]
    cross_entropy_weight: NDArray[np.float64]
    outside: int
    incomplete: int

    def __len__(self) -> int:
        return len(self.label)


def generated_events(sample: EventSample, windows: Windows, settings: PunziSettings) -> dict[float | None, float]:
    """Return the generated events of each hypothesis that the whole file stands for; empty where they are not known."""
    rows = {row.mass: row.generated for row in settings.windows or ()}
    found: dict[float | None, float] = {}
    for mass in windows.hypotheses:
        number = settings.generated_events
        if number is None and mass is not None:
            number = rows.get(mass)
        if number is not None:
            found[mass] = number
    return found


def acceptances(
    sample: EventSample, windows: Windows, generated: Mapping[float | None, float]
) -> dict[float | None, float]:
    """Return the share of the generated signal events that is in the file, by hypothesis; 1 where it is not known.

    How many signal events there are in all splits follows from this one and the scale of its `expected` weights, which
    is exact if the weights of a mass are all the same.

    Raises:
        InputError: if more events are in the file than were generated.
    """
    shares: dict[float | None, float] = {}
    for position, mass in enumerate(windows.hypotheses):
        shares[mass] = 1.0
        if mass in generated:
            signal = windows.signal_of(position, sample)
            weight = float(sample.weight[signal].sum())
            here = np.count_nonzero(signal) * (float(sample.expected[signal].sum()) / weight if weight else 1.0)
            shares[mass] = here / generated[mass]
            if shares[mass] > 1 + 1e-6:
                msg = (
                    f"hypothesis {shown(mass)}: {here:.0f} signal events in the file, but {generated[mass]:g} generated"
                )
                raise InputError(f"{msg}; see --generated-events")
    return shares


def prepare(
    sample: EventSample, windows: Windows, layout: Layout, shares: Acceptance, negative: NegativeWeights, split: str
) -> Prepared:
    """Select the events to train on (or to watch the loss on) and weigh them.

    Args:
        sample: of one split.
        windows: all hypotheses.
        layout: of the trained ones.
        shares: see `acceptances`.
        negative: what to do with negative weights.
        split: its name, for messages.

    Raises:
        InputError: if a hypothesis has no signal left, or there is no background in any window.
    """
    slot = layout.assign(sample, windows)
    complete = np.isfinite(sample.x).all(axis=1)
    weight = _treated(sample.expected, negative)
    for row, position in enumerate(windows.trained):
        signal = windows.signal_of(position, sample)
        inside = (slot == layout.cells + row) & complete
        total = float(weight[signal].sum())
        if not inside.any() or total <= 0:
            mass = windows.hypotheses[position]
            msg = f"hypothesis {shown(mass)}: no signal event of the {split} split lies in its window; "
            raise InputError(msg + f"widen it (--n-sigma), or leave it out (--holdout-hypotheses {shown(mass)})")
        weight[signal] *= shares[windows.hypotheses[position]] / total
    used = (slot != NOWHERE) & complete
    label = sample.label[used]
    if not (label == 0).any():
        msg = f"no background event of the {split} split lies in a window"
        raise InputError(msg)
    return Prepared(
        x=sample.x[used],
        label=label,
        slot=slot[used],
        weight=weight[used],
        cross_entropy_weight=_balanced(_treated(sample.weight[used], negative), label, split),
        outside=int(np.count_nonzero(slot == NOWHERE)),
        incomplete=int(np.count_nonzero((slot != NOWHERE) & ~complete)),
    )


def _treated(weight: NDArray[np.float64], negative: NegativeWeights) -> NDArray[np.float64]:
    if negative == "drop":
        return np.where(weight < 0, 0.0, weight)
    return np.abs(weight) if negative == "abs" else weight.copy()


def _balanced(weight: NDArray[np.float64], label: NDArray[np.int8], split: str) -> NDArray[np.float64]:
    """Weigh signal to the background's weighted sum (section 5 of the paper), with a mean of one."""
    sums = np.bincount(label, weights=weight, minlength=2)
    if not (sums > 0).all():
        msg = f"column 'weight': the weights of a class sum to zero or less in the windows of the {split} split; "
        raise InputError(msg + "see --negative-weights")
    return np.asarray(weight * (len(label) / 2 / sums)[label])
