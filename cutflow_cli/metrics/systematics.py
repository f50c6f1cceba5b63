"""Systematic uncertainty of the background: fractions of it that are given, and shifts under systematic variations."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cutflow_cli.errors import UsageError, nearest

OPTION = "--background-systematic"


@dataclass(frozen=True, slots=True)
class BackgroundSystematics:
    """Relative systematic uncertainties of the background.

    Together σ² = (common × Σ B_p over processes without their own)² + Σ (own_p B_p)²: the common one moves its
    processes together, as that of the luminosity does; each process's own is independent of all others. Both are
    fractions at any selection; one that changes with the cuts is no such fraction.

    Attributes:
        common: fraction of the sum of all background processes that have none of their own.
        own: name and fraction of each process that has.
    """

    common: float = 0.0
    own: tuple[tuple[str, float], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.common or any(fraction for _, fraction in self.own))

    def relative(self, yields: Mapping[str, float]) -> float:
        """Return the uncertainty as a fraction of B.

        Args:
            yields: expected events of each background process that are kept.

        Returns:
            σ/|B|; 0 where nothing is expected.
        """
        total = math.fsum(yields.values())
        if not total:
            return 0.0
        own = dict(self.own)
        shared = math.fsum(value for name, value in yields.items() if name not in own)
        parts = [self.common * shared, *(fraction * yields.get(name, 0.0) for name, fraction in self.own)]
        return math.hypot(*parts) / abs(total)

    def __str__(self) -> str:
        """Return it for people, such as `10 % of B` or `10 % of B without QCD ⊕ 30 % of QCD`."""
        without = " without " + ", ".join(name for name, _ in self.own) if self.own else ""
        parts = [f"{100 * self.common:g} % of B{without}"] if self.common else []
        parts += [f"{100 * fraction:g} % of {name}" for name, fraction in self.own if fraction]
        return " ⊕ ".join(parts)


def parse_systematics(texts: Sequence[str]) -> BackgroundSystematics:
    """Read what the option says: `0.1` for all background, `QCD=0.3` for a process.

    Raises:
        UsageError: for anything else, and where one thing is said twice.
    """
    common: float | None = None
    own: dict[str, float] = {}
    for text in texts:
        name, separator, number = text.rpartition("=")
        name, where = name.strip(), f"{OPTION} {text}"
        try:
            fraction = float(number)
        except ValueError:
            fraction = math.nan
        if not (math.isfinite(fraction) and fraction >= 0) or (separator and not name):
            msg = f"{where}: give a fraction, 0.1 for 10 % of all background or QCD=0.3 for 30 % of a process"
            raise UsageError(msg)
        if (name in own) if separator else (common is not None):
            msg = f"{where}: the uncertainty of {name or 'all background'} is given twice"
            raise UsageError(msg)
        if separator:
            own[name] = fraction
        else:
            common = fraction
    return BackgroundSystematics(common or 0.0, tuple(own.items()))


def require_processes(systematics: BackgroundSystematics, background: Sequence[str], where: str) -> None:
    """Check that all processes that have an uncertainty are background.

    Args:
        systematics: the uncertainties.
        background: names of the background processes.
        where: the file that has them.

    Raises:
        UsageError: for a process that is not.
    """
    for name, _ in systematics.own:
        if name not in background:
            msg = f"{OPTION} {name}: {where} has no background process of that name; {nearest(name, background)}"
            raise UsageError(msg)


#: How the names of the two sides of a source end.
_SIDE = re.compile(r"[_.-]?(up|down)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Source:
    """One source of systematic uncertainty.

    Attributes:
        name: of the source; that of the variation where it has one alone.
        variations: up and down, or one alone.
    """

    name: str
    variations: tuple[str, ...]

    def size(self, shifts: Mapping[str, ArrayLike]) -> NDArray[np.float64]:
        """Return the uncertainty from the shifts under its variations, the larger in absolute value.

        Two sides are symmetrised to the larger shift, which is on the safe side where they differ, and the same
        whether they lie on either side of the nominal value or on one; it holds for shifts that are small or nearly
        symmetric (R. Barlow, physics/0306138, on what can be said of others).

        Args:
            shifts: under each variation, all of one shape.
        """
        return np.asarray(np.max([np.abs(shifts[name]) for name in self.variations], axis=0), dtype=np.float64)


def sources_of(variations: Sequence[str]) -> tuple[Source, ...]:
    """Find which variations are the two sides of one source: names that differ by up and down at the end, in any case.

    `pu_up` and `pu_down`, or `JesUp` and `JesDown`; what has no other side is a source of its own.

    Args:
        variations: names, in any order.

    Returns:
        In the order of the first variation of each.
    """
    groups: dict[str, list[str]] = {}
    for name in variations:
        groups.setdefault(_SIDE.sub("", name), []).append(name)
    found: dict[str, Source] = {}
    for name in variations:
        stem, side = _SIDE.sub("", name), _SIDE.search(name)
        sides = [match[1].lower() for other in groups[stem] if (match := _SIDE.search(other))]
        if side is None or sorted(sides) != ["down", "up"]:
            found[name] = Source(name, (name,))
            continue
        pair = tuple(other for other in groups[stem] if _SIDE.search(other))
        title = stem if stem and stem not in variations else "/".join(pair)
        found.setdefault(title, Source(title, pair))
    return tuple(found.values())


def quadratic_sum(sources: Sequence[Source], shifts: Mapping[str, ArrayLike]) -> NDArray[np.float64]:
    """Add the uncertainties of independent sources in quadrature.

    Args:
        sources: taken to be independent of each other.
        shifts: under each of their variations, all of one shape.

    Returns:
        Of the shape of a shift; 0 without sources.
    """
    sizes = [source.size(shifts) for source in sources]
    return np.asarray(np.sqrt(np.sum(np.square(sizes), axis=0))) if sizes else np.zeros(())
