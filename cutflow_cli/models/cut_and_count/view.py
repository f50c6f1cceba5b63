"""The events that a search sees: a sample, what each event counts, and which are left."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import InputError
from cutflow_cli.events.batch import EventSample
from cutflow_cli.events.schema import ROLES
from cutflow_cli.models.cut_and_count.objective import Numbers, Objective
from cutflow_cli.models.cut_and_count.profile import B2, S2, Array, B, Profile, S, make_profile
from cutflow_cli.models.cut_and_count.settings import CutAndCountSettings
from cutflow_cli.selection.cut import Cut

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Ready:
    """What does not depend on the replica.

    Attributes:
        names: of the observables.
        columns: each observable, in its column's own type.
        orders: for each observable the events in rising order, those without a value left out.
        weight: what each event counts, shape (events,).
        signal: whether it is signal.
    """

    names: tuple[str, ...]
    columns: tuple[Array, ...]
    orders: tuple[NDArray[np.int64], ...]
    weight: Numbers
    signal: Mask


def make_ready(sample: EventSample, settings: CutAndCountSettings) -> Ready:
    """Settle what events count, and sort each observable once."""
    columns = tuple(
        np.ascontiguousarray(sample.x[:, k], dtype=np.float32 if sample.dtypes[name] == "float32" else None)
        for k, name in enumerate(sample.features)
    )
    orders = []
    for column in columns:
        order = np.argsort(column, kind="stable")  # missing values come last
        orders.append(order[: len(order) - int(np.isnan(column).sum())])
    weight = np.array(sample.expected if settings.class_weights == "physical" else np.ones(len(sample)))
    if settings.negative_weights == "drop":
        weight[sample.weight < 0] = 0.0
    elif settings.negative_weights == "abs":
        weight = np.abs(weight)
    return Ready(sample.features, columns, tuple(orders), weight, sample.label == 1)


@dataclass(frozen=True, slots=True)
class View:
    """Events with what each adds to the sums, and which of them are left.

    Attributes:
        ready: the sample.
        weights: what each event adds to Σw and Σw² of signal and background, shape (4, events).
        objective: the figure of merit, with the totals of these events.
        kept: Σw and Σw² of signal and background of the events left, shape (4,).
        left: the events that earlier cuts keep; None for all.
    """

    ready: Ready
    weights: Numbers
    objective: Objective
    kept: Numbers
    left: Mask | None = None

    def profile(self, k: int) -> Profile:
        """Make the profile of an observable, of the events left."""
        order = self.ready.orders[k]
        if self.left is not None:
            order = order[self.left[order]]
        weights = np.stack([row[order] for row in self.weights])
        return make_profile(self.ready.columns[k][order], weights, rising=bool((self.ready.weight >= 0).all()))

    def after(self, k: int, cut: Cut) -> View:
        """Return the same with only those events left that a cut keeps, as it will be applied."""
        return self.within(cut.passes(self.ready.columns[k]))

    def within(self, rows: Mask) -> View:
        """Return the same with only those events left that are among `rows`."""
        left = rows if self.left is None else rows & self.left
        events = np.flatnonzero(left)
        kept = np.array([row[events].sum() for row in self.weights])
        return replace(self, kept=kept, left=left)

    @property
    def figure(self) -> float:
        """The figure of merit of the events left."""
        return float(self.objective.unguarded(self.kept[:, None])[0])

    def part(self, rows: Mask) -> View:
        """Return about half of the events to stand for the whole: each counts twice, with half the effective events."""
        weights = np.where(rows, self.weights, 0.0) * np.array([[2.0], [4.0], [2.0], [4.0]])
        total = weights.sum(axis=1)
        objective = replace(
            self.objective,
            total=total,
            min_effective_events=self.objective.min_effective_events / 2,
            lightest=2 * self.objective.lightest,
        )
        return View(self.ready, weights, objective, total, rows)


def make_view(ready: Ready, counts: NDArray[np.int64] | None, settings: CutAndCountSettings) -> View:
    """See all events.

    Args:
        ready: the sample.
        counts: how often each event counts, such as a bootstrap's; None for once each.
        settings: of the method.

    Raises:
        InputError: if the weights of a class do not sum to a positive number.
    """
    once = ready.weight if counts is None else ready.weight * counts
    weights = np.zeros((4, len(once)))
    for role, (first, second) in ((ready.signal, (S, S2)), (~ready.signal, (B, B2))):
        weights[first, role] = once[role]
        weights[second, role] = (once * ready.weight)[role]  # an event that counts twice is two events
    total = weights.sum(axis=1)
    for name, sum_of_weights in zip(ROLES, total[[B, S]], strict=True):
        if not sum_of_weights > 0:
            msg = f"column 'weight': the weights of the {name} sum to {sum_of_weights:g} on the training split; "
            raise InputError(msg + "a figure of merit needs a positive sum (see --negative-weights)")
    objective = Objective(
        settings.fom,
        total,
        settings.background_systematic,
        settings.min_effective_events if settings.search == "exact" else 0.0,
        float(np.abs(ready.weight[weights[B] != 0]).min()),
    )
    return View(ready, weights, objective, total)
