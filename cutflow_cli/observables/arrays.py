"""What is done with one list per event: pick, slice, join, order, pair, add up.

Event-level values are numpy arrays of shape (events,); values of objects are awkward arrays `events * var * number`.
Everything that leaves here is double precision.
"""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Jagged = Any  # awkward ships no types


def doubles(values: Any) -> Any:  # noqa: ANN401
    """Return values in double precision, whether one per event or one per object."""
    if isinstance(values, ak.Array):
        return values if ak.type(values).content == _DOUBLES else ak.values_astype(values, np.float64)
    return np.asarray(values, dtype=np.float64)


_DOUBLES = ak.types.ListType(ak.types.NumpyType("float64"))


def counts(values: Jagged) -> Integers:
    """Return the number of objects of each event."""
    return np.asarray(ak.to_numpy(ak.num(values, axis=1)), dtype=np.int64)


def flat(values: Jagged) -> NDArray[Any]:
    """Return the values of all objects of all events, one after another."""
    return np.asarray(ak.to_numpy(ak.flatten(values, axis=1)))


def lists(content: NDArray[Any], number: Integers) -> Jagged:
    """Divide values into one list per event, the inverse of `flat`."""
    return ak.unflatten(content, number)


def starts(number: Integers) -> Integers:
    """Return where the list of each event begins in the flat values."""
    return np.cumsum(number) - number


def nth(values: Jagged, index: int) -> Floats:
    """Return one object of each event; NaN where an event has fewer."""
    layout = ak.to_layout(values)
    if not isinstance(layout, ak.contents.ListOffsetArray):
        layout = ak.to_packed(layout, highlevel=False).to_ListOffsetArray64(True)
    offsets = np.asarray(layout.offsets.data)
    content = ak.to_numpy(layout.content)
    place = offsets[:-1] + index
    there = place < offsets[1:]
    result = np.full(len(place), np.nan)
    result[there] = content[place[there]]
    return result


def sliced(values: Jagged, start: int, stop: int | None) -> Jagged:
    """Return the objects from `start` up to, not including, `stop` of each event."""
    return doubles(values[:, start:stop])


def inner(values: Jagged, index: int) -> Jagged:
    """Return one number of the list that each object has; NaN where a list is shorter."""
    return lists(nth(ak.flatten(values, axis=1), index), counts(values))


def zeros(values: Any) -> Any:  # noqa: ANN401
    """Return zero wherever there is a value, NaN where it is missing."""
    return doubles(values) * 0.0


def at_most_one(values: Floats) -> Jagged:
    """Return event-level values as lists of one."""
    return lists(np.asarray(values, dtype=np.float64), np.ones(len(values), dtype=np.int64))


def join(*parts: Jagged) -> Jagged:
    """Return the objects of several collections as one, in the order given."""
    return ak.concatenate([doubles(part) for part in parts], axis=1)


def falling_order(values: Jagged) -> Jagged:
    """Return the places of the objects ordered by falling value; equal ones stay in their order."""
    return ak.argsort(values, axis=1, ascending=False, stable=True)


def take(values: Jagged, places: Jagged) -> Jagged:
    """Return the objects at given places of their event."""
    return values[places]


def cross(first: Jagged, second: Jagged) -> tuple[Jagged, Jagged]:
    """Pair every object of one collection with every one of another, the first changing slowest."""
    left, right = ak.unzip(ak.cartesian([doubles(first), doubles(second)], axis=1))
    return left, right


def item(parts: tuple[Any, ...], index: int) -> Any:  # noqa: ANN401
    """Return one of several results."""
    return parts[index]


def total(values: Jagged) -> Floats:
    """Add up the values of each event; 0 for none."""
    return np.asarray(ak.to_numpy(ak.sum(values, axis=1)), dtype=np.float64)


def number_between(number: Any, start: int, stop: int | None) -> Floats:  # noqa: ANN401
    """Return how many of `number` objects a slice keeps."""
    upper = np.asarray(number, dtype=np.float64)
    if stop is not None:
        upper = np.minimum(upper, stop)
    return np.maximum(upper - start, 0.0)


def divide(numerator: Any, denominator: Any) -> Any:  # noqa: ANN401
    """Divide; 0/0 is missing, and a missing value stays so."""
    return numerator / denominator


def missing_without_objects(values: Floats, *number: Integers) -> Floats:
    """Return values, NaN where there are no objects in any of several collections."""
    return np.where(np.sum(number, axis=0) > 0, values, np.nan)
