"""An efficiency scan in bins of an observable: in each bin its own cuts, neighbouring bins tied.

The paper proposes it (arXiv:2502.08615, section 6): contractive terms hold the cuts of neighbouring bins together, as
equation 8 does those of neighbouring targets. Here the bins take the place of the targets: a target is the signal
efficiency in every bin, and equation 8 is summed over bins that have two neighbours, with the bins' centres in the
place of the targets. Working points are not tied to each other. Not valid as a smooth function of the observable:
boundaries are steps at the edges, and one unit of equation 8 is worth `smoothness` standard deviations of the
background and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.checkpoint import Arrays
from cutflow_cli.engine.randomness import Stream, generator
from cutflow_cli.events.batch import EventSample
from cutflow_cli.models.binning import BinnedSample
from cutflow_cli.models.cabin.boundaries import Placed, place_rows, to_flow
from cutflow_cli.models.cabin.finish import FinishesReplicas, Trained
from cutflow_cli.models.cabin.fused import FusedStepper
from cutflow_cli.models.cabin.landscape import Landscape
from cutflow_cli.models.cabin.loss import EventSums, loss_and_gradient, positions
from cutflow_cli.models.cabin.prepare import Neurons, Prepared
from cutflow_cli.models.cabin.scan import Scan, scan_rows
from cutflow_cli.models.cabin.search import Box, Search, Sums
from cutflow_cli.models.cabin.settings import CabinSettings
from cutflow_cli.models.cabin.steppers import by_term, stored_beside
from cutflow_cli.models.cabin.unbinned import Finisher, on_faces
from cutflow_cli.selection.cutflow import CutFlow

Array = NDArray[np.float64]


def part_of(data: Prepared, rows: NDArray[np.int64]) -> Prepared:
    """Return some of the events, in the units of all."""
    return replace(data, z=data.z[rows], signal=data.signal[rows], weight=data.weight[rows])


class BinnedStepper:
    """Trains networks of all targets and bins by gradient descent: sums over each bin's events, ties between bins.

    Args:
        data: the events inside the bins.
        rows: positions of each bin's events among them.
        centres: of the bins.
        weights: training weights of each replica, each of shape (events,).
        neurons: what each neuron looks at.
        settings: of the training.
        threads: how many threads may be used; results do not depend on it.
    """

    def __init__(
        self,
        data: Prepared,
        rows: Sequence[NDArray[np.int64]],
        centres: Array,
        weights: Sequence[Array],
        neurons: Neurons,
        settings: CabinSettings,
        threads: int,
    ) -> None:
        self._bins = [
            FusedStepper(part_of(data, one), [weight[one] for weight in weights], neurons, settings, threads)
            for one in rows
        ]
        self._settings = settings
        if settings.exact and not settings.smoothness:  # untied, so the gradient is too
            self._settings = settings.model_copy(update={"epsilon": 0.0})
        self._between = positions(tuple(centres.tolist()), settings.smoothing)
        start = neurons.initial_bias(len(weights), len(settings.targets))
        self._bias = np.repeat(start[:, :, None, :], len(rows), axis=2)

    def run_epoch(self, epoch: int) -> dict[str, Array]:
        """Take one step with every replica."""
        rows = [self._step(row) for row in range(len(self._bias))]
        return by_term(rows)

    def _step(self, row: int) -> dict[str, float]:
        """Take one step with a replica; return the terms of its loss, summed over bins and targets."""
        sums = [one.event_sums(row, self._bias[row, :, number]) for number, one in enumerate(self._bins)]
        total: dict[str, float] = {}
        for point, target in enumerate(self._settings.targets):
            bias = self._bias[row, point]
            gathered = EventSums(
                *(np.stack([getattr(one, name)[point] for one in sums]) for name in EventSums.__dataclass_fields__)
            )
            terms, gradient = loss_and_gradient(
                bias, gathered, self._settings, np.full(len(bias), target), self._between
            )
            self._bias[row, point] = bias - self._settings.learning_rate * gradient
            for name, value in terms.items():
                total[name] = total.get(name, 0.0) + value
        return total

    def state(self) -> Arrays:
        """Return all that the next epoch depends on."""
        return {"bias": self._bias.copy()}

    def restore(self, state: Arrays) -> None:
        """Go back to a state."""
        for own, stored in stored_beside({"bias": self._bias}, state):
            own[...] = stored


class BinnedFinisher(FinishesReplicas):
    """Turns parameters into flows whose cuts are binned: a scan of the bins for each target.

    Args:
        sample: the events inside the bins.
        data: the same, prepared.
        settings: of the training.
        binned: the bins of the training split.
        rows: positions of each bin's events in the sample.
        landscape: ranks the events of a bin; gives None without the exact step.
    """

    def __init__(
        self,
        sample: EventSample,
        data: Prepared,
        settings: CabinSettings,
        binned: BinnedSample,
        rows: Sequence[NDArray[np.int64]],
        landscape: Callable[[EventSample, Prepared], Landscape | None],
    ) -> None:
        self._sample, self._data, self._settings, self._rows = sample, data, settings, rows
        self._binning = binned.binning
        self.between = positions(tuple(self._binning.centres.tolist()), "averaged")
        self._bins: list[Finisher] = []
        self._landscapes: list[Landscape] = []
        for one in rows:
            events, prepared = sample.take(one), part_of(data, one)
            found = landscape(events, prepared)
            self._bins.append(Finisher(events, prepared, settings, found))
            self._landscapes += [] if found is None else [found]
        self.exact = bool(self._landscapes)

    @property
    def dtypes(self) -> dict[str, str]:
        """Type of each feature's column, and of the bins' observable."""
        observable = self._binning.observable
        return {**self._sample.dtypes, observable: self._sample.columns[observable].dtype.name}

    def _learned(self, trained: Trained) -> tuple[tuple[CutFlow, ...], Sequence[Array]]:
        found = [
            one.learned(trained.neurons, trained.bias[:, i], trained.slope[:, i], trained.replica)
            for i, one in enumerate(self._bins)
        ]
        flows = tuple(self._binning.joined(those) for those in zip(*(part for part, _ in found), strict=True))
        return flows, tuple(np.stack([position for _, position in found], axis=1))

    def moved_to_target(self, flow: CutFlow) -> CutFlow:
        """Move all boundaries of a consensus bin by bin, each by the same number of standard deviations."""
        parts = zip(self._bins, self._binning.parted(flow), strict=True)
        return self._binning.joined(tuple(one.moved_to_target(part) for one, part in parts))

    def _scanned(
        self, trained: Trained, positions: Sequence[Array], progress: Callable[[float], None]
    ) -> tuple[Scan, ...]:
        settings, bins, scans = self._settings, len(self._bins), []
        searches = [
            Search(landscape, Sums.of(trained.weight[rows], self._data.signal[rows]))
            for landscape, rows in zip(self._landscapes, self._rows, strict=True)
        ]
        for point, target in enumerate(settings.targets):
            at, allowed = on_faces(self._landscapes[0], trained.neurons, positions[point], trained.slope[point])
            randoms = [generator(trained.seed, trained.replica, Stream.INITIAL, point * bins + i) for i in range(bins)]

            def done(part: float, point: int = point) -> None:
                progress((point + part) / len(settings.targets))

            scans.append(
                scan_rows(
                    searches, [target] * bins, self.between, at, allowed, settings.smoothness, settings.rho, randoms,
                    trained.threads, done, exchange=settings.smoothness > 0,
                )
            )  # fmt: skip
        return tuple(scans)

    def _placed(self, boxes: Sequence[Box], *, follow: bool) -> Placed:
        dtypes = [self._sample.dtypes[name] for name in self._sample.features]
        return place_rows(
            self._landscapes, [box.threshold for box in boxes], self.between, dtypes, self._data.mean, self._data.std,
            follow=follow,
        )  # fmt: skip

    def _flows(self, placed: Sequence[Placed], replica: int) -> tuple[CutFlow, ...]:
        faces = (self._landscapes[0].faces.feature, self._landscapes[0].faces.side)
        templates = self._bins[0].templates(replica)
        return tuple(
            self._binning.joined(
                tuple(to_flow(self._sample.features, faces, value, template) for value in boundaries.value)
            )
            for boundaries, template in zip(placed, templates, strict=True)
        )

    def _arrays(self, scans: tuple[Scan, ...]) -> Arrays:
        return {
            f"point{number}/{name}": values for number, one in enumerate(scans) for name, values in one.arrays().items()
        }

    def _restored(self, stored: Arrays) -> tuple[Scan, ...]:
        parts: dict[int, Arrays] = {}
        for name, values in stored.items():
            point, _, rest = name.partition("/")
            parts.setdefault(int(point.removeprefix("point")), {})[rest] = values
        return tuple(Scan.restored(parts[number]) for number in range(len(parts)))
