"""The exact step: hard cuts for every target efficiency, held together across targets as far as is asked.

For each target the background that a box keeps is minimised (`search`). Over the whole scan the objective is Σ_t
ln(ε_b,t) / δ_t + X Σ P. δ_t is the relative statistical error of the lowest ε_b that was found at target t: a
difference of background counts in units of what the training split can tell apart. P is the smoothness of equation 8
(arXiv:2502.08615) with linear interpolation, averaged over faces, for each inner target. So X is how many standard
deviations of ε_b one unit of P is worth: where few background events are left, neighbours decide, where there are many
hardly anything is paid. X = 0 leaves the targets free. With X > 0 cuts in the outskirts, which reject a handful of
events far from all others, are dropped unless they are worth it. Under the logarithm, and in δ, stands one event's
background more, so that working points without background in the training split are finite.

No box of the result keeps more background than the gradient's cuts moved to the same target.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cutflow_cli.engine.checkpoint import Arrays
from cutflow_cli.engine.randomness import Stream, generator
from cutflow_cli.models.cabin.landscape import Landscape
from cutflow_cli.models.cabin.loss import OUTSKIRTS, positions, smoothness_terms
from cutflow_cli.models.cabin.search import Box, Pull, Search, Sums, all_pairs

Array = NDArray[np.float64]

#: Passes over the targets in which each is adapted to its neighbours.
SWEEPS = 3
#: Rounds in which the targets try their neighbours' boxes.
EXCHANGES = 2
#: A cut in the outskirts is dropped if the background without it is higher by at most this many standard deviations.
WORTH = 1.0


@dataclass(frozen=True, slots=True)
class Scan:
    """The boxes of one replica.

    Attributes:
        moved: the gradient's cuts moved to each target.
        free: the lowest background found at each target.
        held: the boxes that smoothness chose; the same as `free` without it.
    """

    moved: tuple[Box, ...]
    free: tuple[Box, ...]
    held: tuple[Box, ...]

    def arrays(self) -> Arrays:
        """Return everything by name, for a checkpoint."""
        parts = {"moved": self.moved, "free": self.free} | ({} if self.held is self.free else {"held": self.held})
        found: Arrays = {}
        for name, boxes in parts.items():
            found[name] = np.stack([box.threshold for box in boxes])
            found[f"{name}_efficiency"] = np.array([[box.signal, box.background] for box in boxes])
        return found

    @classmethod
    def restored(cls, stored: Arrays) -> Scan:
        """Read what `arrays` gave.

        Raises:
            KeyError, ValueError: if it is something else.
        """
        moved, free = _boxes(stored, "moved"), _boxes(stored, "free")
        return cls(moved, free, _boxes(stored, "held") if "held" in stored else free)


def _boxes(stored: Arrays, name: str) -> tuple[Box, ...]:
    pairs = zip(stored[name], stored[f"{name}_efficiency"].tolist(), strict=True)
    return tuple(Box(threshold, signal, background) for threshold, (signal, background) in pairs)


def scan(
    landscape: Landscape,
    sums: Sums,
    targets: Sequence[float],
    learned: Array,
    allowed: NDArray[np.bool_],
    strength: float,
    rho: float,
    seed: int,
    replica: int,
    threads: int,
    progress: Callable[[float], None] = lambda done: None,
) -> Scan:
    """Find the boxes of one replica.

    Args:
        landscape: the training split by ranks.
        sums: the replica's weights.
        targets: signal efficiencies, rising.
        learned: where the gradient's cuts lie, −∞ for none, shape (targets, faces).
        allowed: which faces may cut at which target, same shape.
        strength: of the smoothness; 0 for none.
        rho: of equation 8.
        seed: of the run.
        replica: its number, for the search's own random numbers.
        threads: how many targets are searched at a time; results do not depend on it.
        progress: told the share done; what it raises ends the scan.
    """
    return scan_rows(
        [Search(landscape, sums)] * len(targets), targets, positions(tuple(targets), "averaged"), learned, allowed,
        strength, rho, [generator(seed, replica, Stream.INITIAL, t) for t in range(len(targets))], threads, progress,
    )  # fmt: skip


def scan_rows(
    searches: Sequence[Search],
    targets: Sequence[float],
    between: Array,
    learned: Array,
    allowed: NDArray[np.bool_],
    strength: float,
    rho: float,
    randoms: Sequence[np.random.Generator],
    threads: int,
    progress: Callable[[float], None] = lambda done: None,
    *,
    exchange: bool = True,
) -> Scan:
    """Find boxes that neighbour each other, each with events, weights and target of its own.

    Args:
        searches: of each row, all with the same faces and the same unit of positions.
        targets: signal efficiency of each row.
        between: where each inner row lies between its neighbours (`loss.positions`).
        learned: where the gradient's cuts lie, −∞ for none, shape (rows, faces).
        allowed: which faces may cut in which row, same shape.
        strength: of the smoothness; 0 for none.
        rho: of equation 8.
        randoms: random numbers of each row.
        threads: how many rows are searched at a time; results do not depend on it.
        progress: told the share done; what it raises ends the scan.
        exchange: whether rows try their neighbours' boxes; without that and strength 0 they know nothing of each other.
    """
    moved = tuple(searches[t].moved(learned[t], target) for t, target in enumerate(targets))
    faces = [np.flatnonzero(row) for row in allowed]

    def explore(t: int) -> list[Box]:
        return [*searches[t].best(targets[t], [moved[t].threshold], faces[t], randoms[t]), moved[t]]

    def exchanged(t: int) -> list[Box]:
        return [*_neighbours(searches, found, t, targets[t], faces[t]), *found[t]]

    progress(0.0)
    with ThreadPoolExecutor(max_workers=threads) as pool:
        try:
            # Two threads that load compiled code for the first time may wait for each other for ever.
            found = [explore(0)]
            for boxes in pool.map(explore, range(1, len(targets))):
                found.append(boxes)
                progress(0.6 * len(found) / len(targets))
            for round_ in range(EXCHANGES if exchange else 0):
                found = [_ranked(boxes) for boxes in pool.map(exchanged, range(len(targets)))]
                progress(0.6 + 0.1 * (round_ + 1))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # who stops does not wait for the other targets
            raise
    found = found if exchange else [_ranked(boxes) for boxes in found]
    free = tuple(boxes[0] for boxes in found)
    if strength == 0 or len(targets) < 3:
        return Scan(moved, free, free)
    error = np.array([search.relative_error(box) for search, box in zip(searches, free, strict=True)])
    held = _Holding(searches, targets, between, faces, [box.background for box in moved], error, strength, rho)
    return Scan(moved, free, held.hold(found))


def _ranked(boxes: list[Box]) -> list[Box]:
    return sorted(boxes, key=lambda found: (found.background, found.signal))


def _neighbours(
    searches: Sequence[Search], found: list[list[Box]], t: int, target: float, faces: NDArray[np.int64]
) -> list[Box]:
    """Try the best boxes of the neighbouring rows, moved to this one's target, and finish them."""
    pairs, search = all_pairs(faces), searches[t]
    results = []
    for other in (t - 1, t + 1):
        if 0 <= other < len(found):
            at = searches[other].landscape.at(found[other][0].threshold)
            at[np.setdiff1d(np.arange(len(at)), faces)] = -np.inf
            start = search.moved(at, target)
            if start.signal >= target - 1e-9:
                results.append(search.tightened(search.polished(start.threshold, target, pairs), target))
    return results


class _Holding:
    """Chooses among boxes of all targets, and adapts them, so that neighbours lie near each other."""

    def __init__(
        self,
        searches: Sequence[Search],
        targets: Sequence[float],
        between: Array,
        faces: list[NDArray[np.int64]],
        limits: list[float],
        error: Array,
        strength: float,
        rho: float,
    ) -> None:
        self._searches, self._targets, self._faces, self._limits = searches, targets, list(faces), limits
        self._error, self._rho = error, rho
        self._strength = strength * error  # of P beside each target's own ln(ε_b)
        self._between = between
        self._pseudo = [search.sums.event for search in searches]

    def hold(self, found: list[list[Box]]) -> tuple[Box, ...]:
        chosen = self._path(found)
        for sweep in range(SWEEPS):
            order = range(len(chosen)) if sweep % 2 == 0 else range(len(chosen) - 1, -1, -1)
            for t in order:
                if sweep == SWEEPS - 1:
                    chosen[t] = self._pruned(chosen[t], t)
                chosen[t] = self._adapted(chosen, t)
        return tuple(
            search.tightened(box, target)
            for search, box, target in zip(self._searches, chosen, self._targets, strict=True)
        )

    def _path(self, found: list[list[Box]]) -> list[Box]:
        """Choose one box a target, of least total objective: exact, by dynamic programming over neighbouring pairs."""
        place = [
            np.maximum(np.stack([search.landscape.at(box.threshold) for box in boxes]), OUTSKIRTS)
            for search, boxes in zip(self._searches, found, strict=True)
        ]
        value = [
            np.log(np.array([max(box.background, 0.0) for box in boxes]) + pseudo) / strength
            for boxes, strength, pseudo in zip(found, self._strength, self._pseudo, strict=True)
        ]
        cost = value[0][:, None] + value[1][None, :]
        back: list[NDArray[np.int64]] = []
        for t in range(2, len(found)):
            a, b, c = place[t - 2][:, None, None], place[t - 1][None, :, None], place[t][None, None, :]
            triple = np.stack(np.broadcast_arrays(a, b, c), axis=-2)
            term = smoothness_terms(triple, self._between[t - 2 : t - 1], self._rho)[..., 0, :].mean(axis=-1)
            total = cost[:, :, None] + term + value[t][None, None, :]
            back.append(total.argmin(axis=0))
            cost = total.min(axis=0)
        i, k = np.unravel_index(int(cost.argmin()), cost.shape)
        picks = [int(k), int(i)]
        for step in reversed(back):
            picks.append(int(step[picks[-1], picks[-2]]))
        return [boxes[pick] for boxes, pick in zip(found, reversed(picks), strict=True)]

    def _pruned(self, found: Box, t: int) -> Box:
        """Open faces that cut in the outskirts, if that costs less than the background's error; least useful first."""
        search, pseudo = self._searches[t], self._pseudo[t]
        landscape, sums = search.landscape, search.sums
        most = min(self._limits[t], (found.background + pseudo) * np.exp(WORTH * self._error[t]) - pseudo)
        failed = landscape.rank < found.threshold[:, None]
        alone = failed & (failed.sum(axis=0) == 1)
        for face in np.argsort(alone @ sums.background, kind="stable"):
            at = landscape.at(found.threshold)
            if not -np.inf < at[face] < OUTSKIRTS:
                continue
            at[face] = -np.inf
            without = search.moved(at, self._targets[t])
            if without.background > most:
                break
            found = without
            self._faces[t] = self._faces[t][self._faces[t] != face]
        return found

    def _adapted(self, chosen: list[Box], t: int) -> Box:
        penalty = self._penalty(chosen, t)
        pull = Pull(penalty, penalty.argmin(axis=1), self._pseudo[t], self._limits[t] + 1e-12)
        return self._searches[t].polished(chosen[t].threshold, self._targets[t], all_pairs(self._faces[t]), pull)

    def _penalty(self, chosen: list[Box], t: int) -> Array:
        """Return what each threshold of each face would cost in smoothness, the other targets held."""
        where = np.maximum(self._searches[t].landscape.position, OUTSKIRTS)
        rows = np.arange(len(where))
        at = [
            np.maximum(search.landscape.position[rows, box.threshold], OUTSKIRTS)[:, None]
            for search, box in zip(self._searches, chosen, strict=True)
        ]
        penalty = np.zeros(where.shape)
        for middle in range(max(1, t - 1), min(len(chosen) - 1, t + 2)):
            triple = [where if k == t else np.broadcast_to(at[k], where.shape) for k in range(middle - 1, middle + 2)]
            terms = smoothness_terms(np.stack(triple, axis=1), self._between[middle - 1 : middle], self._rho)
            penalty += terms[:, 0]
        closed = np.setdiff1d(rows, self._faces[t])
        penalty[closed] = 0.0
        return np.asarray(penalty * (self._strength[t] / len(where)))
