"""The method: the best rectangular selection."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.checkpoint import Arrays, FinishedReplicas
from cutflow_cli.engine.randomness import SHARED, Stream, generator
from cutflow_cli.errors import InputError, Interrupted
from cutflow_cli.events.batch import EventSample
from cutflow_cli.events.schema import ROLES
from cutflow_cli.metrics.objectives import parse_objective
from cutflow_cli.models.box.binning import Binned, bin_sample
from cutflow_cli.models.box.flow import box_of, flow_of, in_order, order_of
from cutflow_cli.models.box.landscape import Box, Landscape, make_landscape, weights_of
from cutflow_cli.models.box.optimism import Judged, by_cuts, judge, parts_of
from cutflow_cli.models.box.probes import EXCHANGE, independent_boxes, single_best, with_measured_error
from cutflow_cli.models.box.results import budget_table, remarks, results_table
from cutflow_cli.models.box.search import Found, search
from cutflow_cli.models.box.settings import BoxSettings
from cutflow_cli.models.box.targets import at_targets
from cutflow_cli.models.box.trade import traded
from cutflow_cli.models.flows import concerns
from cutflow_cli.models.protocol import Fitted, TrainingContext
from cutflow_cli.models.weights import resolve_bootstrap
from cutflow_cli.selection.cutflow import CutFlow, consensus

_SAME = "box has nothing random but its starts, so that replicas would be the same; use --replicas 1 or --bootstrap"
#: At every so many of the boxes where predictions are measured the search begins.
_EVERY = 3
#: Rounds of search and of measuring how good predictions are near the box found.
_ROUNDS = 4
#: Starts at each target where a part of the events is left out.
_STARTS_HELD_OUT = 4
#: Starts of a round after the first.
_KICKS_AGAIN = 4


@dataclass(frozen=True, slots=True)
class Result:
    """What was found for one replica.

    Attributes:
        landscape: the sample, with the error of predictions as measured.
        found: one for each working point.
    """

    landscape: Landscape
    found: tuple[Found, ...]

    @property
    def boxes(self) -> tuple[Box, ...]:
        """The boxes, one for each working point."""
        return tuple(one.box for one in self.found)


class BoxSearch:
    """The best rectangular selection for an objective, or for given signal efficiencies.

    Regions are chosen among below, above, inside, outside and none per observable. The search tries all regions of one
    observable at a time, two boundaries together, from many starts; it proves no optimum, but says how many starts
    agree. What it makes large is not what the training split shows but an estimate of it on fresh events (see
    `settings`). Not valid where the objective does not rise with S and fall with B.

    Args:
        settings: what to search for.
    """

    spectators: tuple[str, ...] = ()

    def __init__(self, settings: BoxSettings) -> None:
        self.settings = settings
        self._objective = parse_objective(settings.objective, settings.background_systematic)

    def fit(self, sample: EventSample, context: TrainingContext) -> Fitted:
        """Search once per replica, and combine the replicas.

        Args:
            sample: the training split, already checked.
            context: seed, replicas, threads, checkpoint; this method does not use the device.

        Returns:
            One flow per replica and working point, then their consensus, each with its cuts in the order of what they
            add to the objective on all events (`order_of`), which is the same for all replicas. The table `box` has
            what each box keeps and its optimism, `budget` the objective against the number of cuts.

        Raises:
            UsageError: for several replicas without a bootstrap, which would all be the same.
            InputError: if the weights of a class do not sum to a positive number.
            Interrupted: if asked to stop; replicas that were finished are in the checkpoint.
        """
        settings = self.settings
        bootstrap = resolve_bootstrap(settings.bootstrap, context.replicas, _SAME)
        started = time.perf_counter()
        weight = self._weight(sample)
        binned = bin_sample(sample, weight, settings.bins)
        prepared = time.perf_counter()
        tell = _Teller(context, len(context.replicas) + (1 if bootstrap else 0) + min(settings.optimism_folds, 1))
        kept = FinishedReplicas(context.checkpoint)
        whole = (
            None
            if not bootstrap
            else self._search(self._landscape(binned, weight, None), context.seed, SHARED, context, tell)
        )
        flows, results = [], []
        for replica in context.replicas:
            counts = generator(context.seed, replica, Stream.BOOTSTRAP).poisson(1.0, len(sample)) if bootstrap else None
            landscape = self._landscape(binned, weight, counts)
            result = self._restored(kept, replica, landscape)
            if result is None:
                result = self._search(landscape, context.seed, replica, context, tell)
                kept.add(replica, _arrays(result))
            results.append(result)
            tell.finish()
            flows.append(
                [
                    flow_of(result.landscape, sample.features, box, template).rounded(sample.dtypes)
                    for box, template in zip(result.boxes, self._templates(replica), strict=True)
                ]
            )
        trained = time.perf_counter()
        whole = whole or results[0]
        agreed = [consensus([row[k] for row in flows]).rounded(sample.dtypes) for k in range(len(flows[0]))]
        boxes = [box_of(binned, flow) for flow in agreed] if len(flows) > 1 else list(whole.boxes)
        judged = self._judged(whole, context, tell)
        values = [whole.landscape.value(box) for box in boxes]
        best = int(np.argmax(values))
        tables = {"box": results_table(whole, agreed, boxes, judged)}
        if judged and not self.settings.signal_efficiencies:  # which are judged by target
            tables["budget"] = budget_table(judged)
        timings = {"prepare": prepared - started, "train": trained - prepared, "combine": time.perf_counter() - trained}
        orders = [order_of(whole.landscape, box) for box in whole.boxes]  # of all events, so that replicas agree on it
        return Fitted(
            tuple(in_order(row[k], order) for row in (*flows, agreed) for k, order in enumerate(orders)),
            _history(results, context.replicas),
            tuple(text for flow in agreed for text in concerns(flow, sample)),
            timings,
            {"bootstrap": bootstrap},
            tables=tables,
            recommended=agreed[best].working_point if len(agreed) > 1 else None,
            notes=remarks(whole, settings, agreed, boxes, judged),
        )

    def _templates(self, replica: int) -> list[CutFlow]:
        if not self.settings.signal_efficiencies:
            return [CutFlow((), replica=replica)]
        return [
            CutFlow((), f"signal_efficiency={target:.12g}", target, replica=replica)
            for target in self.settings.signal_efficiencies
        ]

    def _weight(self, sample: EventSample) -> NDArray[np.float64]:
        settings = self.settings
        weight = np.array(sample.expected if settings.class_weights == "physical" else np.ones(len(sample)))
        if settings.negative_weights == "drop":
            weight[sample.weight < 0] = 0.0
        elif settings.negative_weights == "abs":
            weight = np.abs(weight)
        for role, total in zip(ROLES, np.bincount(sample.label, weights=weight, minlength=2), strict=True):
            if not total > 0:
                msg = f"column 'weight': the weights of the {role} sum to {total:g} on the training split; "
                raise InputError(msg + "an objective needs a positive sum (see --negative-weights)")
        return weight

    def _landscape(self, binned: Binned, weight: NDArray[np.float64], counts: NDArray[np.int64] | None) -> Landscape:
        least = 0.0 if self._objective.additive else self.settings.min_effective_events
        return make_landscape(
            binned, weights_of(binned.signal, weight, counts), self._objective, smooth=self.settings.smooth,
            min_effective_events=least, min_gain=self.settings.min_gain, chance=self.settings.chance,
        )  # fmt: skip

    def _search(
        self, landscape: Landscape, seed: int, replica: int, context: TrainingContext, tell: Callable[[], None]
    ) -> Result:
        """Search one landscape, and again where predictions are worse near the box found than was known."""
        settings, random = self.settings, generator(seed, replica, Stream.INITIAL)
        boxes = independent_boxes(landscape)
        landscape = with_measured_error(landscape, boxes, random)
        begin = list(boxes[::_EVERY][: settings.starts])
        starts, kicks = list(begin), max(settings.starts - len(begin), 0)
        for _ in range(_ROUNDS):
            if settings.signal_efficiencies:
                found = at_targets(
                    landscape, settings.signal_efficiencies, random, starts=-(-settings.starts // 2),
                    threads=context.threads, max_cuts=settings.max_cuts, tell=tell,
                )  # fmt: skip
            else:
                best = search(
                    landscape, starts, kicks, random, threads=context.threads, max_cuts=settings.max_cuts, tell=tell
                )
                best = traded(landscape, best, settings.max_cuts, tell)
                found, starts, kicks = [best], [*begin[::2], best.box], _KICKS_AGAIN
            boxes = tuple(one.box for one in found)
            measured = with_measured_error(landscape, boxes, random)
            if measured.variance <= 1.2 * landscape.variance:
                break
            landscape = measured
        return Result(landscape, tuple(found))

    def _restored(self, kept: FinishedReplicas, replica: int, landscape: Landscape) -> Result | None:
        return kept.read(replica, lambda stored: _result(stored, landscape))

    def _judged(self, whole: Result, context: TrainingContext, tell: Callable[[], None]) -> list[Judged]:
        """Judge the search by parts of the events: for each working point, or for each number of cuts."""
        folds, settings = self.settings.optimism_folds, self.settings
        if not folds:
            return []
        random = generator(context.seed, SHARED, Stream.SHUFFLE)
        part = parts_of(whole.landscape.binned.codes.shape[1], folds, random, whole.landscape.binned.signal)

        def find(landscape: Landscape) -> Sequence[Box]:
            tell()
            if settings.signal_efficiencies:
                reached = at_targets(
                    landscape, settings.signal_efficiencies, random, starts=_STARTS_HELD_OUT, threads=context.threads,
                    max_cuts=settings.max_cuts, tell=tell,
                )  # fmt: skip
                return [one.box for one in reached]
            begin = [single_best(landscape, float(rate)) for rate in EXCHANGE[::7]]
            found = search(
                landscape, [*begin, whole.boxes[0]], 0, random, threads=context.threads, max_cuts=settings.max_cuts,
                tell=tell,
            )  # fmt: skip
            found = traded(landscape, found, settings.max_cuts, tell)
            listed = by_cuts(landscape, found.box, tell) or [found.box]  # no cut at all may be best without a part
            return [*listed, *[listed[-1]] * (whole.boxes[0].cuts - len(listed))][: max(whole.boxes[0].cuts, 1)]

        return judge(whole.landscape, part, find) if any(box.cuts for box in whole.boxes) else []


class _Teller:
    """Tells how far the work is, and stops it when asked to."""

    def __init__(self, context: TrainingContext, parts: int) -> None:
        self._context, self._parts, self._done, self._climbs = context, parts, 0, 0

    def __call__(self) -> None:
        """Be told of a climb.

        Raises:
            Interrupted: if asked to stop.
        """
        self._climbs += 1
        self._context.progress(min(self._done / self._parts, 0.99), f"{self._climbs} climbs")
        reason = self._context.stop_reason()
        if reason:
            msg = f"stopped by {reason} after replica {self._done} of {len(self._context.replicas)}; "
            raise Interrupted(msg + "the same command continues from there")

    def finish(self) -> None:
        """Be told that a replica is done."""
        self._done += 1


def _arrays(result: Result) -> Arrays:
    return {
        "boxes": np.array([[box.low, box.high, box.kind] for box in result.boxes]),
        "variance": np.array(result.landscape.variance),
        "starts": np.array([[one.starts, one.agreeing] for one in result.found]),
        "value": np.array([one.value for one in result.found]),
    }


def _result(stored: Arrays, landscape: Landscape) -> Result:
    boxes = [Box(low.copy(), high.copy(), kind.copy()) for low, high, kind in stored["boxes"]]
    rows = zip(stored["value"].tolist(), boxes, stored["starts"].tolist(), strict=True)
    found = tuple(Found(value, box, starts, agreeing) for value, box, (starts, agreeing) in rows)
    return Result(replace(landscape, variance=float(stored["variance"])), found)


def _history(results: Sequence[Result], replicas: range) -> dict[str, Any]:
    """Make a row of each replica and working point: the objective as the search saw it."""
    rows = [
        (r, k, result.landscape.value(box))
        for r, result in zip(replicas, results, strict=True)
        for k, box in enumerate(result.boxes)
    ]
    return {
        "replica": np.array([row[0] for row in rows], dtype=np.int32),
        "epoch": np.array([row[1] + 1 for row in rows], dtype=np.int32),
        "objective": np.array([row[2] for row in rows]),
    }
