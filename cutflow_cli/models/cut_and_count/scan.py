"""Cut after cut on one training: which observable next, what it sees, and what is taken."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cutflow_cli.engine.checkpoint import Arrays
from cutflow_cli.metrics.figures_of_merit import FIGURES_OF_MERIT
from cutflow_cli.models.cut_and_count.bins import best_of_bins
from cutflow_cli.models.cut_and_count.objective import Numbers
from cutflow_cli.models.cut_and_count.profile import B2, S2, B, S
from cutflow_cli.models.cut_and_count.search import best_region, make_cut
from cutflow_cli.models.cut_and_count.settings import CutAndCountSettings
from cutflow_cli.models.cut_and_count.view import Mask, View
from cutflow_cli.selection.cut import Cut, Region

_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Step:
    """What was decided about one observable.

    Attributes:
        observable: its position among the features.
        cut: the cut; region `all` if there is none.
        before: figure of merit of the events that the search saw.
        after: the same with the cut.
        kept: Σw and Σw² of signal and background after it, shape (4,).
        note: why there is no cut; None where there is one.
    """

    observable: int
    cut: Cut
    before: float
    after: float
    kept: Numbers
    note: str | None = None

    @property
    def active(self) -> bool:
        """Whether there is a cut."""
        return self.cut.region is not Region.ALL


_TEXTS = ("name", "region", "note")


def steps_as_arrays(steps: Sequence[Step]) -> Arrays:
    """Return steps as arrays by name, of shape (steps,) but for `kept`; NaN and an empty text stand for None."""
    rows = [
        (
            step.observable, step.cut.observable, step.cut.region.value, _or_nan(step.cut.lower),
            _or_nan(step.cut.upper), step.before, step.after, step.kept, step.note or "",
        )
        for step in steps
    ]  # fmt: skip
    names = ("observable", "name", "region", "lower", "upper", "before", "after", "kept", "note")
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    return {name: np.array(values, dtype=np.str_ if name in _TEXTS else None) for name, values in columns.items()}


def steps_from_arrays(stored: Arrays) -> list[Step]:
    """Read what `steps_as_arrays` gave.

    Raises:
        KeyError, ValueError: if it is something else.
    """
    return [
        Step(
            int(stored["observable"][row]),
            Cut(
                str(stored["name"][row]),
                Region(str(stored["region"][row])),
                _or_none(stored["lower"][row]),
                _or_none(stored["upper"][row]),
            ),
            float(stored["before"][row]),
            float(stored["after"][row]),
            stored["kept"][row],
            str(stored["note"][row]) or None,
        )
        for row in range(len(stored["observable"]))
    ]


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


class Scan:
    """One training.

    Args:
        view: the events.
        settings: of the method.
        half: the events of one half, for the cross-check; None for no such check.
    """

    def __init__(self, view: View, settings: CutAndCountSettings, half: Mask | None = None) -> None:
        self._settings, self._all = settings, view
        self._halves = None if half is None else (view.part(half), view.part(~half))

    def run(self) -> list[Step]:
        """Decide about every observable, in the order in which the flow applies them."""
        observables = range(len(self._all.ready.names))
        if self._settings.strategy == "parallel":
            return [self._checked(self._all, self._proposed(self._all, k)) for k in observables]
        return list(self._greedy(observables) if self._settings.greedy else self._in_order(observables))

    def cumulative(self, steps: Iterable[Step]) -> list[float]:
        """Return the figure of merit of the flow up to and with each step, all its cuts together; NaN if undefined."""
        view, figures = self._all, []
        for step in steps:
            view = view.after(step.observable, step.cut)
            figures.append(view.figure if math.isfinite(view.figure) else math.nan)
        return figures

    def without_each(self, steps: Sequence[Step]) -> list[float]:
        """Return the figure of merit of the whole flow without each step's cut; NaN where that is undefined."""
        columns = self._all.ready.columns
        masks = [step.cut.passes(columns[step.observable]) for step in steps]
        failed = np.sum([~mask for mask in masks], axis=0)
        figures = [self._all.within(failed == ~mask).figure for mask in masks]
        return [figure if math.isfinite(figure) else math.nan for figure in figures]

    def _in_order(self, observables: Iterable[int]) -> Iterable[Step]:
        view = self._all
        for k in observables:
            step = self._checked(view, self._proposed(view, k))
            if step.active:
                view = view.after(k, step.cut)
            yield step

    def _greedy(self, observables: Iterable[int]) -> Iterable[Step]:
        view, waiting = self._all, list(observables)
        while waiting:
            proposed = self._best_proposed(view, waiting)
            best = self._checked(view, proposed)
            if best is not proposed or not best.active:  # so that the others must be looked at again, and closer
                steps = {k: best if k == best.observable else self._proposed(view, k) for k in waiting}
                best = self._best_checked(view, steps, {best.observable})
                if not best.active:
                    yield from (steps[k] for k in sorted(waiting))
                    return
            view = view.after(best.observable, best.cut)
            waiting.remove(best.observable)
            yield best

    def _best_proposed(self, view: View, waiting: list[int]) -> Step:
        """Find the best of the best cuts, and leave the observables in the order of theirs.

        Two boundaries are looked for only where they may surpass all cuts so far, so that it helps to begin with what
        was best a step before.
        """
        steps: list[Step] = []
        above = -math.inf
        for k in waiting:
            steps.append(self._proposed(view, k, above))
            above = max(above, steps[-1].after)
        steps.sort(key=lambda step: (-step.after, step.observable))
        waiting[:] = [step.observable for step in steps]
        return steps[0]

    def _best_checked(self, view: View, steps: dict[int, Step], checked: set[int]) -> Step:
        """Check the best until the best is checked; what is taken back is replaced in `steps`."""
        while True:
            best = min(steps.values(), key=lambda step: (-step.after, step.observable))
            if best.observable in checked or not best.active:
                return best
            steps[best.observable] = self._checked(view, best)
            checked.add(best.observable)

    def _proposed(self, view: View, k: int, above: float = -math.inf) -> Step:
        """Find the best cut on one observable, given what is left; one with two boundaries only if it is `above`."""
        name, settings = view.ready.names[k], self._settings
        if settings.search == "bins":
            cut = best_of_bins(name, view.profile(k), view.objective, settings.bins)
            return self._step(view, k, cut, "at no bin edge does one class take over from the other")
        return self._step(view, k, self._best_cut(view, k, two_sided=True, above=above))

    def _best_cut(self, view: View, k: int, *, two_sided: bool, above: float = -math.inf) -> Cut | None:
        profile, settings = view.profile(k), self._settings
        least = (1 - _ROUNDING) * settings.min_signal_efficiency * float(view.kept[S])
        objective = replace(view.objective, least_signal=least)
        window = best_region(profile, objective, view.figure, settings.min_gain, two_sided=two_sided, above=above)
        return None if window is None else make_cut(view.ready.names[k], profile, window)

    def _step(self, view: View, k: int, cut: Cut | None, why_none: str | None = None) -> Step:
        before = view.figure
        if cut is None:
            why = why_none or self._why_none(view)
            return Step(k, Cut(view.ready.names[k], Region.ALL), before, before, view.kept, why)
        after = view.after(k, cut)
        return Step(k, cut, before, after.figure, after.kept)

    def _checked(self, view: View, step: Step) -> Step:
        """Take back what does not prove itself on events that it was not chosen on: a boundary, or the cut.

        Returns:
            The step itself if nothing is taken back.
        """
        if self._halves is None or not step.active:
            return step
        k, enough = step.observable, 1 + self._settings.min_gain
        with_one, cut = self._gain_on_others(view, k, two_sided=False), step.cut
        if cut.region in (Region.INSIDE, Region.OUTSIDE):
            if self._gain_on_others(view, k, two_sided=True) > enough * max(with_one, 1.0):
                return step
            one = self._best_cut(view, k, two_sided=False)
            if one is not None and with_one > enough:
                return self._step(view, k, one)
        elif with_one > enough:
            return step
        figure = FIGURES_OF_MERIT[self._settings.fom]
        return self._step(view, k, None, f"what raises {figure} on one half of the events does not on the other")

    def _gain_on_others(self, view: View, k: int, *, two_sided: bool) -> float:
        """By what factor a cut found on one half raises the figure of merit of the other, the lesser of both ways.

        Earlier cuts were chosen on both halves, which this check does not undo.
        """
        assert self._halves is not None
        gains = []
        halves = self._halves if view.left is None else tuple(half.within(view.left) for half in self._halves)
        for mine, others in (halves, halves[::-1]):
            cut = self._best_cut(mine, k, two_sided=two_sided)
            before, after = others.figure, others.figure if cut is None else others.after(k, cut).figure
            gains.append(after / before if after > 0 < before else 0.0)
        return min(gains)

    def _why_none(self, view: View) -> str:
        settings, kept = self._settings, view.kept
        needed = settings.min_effective_events
        if not view.objective.additive and (kept[[S, B]] ** 2 < needed * kept[[S2, B2]]).any():
            return f"fewer than {needed:g} effective events of a class are left to cut on"
        gain = f" by {100 * settings.min_gain:g} %" if settings.min_gain else ""
        rules = "" if view.objective.additive else " within the rules on what must be kept"
        return f"no region raises {FIGURES_OF_MERIT[settings.fom]}{gain}{rules}"
