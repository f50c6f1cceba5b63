"""From the network of one replica to flows of cuts for all events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.checkpoint import Arrays
from cutflow_cli.events.batch import EventSample
from cutflow_cli.models.cabin.boundaries import Placed, place, to_flow
from cutflow_cli.models.cabin.finish import FinishesReplicas, Trained
from cutflow_cli.models.cabin.landscape import Landscape
from cutflow_cli.models.cabin.loss import positions
from cutflow_cli.models.cabin.prepare import Neurons, Prepared
from cutflow_cli.models.cabin.scan import Scan, scan
from cutflow_cli.models.cabin.search import Box, Search, Sums
from cutflow_cli.models.cabin.settings import CabinSettings
from cutflow_cli.selection.cutflow import CutFlow

Array = NDArray[np.float64]


class Finisher(FinishesReplicas):
    """Turns parameters into flows for all events: one scan, of the targets; what replicas share is done once.

    Args:
        sample: the training split.
        data: the same, prepared.
        settings: of the training.
        landscape: the training split by ranks; None without the exact step.
    """

    def __init__(
        self, sample: EventSample, data: Prepared, settings: CabinSettings, landscape: Landscape | None
    ) -> None:
        self._sample, self._data, self._settings, self._landscape = sample, data, settings, landscape
        self._dtypes = [sample.dtypes[name] for name in sample.features]
        self.exact = landscape is not None
        self.between = np.empty(0) if settings.single else positions(settings.targets, "averaged")

    @property
    def dtypes(self) -> dict[str, str]:
        """Type of each feature's column."""
        return self._sample.dtypes

    def templates(self, replica: int) -> list[CutFlow]:
        """Return the flows of all working points, without cuts."""
        if self._settings.single:
            return [CutFlow((), replica=replica)]
        return [
            CutFlow((), f"signal_efficiency={target:.12g}", target, replica=replica)
            for target in self._settings.targets
        ]

    def learned(self, neurons: Neurons, bias: Array, slope: Array, replica: int) -> tuple[tuple[CutFlow, ...], Array]:
        """Return the gradient's own cuts, −b/w, and their positions in standard deviations, shape (targets, neurons).

        The side of a neuron is the sign of its weight. A boundary at −∞ keeps everything.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            position = np.where(slope == 0, np.where(bias > 0, -np.inf, np.inf), -bias / np.abs(slope))
        side = np.where(slope < 0, -1.0, 1.0)
        flows = []
        for template, where, sides in zip(self.templates(replica), position, side, strict=True):
            mean, std = self._data.mean[neurons.feature], self._data.std[neurons.feature]
            flow = to_flow(self._sample.features, (neurons.feature, sides), where * std + sides * mean, template)
            flows.append(flow.rounded(self._sample.dtypes))
        return tuple(flows), position

    def _learned(self, trained: Trained) -> tuple[tuple[CutFlow, ...], Sequence[Array]]:
        flows, position = self.learned(trained.neurons, trained.bias, trained.slope, trained.replica)
        return flows, (position,)

    def _scanned(
        self, trained: Trained, positions: Sequence[Array], progress: Callable[[float], None]
    ) -> tuple[Scan, ...]:
        assert self._landscape is not None
        settings, landscape = self._settings, self._landscape
        at, allowed = on_faces(landscape, trained.neurons, positions[0], trained.slope)
        found = scan(
            landscape, Sums.of(trained.weight, self._data.signal), settings.targets, at, allowed, settings.smoothness,
            settings.rho, trained.seed, trained.replica, trained.threads, progress,
        )  # fmt: skip
        return (found,)

    def moved_to_target(self, flow: CutFlow) -> CutFlow:
        """Move all boundaries of a consensus by the same number of standard deviations, until the target is kept."""
        landscape = self._landscape
        if landscape is None or flow.target is None:
            return flow
        boundaries = {}
        for step in flow.steps:
            if step.active:
                boundaries[step.cut.observable] = (step.cut.lower, step.cut.upper)
        at = np.full(len(landscape.faces), -np.inf)
        for j, (feature, side) in enumerate(zip(landscape.faces.feature, landscape.faces.side, strict=True)):
            lower, upper = boundaries.get(self._sample.features[feature], (None, None))
            raw = lower if side > 0 else None if upper is None else -upper
            if raw is not None:
                at[j] = (raw - side * self._data.mean[feature]) / self._data.std[feature]
        search = Search(landscape, Sums.of(self._data.weight, self._data.signal))
        placed = self._placed((search.moved(at, flow.target),), follow=False)
        moved = self._filled(placed, (flow,))[0]
        steps = tuple(
            replace(step, cut=new.cut) if step.active and new.active else step if not step.active else new
            for step, new in zip(flow.steps, moved.steps, strict=True)
        )
        return replace(flow, steps=steps)

    def _placed(self, boxes: Sequence[Box], *, follow: bool) -> Placed:
        assert self._landscape is not None
        between = self.between if len(boxes) == len(self._settings.targets) else np.empty(0)
        return place(
            self._landscape, [box.threshold for box in boxes], between, self._dtypes, self._data.mean, self._data.std,
            follow=follow,
        )  # fmt: skip

    def _flows(self, placed: Sequence[Placed], replica: int) -> tuple[CutFlow, ...]:
        return self._filled(placed[0], self.templates(replica))

    def _filled(self, placed: Placed, templates: Sequence[CutFlow]) -> tuple[CutFlow, ...]:
        assert self._landscape is not None
        faces = (self._landscape.faces.feature, self._landscape.faces.side)
        return tuple(
            to_flow(self._sample.features, faces, value, template)
            for value, template in zip(placed.value, templates, strict=True)
        )

    def _arrays(self, scans: tuple[Scan, ...]) -> Arrays:
        return scans[0].arrays()

    def _restored(self, stored: Arrays) -> tuple[Scan, ...]:
        return (Scan.restored(stored),)


def on_faces(landscape: Landscape, neurons: Neurons, position: Array, slope: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Give each neuron's position to the face of its feature and side; other faces stay open and are not searched."""
    at = np.full((len(position), len(landscape.faces)), -np.inf)
    allowed = np.zeros(at.shape, dtype=np.bool_)
    for j, (feature, side) in enumerate(zip(landscape.faces.feature, landscape.faces.side, strict=True)):
        for k in np.flatnonzero(neurons.feature == feature):
            mine = (slope[:, k] < 0) == (side < 0)
            at[mine, j], allowed[mine, j] = position[mine, k], True
    return at, allowed
