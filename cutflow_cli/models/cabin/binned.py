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
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.checkpoint import Arrays, FinishedReplicas
from cutflow_cli.engine.randomness import Stream, generator
from cutflow_cli.events.batch import EventSample
from cutflow_cli.models.binning import BinnedSample, Binning
from cutflow_cli.models.cabin.boundaries import Placed, place_rows, roughness, to_flow
from cutflow_cli.models.cabin.finish import Finished, Finisher, on_faces
from cutflow_cli.models.cabin.fused import FusedStepper
from cutflow_cli.models.cabin.landscape import Landscape
from cutflow_cli.models.cabin.loss import EventSums, loss_and_gradient, positions
from cutflow_cli.models.cabin.prepare import Neurons, Prepared
from cutflow_cli.models.cabin.scan import Scan, scan_rows
from cutflow_cli.models.cabin.search import Box, Search, Sums
from cutflow_cli.models.cabin.settings import CabinSettings
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
        return {name: np.array([row[name] for row in rows]) for name in rows[0]}

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
        if state["bias"].shape != self._bias.shape:
            msg = "bias has another shape"
            raise ValueError(msg)
        self._bias[...] = state["bias"]


@dataclass(frozen=True, slots=True)
class _Points:
    """The boxes of one replica, for each working point those of all bins."""

    scans: tuple[Scan, ...]

    def arrays(self) -> Arrays:
        return {
            f"point{number}/{name}": values
            for number, scan in enumerate(self.scans)
            for name, values in scan.arrays().items()
        }

    @classmethod
    def restored(cls, stored: Arrays) -> _Points:
        parts: dict[int, Arrays] = {}
        for name, values in stored.items():
            point, _, rest = name.partition("/")
            parts.setdefault(int(point.removeprefix("point")), {})[rest] = values
        return cls(tuple(Scan.restored(parts[number]) for number in range(len(parts))))


class BinnedFinisher:
    """Turns parameters into flows whose cuts are binned; what replicas share is done once.

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
        self._between = positions(tuple(self._binning.centres.tolist()), "averaged")
        self._bins: list[Finisher] = []
        self._landscapes: list[Landscape] = []
        for one in rows:
            events, prepared = sample.take(one), part_of(data, one)
            found = landscape(events, prepared)
            self._bins.append(Finisher(events, prepared, settings, found))
            self._landscapes += [] if found is None else [found]

    @property
    def dtypes(self) -> dict[str, str]:
        """Type of each feature's column, and of the bins' observable."""
        observable = self._binning.observable
        return {**self._sample.dtypes, observable: self._sample.columns[observable].dtype.name}

    def finish(
        self,
        neurons: Neurons,
        bias: Array,
        slope: Array,
        weight: Array,
        replica: int,
        seed: int,
        threads: int,
        progress: Callable[[float], None],
        kept: FinishedReplicas,
    ) -> Finished:
        """Turn the parameters of one replica into its flows; see `Finisher.finish`.

        Args:
            neurons: what each neuron looks at.
            bias: shape (targets, bins, neurons).
            slope: same shape.
            weight: the replica's training weights of the events inside the bins.
            replica: its number.
            seed: of the run.
            threads: how many may be used.
            progress: told the share done; what it raises ends the exact step.
            kept: what the exact step found of replicas before; it is told what it finds now.
        """
        by_bin = [one.learned(neurons, bias[:, i], slope[:, i], replica) for i, one in enumerate(self._bins)]
        flows = self._joined([found[0] for found in by_bin])
        position = np.stack([found[1] for found in by_bin], axis=1)
        if not self._landscapes:
            size = np.where(np.isfinite(position), position, 0.0)
            mean = float(np.mean([roughness(one, self._between) for one in size]))
            return Finished(flows, flows, None, None, mean, float("nan"))
        found = kept.read(replica, _Points.restored)
        if found is None:
            found = self._scanned(neurons, position, slope, weight, replica, seed, threads, progress)
            kept.add(replica, found.arrays())
        held = [self._placed(one.held, follow=one.held is not one.free) for one in found.scans]
        free = [self._placed(one.free, follow=False) for one in found.scans]
        moved = [self._placed(one.moved, follow=False) for one in found.scans]
        return Finished(
            self._flows(held, replica),
            flows,
            self._flows(moved, replica),
            self._flows(free, replica),
            *(float(np.mean([roughness(one.position, self._between) for one in some])) for some in (held, free)),
        )

    def moved_to_target(self, flow: CutFlow) -> CutFlow:
        """Move all boundaries of a consensus bin by bin, each by the same number of standard deviations."""
        parts = zip(self._bins, self._binning.parted(flow), strict=True)
        return self._binning.joined(tuple(one.moved_to_target(part) for one, part in parts))

    def _scanned(
        self,
        neurons: Neurons,
        position: Array,
        slope: Array,
        weight: Array,
        replica: int,
        seed: int,
        threads: int,
        progress: Callable[[float], None],
    ) -> _Points:
        settings, bins, scans = self._settings, len(self._bins), []
        searches = [
            Search(landscape, Sums.of(weight[rows], self._data.signal[rows]))
            for landscape, rows in zip(self._landscapes, self._rows, strict=True)
        ]
        for point, target in enumerate(settings.targets):
            at, allowed = on_faces(self._landscapes[0], neurons, position[point], slope[point])
            randoms = [generator(seed, replica, Stream.INITIAL, point * bins + i) for i in range(bins)]

            def done(part: float, point: int = point) -> None:
                progress((point + part) / len(settings.targets))

            scans.append(
                scan_rows(
                    searches, [target] * bins, self._between, at, allowed, settings.smoothness, settings.rho, randoms,
                    threads, done, exchange=settings.smoothness > 0,
                )
            )  # fmt: skip
        return _Points(tuple(scans))

    def _placed(self, boxes: Sequence[Box], *, follow: bool) -> Placed:
        dtypes = [self._sample.dtypes[name] for name in self._sample.features]
        return place_rows(
            self._landscapes, [box.threshold for box in boxes], self._between, dtypes, self._data.mean, self._data.std,
            follow=follow,
        )  # fmt: skip

    def _flows(self, placed: Sequence[Placed], replica: int) -> tuple[CutFlow, ...]:
        """Turn the boundaries of each working point's bins into a flow."""
        faces = (self._landscapes[0].faces.feature, self._landscapes[0].faces.side)
        templates = self._bins[0].templates(replica)
        return tuple(
            self._binning.joined(
                tuple(to_flow(self._sample.features, faces, value, template) for value in boundaries.value)
            )
            for boundaries, template in zip(placed, templates, strict=True)
        )

    def _joined(self, flows: Sequence[tuple[CutFlow, ...]]) -> tuple[CutFlow, ...]:
        """Join the flows of bins, working point by working point."""
        return tuple(self._binning.joined(those) for those in zip(*flows, strict=True))


def bin_table(
    binning: Binning, flows: Sequence[CutFlow], sample: EventSample, validation: EventSample | None
) -> dict[str, Any]:
    """Count what each working point's consensus keeps in each bin, by physical weights.

    Args:
        binning: the bins.
        flows: of all kinds.
        sample: the training split.
        validation: the validation split; None where there is none.

    Returns:
        Columns of `bins.parquet`: one row per working point and bin.
    """
    agreed = [flow for flow in flows if flow.kind == "consensus"]
    bins = len(binning)
    columns: dict[str, Any] = {
        "working_point": np.repeat([flow.working_point for flow in agreed], bins),
        "bin": np.tile(np.arange(bins, dtype=np.int32), len(agreed)),
        "bin_low": np.tile(binning.edges[:-1], len(agreed)),
        "bin_high": np.tile(binning.edges[1:], len(agreed)),
    }
    for split, events in (("train", sample), ("validation", validation)):
        for label, role in ((1, "signal"), (0, "background")):
            before, share = _in_bins(binning, agreed, events, label)
            columns[f"{split}_{role}_events"] = before
            columns[f"{split}_{role}_efficiency"] = share
    return columns


def _in_bins(binning: Binning, flows: Sequence[CutFlow], events: EventSample | None, label: int) -> tuple[Any, Array]:
    """Return the events of a class in each bin, and the share that each flow keeps; flow by flow."""
    counts, shares = np.zeros((len(flows), len(binning)), dtype=np.int64), np.full((len(flows), len(binning)), np.nan)
    if events is not None:
        mine = events.label == label
        where = binning.of(events.columns[binning.observable])[mine] + 1
        weight = events.weight[mine]
        total = np.bincount(where, weight, len(binning) + 1)[1:]
        counts[:] = np.bincount(where, minlength=len(binning) + 1)[1:]
        for number, flow in enumerate(flows):
            kept = flow.mask(events.columns, len(events))[mine]
            sums = np.bincount(where, weight * kept, len(binning) + 1)[1:]
            shares[number] = np.where(total > 0, sums / np.where(total > 0, total, 1.0), np.nan)
    return counts.ravel(), shares.ravel()
