"""From the trained network of one replica to its flows: as learned, or finished by the exact step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.checkpoint import Arrays, FinishedReplicas
from cutflow_cli.models.cabin.boundaries import Placed, roughness
from cutflow_cli.models.cabin.prepare import Neurons
from cutflow_cli.models.cabin.scan import Scan
from cutflow_cli.models.cabin.search import Box
from cutflow_cli.selection.cutflow import CutFlow

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Finished:
    """The flows of one replica, one for each working point.

    Attributes:
        flows: the result.
        learned: the gradient's own cuts.
        moved: those moved to the targets; None without the exact step.
        free: the lowest background found at each target; None without the exact step.
        roughness: mean distance of a boundary from the line between its neighbours, in standard deviations.
        free_roughness: the same of `free`; NaN without the exact step.
    """

    flows: tuple[CutFlow, ...]
    learned: tuple[CutFlow, ...]
    moved: tuple[CutFlow, ...] | None
    free: tuple[CutFlow, ...] | None
    roughness: float
    free_roughness: float

    @property
    def every(self) -> tuple[CutFlow, ...]:
        """All of these flows."""
        return (*self.flows, *self.learned, *(self.moved or ()), *(self.free or ()))


@dataclass(frozen=True, slots=True)
class Trained:
    """What training leaves of one replica.

    Attributes:
        neurons: what each neuron looks at.
        bias: shape (targets, neurons), with bins (targets, bins, neurons).
        slope: same shape.
        weight: the replica's training weights, shape (events,).
        replica: its number.
        seed: of the run.
        threads: how many may be used to finish it.
    """

    neurons: Neurons
    bias: Array
    slope: Array
    weight: Array
    replica: int
    seed: int
    threads: int


class FinishesReplicas(ABC):
    """Turns the parameters of replicas into flows, and adapts what they agree on.

    The exact step gives boxes in one or several scans. Boxes of one scan are tied to their neighbours.

    Attributes:
        exact: whether the exact step follows.
        between: where between its neighbours each inner box of a scan lies (`loss.positions`).
    """

    exact: bool
    between: Array

    @property
    @abstractmethod
    def dtypes(self) -> dict[str, str]:
        """Type of each column that is cut on."""

    @abstractmethod
    def moved_to_target(self, flow: CutFlow) -> CutFlow:
        """Move all boundaries of a consensus by the same number of standard deviations, until the target is kept."""

    def finish(self, trained: Trained, progress: Callable[[float], None], kept: FinishedReplicas) -> Finished:
        """Turn the parameters of one replica into its flows.

        Args:
            trained: the replica.
            progress: told the share done; what it raises ends the exact step.
            kept: what the exact step found of replicas before; it is told what it finds now.

        Raises:
            InputError: if `kept` is of another training.
        """
        flows, positions = self._learned(trained)
        if not self.exact:
            size = [np.where(np.isfinite(one), one, 0.0) for one in positions]
            return Finished(flows, flows, None, None, self._roughness(size), float("nan"))
        scans = kept.read(trained.replica, self._restored)
        if scans is None:
            scans = self._scanned(trained, positions, progress)
            kept.add(trained.replica, self._arrays(scans))
        held = [self._placed(one.held, follow=one.held is not one.free) for one in scans]
        free = [self._placed(one.free, follow=False) for one in scans]
        moved = [self._placed(one.moved, follow=False) for one in scans]
        return Finished(
            self._flows(held, trained.replica),
            flows,
            self._flows(moved, trained.replica),
            self._flows(free, trained.replica),
            self._roughness([one.position for one in held]),
            self._roughness([one.position for one in free]),
        )

    def _roughness(self, positions: Sequence[Array]) -> float:
        return float(np.mean([roughness(one, self.between) for one in positions]))

    @abstractmethod
    def _learned(self, trained: Trained) -> tuple[tuple[CutFlow, ...], Sequence[Array]]:
        """Return the gradient's own cuts, and of each scan their positions, shape (boxes, neurons)."""

    @abstractmethod
    def _scanned(
        self, trained: Trained, positions: Sequence[Array], progress: Callable[[float], None]
    ) -> tuple[Scan, ...]:
        """Do the exact step."""

    @abstractmethod
    def _placed(self, boxes: Sequence[Box], *, follow: bool) -> Placed:
        """Place the boundaries of one scan's boxes."""

    @abstractmethod
    def _flows(self, placed: Sequence[Placed], replica: int) -> tuple[CutFlow, ...]:
        """Turn the boundaries of all scans into a flow for each working point."""

    @abstractmethod
    def _arrays(self, scans: tuple[Scan, ...]) -> Arrays:
        """Turn scans into arrays to be kept."""

    @abstractmethod
    def _restored(self, stored: Arrays) -> tuple[Scan, ...]:
        """Turn them back."""
