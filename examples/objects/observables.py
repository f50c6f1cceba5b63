"""Observables of one's own: a Python file that the command line names.

    cutflow ingest samples.toml --observables-from observables.py --out events.parquet

A function is given arrays, numpy for one value per event and awkward for one per object, and returns one of either.
What stands behind the name says where they come from: columns, or other observables. `{0}` and `{1}` are the objects
that the observable is asked of.
"""

import awkward as ak
import numpy as np

from cutflow_cli.observables import observable


@observable("met_significance", "missinget0.met", "jet.ht")
def met_significance(met, ht):
    """Missing energy over the square root of the jets' activity, in √GeV; used as `met_significance`."""
    return met / np.sqrt(ht)


@observable("pt_balance", "{0}.pt", "{1}.pt")
def pt_balance(first, second):
    """How unequal two objects are; used as `fatjet0,fatjet1.pt_balance`."""
    return (first - second) / (first + second)


def beyond(threshold):
    """Make an observable with a parameter: the scalar sum of transverse momenta above a threshold in GeV."""

    @observable(f"ht{threshold}", "{0}.pt", per_object=False)
    def ht(pt):
        return ak.sum(pt[pt > threshold], axis=1)

    return ht


beyond(30)  # used as `jet.ht30`
beyond(50)
