"""The text of the module that the dialect `awkward` writes: its frame, and functions that stand in it if called."""

from __future__ import annotations

#: To be formatted with docstring, columns and body.
MODULE = '''\
"""{docstring}

    from selection import packed, select

    kept = events[select(events)]
    selection = packed(events)         # coffea's PackedSelection, one name a cut
"""

import awkward as ak
import numpy as np


def cuts(events):
    """Say which events pass each cut, whatever the other cuts do.

    Args:
        events: an array of records: NanoEvents of coffea, or columns as uproot reads them, such as FatJet_mass, with
            {columns}.

    Returns:
        The cuts in order: a dict from the cut in words to its boolean mask. A missing value passes no comparison.
    """
    with np.errstate(all="ignore"):
{body}

def select(events):
    """Say which events pass all cuts: a boolean mask of shape (events,)."""
    mask = np.ones(len(events), dtype=bool)
    for passed in cuts(events).values():
        mask &= np.asarray(passed)
    return mask


def packed(events):
    """Return the cuts as a PackedSelection, for `all`, `nminusone` and `cutflow`."""
    from coffea.analysis_tools import PackedSelection

    selection = PackedSelection()
    for name, passed in cuts(events).items():
        selection.add(name, np.broadcast_to(np.asarray(passed), len(events)))
    return selection
'''

#: Functions of the module by name, each given if it is called.
HELPERS = {
    "_column": '''\
def _column(events, name):
    """Read a column in double precision, from a record such as events.PV.npvs if it has none called PV_npvs."""
    if name in events.fields or "_" not in name:
        return _doubles(events[name])
    record, _, attribute = name.partition("_")
    return _doubles(events[record, attribute])
''',
    "_objects": '''\
def _objects(events, names, attributes):
    """Read an attribute of objects, events.FatJet.mass or FatJet_mass, whatever the capitals."""
    for name in names:
        for attribute in attributes:
            for field in events.fields:
                inner = {key.lower(): key for key in events[field].fields} if field.lower() == name else {}
                if attribute in inner:
                    return _doubles(events[field, inner[attribute]])
                if field.lower() == f"{name}_{attribute}":
                    return _doubles(events[field])
    raise KeyError(f"the events have no {names[0]} with {attributes[0]}")
''',
    "_size": '''\
def _size(events, names, start, stop):
    """Count the objects from a place on, up to, not including, another."""
    for name in names:
        for field in events.fields:
            if field.lower() == name or field.lower().startswith(f"{name}_"):
                number = ak.to_numpy(ak.num(events[field], axis=1)).astype(np.float64)
                return np.maximum((number if stop is None else np.minimum(number, stop)) - start, 0.0)
    raise KeyError(f"the events have no {names[0]}")
''',
    "_nth": '''\
def _nth(values, index):
    """Take one object of each event, NaN where there are fewer; of missing energy there is always one."""
    if values.ndim == 1:
        return values
    return ak.to_numpy(ak.fill_none(ak.pad_none(values, index + 1, axis=1)[:, index], np.nan))
''',
    "_sliced": '''\
def _sliced(values, start, stop):
    """Take the objects from a place on, up to, not including, another."""
    return values if values.ndim == 1 else values[:, start:stop]
''',
    "_any": '''\
def _any(passed):
    """Say whether a condition holds for any object of the event."""
    return ak.to_numpy(ak.any(passed, axis=1)) if passed.ndim > 1 else passed
''',
    "_all": '''\
def _all(passed):
    """Say whether a condition holds for all objects of the event; over none it does not."""
    if passed.ndim == 1:
        return passed
    return ak.to_numpy(ak.all(passed, axis=1) & (ak.num(passed, axis=1) > 0))
''',
    "_count": '''\
def _count(passed):
    """Count the objects for which a condition holds."""
    return ak.to_numpy(ak.sum(passed, axis=1)).astype(np.float64)
''',
    "_sum": '''\
def _sum(values):
    """Add up the values of the objects, 0 for none."""
    return ak.to_numpy(ak.sum(values, axis=1))
''',
    "_least": '''\
def _least(values):
    """Take the least value of the objects; NaN for none, or if one is missing."""
    least = ak.to_numpy(ak.fill_none(ak.min(values, axis=1), np.nan))
    return np.where(ak.to_numpy(ak.any(np.isnan(values), axis=1)), np.nan, least)
''',
    "_greatest": '''\
def _greatest(values):
    """Take the greatest value of the objects; NaN for none, or if one is missing."""
    greatest = ak.to_numpy(ak.fill_none(ak.max(values, axis=1), np.nan))
    return np.where(ak.to_numpy(ak.any(np.isnan(values), axis=1)), np.nan, greatest)
''',
    "_doubles": '''\
def _doubles(values):
    """Return values in double precision, NaN for what is missing: numpy for one an event."""
    values = ak.values_astype(ak.fill_none(values, np.nan), np.float64)
    return ak.to_numpy(values) if values.ndim == 1 else values
''',
}


def called_helpers(text: str) -> str:
    """Return the functions that a module calls, and those that these call."""
    needed: list[str] = []

    def add(code: str) -> None:
        for name in HELPERS:
            if f"{name}(" in code and name not in needed:
                needed.append(name)
                add(HELPERS[name].partition("\n")[2])

    add(text)
    return "".join(f"\n\n{HELPERS[name]}" for name in HELPERS if name in needed)
