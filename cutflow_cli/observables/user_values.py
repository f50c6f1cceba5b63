"""What users' functions give, checked before anything is made of it."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from cutflow_cli.errors import InputError


def checked(*values: Any) -> Any:  # noqa: ANN401
    """Call a user's function and check what it gives.

    Args:
        values: its arguments, then the observable and whether it gives one number per object.

    Raises:
        InputError: if it fails or gives something else.
    """
    *arguments, user, per_object = values
    result = user(*arguments)
    events = len(arguments[0])
    where = f"{user.file}: function {getattr(user.function, '__name__', user.name)!r}"
    try:
        layout = ak.to_layout(result if isinstance(result, ak.Array) else np.asarray(result))
        found = ak.Array(layout)
        kind = ak.type(found).content
        shape_fits = len(found) == events
        found = ak.fill_none(found, np.nan, axis=-1)
    except (TypeError, ValueError) as error:
        msg = f"{where} gave {type(result).__name__}, not numbers"
        raise InputError(msg) from error
    dimensions = found.ndim
    dtype = _dtype(found)
    if not shape_fits or dtype is None or dimensions != (2 if per_object else 1):
        wanted = "one number per object of each event" if per_object else f"one number for each of {events} events"
        hint = ""
        if shape_fits and dtype is not None and dimensions in (1, 2):
            hint = f"; if that is meant, write per_object={not per_object} in its @observable"
        msg = f"{where} gave {len(found)} * {kind}, {wanted} expected{hint}"
        raise InputError(msg)
    return ak.values_astype(found, np.float64) if per_object else _numbers(found)


def _dtype(values: Any) -> str | None:  # noqa: ANN401
    """Return the type of the numbers, None if they are no numbers."""
    try:
        flat = ak.to_numpy(ak.flatten(values, axis=None))
    except (TypeError, ValueError):
        return None
    return flat.dtype.name if flat.dtype.kind in "fiub" else None


def _numbers(values: Any) -> NDArray[np.float64]:  # noqa: ANN401
    return np.asarray(ak.to_numpy(values), dtype=np.float64)
